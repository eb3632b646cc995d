//! Who may ask a server, and for what: types of the tables `[[server.keys]]`.

use std::fmt;

use crate::budget::Budget;
use crate::key::{Key, check_account, check_provider_name};

/// One table `[[server.keys]]`: how a caller is recognised, and what it may have.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use tokenkeep::config;
/// let toml = format!(
///     "[[server.keys]]\nname = \"billing\"\nsha256 = \"{}\"\ntokens = [\"graph\"]\n[providers.graph]\ngrant = \"static\"\ntoken = \"x\"",
///     "0f".repeat(32)
/// );
/// let config = config::parse(&toml, "tokenkeep.toml", "/etc".as_ref(), &|_: &str| None).await?;
/// let caller = &config.server.callers[0];
/// assert!(caller.may(config::Action::Get, &"graph".parse()?) && !caller.may_see(&"bluestakes:123".parse()?));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallerSettings {
    /// What logs call it.
    pub name: String,
    /// The hash of its API key, if it has one.
    pub key: Option<KeyHash>,
    /// The user whose processes it is when they come by a unix socket.
    pub uid: Option<u32>,
    /// A name in its client certificate: a DNS name or URI among its alternative names; its common name if it has no
    /// alternative names of any kind.
    pub certificate: Option<String>,
    /// The keys that it may see.
    pub tokens: Vec<KeyPattern>,
    /// What it may do with them beside seeing how they are.
    pub allow: Vec<Action>,
    /// How many requests it may make in a time; `None`: as many as all others.
    pub requests: Option<Budget>,
}

impl CallerSettings {
    /// Whether it may do this with a key.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::config::{self, Action};
    /// let toml = "[[server.keys]]\nname = \"ops\"\nuid = 1000\ntokens = [\"*\"]\nallow = [\"refresh\"]";
    /// let config = config::parse(toml, "tokenkeep.toml", "/etc".as_ref(), &|_: &str| None).await?;
    /// let graph = "graph".parse()?;
    /// assert!(config.server.callers[0].may(Action::Refresh, &graph) && !config.server.callers[0].may(Action::Get, &graph));
    /// # Ok(())
    /// # }
    /// ```
    pub fn may(&self, action: Action, key: &Key) -> bool {
        self.allows(action) && self.may_see(key)
    }

    /// Whether it may do this with any key that it may see.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::config::{self, Action};
    /// let toml = "[[server.keys]]\nname = \"ops\"\nuid = 1000\ntokens = [\"*\"]\nallow = [\"admin\"]";
    /// let config = config::parse(toml, "tokenkeep.toml", "/etc".as_ref(), &|_: &str| None).await?;
    /// assert!(Action::ALL.iter().all(|(_, action)| config.server.callers[0].allows(*action))); // who may all
    /// # Ok(())
    /// # }
    /// ```
    pub fn allows(&self, action: Action) -> bool {
        self.allow.contains(&action) || self.allow.contains(&Action::Admin)
    }

    /// Whether it may know that there is such a key.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::config;
    /// let toml = "[[server.keys]]\nname = \"one\"\nuid = 1000\ntokens = [\"*:123\"]";
    /// let config = config::parse(toml, "tokenkeep.toml", "/etc".as_ref(), &|_: &str| None).await?;
    /// assert!(config.server.callers[0].may_see(&"bluestakes:123".parse()?));
    /// assert!(!config.server.callers[0].may_see(&"bluestakes:124".parse()?));
    /// # Ok(())
    /// # }
    /// ```
    pub fn may_see(&self, key: &Key) -> bool {
        self.tokens.iter().any(|pattern| pattern.matches(key))
    }
}

/// What a caller may do with the keys that it may see. Their status is for all who may do anything.
///
/// ```
/// use tokenkeep::config::Action;
///
/// assert_eq!(Action::ALL.map(|(word, _)| word), ["get", "proxy", "refresh", "credentials", "admin"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Have the token, and say that it was refused.
    Get,
    /// Send requests with it, without seeing it.
    Proxy,
    /// Have it obtained anew or forgotten.
    Refresh,
    /// Give, try and take away the credentials of accounts.
    Credentials,
    /// All of that, and clean up.
    Admin,
}

