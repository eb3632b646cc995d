//! A vendor's own login, described instead of programmed: what `[providers.NAME.login]` says.
//!
//! ```text
//! step ─▶ step ─▶ … ─▶ login ─▶ token          refresh ─▶ token
//!   └─ capture ─▶ values ─▲                        ▲── the refresh token that the last answer brought
//! ```
//!
//! A request is made of [`Template`]s, which know what names they use; what an answer brings is found at [`Place`]s.

mod json_template;
mod place;
mod request;
mod template;
mod url_template;
mod xml_template;

use std::fmt;

use crate::credentials::Credentials;
use crate::fingerprint::Fingerprint;

pub(crate) use json_template::JsonTemplate;
pub(crate) use place::{InvalidPlace, Part, Place, Unit, XmlPath};
pub(crate) use request::{Body, LoginRequest, Method};
pub(crate) use template::escaped;
pub(crate) use template::{InvalidTemplate, Segment, Template};
pub(crate) use url_template::UrlTemplate;
pub(crate) use url_template::{has_dots, is_word};
pub(crate) use xml_template::XmlTemplate;

/// How to log in at a vendor, and with what. It is made by a configuration, which can stand in the program's text:
/// [`crate::ManagerBuilder::config_text`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tokenkeep::{config, provider::Grant};
///
/// let toml = r#"
///     [providers.bluestakes]
///     grant = "login"
///     accounts = "stored"
///     [providers.bluestakes.login]
///     post = "https://vendor.example/api/login"
///     json = { username = "{username}", password = "{password}" }
///     token = "/Authorization"
/// "#;
/// let config = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await?;
/// assert!(matches!(&config.providers[0].grant, Grant::Login(login) if login.host() == "vendor.example"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LoginSettings {
    pub(crate) recipe: Recipe,
    /// The values that the configuration gives; those of an account come with each request and win.
    pub(crate) credentials: Option<Credentials>,
}

impl LoginSettings {
    /// The names of the credentials that it logs in with, sorted.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{config, provider::Grant};
    /// # let toml = r#"
    /// #     [providers.bluestakes]
    /// #     grant = "login"
    /// #     accounts = "stored"
    /// #     api_base = "https://vendor.example/api"
    /// #     [providers.bluestakes.login]
    /// #     post = "{api_base}/login"
    /// #     json = { username = "{username}", password = "{password}" }
    /// #     token = "/Authorization"
    /// # "#;
    /// # let config = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await?;
    /// # let Grant::Login(login) = &config.providers[0].grant else { return Err("no login".into()) };
    /// assert_eq!(login.credential_names(), ["password", "username"]); // what an account must bring
    /// # Ok(())
    /// # }
    /// ```
    pub fn credential_names(&self) -> Vec<&str> {
        self.recipe.credential_names()
    }

    /// The host that the credentials are sent to last, and that answers with the token.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{config, provider::Grant};
    /// # let toml = r#"
    /// #     [providers.bluestakes]
    /// #     grant = "login"
    /// #     accounts = "stored"
    /// #     api_base = "https://vendor.example/api"
    /// #     [providers.bluestakes.login]
    /// #     post = "{api_base}/login"
    /// #     json = { username = "{username}", password = "{password}" }
    /// #     token = "/Authorization"
    /// # "#;
    /// # let config = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await?;
    /// # let Grant::Login(login) = &config.providers[0].grant else { return Err("no login".into()) };
    /// assert_eq!(login.host(), "vendor.example");
    /// # Ok(())
    /// # }
    /// ```
    pub fn host(&self) -> &str {
        self.recipe.login.request.url.host()
    }

    /// What tells the requests of this login from those of another.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::{config, provider::Grant};
    /// # let toml = r#"
    /// #     [providers.bluestakes]
    /// #     grant = "login"
    /// #     accounts = "stored"
    /// #     api_base = "https://vendor.example/api"
    /// #     [providers.bluestakes.login]
    /// #     post = "{api_base}/login"
    /// #     json = { username = "{username}", password = "{password}" }
    /// #     token = "/Authorization"
    /// # "#;
    /// # let config = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await?;
    /// # let Grant::Login(login) = &config.providers[0].grant else { return Err("no login".into()) };
    /// # let toml = toml.replace("/login", "/v2/login");
    /// # let changed = config::parse(&toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await?;
    /// # let Grant::Login(other) = &changed.providers[0].grant else { return Err("no login".into()) };
    /// assert_ne!(login.fingerprint(), other.fingerprint()); // that one posts to /v2/login
    /// # Ok(())
    /// # }
    /// ```
    pub fn fingerprint(&self) -> Fingerprint {
        self.recipe.fingerprint()
    }
}

