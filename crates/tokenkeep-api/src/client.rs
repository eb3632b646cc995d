//! A client of a broker: one method for each route, and [`Client::subscribe`] on top.
//!
//! ```text
//! builder (server, api_key, TLS) ─▶ Client ─▶ transport ─▶ answer, or ClientError
//!                                     └─▶ watch (events) ─▶ Subscription: connects again, gives each token once
//! ```
//!
//! A call is made once: nothing is repeated, and no redirect is followed. What a broker answers no to is a [`Problem`]
//! in [`ClientError::Answered`], with what to do about it; that there is no answer is told apart from it. A broker keeps
//! tokens and renews them ahead, so a program asks it for a token whenever it needs one and keeps none itself.
//!
//! [`Problem`]: crate::Problem

mod api_key;
mod builder;
mod demand;
mod error;
mod events;
mod server_url;
mod subscription;
mod transport;
mod watch;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder};

pub use self::api_key::ApiKey;
pub use self::builder::ClientBuilder;
pub use self::demand::{Demand, StatusQuery};
pub use self::error::ClientError;
pub use self::server_url::{InvalidServerUrl, ServerUrl};
pub use self::subscription::Subscription;
pub use self::watch::{Watch, WatchEvent};

use self::transport::Transport;
use crate::{
    CleanupAnswer, CredentialsRequest, HealthAnswer, Readiness, RejectAnswer, RejectRequest, StatsAnswer, StatusAnswer,
    TokenAnswer, TokenPage, TrialAnswer,
};

/// A broker, as a program sees it. Clones share their connections.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/broker.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = broker(TOKEN)?;
/// use tokenkeep_api::client::{ApiKey, Client};
///
/// // The server can be "unix:/run/tokenkeep/tokenkeep.sock" too.
/// let client = Client::builder(&server).api_key(ApiKey::new("tk_…")).build()?;
/// let token = client.token("graph").await?;
/// println!("{} {}", token.token_type, token.access_token);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
}

impl Client {
    /// A client of the broker at `http://…`, `https://…` or `unix:/path`, without an API key.
    pub fn new(server: &str) -> Result<Self, ClientError> {
        Self::builder(server).build()
    }

    /// The same with more settings.
    pub fn builder(server: &str) -> ClientBuilder {
        ClientBuilder::new(server)
    }

    /// Where the broker is.
    pub fn server(&self) -> &ServerUrl {
        self.transport.server()
    }

    /// A token of a key that can be used now; the broker obtains one if there is none.
    pub async fn token(&self, key: &str) -> Result<TokenAnswer, ClientError> {
        self.get(key, Demand::default()).await
    }

