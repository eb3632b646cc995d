//! Where a database is and how to get there, as a URL says it.
//!
//! Its words are those of libpq where that has them. What is not known is an error instead of being passed over: a
//! misspelt `sslmode` must not mean a connection that anybody can read.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::secret::Secret;

/// The URL of a PostgreSQL database, of which only the place is ever shown.
///
/// ```
/// use tokenkeep::store::PostgresUrl;
///
/// let url = PostgresUrl::parse("postgres://tokenkeep:a-password@db.example/tokens?sslrootcert=/etc/ssl/db.pem")?;
/// assert_eq!(url.to_string(), "postgres://db.example/tokens");
/// assert!(!format!("{url:?}").contains("a-password"));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    pub(super) place: Place,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: Option<Secret>,
    pub(super) database: String,
    pub(super) schema: String,
    pub(super) tls: Tls,
    pub(super) application_name: String,
    pub(super) max_connections: usize,
    pub(super) connect_timeout: Duration,
    pub(super) statement_timeout: Duration,
}

/// How the server is reached.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A name or address, without the brackets of IPv6.
    Host(String),
    /// The folder of a socket.
    Socket(PathBuf),
}

/// What must be true of the connection.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) mode: TlsMode,
    pub(super) root_cert: Option<PathBuf>,
    /// The client's certificate and its key.
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// Never encrypted.
    Disable,
    /// Encrypted if the server can do it.
    Prefer,
    /// Encrypted, to whoever answers.
    Require,
    /// To one whose certificate is of a known authority.
    VerifyCa,
    /// And in the name of the host.
    VerifyFull,
}

impl PostgresUrl {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=…` or the same with `postgresql:`; parts with other
    /// characters than letters, digits, `-`, `.`, `_` and `~` are percent-encoded. The error says what is wrong, and shows
    /// nothing of a password.
    ///
    /// | option | default | |
    /// |---|---|---|
    /// | `schema` | `tokenkeep` | where the tables lie |
    /// | `sslmode` | `verify-full`; `prefer` on this machine | `disable`, `prefer`, `require`, `verify-ca`, `verify-full` |
    /// | `sslrootcert` | Mozilla's authorities | a PEM file with further ones |
    /// | `sslcert`, `sslkey` | none | PEM files of this client |
    /// | `max_connections` | 8 | at most so many at once, beside the one that listens |
    /// | `connect_timeout` | 5 | in seconds |
    /// | `statement_timeout` | 5 | in seconds |
    /// | `application_name` | `tokenkeep` | as the server's lists show it |
    ///
    /// ```
    /// # use tokenkeep::store::PostgresUrl;
    /// assert!(PostgresUrl::parse("postgres://tokenkeep@%2Frun%2Fpostgresql/tokens").is_ok()); // a unix socket
    /// let error = PostgresUrl::parse("postgres://tokenkeep@db.example/tokens?sslmod=require").unwrap_err();
    /// assert!(error.starts_with("postgres: behind the question mark can stand schema, sslmode, sslrootcert"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, String> {
        let url =
            Url::parse(text).map_err(|_| format!("postgres: is not a URL; {FORM}, with one host, and {ENCODED}"))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(format!("postgres: is another URL; {FORM}"));
        }
        let part = |name: &str, text: &str| {
            let decoded =
                percent_decode_str(text).decode_utf8().map_err(|_| format!("postgres: the {name} is not UTF-8"))?;
            // No text of the protocol can hold it.
            if decoded.contains('\0') {
                Err(format!("postgres: the {name} has a NUL"))
            } else {
                Ok(decoded.into_owned())
            }
        };
        let named = |name: &str, text: &str| match part(name, text)? {
            text if text.is_empty() => Err(format!("postgres: the URL names no {name}; {FORM}")),
            text => Ok(text),
        };
        let options = Options::read(&url)?;
        let place = Place::new(named("host", url.host_str().unwrap_or(""))?)?;
        Ok(Self {
            port: url.port().unwrap_or(PORT),
            user: named("user", url.username())?,
            password: url.password().map(|text| part("password", text).map(Secret::new)).transpose()?,
            database: named("database", url.path().trim_start_matches('/'))?,
            schema: options.schema.unwrap_or_else(|| SCHEMA.into()),
            tls: Tls {
                mode: options.mode.unwrap_or_else(|| place.usual_mode(options.root_cert.is_some())),
                root_cert: options.root_cert,
                client: options.client,
            },
            application_name: options.application_name.unwrap_or_else(|| "tokenkeep".into()),
            max_connections: options.max_connections.unwrap_or(MAX_CONNECTIONS),
            connect_timeout: options.connect_timeout.unwrap_or(TIMEOUT),
            statement_timeout: options.statement_timeout.unwrap_or(TIMEOUT),
            place,
        })
    }

    /// The same with relative paths of certificates taken from `base`.
    #[must_use]
    pub(in crate::store) fn resolved(mut self, base: &Path) -> Self {
        self.tls.root_cert = self.tls.root_cert.map(|path| base.join(path));
        self.tls.client = self.tls.client.map(|(certificate, key)| (base.join(certificate), base.join(key)));
        self
    }
}

