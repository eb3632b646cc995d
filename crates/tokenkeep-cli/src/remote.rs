//! The server that does what a command asks for: where it is, as whom it is asked, and what its refusals mean here.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use tokenkeep::{Code, Error, Key};
use tokenkeep_api::client::{ApiKey, Client, ClientError};
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
    let mut builder =
        Client::builder(&server).insecure(environment::text("TOKENKEEP_INSECURE").is_some_and(|text| text == "true"));
    if let Some(key) = api_key()? {
        builder = builder.api_key(key);
    }
    if let Some(path) = environment::path("TOKENKEEP_CA_FILE") {
        builder = builder.ca_pem(read(&path, "TOKENKEEP_CA_FILE")?.as_slice());
    }
    if let Some(path) = environment::path("TOKENKEEP_CLIENT_CERTIFICATE") {
        builder = builder.identity_pem(read(&path, "TOKENKEEP_CLIENT_CERTIFICATE")?.as_slice());
    }
    let client = builder.build().map_err(|error| Failure::usage(error.to_string(), SETTINGS))?;
    Ok(Some(client))
}

fn api_key() -> Result<Option<ApiKey>, Failure> {
    let text = environment::text("TOKENKEEP_API_KEY").map(Zeroizing::new);
    match (text, environment::path("TOKENKEEP_API_KEY_FILE")) {
        (Some(_), Some(_)) => Err(Failure::usage(
            "TOKENKEEP_API_KEY and TOKENKEEP_API_KEY_FILE are both set",
            "unset one of them: it is not said which of the two keys is meant",
        )),
        (Some(text), None) => Ok(Some(ApiKey::new(text.as_str()))),
        (None, Some(path)) => {
            let bytes = read(&path, "TOKENKEEP_API_KEY_FILE")?;
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
        let told = match error {
            ClientError::Answered { status, problem } => return Self::Error(answered(problem, Some(status))),
            ClientError::Unreachable { .. } => Error::new(Code::Unavailable, what).with_next(UNREACHABLE),
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
        ProblemCode::Unauthenticated => error.with_next(WITH_A_KEY),
        ProblemCode::Forbidden => error.with_next(WITH_PERMISSION),
        _ => error,
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
const INTERRUPTED: &str = "look at the state with tokenkeep status before you try again";
const SETTINGS: &str = "mend --server, or the variable TOKENKEEP_SERVER, TOKENKEEP_API_KEY, \
                        TOKENKEEP_CA_FILE or TOKENKEEP_CLIENT_CERTIFICATE; \
                       TOKENKEEP_INSECURE=true allows http:// to other machines";
const WITH_A_KEY: &str = "set TOKENKEEP_API_KEY, or TOKENKEEP_API_KEY_FILE, to a key that the server knows";
const WITH_PERMISSION: &str = "use the key of a caller who may, or have `allow` and `tokens` of this one extended";
/// In bytes; more than any key, and than the certificates of any system.
const MAX_FILE: u64 = 4 * 1024 * 1024;