/// The requests of a login.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recipe {
    /// Those before the one that brings the token, in their order.
    pub(crate) steps: Vec<Step>,
    /// The one that brings the token.
    pub(crate) login: TokenStep,
    /// The one that brings the next token for a refresh token; without it the login is done again.
    pub(crate) refresh: Option<TokenStep>,
}

/// A request whose answer brings values for later ones.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// What is sent.
    pub(crate) request: LoginRequest,
    /// Which answers are good.
    pub(crate) verdict: Verdict,
    /// Values for later requests, by name.
    pub(crate) capture: Vec<(Box<str>, Place)>,
}

/// A request whose answer brings a token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TokenStep {
    /// What is sent.
    pub(crate) request: LoginRequest,
    /// Which answers are good.
    pub(crate) verdict: Verdict,
    /// The token.
    pub(crate) token: Place,
    /// Its type; `Bearer` without.
    pub(crate) token_type: Option<Place>,
    /// What it is good for.
    pub(crate) scope: Option<Place>,
    /// Its end.
    pub(crate) end: End,
    /// A token to get the next one with.
    pub(crate) refresh_token: Option<Place>,
}

/// Which answers are good, beside the HTTP status.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Verdict {
    /// What a good answer looks like; without it every 2xx is one that says no error.
    pub(crate) ok: Option<Sign>,
    /// Where the vendor says what is wrong.
    pub(crate) error: Option<Place>,
}

/// What a good answer looks like.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sign {
    /// It has this HTTP status, which may be a redirect: its headers count, and it is not followed.
    Status(u16),
    /// It has this text, number or truth value there.
    Value(Place, Box<str>),
}

/// How the end of a token is known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// It is not stated, unless the token is a cookie that says so.
    Unstated,
    /// So long after the request.
    In(Place, Unit),
    /// At that time.
    At(Place),
    /// The token is a JWT that says so (`exp`, RFC 7519 section 4.1.4).
    Jwt,
}

impl Recipe {
    /// All requests with their names in messages: `step 1`, `step 2`…, `login`, `refresh`.
    fn requests(&self) -> impl Iterator<Item = &LoginRequest> {
        let tokens = [&self.login].into_iter().chain(&self.refresh).map(|step| &step.request);
        self.steps.iter().map(|step| &step.request).chain(tokens)
    }

    /// The names that credentials must have, sorted.
    pub(crate) fn credential_names(&self) -> Vec<&str> {
        let captured =
            |name: &str| self.steps.iter().any(|step| step.capture.iter().any(|(other, _)| **other == *name));
        let names = self.requests().flat_map(LoginRequest::names);
        let mut names: Vec<_> = names.filter(|name| *name != REFRESH_TOKEN && !captured(name)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Everything that it says, in one comparable value.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut parts = Vec::new();
        for step in &self.steps {
            step.request.tell(&mut parts);
            step.verdict.tell(&mut parts);
            parts.extend(step.capture.iter().map(|(name, place)| ("capture", format!("{name} {place}"))));
        }
        for step in [&self.login].into_iter().chain(&self.refresh) {
            parts.push(("token", step.token.to_string()));
            step.request.tell(&mut parts);
            step.verdict.tell(&mut parts);
            let places =
                [("token_type", &step.token_type), ("scope", &step.scope), (REFRESH_TOKEN, &step.refresh_token)];
            parts.extend(places.iter().filter_map(|(name, place)| Some((*name, place.as_ref()?.to_string()))));
            parts.push(("end", step.end.to_string()));
        }
        Fingerprint::of(parts.iter().map(|(name, value)| (*name, &**value)))
    }
}

impl Verdict {
    fn tell(&self, parts: &mut Vec<(&'static str, String)>) {
        match &self.ok {
            None => {}
            Some(Sign::Status(status)) => parts.push(("ok", status.to_string())),
            Some(Sign::Value(place, value)) => parts.push(("ok", format!("{place} is {value}"))),
        }
        parts.extend(self.error.iter().map(|place| ("error", place.to_string())));
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unstated => f.write_str("not stated"),
            Self::In(place, unit) => write!(f, "in {}, {place}", unit.as_str()),
            Self::At(place) => write!(f, "a time, {place}"),
            Self::Jwt => f.write_str("the token's own exp"),
        }
    }
}

/// The name of the refresh token in a recipe.
pub(crate) const REFRESH_TOKEN: &str = "refresh_token";
/// Steps before the one that brings the token.
pub(crate) const MAX_STEPS: usize = 8;
