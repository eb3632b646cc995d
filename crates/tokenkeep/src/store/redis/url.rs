//! Where the Redis server is, and how to get in: the forms of `redis:` URLs.
//!
//! Those of several hosts are no URLs in the sense of the standard (`h1:26379,h2:26379` is no host), so all are taken
//! apart here. What the options are called is what clients of other languages call them.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

use crate::secret::Secret;

/// The URL of a Redis or Valkey server, or of what leads to one. It never shows a password.
///
/// | form | leads to |
/// |---|---|
/// | `redis://[USER:PASSWORD@]HOST[:6379][/DATABASE]` | a server |
/// | `redis+unix:///PATH/OF/SOCKET[?db=DATABASE]` | a server of this machine |
/// | `redis-sentinel://[USER:PASSWORD@]HOST[:26379],…/NAME[/DATABASE]` | the server that these Sentinels call the master of this name |
/// | `redis-cluster://[USER:PASSWORD@]HOST[:6379],…` | the node of a cluster that has the store's slot |
///
/// `rediss`, `rediss-sentinel` and `rediss-cluster` are the same by TLS; `valkey` and `valkeys` can be written for
/// `redis` and `rediss`. What is special in a URL is percent-encoded. Options stand behind `?`:
///
/// | option | is |
/// |---|---|
/// | `prefix` | what the names of all keys begin with, in braces: two stores on one server have different ones; `tokenkeep` |
/// | `ssl_ca_certs` | a PEM file with the certificates to trust, in place of those of the system |
/// | `ssl_certfile`, `ssl_keyfile` | PEM files by which the client says who it is |
/// | `username`, `password` | the same as before the host, e.g. for a socket |
/// | `sentinel_username`, `sentinel_password` | how to get into the Sentinels, if they want to know |
///
/// ```
/// use tokenkeep::store::RedisUrl;
///
/// let url = RedisUrl::parse("rediss://tokenkeep:a-password@cache.example/2?prefix=live")?;
/// assert_eq!(url.to_string(), "rediss://tokenkeep@cache.example:6379/2?prefix=live");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    pub(super) places: Places,
    pub(super) tls: Option<Tls>,
    pub(super) login: Login,
    pub(super) database: u16,
    pub(super) prefix: Box<str>,
}

/// What leads to the server.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Places {
    Server(Host),
    Socket(PathBuf),
    Sentinels { hosts: Vec<Host>, master: Box<str>, login: Login },
    Cluster(Vec<Host>),
}

/// A name or an address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: Box<str>,
    pub(super) port: u16,
}

/// Who the client is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Login {
    pub(super) username: Option<Box<str>>,
    pub(super) password: Option<Secret>,
}

/// The files that TLS needs beside the trust of the system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tls {
    pub(super) ca: Option<PathBuf>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

