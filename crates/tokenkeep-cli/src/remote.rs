//! The server that does what a command asks for: where it is, as whom it is asked, and what its refusals mean here.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use tokenkeep::{Code, Error, Key};
use tokenkeep_api::client::{ApiKey, Client, ClientBuilder, ClientError, InvalidServerUrl, ServerUrl};
use tokenkeep_api::{Problem, ProblemCode};
use zeroize::Zeroizing;

use crate::command::GlobalArgs;
use crate::environment;
use crate::exit::Failure;
use crate::output;

/// The server that `--server` or `TOKENKEEP_SERVER` names. A configuration named by an argument counts for more than a
/// server named by a variable.
pub(crate) fn client(global: &GlobalArgs) -> Result<Option<Client>, Failure> {
    let by_variable = || environment::text("TOKENKEEP_SERVER").filter(|_| global.config.is_none());
    let Some(server) = global.server.clone().or_else(by_variable) else { return Ok(None) };
    let setting = if global.server.is_some() { "--server" } else { "TOKENKEEP_SERVER" };
    let plain = Client::builder(&server).insecure(place(&server, setting)?);
    let mut builder = plain.clone();
    // Each alone too, so that the one that is wrong can be named.
    let mut alone = Vec::new();
    let mut add = |variable, with: &dyn Fn(ClientBuilder) -> ClientBuilder| {
        builder = with(builder.clone());
        alone.push((variable, with(plain.clone())));
    };
    if let Some(key) = api_key()? {
        add(key_variable().unwrap_or(KEY), &|builder| builder.api_key(key.clone()));
    }
    if let Some(path) = environment::path(CA_FILE) {
        let pem = read(&path, CA_FILE)?;
        add(CA_FILE, &|builder| builder.ca_pem(pem.as_slice()));
    }
    if let Some(path) = environment::path(CERTIFICATE) {
        let pem = read(&path, CERTIFICATE)?;
        add(CERTIFICATE, &|builder| builder.identity_pem(pem.as_slice()));
    }
    builder.build().map(Some).map_err(|error| {
        let wrong = alone.into_iter().find_map(|(variable, builder)| Some((variable, builder.build().err()?)));
        match wrong {
            Some((variable, error)) => {
                Failure::usage(format!("{variable}: {error}"), format!("mend or unset {variable}"))
            }
            None => Failure::usage(error.to_string(), "mend what is said of the server"),
        }
    })
}

/// Whether the server may be asked where others can read along. The error says what is wrong with its place, and repeats it
/// unless a secret may stand there.
fn place(server: &str, setting: &str) -> Result<bool, Failure> {
    let is_insecure = match environment::text(INSECURE).as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            let what = format!("{INSECURE} is `{}`, neither true nor false", other.escape_debug());
            return Err(Failure::usage(what, format!("write {INSECURE}=true, or unset it")));
        }
    };
    let shown = if server.contains(['@', '?', '#']) { "…".into() } else { server.escape_debug().to_string() };
    let wrong = |what: &str, next: &str| Failure::usage(format!("{setting} `{shown}`: {what}"), next);
    let parsed: ServerUrl = server.parse().map_err(|error: InvalidServerUrl| {
        let text = error.to_string();
        let (what, next) = text.split_once("; ").unwrap_or((&text, FORMS));
        wrong(what, next)
    })?;
    if !parsed.is_private() && !is_insecure {
        return Err(wrong(
            "whoever is on the way could read the API key and every token",
            "use https://; TOKENKEEP_INSECURE=true allows it all the same",
        ));
    }
    Ok(is_insecure)
}

/// The variable that says the API key.
fn key_variable() -> Option<&'static str> {
    if environment::text(KEY).is_some() { Some(KEY) } else { environment::path(KEY_FILE).map(|_| KEY_FILE) }
}

fn api_key() -> Result<Option<ApiKey>, Failure> {
    let text = environment::text(KEY).map(Zeroizing::new);
    match (text, environment::path(KEY_FILE)) {
        (Some(_), Some(_)) => Err(Failure::usage(
            "TOKENKEEP_API_KEY and TOKENKEEP_API_KEY_FILE are both set",
            "unset one of them: it is not said which of the two keys is meant",
        )),
        (Some(text), None) => Ok(Some(ApiKey::new(text.as_str()))),
        (None, Some(path)) => {
            let bytes = read(&path, KEY_FILE)?;
            let text = std::str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
            if text.is_empty() {
                let what = format!("{} (TOKENKEEP_API_KEY_FILE) holds no key", path.display());
                return Err(Failure::usage(what, "write the key that `tokenkeep key new` printed into it"));
            }
            Ok(Some(ApiKey::new(text)))
        }
        (None, None) => Ok(None),
    }
}

