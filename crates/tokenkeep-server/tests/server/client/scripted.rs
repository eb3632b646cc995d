//! A broker that answers each connection as the test says, byte for byte.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Answers the first connection with the first answer and so on, and ends each connection; nothing more after the last.
pub(super) struct Scripted {
    pub(super) url: String,
    heads: Arc<Mutex<Vec<String>>>,
    _answering: JoinSet<()>,
}

impl Scripted {
    pub(super) async fn start(answers: impl IntoIterator<Item = String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let (answers, seen) = (answers.into_iter().collect::<Vec<_>>(), Arc::clone(&heads));
        let mut answering = JoinSet::new();
        answering.spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0, "the request broke off");
                }
                seen.lock().unwrap().push(String::from_utf8(head).unwrap());
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.ok();
            }
        });
        Self { url, heads, _answering: answering }
    }

    /// The heads of the requests so far.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// An answer with a body of this type.
pub(super) fn answer(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// An answer of events that ends with the connection.
pub(super) fn events(events: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{events}")
}

/// A problem with this code.
pub(super) fn problem(code: &str, retry_after: Option<u64>) -> String {
    let problem =
        serde_json::json!({ "code": code, "title": "t", "detail": "it happened", "retry_after": retry_after });
    problem.to_string()
}
