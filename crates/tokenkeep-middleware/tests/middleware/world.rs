//! An issuer, a manager, and a client of either kind with its tokens.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::LOCATION;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Either, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use reqwest::redirect::Policy;
use reqwest_middleware::ClientWithMiddleware;
use tokenkeep::{Error, TokenHandle, TokenManager, config};
use tokenkeep_middleware::{Authorizer, TokenLayer, TokenMiddleware, TokenService};
use tokenkeep_sandbox::Sandbox;
use tower::{Layer as _, ServiceExt as _};

/// The issuer, and a manager with the keys `graph` and `fixed`.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) manager: TokenManager,
}

impl World {
    /// With the API of the sandbox.
    pub(crate) async fn start() -> Self {
        let sandbox = sandbox().await;
        let base = sandbox.api_url();
        Self::with_sandbox(sandbox, &format!("api_base = \"{base}\"")).await
    }

    /// With an API at this address.
    pub(crate) async fn with_api(base: &str) -> Self {
        Self::with_lines(&format!("api_base = \"{base}\"")).await
    }

    /// With these lines in the table of each provider.
    pub(crate) async fn with_lines(lines: &str) -> Self {
        Self::with_sandbox(sandbox().await, lines).await
    }

    async fn with_sandbox(sandbox: Sandbox, lines: &str) -> Self {
        let config = configuration(&sandbox, lines).await;
        Self { sandbox, manager: TokenManager::builder().config(config).build().await.unwrap() }
    }

    /// Takes over these lines in place of those before.
    pub(crate) async fn reload(&self, lines: &str) {
        self.manager.reload(&configuration(&self.sandbox, lines).await.providers).unwrap();
    }

    pub(crate) fn graph(&self) -> TokenHandle {
        self.manager.handle("graph").unwrap()
    }

    /// Clients of either kind with the tokens of `graph`.
    pub(crate) fn clients(&self) -> [Caller; 2] {
        Caller::both(&Authorizer::new(self.graph()).unwrap())
    }

    /// How many tokens the issuer was asked for.
    pub(crate) fn token_requests(&self) -> u64 {
        self.sandbox.counters_of("reports").token_requests
    }
}

async fn sandbox() -> Sandbox {
    let client = tokenkeep_sandbox::Client::new("reports", SECRET).life(Duration::from_hours(1));
    Sandbox::builder().client(client).start().await.unwrap()
}

async fn configuration(sandbox: &Sandbox, lines: &str) -> config::Config {
    let text = format!(
        "store = \"memory:\"\n\
         [providers.graph]\ngrant = \"client_credentials\"\ntoken_url = \"{}\"\nclient_id = \"reports\"\n\
         client_secret = {{ env = \"SECRET\" }}\n{lines}\n\
         [providers.fixed]\ngrant = \"static\"\ntoken = {{ env = \"SECRET\" }}\n{lines}\n",
        sandbox.token_url()
    );
    let environment = HashMap::from([("SECRET".to_owned(), SECRET.to_owned())]);
    config::parse(&text, "tokenkeep.toml", "/".as_ref(), &environment).await.unwrap()
}

/// The secret of the client, and the token of `fixed`.
pub(crate) const SECRET: &str = "planted-secret";

/// A client that adds tokens, of one of the two kinds.
#[derive(Clone)]
pub(crate) enum Caller {
    Reqwest(ClientWithMiddleware),
    Tower(Box<TokenService<Client<HttpConnector, TowerBody>, TowerBody>>),
}

/// Bytes that can be sent again, or a stream that cannot.
pub(crate) type TowerBody = Either<Full<Bytes>, reqwest::Body>;

/// A request of a law.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: AskBody,
}

#[derive(Debug, Clone, Copy)]
enum AskBody {
    Bytes(&'static str),
    Stream(&'static [&'static str]),
}

