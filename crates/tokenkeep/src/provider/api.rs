//! Where the API is that a provider's tokens are for.
//!
//! The hard problem is that a token must not reach another place than the one it is for, whatever path a caller names.
//! So [`ApiBase::join`] and [`ApiBase::covers`] judge where a path leads after everything in it is resolved, not what it
//! looks like.

use std::fmt;

use http::Uri;
use url::Url;

use super::address::{self, InvalidUrl, Transport, check_transport};

/// The address below which an API's resources are, and the only one that its tokens are sent to.
///
/// ```
/// use tokenkeep::provider::{ApiBase, Transport};
///
/// let base = ApiBase::parse("https://api.example.com/v1", Transport::Secure)?;
/// assert_eq!(base.join("/users?top=10")?.as_str(), "https://api.example.com/v1/users?top=10");
/// assert!(base.join("/../admin").is_err()); // whoever chooses the path does not choose where the token goes
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ApiBase(Url);

impl ApiBase {
    /// Takes https, and http on a loopback host; any http host if `insecure` says so. No name and password, no query,
    /// no fragment.
    ///
    /// ```
    /// # use tokenkeep::provider::{ApiBase, Transport};
    /// assert!(ApiBase::parse("https://api.example.com/v1", Transport::Secure).is_ok());
    /// assert!(ApiBase::parse("https://api.example.com/v1?tenant=7", Transport::Secure).is_err());
    /// ```
    pub fn parse(text: &str, transport: Transport) -> Result<Self, InvalidUrl> {
        let url = Url::parse(text).map_err(|_| InvalidUrl("is not a URL; write e.g. https://api.example.com/v1"))?;
        check_transport(&url, transport)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidUrl("must not hold a name or password; the token is sent instead"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidUrl("must end with its path"));
        }
        Ok(Self(url))
    }

    /// The address of a resource: `path` is added to the path of the base, and may have a query.
    ///
    /// The error never shows the query. There is none but for a path that leads away from the base, or would do so
    /// for a server that decodes it first.
    ///
    /// ```
    /// # use tokenkeep::provider::{ApiBase, Transport};
    /// # let base = ApiBase::parse("https://api.example.com/v1", Transport::Secure)?;
    /// assert_eq!(base.join("/users")?.as_str(), "https://api.example.com/v1/users");
    /// for path in ["users", "//example.org/", "/%2e%2e/admin", "/..%2fadmin"] {
    ///     assert!(base.join(path).is_err());
    /// }
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self, path: &str) -> Result<Url, InvalidPath> {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        if !path.is_empty() && !path.starts_with('/') {
            return Err(InvalidPath("does not start with '/'"));
        }
        if path.starts_with("//") {
            return Err(InvalidPath("starts with '//', which names another host"));
        }
        if !is_plain(path) || !is_plain(query.unwrap_or_default()) {
            return Err(InvalidPath("has a space, a control character, '\\' or '#', which must be percent-encoded"));
        }
        if !self.keeps(path) {
            return Err(InvalidPath("leads away from api_base"));
        }
        let mut url = self.resolved(path);
        url.set_query(query);
        Ok(url)
    }

    /// Whether an address is one that a token may go to: the scheme, host and port of the base, and a path below its
    /// own that [`ApiBase::join`] could have made.
    ///
    /// It is judged as it is written, since that is what a server gets: another spelling of the same host or path is
    /// not covered. Nor is an address with a name and password, or one without a host.
    ///
    /// ```
    /// use tokenkeep::provider::{ApiBase, Transport};
    ///
    /// let base = ApiBase::parse("https://api.example.com/v1", Transport::Secure)?;
    /// assert!(base.covers(&"https://api.example.com/v1/users?top=1".parse()?));
    /// assert!(!base.covers(&"https://api.example.com/v1/../admin".parse()?));
    /// assert!(!base.covers(&"https://api.example.org/v1/users".parse()?));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn covers(&self, uri: &Uri) -> bool {
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
        // It names its own port, the scheme's, or nothing that a client could connect to.
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => port.parse().ok(),
            _ => self.0.port_or_known_default().filter(|_| self.0.port().is_none()),
        };
        scheme.eq_ignore_ascii_case(self.0.scheme())
            && self.0.host_str().is_some_and(|host| host.eq_ignore_ascii_case(authority.host()))
            && port == self.0.port_or_known_default()
            && !authority.as_str().contains('@')
            && uri.path().strip_prefix(self.path()).is_some_and(|path| self.keeps(path))
    }

    /// The address, without a `/` at its end.
    ///
    /// ```
    /// # use tokenkeep::provider::{ApiBase, Transport};
    /// let base = ApiBase::parse("https://api.example.com/v1/", Transport::Secure)?;
    /// assert_eq!(base.as_str(), "https://api.example.com/v1");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// Host and, unless it is the scheme's own, port: what messages show.
    ///
    /// ```
    /// # use tokenkeep::provider::{ApiBase, Transport};
    /// let base = ApiBase::parse("https://api.example.com:443/v1", Transport::Secure)?;
    /// assert_eq!(base.host(), "api.example.com");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn host(&self) -> String {
        address::host(&self.0)
    }

    /// Whether it is a server of this machine that is spoken to without encryption.
    ///
    /// ```
    /// # use tokenkeep::provider::{ApiBase, Transport};
    /// assert!(ApiBase::parse("http://[::1]:8080/", Transport::Secure)?.is_local());
    /// assert!(!ApiBase::parse("https://api.example.com/", Transport::Secure)?.is_local());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_local(&self) -> bool {
        self.0.scheme() == "http" && self.0.host_str().is_some_and(address::is_loopback)
    }

    /// Whether a path that is added stays below the base, also for a server that decodes it first.
    fn keeps(&self, path: &str) -> bool {
        let is_path = (path.is_empty() || path.starts_with('/')) && is_plain(path);
        is_path
            && (!may_lead_up(path)
                || (self.holds(&self.resolved(path))
                    && self.holds(&self.resolved(&decoded(path)))
                    && self.holds(&self.resolved(&merged(&decoded(path))))))
    }

    fn resolved(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.path()));
        url
    }

    fn holds(&self, url: &Url) -> bool {
        url.path().strip_prefix(self.path()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }
}

