//! An API that records what it is sent and answers as a law says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, Method};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// What arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The token, whatever it is.
    pub(crate) fn authorization(&self) -> Option<&str> {
        self.header("authorization")
    }
}

/// Ends when dropped.
pub(crate) struct Api {
    address: SocketAddr,
    record: Arc<Record>,
    _server: JoinSet<()>,
}

struct Record {
    seen: Mutex<Vec<Seen>>,
    answer: Box<Answer>,
    /// So many requests are answered together.
    together: usize,
    gathering: Barrier,
}

type Answer = dyn Fn(&Seen, usize) -> Response + Send + Sync;

impl Api {
    /// Answers what `answer` makes of a request and of how many came before.
    pub(crate) async fn start(answer: impl Fn(&Seen, usize) -> Response + Send + Sync + 'static) -> Self {
        Self::holding(0, answer).await
    }

    /// The same, but answers none of the first `together` requests before all of them are there.
    pub(crate) async fn holding(
        together: usize,
        answer: impl Fn(&Seen, usize) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, gathering) = (Mutex::default(), Barrier::new(together));
        let record = Arc::new(Record { seen, answer: Box::new(answer), together, gathering });
        let router = Router::new().fallback(handle).with_state(Arc::clone(&record));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, record, _server: server }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn base(&self) -> String {
        format!("{}/api", self.url())
    }

    /// All that arrived, oldest first.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.record.seen().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.record.seen().len()
    }
}

impl Record {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer with nothing but a status.
pub(crate) fn status(status: u16) -> Response {
    text(status, "")
}

pub(crate) fn text(status: u16, body: &'static str) -> Response {
    Response::builder().status(status).body(Body::from(body)).unwrap()
}

pub(crate) fn redirect(status: u16, to: &str) -> Response {
    Response::builder().status(status).header("location", to).body(Body::empty()).unwrap()
}

async fn handle(State(record): State<Arc<Record>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    let seen = Seen { method: head.method, path: head.uri.path().to_owned(), headers: head.headers, body };
    let before = {
        let mut all = record.seen();
        all.push(seen.clone());
        all.len() - 1
    };
    if before < record.together {
        record.gathering.wait().await;
    }
    (record.answer)(&seen, before)
}