impl Ask {
    pub(crate) fn get(url: impl Into<String>) -> Self {
        Self { method: Method::GET, url: url.into(), headers: HeaderMap::new(), body: AskBody::Bytes("") }
    }

    pub(crate) fn post(url: impl Into<String>, body: &'static str) -> Self {
        Self { method: Method::POST, body: AskBody::Bytes(body), ..Self::get(url) }
    }

    /// A body that is sent as it comes, in pieces.
    pub(crate) fn stream(url: impl Into<String>, pieces: &'static [&'static str]) -> Self {
        Self { method: Method::POST, body: AskBody::Stream(pieces), ..Self::get(url) }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().unwrap());
        self
    }
}

/// What a caller gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

impl Caller {
    pub(crate) fn both(authorizer: &Authorizer) -> [Self; 2] {
        let tokens = TokenMiddleware::from(authorizer.clone());
        let policy = tokens.redirect_policy();
        [Self::reqwest(tokens, policy), Self::tower(authorizer.clone())]
    }

    pub(crate) fn reqwest(tokens: TokenMiddleware, policy: Policy) -> Self {
        let client = reqwest::Client::builder().redirect(policy).no_proxy().tls_certs_only([]).build().unwrap();
        Self::Reqwest(reqwest_middleware::ClientBuilder::new(client).with(tokens).build())
    }

    fn tower(authorizer: Authorizer) -> Self {
        let layer = TokenLayer::with_copy(authorizer, |body: &TowerBody| match body {
            Either::Left(bytes) => Some(Either::Left(bytes.clone())),
            Either::Right(_) => None,
        });
        Self::Tower(Box::new(layer.layer(Client::builder(TokioExecutor::new()).build_http())))
    }

    /// Sends a request; no error but those of tokenkeep is expected.
    pub(crate) async fn send(&self, ask: Ask) -> Result<Answered, Error> {
        match self {
            Self::Reqwest(client) => {
                let body = match ask.body {
                    AskBody::Bytes(text) => reqwest::Body::from(text),
                    AskBody::Stream(pieces) => stream(pieces),
                };
                let request = client.request(ask.method, ask.url).headers(ask.headers).body(body);
                let answer = request.send().await.map_err(|error| match error {
                    reqwest_middleware::Error::Middleware(error) => error.downcast::<Error>().unwrap(),
                    error @ reqwest_middleware::Error::Reqwest(_) => panic!("{error:?}"),
                })?;
                let location = location(answer.headers());
                Ok(Answered { status: answer.status().as_u16(), location, body: answer.text().await.unwrap() })
            }
            Self::Tower(client) => {
                let mut request = Request::new(ask.body.tower());
                *request.method_mut() = ask.method;
                *request.uri_mut() = ask.url.parse().unwrap();
                *request.headers_mut() = ask.headers;
                let answer = client.clone().oneshot(request).await;
                let answer = answer.map_err(|error| *error.downcast::<Error>().unwrap())?;
                let (status, location) = (answer.status().as_u16(), location(answer.headers()));
                let body = answer.into_body().collect().await.unwrap().to_bytes();
                Ok(Answered { status, location, body: String::from_utf8(body.to_vec()).unwrap() })
            }
        }
    }

    /// The status of the answer.
    pub(crate) async fn status(&self, ask: Ask) -> u16 {
        self.send(ask).await.unwrap().status
    }
}

impl AskBody {
    fn tower(self) -> TowerBody {
        match self {
            Self::Bytes(text) => Either::Left(Full::from(text)),
            Self::Stream(pieces) => Either::Right(stream(pieces)),
        }
    }
}

fn stream(pieces: &'static [&'static str]) -> reqwest::Body {
    reqwest::Body::wrap_stream(stream::iter(pieces.iter().map(|piece| Ok::<_, Infallible>(*piece))))
}

fn location(headers: &HeaderMap) -> Option<String> {
    headers.get(LOCATION).map(|value| value.to_str().unwrap().to_owned())
}
