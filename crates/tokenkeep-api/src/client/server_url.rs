//! Where a broker is: an address on the network, or the file of a socket.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use reqwest::Url;

/// Where a broker is: `http://…`, `https://…` or `unix:/path`. It holds no secret.
///
/// ```
/// use tokenkeep_api::client::ServerUrl;
///
/// let server: ServerUrl = "unix:/run/tokenkeep/tokenkeep.sock".parse()?;
/// assert_eq!(server.to_string(), "unix:/run/tokenkeep/tokenkeep.sock");
/// assert!("https://name:password@broker.example".parse::<ServerUrl>().is_err());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// What paths are added to.
    base: Url,
    socket: Option<PathBuf>,
}

impl ServerUrl {
    /// Whether nobody else can listen on the way: it is encrypted, or does not leave this machine.
    pub fn is_private(&self) -> bool {
        self.base.scheme() == "https" || self.is_local()
    }

    /// Whether the way to it does not leave this machine: a socket, or a loopback address.
    pub fn is_local(&self) -> bool {
        self.socket.is_some() || self.base.host_str().is_some_and(is_loopback)
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.base.scheme() == "https"
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    pub(super) fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }
}

impl FromStr for ServerUrl {
    type Err = InvalidServerUrl;

    fn from_str(text: &str) -> Result<Self, InvalidServerUrl> {
        if let Some(path) = text.strip_prefix("unix:") {
            // `unix:///run/x.sock` is as common as `unix:/run/x.sock`.
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(InvalidServerUrl("names no file"));
            }
            let base = Url::parse(BEHIND_A_SOCKET).map_err(|_| InvalidServerUrl(FORM))?;
            return Ok(Self { base, socket: Some(path.into()) });
        }
        let base = Url::parse(text).map_err(|_| InvalidServerUrl(FORM))?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(InvalidServerUrl(FORM));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(InvalidServerUrl("holds a name or a password; an API key goes beside it, not into it"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(InvalidServerUrl("has a query or a fragment"));
        }
        Ok(Self { base, socket: None })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Some(path) => write!(f, "unix:{}", path.display()),
            None => f.write_str(self.base.as_str().trim_end_matches('/')),
        }
    }
}

/// Why something is no place of a broker, to be read after "the server". It repeats nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server {0}")]
pub struct InvalidServerUrl(&'static str);

fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The host that a request names where a socket has none.
const BEHIND_A_SOCKET: &str = "http://localhost/";
const FORM: &str = "is named by a URL; write http://…, https://… or unix:/path";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_on_this_machine_or_is_encrypted_is_private() {
        for (text, is_private) in [
            ("http://127.0.0.1:8640", true),
            ("http://[::1]:8640/", true),
            ("http://localhost", true),
            ("unix:/run/tokenkeep/tokenkeep.sock", true),
            ("unix:relative.sock", true),
            ("https://broker.example/tokens", true),
            ("http://broker.example", false),
            ("http://127.0.0.1.example", false),
            ("http://0.0.0.0:8640", false),
        ] {
            assert_eq!(text.parse::<ServerUrl>().unwrap().is_private(), is_private, "{text}");
        }
    }

    #[test]
    fn what_is_no_place_of_a_broker_is_refused_without_being_repeated() {
        for text in [
            "",
            "broker.example:8640",
            "ftp://broker.example",
            "unix:",
            "unix://",
            "https://",
            "https://ann:s3cret@broker.example",
            "https://s3cret@broker.example",
            "https://broker.example/?key=s3cret",
            "https://broker.example/#s3cret",
        ] {
            let said = text.parse::<ServerUrl>().unwrap_err().to_string();
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn it_is_shown_as_it_was_written() {
        for text in ["http://127.0.0.1:8640", "https://broker.example/below", "unix:/run/x.sock"] {
            assert_eq!(text.parse::<ServerUrl>().unwrap().to_string(), text);
        }
        assert_eq!("unix:///run/x.sock".parse::<ServerUrl>().unwrap().to_string(), "unix:/run/x.sock");
    }
}
