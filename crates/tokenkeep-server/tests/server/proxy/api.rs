//! An API that tests steer, tokens for it that are counted, and callers that speak either protocol.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokenkeep::fingerprint::Fingerprint;
use tokenkeep::provider::{ApiBase, ApiSettings, Transport};
use tokenkeep::source::{Ask, Fault, FetchError, Fetched, TokenSource};
use tokenkeep::{Accounts, Secret, SourceSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::world::Setup;

/// What tokens begin with; their generation follows.
const TOKEN: &str = "planted-proxied-token-";

/// A server on a free port. It ends when it is dropped.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Parts>>>,
    _running: JoinSet<()>,
}

impl Api {
    /// One that answers each request with this.
    pub(crate) async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(Request) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response> + Send,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&seen);
        let router = Router::new().fallback(async move |request: Request| {
            let (parts, body) = request.into_parts();
            all.lock().unwrap_or_else(PoisonError::into_inner).push(parts.clone());
            answer(Request::from_parts(parts, body)).await
        });
        let mut running = JoinSet::new();
        running.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, seen, _running: running }
    }

    /// One that takes connections and does this with each, HTTP or not.
    pub(crate) async fn raw<F, A>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> A + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut running = JoinSet::new();
        running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream));
            }
        });
        Self { address, seen: Arc::default(), _running: running }
    }

    /// One that reads the head of a request and sends these bytes, then closes.
    pub(crate) async fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::raw(move |mut stream| {
            let bytes = bytes.clone();
            async move {
                read_head(&mut stream).await;
                stream.write_all(&bytes).await.ok();
            }
        })
        .await
    }

    /// The requests that came, without their bodies.
    pub(crate) fn seen(&self) -> Vec<Parts> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A server whose key `api` is for this one, and the tokens that it has.
    pub(crate) fn setup(&self) -> (Setup, Arc<Tokens>) {
        self.setup_with(|api| api)
    }

    /// The same with other settings of the API.
    pub(crate) fn setup_with(&self, settings: impl FnOnce(ApiSettings) -> ApiSettings) -> (Setup, Arc<Tokens>) {
        let tokens = Arc::new(Tokens::default());
        let base = ApiBase::parse(&format!("http://{}/base", self.address), Transport::Secure).unwrap();
        let api = settings(ApiSettings::default().with_base(base));
        let mut setup = Setup::open();
        setup.manager = setup.manager.source(
            "api",
            Arc::<Tokens>::clone(&tokens),
            SourceSettings::default().with_api(api).with_accounts(Accounts::Any),
        );
        (setup, tokens)
    }
}

/// Reads a head; what of a body came with it is lost.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            break;
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Gives tokens with a number, unless it is told not to.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    issued: AtomicU64,
    /// The number of the oldest that the API takes.
    valid_from: AtomicU64,
    pub(crate) down: std::sync::atomic::AtomicBool,
    /// Whoever has it keeps what was issued from reaching the broker.
    pub(crate) delivery: tokio::sync::Mutex<()>,
}

impl Tokens {
    pub(crate) fn issued(&self) -> u64 {
        self.issued.load(Ordering::SeqCst)
    }

    /// Has the API refuse all tokens that there are.
    pub(crate) fn revoke(&self) {
        self.valid_from.store(self.issued() + 1, Ordering::SeqCst);
    }

    /// Whether the API takes the token of a request.
    pub(crate) fn take(&self, parts: &Parts) -> bool {
        number(parts) >= self.valid_from.load(Ordering::SeqCst)
    }
}

/// The number of the token that a request has.
pub(crate) fn number(parts: &Parts) -> u64 {
    let header = parts.headers[AUTHORIZATION].to_str().unwrap();
    header.strip_prefix("Bearer ").and_then(|token| token.strip_prefix(TOKEN)).unwrap().parse().unwrap()
}

#[async_trait]
impl TokenSource for Tokens {
    async fn fetch(&self, _ask: Ask<'_>) -> Result<Fetched, FetchError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(FetchError::new(Fault::Unavailable, "is on holiday"));
        }
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        drop(self.delivery.lock().await);
        Ok(Fetched::new(Secret::new(format!("{TOKEN}{number}"))).expiring_in(Duration::from_hours(1)))
    }

    fn issuer(&self) -> &'static str {
        "tokens.example"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([("source", "tokens")])
    }
}

pub(crate) type Http = Client<HttpConnector, Body>;

/// A caller for each protocol.
pub(crate) fn callers() -> [Http; 2] {
    [http1(), Client::builder(TokioExecutor::new()).http2_only(true).build_http()]
}

pub(crate) fn http1() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

/// A body that is sent piece by piece; it breaks off if the sender sends an error, and ends when it is dropped.
pub(crate) fn steered() -> (mpsc::Sender<Result<Frame<Bytes>, &'static str>>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    let pieces = stream::unfold(receiver, async |mut receiver: mpsc::Receiver<_>| {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    (sender, Body::new(StreamBody::new(pieces)))
}

/// What is sent by [`steered`].
#[expect(clippy::unnecessary_wraps, reason = "a body may also be sent an error")]
pub(crate) fn data(text: &'static str) -> Result<Frame<Bytes>, &'static str> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

/// The next piece of a body, as a text; `None` at its end, which HTTP/2 may tell by an empty one.
pub(crate) async fn next<B>(body: &mut B) -> Option<String>
where
    B: hyper::body::Body<Data = Bytes, Error: std::fmt::Debug> + Unpin,
{
    loop {
        let piece = body.frame().await?.unwrap().into_data().unwrap();
        if !piece.is_empty() {
            return Some(String::from_utf8(piece.to_vec()).unwrap());
        }
    }
}

pub(crate) async fn text(answer: http::Response<Incoming>) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// Reads a body without keeping it: how long it is, or that it broke off.
pub(crate) async fn length(mut body: impl hyper::body::Body<Data = Bytes> + Unpin) -> Option<usize> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.ok()?.data_ref().map_or(0, Bytes::len);
    }
    Some(length)
}

/// An answer without a body.
pub(crate) fn status(status: u16) -> Response {
    StatusCode::from_u16(status).unwrap().into_response()
}