impl Place {
    fn new(host: String) -> Result<Self, String> {
        if host.starts_with('/') {
            return Ok(Self::Socket(host.into()));
        }
        if host.contains(',') {
            return Err("postgres: names one host; put a name that follows the primary in the place of several".into());
        }
        Ok(Self::Host(host.trim_start_matches('[').trim_end_matches(']').to_owned()))
    }

    /// Who names an authority wants it to be looked at; beyond this machine anybody could answer.
    fn usual_mode(&self, has_authority: bool) -> TlsMode {
        let is_near = match self {
            Self::Socket(_) => true,
            Self::Host(host) => {
                host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        };
        if is_near && !has_authority { TlsMode::Prefer } else { TlsMode::VerifyFull }
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Host(host) if host.contains(':') => write!(f, "postgres://[{host}]")?,
            Place::Host(host) => write!(f, "postgres://{host}")?,
            Place::Socket(folder) => write!(f, "postgres://{}", folder.display().to_string().replace('/', "%2F"))?,
        }
        if self.port != PORT {
            write!(f, ":{}", self.port)?;
        }
        write!(f, "/{}", self.database)?;
        if self.schema == SCHEMA { Ok(()) } else { write!(f, "?schema={}", self.schema) }
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

/// What stands behind the question mark.
#[derive(Default)]
struct Options {
    schema: Option<String>,
    mode: Option<TlsMode>,
    root_cert: Option<PathBuf>,
    client: Option<(PathBuf, PathBuf)>,
    application_name: Option<String>,
    max_connections: Option<usize>,
    connect_timeout: Option<Duration>,
    statement_timeout: Option<Duration>,
}

impl Options {
    fn read(url: &Url) -> Result<Self, String> {
        let mut options = Self::default();
        let (mut certificate, mut key) = (None, None);
        for (name, value) in url.query_pairs() {
            if value.is_empty() || value.contains('\0') {
                return Err(format!("postgres: the option '{}' has no value", known(&name)?));
            }
            let value = value.into_owned();
            match known(&name)? {
                "schema" => options.schema = Some(schema(value)?),
                "sslmode" => options.mode = Some(mode(&value)?),
                "sslrootcert" => options.root_cert = Some(value.into()),
                "sslcert" => certificate = Some(value.into()),
                "sslkey" => key = Some(value.into()),
                "max_connections" => options.max_connections = Some(number(&name, &value, 1..=1_000)?),
                "connect_timeout" => options.connect_timeout = Some(seconds(&name, &value)?),
                "statement_timeout" => options.statement_timeout = Some(seconds(&name, &value)?),
                _ => options.application_name = Some(value),
            }
        }
        options.client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("postgres: sslcert and sslkey go together".into()),
        };
        // As libpq has it: whoever names an authority wants more than that somebody answers.
        if options.mode == Some(TlsMode::Require) && options.root_cert.is_some() {
            options.mode = Some(TlsMode::VerifyCa);
        }
        Ok(options)
    }
}

fn known(name: &str) -> Result<&'static str, String> {
    let found = OPTIONS.into_iter().find(|option| *option == name);
    // It is not shown: it may be a part of a password with a question mark in it.
    found.ok_or_else(|| format!("postgres: behind the question mark can stand {}", OPTIONS.join(", ")))
}