impl Action {
    /// All of them, with their words in `allow`.
    ///
    /// ```
    /// # use tokenkeep::config::Action;
    /// assert!(Action::ALL.contains(&("get", Action::Get)));
    /// ```
    pub const ALL: [(&'static str, Self); 5] = [
        ("get", Self::Get),
        ("proxy", Self::Proxy),
        ("refresh", Self::Refresh),
        ("credentials", Self::Credentials),
        ("admin", Self::Admin),
    ];

    /// What a caller may do whose table does not say it.
    ///
    /// ```
    /// # use tokenkeep::config::Action;
    /// assert_eq!(Action::DEFAULT, [Action::Get, Action::Proxy]);
    /// ```
    pub const DEFAULT: [Self; 2] = [Self::Get, Self::Proxy];

    /// Its word.
    ///
    /// ```
    /// assert_eq!(tokenkeep::config::Action::Get.as_str(), "get");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Proxy => "proxy",
            Self::Refresh => "refresh",
            Self::Credentials => "credentials",
            Self::Admin => "admin",
        }
    }
}

/// Keys that are alike: `graph`, `bluestakes:123`, `bluestakes:*` (each account of a provider), `*:123` (the account at
/// each provider), `*` (all).
///
/// ```
/// use tokenkeep::config::KeyPattern;
///
/// let accounts = KeyPattern::parse("bluestakes:*")?;
/// assert!(accounts.matches(&"bluestakes:123".parse()?) && accounts.matches(&"bluestakes".parse()?));
/// assert!(!accounts.matches(&"graph".parse()?));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPattern {
    /// `None`: any.
    provider: Option<String>,
    /// `None`: any.
    account: Option<String>,
}

impl KeyPattern {
    /// Reads a pattern; an asterisk stands for a whole name.
    ///
    /// ```
    /// # use tokenkeep::config::KeyPattern;
    /// assert!(KeyPattern::parse("*").is_ok());
    /// assert!(KeyPattern::parse("bluestakes:12*").is_err()); // part of a name
    /// ```
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let (provider, account) = match text.split_once(':') {
            Some((provider, account)) => (provider, account),
            None if text == ANY => (ANY, ANY),
            None => (text, Key::DEFAULT_ACCOUNT),
        };
        let named = |name: &str| (name != ANY).then(|| name.to_owned());
        let pattern = Self { provider: named(provider), account: named(account) };
        let is_whole = !pattern.account.as_deref().is_some_and(|account| account.contains(ANY));
        let is_provider = pattern.provider.as_deref().is_none_or(|provider| check_provider_name(provider).is_ok());
        let is_account = pattern.account.as_deref().is_none_or(|account| check_account(account).is_ok());
        if is_whole && is_provider && is_account { Ok(pattern) } else { Err(InvalidPattern) }
    }

    /// Whether a key is one of them.
    ///
    /// ```
    /// # use tokenkeep::config::KeyPattern;
    /// assert!(KeyPattern::parse("*:123")?.matches(&"bluestakes:123".parse()?));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn matches(&self, key: &Key) -> bool {
        self.provider.as_deref().is_none_or(|provider| provider == key.provider())
            && self.account.as_deref().is_none_or(|account| account == key.account())
    }

    /// The provider that it names, if it names one.
    ///
    /// ```
    /// # use tokenkeep::config::KeyPattern;
    /// assert_eq!(KeyPattern::parse("bluestakes:*")?.provider(), Some("bluestakes"));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn provider(&self) -> Option<&str> {
        self.provider.as_deref()
    }

    /// The account that it names, if it names one.
    ///
    /// ```
    /// # use tokenkeep::config::KeyPattern;
    /// assert_eq!(KeyPattern::parse("bluestakes:*")?.account(), None);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }
}

/// What is no pattern.
///
/// ```
/// use tokenkeep::config::KeyPattern;
///
/// let error = KeyPattern::parse("blue*").unwrap_err();
/// assert_eq!(error.to_string(), "this is no pattern of keys");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no pattern of keys")]
pub struct InvalidPattern;

/// The SHA-256 of a whole API key. It has no `PartialEq`: compare in constant time.
///
/// ```
/// use tokenkeep::config::KeyHash;
///
/// let hash = KeyHash::new([7; 32]); // of the key that a caller gave, to compare with the configured one
/// assert_eq!(format!("{hash:?}"), "KeyHash(…)");
/// ```
#[derive(Clone)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Takes a hash.
    ///
    /// ```
    /// # use tokenkeep::config::KeyHash;
    /// let hash = KeyHash::new([7; 32]);
    /// assert_eq!(hash.as_bytes(), &[7; 32]);
    /// ```
    pub fn new(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// The hash.
    ///
    /// ```
    /// # use tokenkeep::config::KeyHash;
    /// assert_eq!(KeyHash::new([255; 32]).as_bytes(), &[255; 32]);
    /// ```
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

const ANY: &str = "*";