impl fmt::Debug for ApiBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// What is wrong with a path; reads on after it.
///
/// ```
/// # use tokenkeep::provider::{ApiBase, Transport};
/// let base = ApiBase::parse("https://api.example.com/v1", Transport::Secure)?;
/// let error = base.join("//example.org/").unwrap_err();
/// assert_eq!(error.to_string(), "starts with '//', which names another host");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPath(&'static str);

/// Whether a path has a part that begins with a dot, or may have one for a server that decodes it first. No other path
/// leads anywhere but further down.
fn may_lead_up(path: &str) -> bool {
    path.contains(['%', ';']) || path.contains("/.")
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '\\' && c != '#')
}

/// The path as a server sees it that decodes what separates its parts, and drops the parameters of each (`/..;a=b/`),
/// before it resolves them.
fn decoded(path: &str) -> String {
    let path =
        ["%2f", "%2F", "%5c", "%5C"].iter().fold(path.to_owned(), |path, separator| path.replace(separator, "/"));
    let path = path.replace("%3b", ";").replace("%3B", ";");
    let parts = path.split('/').map(|part| part.split(';').next().unwrap_or_default());
    parts.collect::<Vec<_>>().join("/")
}

/// The path as a server sees it that takes several separators in a row for one before it resolves them.
fn merged(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    merged.extend(
        path.chars()
            .scan('\0', |before, c| {
                let repeats = c == '/' && *before == '/';
                *before = c;
                Some((!repeats).then_some(c))
            })
            .flatten(),
    );
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> ApiBase {
        ApiBase::parse(text, Transport::Secure).unwrap()
    }

    #[test]
    fn a_path_is_added_to_that_of_the_base() {
        for (base_, path, joined) in [
            ("https://a.example/api", "/users", "https://a.example/api/users"),
            ("https://a.example/api/", "/users", "https://a.example/api/users"),
            ("https://a.example", "/users", "https://a.example/users"),
            ("https://a.example/api", "", "https://a.example/api"),
            ("https://a.example/api", "/", "https://a.example/api/"),
            ("https://a.example/api", "?q=1", "https://a.example/api?q=1"),
            ("https://a.example/api", "/a?q=/../..//b", "https://a.example/api/a?q=/../..//b"),
            ("https://a.example/api", "/a/../b/./c//d", "https://a.example/api/b/c//d"),
            ("https://a.example/api", "/a%20b/ü", "https://a.example/api/a%20b/%C3%BC"),
            ("https://a.example/api", "/a;b=1/c", "https://a.example/api/a;b=1/c"),
            ("https://a.example/api", "/a%2Fb", "https://a.example/api/a%2Fb"),
            ("https://a.example:8443/api", "/@b.example", "https://a.example:8443/api/@b.example"),
            ("https://a.example/api", "/https://b.example/", "https://a.example/api/https://b.example/"),
        ] {
            assert_eq!(base(base_).join(path).map(String::from).as_deref(), Ok(joined), "{base_} {path}");
        }
    }

    #[test]
    fn no_path_leads_away_from_the_base() {
        for path in [
            "https://b.example/",
            "//b.example/",
            "\\\\b.example/",
            "/\\b.example",
            "users",
            "@b.example/",
            ":443/",
            "/..",
            "/../",
            "/../admin",
            "/../apiadmin",
            "/a/../../admin",
            "/a//../../admin",
            "/a%2F%2F..%2F..%2Fadmin",
            "/a/%2f../..;/admin",
            "/%2e%2e/admin",
            "/.%2E/admin",
            "/a%2f..%2F..%2fadmin",
            "/..%2fadmin",
            "/..%5Cadmin",
            "/..\\admin",
            "/..;/admin",
            "/a/..;x=1/..;/admin",
            "/..%3b/admin",
            "/%2e%2e%3B%2Fadmin",
            "/.\t./admin",
            "/a b",
            "/a#b",
            "/a\r\nHost: b.example",
            "/a?b\nc",
        ] {
            assert!(base("https://a.example/api").join(path).is_err(), "{path}");
        }
    }

    #[test]
    fn what_is_below_the_base_is_covered() {
        for (base_, address) in [
            ("https://a.example/api", "https://a.example/api"),
            ("https://a.example/api", "https://a.example/api/"),
            ("https://a.example/api/", "https://a.example/api"),
            ("https://a.example/api", "https://a.example/api/users?q=/../x@y"),
            ("https://a.example/api", "https://a.example/api?q=1"),
            ("https://a.example/api", "HTTPS://A.Example:443/api/users"),
            ("https://a.example/api", "https://a.example/api//users"),
            ("https://a.example/api", "https://a.example/api/a/../b%2Fc/./d;e=1/@x:1"),
            ("https://a.example", "https://a.example"),
            ("https://a.example", "https://a.example/users"),
            ("https://a.example:8443", "https://a.example:8443/users"),
            ("http://127.0.0.1:1/api", "http://127.0.0.1:1/api/users"),
            ("http://[::1]:8/api", "http://[::1]:8/api/users"),
            ("http://[::1]/api", "http://[::1]/api/users"),
        ] {
            assert!(base(base_).covers(&address.parse().unwrap()), "{base_} {address}");
        }
    }

    #[test]
    fn no_other_place_is_covered() {
        for address in [
            "http://a.example/api/users",
            "https://b.example/api/users",
            "https://a.example.b.example/api/users",
            "https://a.example./api/users",
            "https://a%2eexample/api/users",
            "https://a.example:8443/api/users",
            "https://a.example:65979/api/users",
            "https://a.example:/api/users",
            "https://me@a.example/api/users",
            "https://a.example:443@b.example/api/users",
            "https://a.example/",
            "https://a.example/apis",
            "https://a.example/API/users",
            "https://a.example/%61pi/users",
            "https://a.example/x/../api/users",
            "https://a.example//api/users",
            "https://a.example/api/..",
            "https://a.example/api/../admin",
            "https://a.example/api/a/../../admin",
            "https://a.example/api//../admin",
            "https://a.example/api//..%2fadmin",
            "https://a.example/api/a//../../admin",
            "https://a.example/api/a%2F%2F..%2F..%2Fadmin",
            "https://a.example/api/%2e%2e/admin",
            "https://a.example/api/..%2fadmin",
            "https://a.example/api/..;/admin",
            "https://a.example/api/..\\admin",
            "https://a.example/api/a\\b",
            "/api/users",
            "a.example:443",
            "*",
        ] {
            let address = address.parse::<Uri>();
            // What HTTP cannot carry goes nowhere.
            assert!(address.is_err() || address.is_ok_and(|uri| !base("https://a.example/api").covers(&uri)));
        }
        assert!(!base("https://a.example:8443/api").covers(&Uri::from_static("https://a.example/api")));
        assert!(!base("http://[::1]:8/api").covers(&Uri::from_static("http://[::1]/api")));
    }

    #[test]
    fn a_token_goes_over_http_only_to_this_machine_or_on_demand() {
        for url in ["https://a.example/v1", "http://127.0.0.1:1", "http://localhost:8/api"] {
            ApiBase::parse(url, Transport::Secure).unwrap();
        }
        for url in
            ["http://a.example", "ftp://a.example", "a.example", "https://me:pw@a.example", "https://a.example?x"]
        {
            ApiBase::parse(url, Transport::Secure).unwrap_err();
        }
        ApiBase::parse("http://a.example", Transport::Insecure).unwrap();
    }
}
