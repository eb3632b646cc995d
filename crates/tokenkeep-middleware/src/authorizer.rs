//! The token of one key on requests, wherever they come from.
//!
//! The hard problem is that a configuration can change at any moment, and with it where the API is and which header it
//! takes. So nothing of it is kept here: each request is judged by what holds when it is sent, before and after its
//! token was waited for.

use std::fmt;
use std::sync::Arc;

use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use tokenkeep::provider::ApiBase;
use tokenkeep::{Code, Error, Token, TokenHandle};

use crate::verdict::{Repeat, Verdict};

/// Adds the token of one key to requests that go where it may. Cheap to clone.
///
/// `TokenMiddleware` and `TokenLayer` are made from it. For a client of another kind it is used like this:
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/middleware/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// # let (sandbox, manager) = example().await?;
/// # let uri: http::Uri = format!("{}/users", sandbox.api_url()).parse()?;
/// # let send = async |_: &http::HeaderMap| http::StatusCode::UNAUTHORIZED;
/// use tokenkeep_middleware::{Authorizer, Repeat, Verdict};
///
/// let authorizer = Authorizer::new(manager.handle("graph")?)?;
/// let mut headers = http::HeaderMap::new();
/// let token = authorizer.authorize(&uri, &mut headers).await?;
/// let mut status = send(&headers).await;
/// match authorizer.judge(status, Repeat::Possible) {
///     Verdict::PassOn => {}
///     Verdict::RejectAndPassOn => authorizer.handle().reject(&token),
///     Verdict::RejectAndRepeat => {
///         if authorizer.authorize_again(&token, &uri, &mut headers).await?.is_some() {
///             status = send(&headers).await;
///         }
///     }
/// }
/// # assert_eq!((status, headers.len()), (http::StatusCode::UNAUTHORIZED, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Authorizer {
    handle: TokenHandle,
    more_places: Arc<[ApiBase]>,
}