impl RedisUrl {
    /// Reads a URL. The error says what is wrong with it and repeats nothing that can be a secret.
    ///
    /// ```
    /// # use tokenkeep::store::RedisUrl;
    /// assert!(RedisUrl::parse("redis-sentinel://one.example,two.example:26380/tokens").is_ok());
    /// let error = RedisUrl::parse("redis://cache.example?ssl=yes").unwrap_err();
    /// assert!(error.starts_with("has an option that is not known here"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let form = Form::of(scheme).ok_or("has another scheme, e.g. redis://HOST")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        if rest.contains('#') || query.contains('#') {
            return Err("has nothing behind '#'; write '#' in a password as %23".into());
        }
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (authority, path) = match (form.kind, rest.find('/')) {
            (Kind::Socket, _) => ("", rest),
            (_, Some(at)) => (&rest[..at], &rest[at + 1..]),
            (_, None) => (rest, ""),
        };
        // A password may have an '@' that nobody has encoded; a host never has one.
        let (userinfo, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let mut url = Self {
            places: form.places(hosts)?,
            tls: form.by_tls.then(Tls::default),
            login: Login::parse(userinfo)?,
            database: 0,
            prefix: DEFAULT_PREFIX.into(),
        };
        url.read_path(path)?;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            url.read_option(&name, &value)?;
        }
        url.check()?;
        Ok(url)
    }

    /// The same with relative paths taken from `base`.
    ///
    /// ```
    /// # use tokenkeep::store::RedisUrl;
    /// use std::path::Path;
    ///
    /// let url = RedisUrl::parse("rediss://cache.example?ssl_ca_certs=ca.pem")?; // in a configuration in /etc/tokenkeep
    /// let url = url.resolved(Path::new("/etc/tokenkeep")).to_string();
    /// assert_eq!(url, "rediss://cache.example:6379/0?ssl_ca_certs=/etc/tokenkeep/ca.pem");
    /// # Ok::<(), String>(())
    /// ```
    #[must_use]
    pub fn resolved(mut self, base: &Path) -> Self {
        if let Places::Socket(path) = &mut self.places {
            *path = base.join(&*path);
        }
        if let Some(Tls { ca, certificate, key }) = &mut self.tls {
            for path in [ca, certificate, key].into_iter().flatten() {
                *path = base.join(&*path);
            }
        }
        self
    }

    /// Whether it names several hosts, so that an error has to say which of them it is about.
    pub(super) fn names_several(&self) -> bool {
        matches!(self.places, Places::Sentinels { .. } | Places::Cluster(_))
    }

    /// Whether a text begins as a URL that this reads.
    pub(in crate::store) fn is_meant_by(text: &str) -> bool {
        text.split_once(':').is_some_and(|(scheme, _)| Form::of(scheme).is_some())
    }

    fn read_path(&mut self, path: &str) -> Result<(), String> {
        match &mut self.places {
            Places::Socket(socket) => *socket = decoded(path)?.into(),
            Places::Sentinels { master, .. } => {
                let (name, database) = path.split_once('/').unwrap_or((path, ""));
                *master = decoded(name)?.into();
                self.database = database_number(database)?;
            }
            Places::Server(_) | Places::Cluster(_) => self.database = database_number(path)?,
        }
        Ok(())
    }

    fn read_option(&mut self, name: &str, value: &str) -> Result<(), String> {
        let path = || Some(PathBuf::from(value));
        match (name, &mut self.tls, &mut self.places) {
            ("prefix", ..) => self.prefix = value.into(),
            ("db", ..) => self.database = database_number(value)?,
            ("username", ..) => self.login.username = Some(value.into()),
            ("password", ..) => self.login.password = Some(Secret::new(value)),
            ("ssl_ca_certs", Some(tls), _) => tls.ca = path(),
            ("ssl_certfile", Some(tls), _) => tls.certificate = path(),
            ("ssl_keyfile", Some(tls), _) => tls.key = path(),
            ("ssl_ca_certs" | "ssl_certfile" | "ssl_keyfile", None, _) => {
                return Err(format!("has the option {name}, which is for TLS: write rediss: in place of redis:"));
            }
            ("sentinel_username", _, Places::Sentinels { login, .. }) => login.username = Some(value.into()),
            ("sentinel_password", _, Places::Sentinels { login, .. }) => login.password = Some(Secret::new(value)),
            _ => {
                // Its name may be what stands behind a '?' or '&' in a password.
                return Err(format!("has an option that is not known here; there are {OPTIONS}"));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        match &self.places {
            Places::Sentinels { master, .. } if master.is_empty() => {
                return Err("needs the master's name, e.g. redis-sentinel://HOST/NAME".into());
            }
            Places::Cluster(_) if self.database != 0 => {
                return Err("names a database, and a cluster has none but 0".into());
            }
            Places::Socket(path) if path.as_os_str().is_empty() => {
                return Err("needs the path of a socket, e.g. redis+unix:///run/redis/redis.sock".into());
            }
            _ => {}
        }
        if self.tls.as_ref().is_some_and(|tls| tls.certificate.is_some() != tls.key.is_some()) {
            return Err("has one of ssl_certfile and ssl_keyfile, and needs both".into());
        }
        if self.login.username.is_some() && self.login.password.is_none() {
            return Err("names a user and needs a password too, e.g. redis://USER:PASSWORD@HOST".into());
        }
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.:".contains(&b);
        if self.prefix.is_empty() || self.prefix.len() > MAX_PREFIX || !self.prefix.bytes().all(is_plain) {
            return Err(format!(
                "has a prefix that is empty or not made of {MAX_PREFIX} letters, digits, '_', '-', '.' and ':' at most"
            ));
        }
        Ok(())
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.places {
            Places::Server(_) => "",
            Places::Socket(_) => "+unix",
            Places::Sentinels { .. } => "-sentinel",
            Places::Cluster(_) => "-cluster",
        };
        write!(f, "redis{}{kind}://", if self.tls.is_some() { "s" } else { "" })?;
        if let (Some(username), false) = (&self.login.username, matches!(self.places, Places::Socket(_))) {
            write!(f, "{username}@")?;
        }
        match &self.places {
            Places::Server(host) => write!(f, "{host}/{}", self.database)?,
            Places::Socket(path) => write!(f, "{}", path.display())?,
            Places::Sentinels { hosts, master, .. } => write!(f, "{}/{master}/{}", Listed(hosts), self.database)?,
            Places::Cluster(hosts) => write!(f, "{}", Listed(hosts))?,
        }
        let mut separators = ["?"].into_iter().chain(std::iter::repeat("&"));
        let mut option =
            |name: &str, value: &dyn fmt::Display| write!(f, "{}{name}={value}", separators.next().unwrap_or_default());
        if matches!(self.places, Places::Socket(_)) && self.database != 0 {
            option("db", &self.database)?;
        }
        if *self.prefix != *DEFAULT_PREFIX {
            option("prefix", &self.prefix)?;
        }
        let Some(Tls { ca, certificate, key }) = &self.tls else { return Ok(()) };
        for (name, path) in [("ssl_ca_certs", ca), ("ssl_certfile", certificate), ("ssl_keyfile", key)] {
            path.as_ref().map_or(Ok(()), |path| option(name, &path.display()))?;
        }
        Ok(())
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        if name.contains(':') { write!(f, "[{name}]:{port}") } else { write!(f, "{name}:{port}") }
    }
}

struct Listed<'a>(&'a [Host]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, host) in self.0.iter().enumerate() {
            write!(f, "{}{host}", if number == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl Login {
    fn parse(userinfo: &str) -> Result<Self, String> {
        let (username, password) = match userinfo.split_once(':') {
            Some((username, password)) => (username, Some(password)),
            None => (userinfo, None),
        };
        Ok(Self {
            username: (!username.is_empty()).then(|| decoded(username)).transpose()?.map(Into::into),
            password: password.map(decoded).transpose()?.map(Secret::new),
        })
    }
}

impl Host {
    /// `HOST`, `HOST:PORT` or `[IPV6]:PORT`.
    pub(super) fn parse(text: &str, default_port: u16) -> Option<Self> {
        let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, port)) => (name, port.strip_prefix(':')),
            None => text.rsplit_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
        };
        let port = port.map_or(Ok(default_port), str::parse).ok().filter(|port| *port > 0)?;
        (!name.is_empty()).then(|| Self { name: name.into(), port })
    }

    /// What a node of a cluster calls another: the name may be empty, and an IPv6 address has no brackets.
    pub(super) fn parse_node(text: &str) -> Option<Self> {
        let (name, port) = text.rsplit_once(':')?;
        Some(Self { name: name.into(), port: port.parse().ok()? })
    }
}

