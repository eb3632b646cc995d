//! Who is told of trouble, and of what: types of the tables `[[server.webhooks]]`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;
use zeroize::Zeroizing;

use super::caller::KeyPattern;
use crate::key::Key;
use crate::provider::is_loopback;
use crate::secret::Secret;

/// One table `[[server.webhooks]]`: where it is told by HTTP that the credentials of keys are refused.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use tokenkeep::config::{self, WebhookEvent};
/// let toml = "[[server.webhooks]]\nurl = \"https://alerts.example.com/hook\"\nkeys = [\"bluestakes:*\"]\n[providers.bluestakes]\ngrant = \"static\"\ntoken = \"x\"";
/// let config = config::parse(toml, "tokenkeep.toml", "/etc".as_ref(), &|_: &str| None).await?;
/// let webhook = &config.server.webhooks[0];
/// assert!(webhook.wants(WebhookEvent::Refused, &"bluestakes:123".parse()?));
/// assert!(!webhook.wants(WebhookEvent::Refused, &"graph".parse()?));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookSettings {
    /// Where messages are sent.
    pub url: WebhookUrl,
    /// What they are signed with; `None`: they are not.
    pub secret: Option<WebhookSecret>,
    /// What it is told of.
    pub events: Vec<WebhookEvent>,
    /// The keys that it is told of; none stands here for all.
    pub keys: Vec<KeyPattern>,
}

impl WebhookSettings {
    /// One for all events of all keys, unsigned.
    ///
    /// ```
    /// # use tokenkeep::config::{WebhookEvent, WebhookSettings, WebhookUrl};
    /// let webhook = WebhookSettings::new(WebhookUrl::parse("https://alerts.example.com/hook")?);
    /// assert!(webhook.wants(WebhookEvent::Recovered, &"graph".parse()?));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(url: WebhookUrl) -> Self {
        let events = WebhookEvent::ALL.map(|(_, event)| event).to_vec();
        Self { url, secret: None, events, keys: Vec::new() }
    }

    /// Whether it is told of this.
    ///
    /// ```
    /// # use tokenkeep::config::{WebhookEvent, WebhookSettings, WebhookUrl};
    /// let mut webhook = WebhookSettings::new(WebhookUrl::parse("https://alerts.example.com/hook")?);
    /// webhook.events = vec![WebhookEvent::LoginRequired];
    /// assert!(!webhook.wants(WebhookEvent::Refused, &"graph".parse()?));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn wants(&self, event: WebhookEvent, key: &Key) -> bool {
        let is_of_keys = self.keys.is_empty() || self.keys.iter().any(|pattern| pattern.matches(key));
        self.events.contains(&event) && is_of_keys
    }
}

/// What a webhook can be told of.
///
/// ```
/// use tokenkeep::config::WebhookEvent;
///
/// assert_eq!(WebhookEvent::ALL.map(|(word, _)| word), ["refused", "login_required", "recovered"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WebhookEvent {
    /// An issuer refuses the credentials of a key.
    Refused,
    /// A key has no token until a person logs in.
    LoginRequired,
    /// A key of which one of the others was told has a new token.
    Recovered,
}

impl WebhookEvent {
    /// All of them, with their words in `events`.
    ///
    /// ```
    /// # use tokenkeep::config::WebhookEvent;
    /// assert!(WebhookEvent::ALL.contains(&("recovered", WebhookEvent::Recovered)));
    /// ```
    pub const ALL: [(&'static str, Self); 3] =
        [("refused", Self::Refused), ("login_required", Self::LoginRequired), ("recovered", Self::Recovered)];

    /// Its word, which is the `type` of its messages too.
    ///
    /// ```
    /// assert_eq!(tokenkeep::config::WebhookEvent::LoginRequired.as_str(), "login_required");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::LoginRequired => "login_required",
            Self::Recovered => "recovered",
        }
    }
}