impl Authorizer {
    /// For the place that the provider's configuration names as `api_base`.
    ///
    /// `invalid_request` if it names none.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/middleware/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let (_sandbox, manager) = example().await?;
    /// use tokenkeep_middleware::Authorizer;
    ///
    /// let graph = Authorizer::new(manager.handle("graph")?)?;
    /// let error = Authorizer::new(manager.handle("without-api-base")?).unwrap_err();
    /// assert_eq!(error.code(), tokenkeep::Code::InvalidRequest);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(handle: TokenHandle) -> Result<Self, Error> {
        Self::with_places(handle, [])
    }

    /// For these places too: what lies below an address has the token's trust as what lies below `api_base`.
    ///
    /// `invalid_request` if configuration names none and there are none here.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/middleware/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let (_sandbox, manager) = example().await?;
    /// use tokenkeep::provider::{ApiBase, Transport};
    /// use tokenkeep_middleware::Authorizer;
    ///
    /// let europe = ApiBase::parse("https://eu.example.com/v1", Transport::Secure)?;
    /// let authorizer = Authorizer::with_places(manager.handle("without-api-base")?, [europe])?;
    /// assert!(authorizer.covers(&"https://eu.example.com/v1/users".parse()?));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_places(handle: TokenHandle, places: impl IntoIterator<Item = ApiBase>) -> Result<Self, Error> {
        let authorizer = Self { handle, more_places: places.into_iter().collect() };
        authorizer.places()?;
        Ok(authorizer)
    }

    /// The handle that the tokens come from.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/middleware/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let authorizer = tokenkeep_middleware::Authorizer::new(manager.handle("graph")?)?;
    /// assert_eq!(authorizer.handle().key().to_string(), "graph");
    /// # Ok(())
    /// # }
    /// ```
    pub fn handle(&self) -> &TokenHandle {
        &self.handle
    }

    /// Whether the token may go to this address now.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/middleware/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let (sandbox, manager) = example().await?;
    /// let authorizer = tokenkeep_middleware::Authorizer::new(manager.handle("graph")?)?;
    /// assert!(authorizer.covers(&format!("{}/users", sandbox.api_url()).parse()?));
    /// assert!(!authorizer.covers(&"https://elsewhere.example/users".parse()?));
    /// # Ok(())
    /// # }
    /// ```
    pub fn covers(&self, uri: &Uri) -> bool {
        self.places().is_ok_and(|places| places.iter().any(|place| place.covers(uri)))
    }

    /// Adds the token to the headers of a request for this address, in place of what they have under its name. Waits
    /// for one if there is none. Cancel safe.
    ///
    /// On an error the headers are as they were, and the request is not to be sent: `invalid_request` if it would go to
    /// another place, or is for another one by its `Host`; else what [`TokenHandle::token`] says.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/middleware/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let (sandbox, manager) = example().await?;
    /// # let uri: http::Uri = format!("{}/users", sandbox.api_url()).parse()?;
    /// let authorizer = tokenkeep_middleware::Authorizer::new(manager.handle("graph")?)?;
    /// let mut headers = http::HeaderMap::new();
    /// let token = authorizer.authorize(&uri, &mut headers).await?;
    /// assert_eq!(headers["authorization"], token.authorization());
    ///
    /// let elsewhere = "https://elsewhere.example/users".parse()?;
    /// authorizer.authorize(&elsewhere, &mut http::HeaderMap::new()).await.unwrap_err();
    /// # Ok(())
    /// # }
    /// ```
    pub async fn authorize(&self, uri: &Uri, headers: &mut HeaderMap) -> Result<Token, Error> {
        self.check(uri, headers)?;
        let token = self.handle.token().await?;
        // The configuration may be another one by now: an address that is in the places of both was meant.
        self.check(uri, headers)?;
        let (name, value) = self.handle.header(&token);
        headers.insert(name, value);
        Ok(token)
    }

    /// Says what becomes of an answer with this status, by what configuration says of refused tokens.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/middleware/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let (_sandbox, manager) = example().await?;
    /// use tokenkeep_middleware::{Authorizer, Repeat, Verdict};
    ///
    /// let authorizer = Authorizer::new(manager.handle("graph")?)?;
    /// assert_eq!(authorizer.judge(http::StatusCode::OK, Repeat::Possible), Verdict::PassOn);
    /// # Ok(())
    /// # }
    /// ```
    pub fn judge(&self, status: StatusCode, repeat: Repeat) -> Verdict {
        Verdict::of(status, &self.handle.api().reject_on, repeat)
    }

    /// Rejects a token that was refused, and authorizes the request anew as [`Authorizer::authorize`] does. `None` if
    /// the token stays the same, so that sending it again is in vain. Cancel safe: the token stays rejected.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/middleware/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let (sandbox, manager) = example().await?;
    /// # let uri: http::Uri = format!("{}/users", sandbox.api_url()).parse()?;
    /// let authorizer = tokenkeep_middleware::Authorizer::new(manager.handle("graph")?)?;
    /// let mut headers = http::HeaderMap::new();
    /// let refused = authorizer.authorize(&uri, &mut headers).await?;
    /// let another = authorizer.authorize_again(&refused, &uri, &mut headers).await?;
    /// assert_eq!(another.map(|token| token.generation()), Some(refused.generation() + 1));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn authorize_again(
        &self,
        refused: &Token,
        uri: &Uri,
        headers: &mut HeaderMap,
    ) -> Result<Option<Token>, Error> {
        self.handle.reject(refused);
        let token = self.authorize(uri, headers).await?;
        Ok((self.handle.header(&token) != self.handle.header(refused)).then_some(token))
    }

    /// Where the token may go; never none.
    fn places(&self) -> Result<Vec<ApiBase>, Error> {
        if self.more_places.is_empty() {
            return self.handle.api_base().map(|base| vec![base]).map_err(|error| {
                let next =
                    format!("{}, or name the places where this client is made", error.next().unwrap_or_default());
                error.with_next(next)
            });
        }
        Ok(self.handle.api().base.iter().cloned().chain(self.more_places.iter().cloned()).collect())
    }

    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Error> {
        let places = self.places()?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(self
                .error("a request has no whole address, so where it goes is not known; it was not sent")
                .with_next("give it scheme, host and path"));
        };
        if !places.iter().any(|place| place.covers(uri)) {
            let places: Vec<_> = places.iter().map(ApiBase::as_str).collect();
            let what = format!(
                "a request to {scheme}://{} is outside of {}; it was not sent",
                host_and_port(authority),
                places.join(" and ")
            );
            return Err(self
                .error(what)
                .with_next("send it by a client without this token, or name its place where this client is made"));
        }
        if !headers.get_all(HOST).iter().all(|host| names(host, scheme, authority)) {
            return Err(self
                .error("a request has a Host header for another host than its address; it was not sent")
                .with_next("leave the header out"));
        }
        Ok(())
    }

    pub(crate) fn error(&self, what: impl Into<String>) -> Error {
        Error::new(Code::InvalidRequest, what).with_key(self.handle.key())
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer")
            .field("key", &self.handle.key())
            .field("more_places", &self.more_places)
            .finish_non_exhaustive()
    }
}

/// Whether a `Host` header is for the host and port of an address.
fn names(host: &HeaderValue, scheme: &Scheme, authority: &Authority) -> bool {
    let port = |authority: &Authority| {
        authority.port_u16().or((*scheme == Scheme::HTTP).then_some(80)).or((*scheme == Scheme::HTTPS).then_some(443))
    };
    let named = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    named.is_some_and(|named| {
        !named.as_str().contains('@')
            && named.host().eq_ignore_ascii_case(authority.host())
            && port(&named) == port(authority)
    })
}

/// What of an address may stand in a message: no name, no password.
pub(crate) fn host_and_port(authority: &Authority) -> &str {
    authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, host)| host)
}