fn read(path: &Path, variable: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let whole = |file: File| -> io::Result<_> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
        file.take(MAX_FILE).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    File::open(path).and_then(whole).map_err(|error| {
        let what = format!("cannot read {} ({variable}): {error}", path.display());
        Failure::usage(what, "name a file that you may read, or unset the variable")
    })
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let what = error.to_string();
        let is_shown = environment::path(CERTIFICATE).is_some();
        let told = match error {
            ClientError::Answered { status, problem } => return Self::Error(answered(problem, Some(status))),
            // Whether a certificate is taken shows after it was sent: the connection ends.
            ClientError::Unreachable { ref cause, .. } if is_shown && cause.contains(ALERT) => {
                Error::new(Code::Unavailable, what).with_next(WITH_ANOTHER_IDENTITY)
            }
            ClientError::Interrupted { ref cause, .. } if is_shown && cause != TIME_OVER => {
                Error::new(Code::Unavailable, what)
                    .with_next(format!("{WITH_ANOTHER_IDENTITY}; if it may, {INTERRUPTED}"))
            }
            ClientError::Unreachable { .. } => Error::new(Code::Unavailable, what).with_next(UNREACHABLE),
            ClientError::Untrusted { ref cause, .. } => {
                Error::new(Code::Unavailable, what).with_next(with_another_certificate(cause))
            }
            ClientError::Interrupted { .. } => Error::new(Code::Unavailable, what).with_next(INTERRUPTED),
            ClientError::Invalid(_) => Error::new(Code::InvalidRequest, what),
            ref unexpected => Error::new(code(unexpected.code(), None), what).with_next(UNREACHABLE),
        };
        Self::Error(match error.retry_after() {
            Some(after) => told.with_retry_after(after),
            None => told,
        })
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Error(answered(problem, None))
    }
}

/// The error that the server answered.
fn answered(problem: Problem, status: Option<u16>) -> Error {
    let mut error = Error::new(code(problem.code, status), output::on_one_line(problem.what()));
    if let Some(next) = &problem.next {
        error = error.with_next(output::on_one_line(next));
    }
    if let Some(key) = problem.key.and_then(|key| Key::parse(&key).ok()) {
        error = error.with_key(&key);
    }
    if let Some(seconds) = problem.retry_after {
        error = error.with_retry_after(Duration::from_secs(seconds));
    }
    match problem.code {
        ProblemCode::Unauthenticated => match key_variable() {
            Some(variable) => Error::new(error.code(), format!("the server does not know the key in {variable}"))
                .with_next(WITH_ANOTHER_KEY),
            None => error.with_next(WITH_A_KEY),
        },
        ProblemCode::Forbidden => error.with_next(WITH_PERMISSION),
        _ => error,
    }
}

/// What to do about a certificate with which this is wrong.
fn with_another_certificate(cause: &str) -> &'static str {
    if cause.contains("CaUsedAsEndEntity") {
        "make it anew as a server's: with basicConstraints CA:FALSE (docs/server.md has the line); it is an authority's"
    } else if cause.contains("UnknownIssuer") || cause.contains("BadSignature") {
        "name the certificate of the authority that signed it in TOKENKEEP_CA_FILE; one that nobody signed is its own"
    } else if cause.contains("not valid for name") {
        "ask by a name that stands in it, or make it anew with this name in subjectAltName"
    } else {
        "look at the certificate that the server shows, at its dates too, and at TOKENKEEP_CA_FILE"
    }
}

fn code(code: ProblemCode, status: Option<u16>) -> Code {
    match code {
        ProblemCode::InvalidRequest => Code::InvalidRequest,
        ProblemCode::Unauthenticated => Code::Unauthenticated,
        ProblemCode::Forbidden => Code::Forbidden,
        ProblemCode::UnknownKey => Code::UnknownKey,
        ProblemCode::LoginRequired => Code::LoginRequired,
        ProblemCode::Refused => Code::Refused,
        ProblemCode::Unavailable => Code::Unavailable,
        ProblemCode::Internal => Code::Internal,
        // A newer server has a word for it that this program does not know.
        ProblemCode::Unknown => match status {
            Some(408 | 429 | 502..=504) => Code::Unavailable,
            Some(..500) => Code::InvalidRequest,
            _ => Code::Internal,
        },
    }
}

const UNREACHABLE: &str = "look whether `tokenkeep serve` runs there, and what --server or TOKENKEEP_SERVER says";
const WITH_ANOTHER_IDENTITY: &str = "look whether the server takes the certificate in TOKENKEEP_CLIENT_CERTIFICATE: its \
                                     `client_ca` must have signed it";
/// What the TLS library says of an end that the server gave a reason for.
const ALERT: &str = "received fatal alert";
/// What the client says if nothing was answered in time.
const TIME_OVER: &str = "the time was over";
const INTERRUPTED: &str = "look at the state with tokenkeep status before you try again";
const FORMS: &str =
    "write e.g. http://127.0.0.1:8640, https://broker.internal:8443 or unix:/run/tokenkeep/tokenkeep.sock";
const WITH_A_KEY: &str = "set TOKENKEEP_API_KEY, or TOKENKEEP_API_KEY_FILE, to a key that the server knows";
const WITH_ANOTHER_KEY: &str = "set it to a key that the server knows: `tokenkeep key new` makes one, with its table";
const WITH_PERMISSION: &str = "use the key of a caller who may, or have `allow` and `tokens` of this one extended";
/// In bytes; more than any key, and than the certificates of any system.
const MAX_FILE: u64 = 4 * 1024 * 1024;
const KEY: &str = "TOKENKEEP_API_KEY";
const KEY_FILE: &str = "TOKENKEEP_API_KEY_FILE";
const CA_FILE: &str = "TOKENKEEP_CA_FILE";
const CERTIFICATE: &str = "TOKENKEEP_CLIENT_CERTIFICATE";
const INSECURE: &str = "TOKENKEEP_INSECURE";