/// What a scheme says.
struct Form {
    kind: Kind,
    by_tls: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Server,
    Socket,
    Sentinels,
    Cluster,
}

impl Form {
    fn of(scheme: &str) -> Option<Self> {
        let rest = scheme.strip_prefix("redis").or_else(|| scheme.strip_prefix("valkey"))?;
        let (by_tls, rest) = rest.strip_prefix('s').map_or((false, rest), |rest| (true, rest));
        let kind = match (rest, by_tls) {
            ("", _) => Kind::Server,
            ("+unix", false) => Kind::Socket,
            ("-sentinel", _) => Kind::Sentinels,
            ("-cluster", _) => Kind::Cluster,
            _ => return None,
        };
        Some(Self { kind, by_tls })
    }

    fn places(&self, text: &str) -> Result<Places, String> {
        let hosts = |port| -> Result<Vec<Host>, String> {
            let hosts: Option<_> = text.split(',').map(|host| Host::parse(host, port)).collect();
            hosts.ok_or_else(|| {
                "needs a host, e.g. redis://HOST:6379; what is special in a password is percent-encoded".into()
            })
        };
        Ok(match self.kind {
            Kind::Socket => Places::Socket(PathBuf::new()),
            Kind::Server => match <[Host; 1]>::try_from(hosts(PORT)?) {
                Ok([host]) => Places::Server(host),
                Err(_) => return Err("has several hosts; write redis-sentinel: or redis-cluster:".into()),
            },
            Kind::Sentinels => {
                Places::Sentinels { hosts: hosts(SENTINEL_PORT)?, master: "".into(), login: Login::default() }
            }
            Kind::Cluster => Places::Cluster(hosts(PORT)?),
        })
    }
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| "is not UTF-8 where it is percent-encoded".into())
}