    /// The same for a caller that needs more than the next token there is.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/broker.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = tokenkeep_api::client::Client::new(&broker(TOKEN)?)?;
    /// use std::time::Duration;
    /// use tokenkeep_api::client::Demand;
    ///
    /// let for_a_long_upload = Demand::default().with_min_valid(Duration::from_mins(10));
    /// assert_eq!(client.get("graph", for_a_long_upload).await?.key, "graph");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(&self, key: &str, demand: Demand) -> Result<TokenAnswer, ClientError> {
        let url = demand.add_to(self.transport.url(&["tokens", key])?);
        self.transport.json(self.transport.request(Method::GET, url), demand.patience()).await
    }

    /// The header that carries a token to its API: `Authorization`, or the one that the provider wants it in. An error
    /// if the broker has another token by now.
    pub async fn header(&self, token: &TokenAnswer) -> Result<(HeaderName, HeaderValue), ClientError> {
        let url = self.transport.url(&["auth", &token.key])?;
        let headers = self.transport.headers(self.transport.request(Method::GET, url)).await?;
        let secret = token.access_token.as_bytes();
        let header =
            headers.iter().find(|(_, value)| value.as_bytes().windows(secret.len()).any(|part| part == secret));
        let (name, value) = header.ok_or_else(|| self.transport.interrupted("it has another token by now"))?;
        let mut value = value.clone();
        value.set_sensitive(true);
        Ok((name.clone(), value))
    }

    /// All that an operator may know of a key.
    pub async fn status(&self, key: &str) -> Result<StatusAnswer, ClientError> {
        self.read(&["tokens", key, "status"]).await
    }

    /// A page of the statuses of all keys that the caller may see, in the order of the keys.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/broker.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = tokenkeep_api::client::Client::new(&broker(PAGE)?)?;
    /// use tokenkeep_api::State;
    /// use tokenkeep_api::client::StatusQuery;
    ///
    /// let mut query = StatusQuery::default().with_state(State::Refused);
    /// loop {
    ///     let page = client.statuses(&query).await?;
    ///     page.tokens.iter().for_each(|status| println!("{}: {}", status.key, status.reason));
    ///     let Some(next) = page.next else { break };
    ///     query = query.with_after(next);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn statuses(&self, query: &StatusQuery) -> Result<TokenPage, ClientError> {
        let url = query.add_to(self.transport.url(&["tokens"])?);
        self.transport.json(self.transport.request(Method::GET, url), transport::NOBODY).await
    }

    /// How many tokens the broker keeps, of all providers or of one.
    pub async fn stats(&self, provider: Option<&str>) -> Result<StatsAnswer, ClientError> {
        let mut url = self.transport.url(&["tokens", "stats"])?;
        if let Some(provider) = provider {
            url.query_pairs_mut().append_pair("provider", provider);
        }
        self.transport.json(self.transport.request(Method::GET, url), transport::NOBODY).await
    }

    /// Has a new token obtained now, whatever the present one is like; the status afterwards.
    pub async fn refresh(&self, key: &str) -> Result<StatusAnswer, ClientError> {
        let url = self.transport.url(&["tokens", key, "refresh"])?;
        self.transport.json(self.transport.request(Method::POST, url), transport::ISSUER).await
    }

    /// The same by the fallbacks of the provider.
    pub async fn refresh_by_fallback(&self, key: &str) -> Result<StatusAnswer, ClientError> {
        let mut url = self.transport.url(&["tokens", key, "refresh"])?;
        url.query_pairs_mut().append_pair("fallback", "true");
        self.transport.json(self.transport.request(Method::POST, url), transport::ISSUER).await
    }

    /// Says that a resource server refused the token of this generation: if it is still the present one, it is handed
    /// out no more.
    pub async fn reject(&self, key: &str, generation: u64) -> Result<RejectAnswer, ClientError> {
        let url = self.transport.url(&["tokens", key, "reject"])?;
        let request = transport::with_json(self.transport.request(Method::POST, url), &RejectRequest { generation });
        self.transport.json(request, transport::NOBODY).await
    }

    /// Forgets the token of a key.
    pub async fn clear(&self, key: &str) -> Result<(), ClientError> {
        let url = self.transport.url(&["tokens", key])?;
        self.transport.done(self.transport.request(Method::DELETE, url)).await
    }

    /// Keeps the credentials of an account, in place of those before.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/broker.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = tokenkeep_api::client::Client::new(&broker("null")?)?;
    /// use tokenkeep_api::CredentialsRequest;
    ///
    /// client.set_credentials("bluestakes:123", &CredentialsRequest::with_password("ann", "ann-secret")).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn set_credentials(&self, key: &str, credentials: &CredentialsRequest) -> Result<(), ClientError> {
        let url = self.transport.url(&["tokens", key, "credentials"])?;
        self.transport.done(transport::with_json(self.transport.request(Method::PUT, url), credentials)).await
    }

    /// Forgets the credentials of an account, with its token and its login; `unknown_key` if there are none.
    pub async fn remove_credentials(&self, key: &str) -> Result<(), ClientError> {
        let url = self.transport.url(&["tokens", key, "credentials"])?;
        self.transport.done(self.transport.request(Method::DELETE, url)).await
    }

    /// Has the broker log in once, with these credentials or with those that it has, and keeps nothing of it. That the
    /// login fails is no error but what the answer says.
    pub async fn test_credentials(
        &self,
        key: &str,
        credentials: Option<&CredentialsRequest>,
    ) -> Result<TrialAnswer, ClientError> {
        let url = self.transport.url(&["tokens", key, "credentials", "test"])?;
        let mut request = self.transport.request(Method::POST, url);
        if let Some(credentials) = credentials {
            request = transport::with_json(request, credentials);
        }
        self.transport.json(request, transport::ISSUER).await
    }

    /// Throws out tokens that are long over.
    pub async fn cleanup(&self) -> Result<CleanupAnswer, ClientError> {
        let url = self.transport.url(&["tokens", "cleanup"])?;
        self.transport.json(self.transport.request(Method::POST, url), transport::NOBODY).await
    }

    /// How the broker, or one key, is; that it is unhealthy is no error but what the answer says.
    pub async fn health(&self, key: Option<&str>) -> Result<HealthAnswer, ClientError> {
        let mut url = self.transport.url(&["health"])?;
        if let Some(key) = key {
            url.query_pairs_mut().append_pair("key", key);
        }
        self.transport.json_also_with(self.transport.request(Method::GET, url), UNHEALTHY).await
    }

    /// Whether the broker can hand out tokens; an error if not.
    pub async fn ready(&self) -> Result<Readiness, ClientError> {
        self.read(&["readyz"]).await
    }

    /// Watches a key over one connection: its present token at once, then each new one, and why there is none, until the
    /// connection ends. What was told up to the event with the id `after` is not told again.
    ///
    /// [`Client::subscribe`] is this for as long as it takes.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/broker.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = tokenkeep_api::client::Client::new(&broker_of_events(TOKEN)?)?;
    /// use tokenkeep_api::client::WatchEvent;
    ///
    /// let mut watch = client.watch("graph", None).await?;
    /// while let Some(event) = watch.next().await? {
    ///     match event {
    ///         WatchEvent::Token(token) => println!("generation {}", token.generation),
    ///         WatchEvent::Problem(problem) => println!("none for now: {}", problem.detail),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn watch(&self, key: &str, after: Option<&str>) -> Result<Watch, ClientError> {
        Watch::open(&self.transport, key, after).await
    }

    /// The tokens of a key: the present one at once, then each new one, however often the connection breaks.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/broker.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = tokenkeep_api::client::Client::new(&broker_of_events(TOKEN)?)?;
    /// let mut tokens = client.subscribe("graph"); // also a `Stream`
    /// while let Some(token) = tokens.next().await {
    ///     println!("from now on: generation {}", token?.generation);
    ///     # break;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe(&self, key: &str) -> Subscription {
        Subscription::new(self.transport.clone(), key.to_owned())
    }

    /// A request that the broker sends on to the provider's API, with the token of this key in it: `path`, with its
    /// query, is added to the provider's `api_base`. It is to be filled and sent; an answer with the header
    /// `Tokenkeep-Problem` comes from the broker, any other from the API.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/broker.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = tokenkeep_api::client::Client::new(&broker("[]")?)?;
    /// let users = client.proxy("graph", reqwest::Method::GET, "/users?top=1")?.send().await?.text().await?;
    /// # assert_eq!(users, "[]");
    /// # Ok(())
    /// # }
    /// ```
    pub fn proxy(&self, key: &str, method: Method, path: &str) -> Result<RequestBuilder, ClientError> {
        Ok(self.transport.request(method, self.transport.url_below(&["proxy", key], path)?))
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, path: &[&str]) -> Result<T, ClientError> {
        let url = self.transport.url(path)?;
        self.transport.json(self.transport.request(Method::GET, url), transport::NOBODY).await
    }
}

/// The HTTP status of an unhealthy broker's answer.
const UNHEALTHY: u16 = 503;
