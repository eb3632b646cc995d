//! Addresses that secrets may be sent to.

use std::fmt;

use url::Url;

/// An address that secrets may be sent to.
///
/// ```
/// use tokenkeep::provider::{TokenUrl, Transport};
///
/// assert!(TokenUrl::parse("https://login.example.com/oauth2/token", Transport::Secure).is_ok());
/// assert!(TokenUrl::parse("http://127.0.0.1:8080/token", Transport::Secure).is_ok());
/// assert!(TokenUrl::parse("http://login.example.com/oauth2/token", Transport::Secure).is_err());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TokenUrl(Url);

impl TokenUrl {
    /// Takes https, and http on a loopback host; any http host if `insecure` says so. No name and password, no
    /// fragment.
    ///
    /// ```
    /// # use tokenkeep::provider::{TokenUrl, Transport};
    /// let error = TokenUrl::parse("https://reports:secret@login.example.com/token", Transport::Secure).unwrap_err();
    /// assert_eq!(error.to_string(), "must not hold a name or password; use client_id and client_secret");
    /// ```
    pub fn parse(text: &str, transport: Transport) -> Result<Self, InvalidUrl> {
        let url = Url::parse(text).map_err(|_| {
            InvalidUrl(
                "is not a URL; write e.g. https://login.example.com/oauth2/token, or /oauth2/token below api_base",
            )
        })?;
        check_transport(&url, transport)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidUrl("must not hold a name or password; use client_id and client_secret"));
        }
        if url.fragment().is_some() {
            return Err(InvalidUrl("must not have a fragment (RFC 6749 section 3.2)"));
        }
        Ok(Self(url))
    }

    /// The address.
    ///
    /// ```
    /// # use tokenkeep::provider::{TokenUrl, Transport};
    /// let url = TokenUrl::parse("https://login.example.com/oauth2/token", Transport::Secure)?;
    /// assert_eq!(url.as_url().path(), "/oauth2/token");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// Host and, unless it is the scheme's own, port: what messages show.
    ///
    /// ```
    /// # use tokenkeep::provider::{TokenUrl, Transport};
    /// let url = TokenUrl::parse("https://login.example.com:8443/oauth2/token", Transport::Secure)?;
    /// assert_eq!(url.host(), "login.example.com:8443");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn host(&self) -> String {
        host(&self.0)
    }
}

impl fmt::Debug for TokenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.0.scheme(), self.host(), self.0.path())
    }
}

/// Whether secrets may travel unencrypted to a host that is not this machine.
///
/// ```
/// use tokenkeep::provider::{TokenUrl, Transport};
///
/// let inside = "http://issuer.cluster.local/token"; // where something else encrypts
/// assert!(TokenUrl::parse(inside, Transport::Secure).is_err());
/// assert!(TokenUrl::parse(inside, Transport::Insecure).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// No.
    Secure,
    /// Yes, because configuration says `insecure = true`.
    Insecure,
}

/// What is wrong with an address; reads on after the name of the option.
///
/// ```
/// use tokenkeep::provider::{TokenUrl, Transport};
///
/// let error = TokenUrl::parse("http://login.example.com/token", Transport::Secure).unwrap_err();
/// assert_eq!(
///     format!("token_url {error}"),
///     "token_url would send secrets unencrypted; use https, or set insecure = true"
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(pub(super) &'static str);

/// Whether secrets may be sent there.
pub(super) fn check_transport(url: &Url, transport: Transport) -> Result<(), InvalidUrl> {
    let host = url.host_str().ok_or(InvalidUrl("has no host"))?;
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(host) || transport == Transport::Insecure => Ok(()),
        "http" => Err(InvalidUrl("would send secrets unencrypted; use https, or set insecure = true")),
        _ => Err(InvalidUrl("is neither https nor http")),
    }
}

/// Host and, unless it is the scheme's own, port.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether a URL's host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_over_http_only_to_this_machine_or_on_demand() {
        for url in ["https://a.example/t", "http://127.0.0.1:1/t", "http://[::1]/t", "http://localhost:8/t"] {
            TokenUrl::parse(url, Transport::Secure).unwrap();
        }
        for url in [
            "http://a.example/t",
            "http://127.0.0.1.a.example/t",
            "http://localhost.a.example/",
            "ftp://a.example/t",
            "a.example",
        ] {
            TokenUrl::parse(url, Transport::Secure).unwrap_err();
        }
        TokenUrl::parse("http://a.example/t", Transport::Insecure).unwrap();
    }

    #[test]
    fn a_token_url_holds_no_credentials() {
        TokenUrl::parse("https://me:pw@a.example/t", Transport::Secure).unwrap_err();
    }
}