fn schema(name: String) -> Result<String, String> {
    let is_plain = name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_plain {
        Ok(name)
    } else {
        Err("postgres: a schema's name has lowercase letters, digits and underscores, and begins with no digit".into())
    }
}

fn mode(text: &str) -> Result<TlsMode, String> {
    Ok(match text {
        "disable" => TlsMode::Disable,
        "prefer" => TlsMode::Prefer,
        "require" => TlsMode::Require,
        "verify-ca" => TlsMode::VerifyCa,
        "verify-full" => TlsMode::VerifyFull,
        _ => return Err("postgres: sslmode is disable, prefer, require, verify-ca or verify-full".into()),
    })
}

fn number(name: &str, text: &str, range: std::ops::RangeInclusive<usize>) -> Result<usize, String> {
    let (from, to) = (range.start(), range.end());
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("postgres: {name} is a whole number from {from} to {to}"))
}

fn seconds(name: &str, text: &str) -> Result<Duration, String> {
    number(name, text, 1..=60).map(|seconds| Duration::from_secs(seconds as u64))
}

const FORM: &str = "write postgres://USER:PASSWORD@HOST/DATABASE";
const ENCODED: &str = "what is special in a password percent-encoded, e.g. %2F for a slash and %40 for an @";
const OPTIONS: [&str; 9] = [
    "schema",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "max_connections",
    "connect_timeout",
    "statement_timeout",
    "application_name",
];
const PORT: u16 = 5432;
/// Where the statements of this module are written for; see [`super::sql`].
pub(super) const SCHEMA: &str = "tokenkeep";
const MAX_CONNECTIONS: usize = 8;
/// Together within what a manager gives to a call.
const TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_and_nothing_else() {
        for (text, shown) in [
            ("postgresql://me:hunter2@db.example:5432/tokens?application_name=billing", "postgres://db.example/tokens"),
            (
                "postgres://me:hunter2@db.example:6432/tokens?schema=billing",
                "postgres://db.example:6432/tokens?schema=billing",
            ),
            ("postgres://me:hunter2@[::1]/tokens", "postgres://[::1]/tokens"),
            ("postgres://me:hunter2@%2Frun%2Fpostgresql/tokens", "postgres://%2Frun%2Fpostgresql/tokens"),
        ] {
            let url = PostgresUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("PostgresUrl({shown})"));
        }
    }

    #[test]
    fn parts_are_decoded() {
        let url = PostgresUrl::parse("postgres://m%40e:a%2Fb%3F%25@db.example/to%20kens").unwrap();
        assert_eq!((&*url.user, &*url.database), ("m@e", "to kens"));
        assert_eq!(url.password.unwrap().expose_secret(), "a/b?%");
        assert!(PostgresUrl::parse("postgres://me:a%00b@db.example/tokens").unwrap_err().contains("has a NUL"));
    }

    #[test]
    fn beyond_this_machine_a_server_must_show_who_it_is() {
        for (place, mode) in [
            ("db.example/x", TlsMode::VerifyFull),
            ("192.0.2.7/x", TlsMode::VerifyFull),
            ("localhost/x", TlsMode::Prefer),
            ("127.0.0.1/x", TlsMode::Prefer),
            ("[::1]/x", TlsMode::Prefer),
            ("%2Frun/x", TlsMode::Prefer),
            ("localhost/x?sslrootcert=root.pem", TlsMode::VerifyFull),
            ("db.example/x?sslmode=require", TlsMode::Require),
            ("db.example/x?sslmode=require&sslrootcert=root.pem", TlsMode::VerifyCa),
            ("db.example/x?sslrootcert=root.pem&sslmode=disable", TlsMode::Disable),
        ] {
            assert_eq!(PostgresUrl::parse(&format!("postgres://me@{place}")).unwrap().tls.mode, mode, "{place}");
        }
    }
}