/// An address that messages are sent to. Its path and its query may be a secret, so nothing shows them.
///
/// ```
/// use tokenkeep::config::WebhookUrl;
///
/// let url = WebhookUrl::parse("https://alerts.example.com/services/T0/planted?key=planted")?;
/// assert_eq!((url.host(), format!("{url:?}")), ("alerts.example.com".to_owned(), "https://alerts.example.com/…".to_owned()));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// Takes https, and http on a loopback host; no name and password, no fragment.
    ///
    /// ```
    /// # use tokenkeep::config::WebhookUrl;
    /// assert!(WebhookUrl::parse("http://127.0.0.1:9000/hook").is_ok());
    /// assert!(WebhookUrl::parse("http://alerts.example.com/hook").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, InvalidWebhook> {
        let url =
            Url::parse(text).map_err(|_| InvalidWebhook("is not a URL; write e.g. https://alerts.example.com/hook"))?;
        let host = url.host_str().ok_or(InvalidWebhook("has no host"))?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(host) => {}
            "http" => {
                return Err(InvalidWebhook("would tell unencrypted which keys are in trouble; write https://"));
            }
            _ => return Err(InvalidWebhook("is neither https nor http")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidWebhook("must not hold a name or password; messages are signed with `secret`"));
        }
        if url.fragment().is_some() {
            return Err(InvalidWebhook("must not have a fragment: it is not sent"));
        }
        Ok(Self(url))
    }

    /// The address.
    ///
    /// ```
    /// # use tokenkeep::config::WebhookUrl;
    /// assert_eq!(WebhookUrl::parse("https://alerts.example.com/hook")?.as_url().path(), "/hook");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// Host and, unless it is the scheme's own, port: what messages show.
    ///
    /// ```
    /// # use tokenkeep::config::WebhookUrl;
    /// assert_eq!(WebhookUrl::parse("http://localhost:9000/hook")?.host(), "localhost:9000");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", self.0.scheme(), self.host())
    }
}

/// What messages are signed with, as [Standard Webhooks](https://www.standardwebhooks.com) write it: `whsec_` and the
/// base64 of 24 to 64 bytes.
///
/// ```
/// use tokenkeep::Secret;
/// use tokenkeep::config::WebhookSecret;
///
/// let secret = WebhookSecret::parse(&Secret::new("whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="))?;
/// assert_eq!(secret.expose_secret(), b"12345678901234567890123456789012");
/// assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// Reads one; `whsec_` may be left out.
    ///
    /// ```
    /// # use tokenkeep::{Secret, config::WebhookSecret};
    /// let error = WebhookSecret::parse(&Secret::new("hunter2")).unwrap_err();
    /// assert_eq!(error.to_string(), "is not whsec_ and the base64 of 24 to 64 bytes");
    /// ```
    pub fn parse(secret: &Secret) -> Result<Self, InvalidWebhook> {
        let text = secret.expose_secret();
        let bytes = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).map(Zeroizing::new);
        match bytes {
            Ok(bytes) if (24..=64).contains(&bytes.len()) => Ok(Self(bytes)),
            Ok(_) | Err(_) => Err(InvalidWebhook("is not whsec_ and the base64 of 24 to 64 bytes")),
        }
    }

    /// The bytes themselves.
    ///
    /// ```
    /// # use tokenkeep::{Secret, config::WebhookSecret};
    /// let secret = WebhookSecret::parse(&Secret::new("MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="))?;
    /// assert_eq!(secret.expose_secret().len(), 32);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn expose_secret(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// What is wrong with an option of a webhook; reads on after its name.
///
/// ```
/// use tokenkeep::config::WebhookUrl;
///
/// let error = WebhookUrl::parse("http://alerts.example.com/hook").unwrap_err();
/// assert_eq!(format!("url {error}"), "url would tell unencrypted which keys are in trouble; write https://");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidWebhook(&'static str);
