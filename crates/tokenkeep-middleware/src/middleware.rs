//! A middleware for clients of `reqwest-middleware`.

use http::{Extensions, Uri};
use reqwest::redirect::Policy;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next};
use tokenkeep::{Token, TokenHandle};

use crate::authorizer::{Authorizer, host_and_port};
use crate::redirect::{self, Landing};
use crate::verdict::{Repeat, Verdict};

/// Adds the token of one key to each request of a client, and repeats a request whose token was refused once.
///
/// # Redirects
///
/// The client follows redirects by itself, and this middleware cannot stop it. Build the client with
/// [`TokenMiddleware::redirect_policy`]: it follows those that stay where the token may go. **A client with another
/// policy takes a token in a header of the vendor's own, such as `X-Api-Key`, to whatever server a redirect names**, and
/// one in `Authorization` to any path of the same server. If the answer then comes from a place that the token may not
/// go to, the request fails, so that it is noticed; the token has gone there all the same.
///
/// # Bodies
///
/// A request is repeated with the same bytes if they are in memory, as those of a text, JSON or form are. A body that is
/// a stream is gone after the first time: the refusal is the answer, and the next request has another token. Nor is
/// anything but a GET, HEAD, OPTIONS or TRACE repeated after a redirect: what it asks for may have been done.
///
/// The answer that refused the token is dropped unread before the request is repeated.
///
/// # Errors
///
/// An error of [`tokenkeep`] is a [`reqwest_middleware::Error::Middleware`], and found there again:
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/middleware/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// # let (sandbox, manager) = example().await?;
/// # sandbox.set_fault(tokenkeep_sandbox::Fault::Status { status: 503, body: String::new() });
/// # let url = format!("{}/users", sandbox.api_url());
/// use tokenkeep_middleware::TokenMiddleware;
///
/// let tokens = TokenMiddleware::new(manager.handle("graph")?)?;
/// let client = reqwest::Client::builder().redirect(tokens.redirect_policy()).build()?;
/// let client = reqwest_middleware::ClientBuilder::new(client).with(tokens).build();
///
/// // The issuer is down.
/// let Err(reqwest_middleware::Error::Middleware(error)) = client.get(url).send().await else {
///     panic!("nothing is sent without a token");
/// };
/// let error = error.downcast_ref::<tokenkeep::Error>().ok_or("another middleware failed")?;
/// assert!(error.is_transient());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TokenMiddleware {
    authorizer: Authorizer,
}

impl TokenMiddleware {
    /// For the place that the provider's configuration names as `api_base`. For more places make it
    /// [from](TokenMiddleware::from) an [`Authorizer`].
    ///
    /// `invalid_request` if configuration names none.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/middleware/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let (_sandbox, manager) = example().await?;
    /// use tokenkeep::provider::{ApiBase, Transport};
    /// use tokenkeep_middleware::{Authorizer, TokenMiddleware};
    ///
    /// let tokens = TokenMiddleware::new(manager.handle("graph")?)?;
    ///
    /// let europe = ApiBase::parse("https://eu.example.com/v1", Transport::Secure)?;
    /// let tokens = TokenMiddleware::from(Authorizer::with_places(manager.handle("graph")?, [europe])?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(handle: TokenHandle) -> Result<Self, tokenkeep::Error> {
        Authorizer::new(handle).map(Self::from)
    }

    /// For a client that is to follow redirects: those that stay at the same server and where the token may go, ten in
    /// a row. To any other the redirect itself is the answer.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/middleware/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let tokens = tokenkeep_middleware::TokenMiddleware::new(manager.handle("graph")?)?;
    /// let client = reqwest::Client::builder().redirect(tokens.redirect_policy()).build()?;
    /// let client = reqwest_middleware::ClientBuilder::new(client).with(tokens).build();
    /// # Ok(())
    /// # }
    /// ```
    pub fn redirect_policy(&self) -> Policy {
        redirect::policy(self.authorizer.clone())
    }

    /// From where the answer came; an error if the token must not have gone there.
    fn landing(&self, asked: &Uri, token: &Token, answer: &Response) -> Result<Landing, tokenkeep::Error> {
        let header = self.authorizer.handle().header(token).0;
        let answered = redirect::address(answer.url()).unwrap_or_default();
        let landing = Landing::of(asked, &answered, &header, |uri| self.authorizer.covers(uri));
        if landing == Landing::Outside {
            let place = answered.authority().map_or("another place", host_and_port);
            let error = self.authorizer.error(format!("the client followed a redirect to {place}, with the token"));
            return Err(error.with_next("build the client with TokenMiddleware::redirect_policy"));
        }
        Ok(landing)
    }
}

impl From<Authorizer> for TokenMiddleware {
    fn from(authorizer: Authorizer) -> Self {
        Self { authorizer }
    }
}

#[async_trait::async_trait]
impl Middleware for TokenMiddleware {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response, Error> {
        let Some(uri) = redirect::address(request.url()) else {
            let error = self.authorizer.error("the address of a request is one that HTTP cannot carry");
            return Err(Error::middleware(error.with_next("percent-encode what is special in it")));
        };
        let copy = request.try_clone();
        let token = self.authorizer.authorize(&uri, request.headers_mut()).await.map_err(Error::middleware)?;
        let answer = next.clone().run(request, extensions).await?;
        let landing = self.landing(&uri, &token, &answer).map_err(Error::middleware)?;
        if landing == Landing::WithoutToken {
            return Ok(answer);
        }
        // A redirect can say that what was asked for is done, and where its result is.
        let copy = copy.filter(|copy| landing == Landing::Asked || copy.method().is_safe());
        match (self.authorizer.judge(answer.status(), Repeat::of(copy.as_ref())), copy) {
            (Verdict::PassOn, _) => Ok(answer),
            (Verdict::RejectAndRepeat, Some(mut request)) => {
                let again = self.authorizer.authorize_again(&token, &uri, request.headers_mut());
                let Some(token) = again.await.map_err(Error::middleware)? else { return Ok(answer) };
                drop(answer);
                let answer = next.run(request, extensions).await?;
                self.landing(&uri, &token, &answer).map_err(Error::middleware)?;
                Ok(answer)
            }
            (Verdict::RejectAndPassOn | Verdict::RejectAndRepeat, _) => {
                self.authorizer.handle().reject(&token);
                Ok(answer)
            }
        }
    }
}