fn database_number(text: &str) -> Result<u16, String> {
    if text.is_empty() {
        Ok(0)
    } else {
        text.parse().map_err(|_| "has no number where the database stands, e.g. redis://HOST/2".into())
    }
}

const OPTIONS: &str = "prefix, db, username, password, with TLS ssl_ca_certs, ssl_certfile and ssl_keyfile, and for Sentinels \
                       sentinel_username and sentinel_password";
const DEFAULT_PREFIX: &str = "tokenkeep";
const MAX_PREFIX: usize = 64;
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        RedisUrl::parse(text).map_or_else(|error| format!("error: {error}"), |url| url.to_string())
    }

    #[test]
    fn each_form_is_read_and_shown_with_all_but_the_secrets() {
        for (text, expected) in [
            ("redis://h", "redis://h:6379/0"),
            ("valkeys://h:1/3", "rediss://h:1/3"),
            ("redis://:pass@[::1]:7/", "redis://[::1]:7/0"),
            ("redis://me:p%40ss@h?prefix=a.b", "redis://me@h:6379/0?prefix=a.b"),
            ("redis+unix:///run/r.sock?db=2&password=pass", "redis+unix:///run/r.sock?db=2"),
            ("redis-sentinel://me:pass@a,b:1/main/4?sentinel_password=pass", "redis-sentinel://me@a:26379,b:1/main/4"),
            ("rediss-cluster://a,b:7001?ssl_ca_certs=/ca", "rediss-cluster://a:6379,b:7001?ssl_ca_certs=/ca"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
            let url = RedisUrl::parse(text).unwrap();
            assert!(!format!("{url:?} {url}").contains("pass"), "{text}");
        }
    }

    #[test]
    fn an_at_sign_in_a_password_need_not_be_encoded() {
        let url = RedisUrl::parse("redis://me:a@b%3A@h").unwrap();
        assert_eq!(url.login.password.as_ref().map(Secret::expose_secret), Some("a@b:"));
        assert_eq!(url.to_string(), "redis://me@h:6379/0");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secrets() {
        for (text, expected) in [
            ("redis://", "needs a host"),
            ("redis://me:hunter2", "needs a host"),
            ("redis://:hunter/2@h", "needs a host"),
            ("redis://:hunter2#3@h", "%23"),
            ("redis://:hunter2@h/x", "no number"),
            ("redis://:hunter2@a,b", "several hosts"),
            ("redis://h?hunter2=1", "not known"),
            ("redis://h?ssl_ca_certs=ca", "write rediss:"),
            ("rediss://h?ssl_certfile=c", "needs both"),
            ("redis://h?prefix={x}", "has a prefix"),
            ("redis://h?sentinel_password=hunter2", "not known"),
            ("redis-sentinel://h", "the master's name"),
            ("redis-cluster://h/1", "none but 0"),
            ("redis+unix:", "the path of a socket"),
            ("redis://me@h", "names a user"),
            ("redis+tls://h", "another scheme"),
        ] {
            let error = RedisUrl::parse(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("hunter"), "{text}: {error}");
        }
    }
}
