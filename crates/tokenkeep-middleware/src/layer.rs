//! A layer for clients that are a `tower` service.

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tokenkeep::TokenHandle;
use tower_layer::Layer;
use tower_service::Service;

use crate::authorizer::Authorizer;
use crate::verdict::{Repeat, Verdict};

/// Any error, as `tower` has it: that of the client below, or the [`tokenkeep::Error`] that says why nothing was sent.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a [`TokenService`] answers, when it does. Cancel safe.
pub type AnswerFuture<R> = Pin<Box<dyn Future<Output = Result<Response<R>, BoxError>> + Send>>;

/// Adds the token of one key to each request with a body of type `B`, and repeats a request whose token was refused
/// once.
///
/// Requests must have their whole address, as those for the client of `hyper-util` do. Put it below what follows
/// redirects (`tower_http::follow_redirect`), so that it judges each address by itself, and below what retries.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/middleware/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// # let (sandbox, manager) = example().await?;
/// # let api = sandbox.api_url();
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use tokenkeep_middleware::TokenLayer;
/// use tower::{Service, ServiceBuilder, ServiceExt};
///
/// let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
/// let mut client = ServiceBuilder::new().layer(TokenLayer::new(manager.handle("graph")?)?).service(client);
///
/// let request = http::Request::post(format!("{api}/users")).body(Full::from("{}"))?;
/// let answer = client.ready().await?.call(request).await?;
/// assert_eq!(answer.status(), 200);
///
/// // Nothing goes to another place, and the error says so.
/// let request = http::Request::get("http://127.0.0.1:1/").body(Full::default())?;
/// let error = client.ready().await?.call(request).await.unwrap_err();
/// let error = error.downcast_ref::<tokenkeep::Error>().ok_or("the client failed")?;
/// assert_eq!(error.code(), tokenkeep::Code::InvalidRequest);
/// # Ok(())
/// # }
/// ```
pub struct TokenLayer<B> {
    authorizer: Authorizer,
    copy: CopyBody<B>,
}

/// Makes a second body that is sent if the first was sent in vain.
type CopyBody<B> = fn(&B) -> Option<B>;

impl<B: Clone> TokenLayer<B> {
    /// For the place that the provider's configuration names as `api_base`, and bodies that can be cloned, as
    /// `http_body_util::Full` or a text. For more places make it [from](TokenLayer::from) an [`Authorizer`].
    ///
    /// `invalid_request` if configuration names none.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/middleware/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let (_sandbox, manager) = example().await?;
    /// use tokenkeep_middleware::TokenLayer;
    ///
    /// let layer = TokenLayer::<String>::new(manager.handle("graph")?)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(handle: TokenHandle) -> Result<Self, tokenkeep::Error> {
        Authorizer::new(handle).map(Self::from)
    }
}

impl<B> TokenLayer<B> {
    /// For bodies that cannot be cloned, or not all of them. `copy` gives a second body for those that can be sent
    /// twice; the others are sent once, and if their token is refused, the refusal is the answer and the next request
    /// has another token.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/middleware/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let (_sandbox, manager) = example().await?;
    /// use axum::body::{Body, HttpBody as _};
    /// use tokenkeep_middleware::{Authorizer, TokenLayer};
    ///
    /// // A request without a body is repeated, a stream is not.
    /// let authorizer = Authorizer::new(manager.handle("graph")?)?;
    /// let layer = TokenLayer::with_copy(authorizer, |body: &Body| body.is_end_stream().then(Body::empty));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_copy(authorizer: Authorizer, copy: fn(&B) -> Option<B>) -> Self {
        Self { authorizer, copy }
    }
}

impl<B: Clone> From<Authorizer> for TokenLayer<B> {
    fn from(authorizer: Authorizer) -> Self {
        Self::with_copy(authorizer, |body| Some(body.clone()))
    }
}

impl<S, B> Layer<S> for TokenLayer<B> {
    type Service = TokenService<S, B>;

    fn layer(&self, inner: S) -> Self::Service {
        TokenService { inner, layer: self.clone() }
    }
}

impl<B> Clone for TokenLayer<B> {
    fn clone(&self) -> Self {
        Self { authorizer: self.authorizer.clone(), copy: self.copy }
    }
}

impl<B> fmt::Debug for TokenLayer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenLayer").field("authorizer", &self.authorizer).finish_non_exhaustive()
    }
}

/// A client with a [`TokenLayer`] around it.
///
/// It is ready when the client is. Its errors are [`BoxError`]s; one of [`tokenkeep`] is found by `downcast_ref`.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/middleware/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// # let (sandbox, manager) = example().await?;
/// # let url = format!("{}/users", sandbox.api_url());
/// use http::{Request, Response};
/// use tokenkeep_middleware::{TokenLayer, TokenService};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// // Any service that takes requests will do.
/// let client = service_fn(async |request: Request<String>| {
///     assert!(request.headers()["authorization"].is_sensitive());
///     Ok::<_, std::io::Error>(Response::new(()))
/// });
/// let client: TokenService<_, String> = TokenLayer::new(manager.handle("graph")?)?.layer(client);
/// client.oneshot(Request::get(url).body(String::new())?).await?;
/// # Ok(())
/// # }
/// ```
pub struct TokenService<S, B> {
    inner: S,
    layer: TokenLayer<B>,
}

impl<S, B, R> Service<Request<B>> for TokenService<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Send + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = AnswerFuture<R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that was found ready is the one to call: a clone of it need not be.
        let next = self.inner.clone();
        let client = mem::replace(&mut self.inner, next);
        Box::pin(send(client, self.layer.clone(), request))
    }
}

impl<S: Clone, B> Clone for TokenService<S, B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, B> fmt::Debug for TokenService<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenService").field("layer", &self.layer).finish_non_exhaustive()
    }
}

/// Sends a request by a client that is ready, and once more if its token was refused.
async fn send<S, B, R>(mut client: S, layer: TokenLayer<B>, mut request: Request<B>) -> Result<Response<R>, BoxError>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    let TokenLayer { authorizer, copy } = layer;
    let uri = request.uri().clone();
    let copy = copy_of(&request, copy);
    let token = authorizer.authorize(&uri, request.headers_mut()).await?;
    let answer = client.call(request).await.map_err(Into::into)?;
    match (authorizer.judge(answer.status(), Repeat::of(copy.as_ref())), copy) {
        (Verdict::PassOn, _) => Ok(answer),
        (Verdict::RejectAndRepeat, Some(mut request)) => {
            if authorizer.authorize_again(&token, &uri, request.headers_mut()).await?.is_none() {
                return Ok(answer);
            }
            // A client that has room for one answer has none before.
            drop(answer);
            poll_fn(|context| client.poll_ready(context)).await.map_err(Into::into)?;
            client.call(request).await.map_err(Into::into)
        }
        (Verdict::RejectAndPassOn | Verdict::RejectAndRepeat, _) => {
            authorizer.handle().reject(&token);
            Ok(answer)
        }
    }
}

fn copy_of<B>(request: &Request<B>, copy: CopyBody<B>) -> Option<Request<B>> {
    let mut again = Request::new(copy(request.body())?);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.version_mut() = request.version();
    *again.headers_mut() = request.headers().clone();
    *again.extensions_mut() = request.extensions().clone();
    Some(again)
}
