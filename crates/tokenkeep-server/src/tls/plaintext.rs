//! What a client learns that speaks HTTP to a port with TLS.

use std::io;
use std::time::Duration;

use axum::response::IntoResponse as _;
use http::HeaderValue;
use http::header::{CONNECTION, CONTENT_LENGTH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::problem::Problem;
use crate::request_id::{REQUEST_ID, RequestId};

/// Whether a client begins with HTTP. Waits for its first byte, and leaves it there.
pub(super) async fn is_http(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    // Methods are letters; TLS begins with 22.
    Ok(stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase())
}

/// Says what is wrong, and leaves the client a moment to read it: closed with a request unread, a connection is reset
/// and the answer lost.
pub(super) async fn refuse(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(&answer()).await?;
    stream.shutdown().await?;
    let (mut rest, mut nowhere) = (stream.take(MAX_UNREAD), tokio::io::sink());
    tokio::time::timeout(LAST_WORDS, tokio::io::copy(&mut rest, &mut nowhere)).await.ok();
    Ok(())
}

/// A problem as any other: the request is not read, so what it is called there is not known.
fn answer() -> Vec<u8> {
    let problem = Problem::invalid("this port speaks TLS; ask with https://");
    let body = serde_json::to_vec(problem.body()).unwrap_or_default();
    let mut response = problem.into_response();
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, RequestId::random().header());
    headers.insert(CONTENT_LENGTH, body.len().into());
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let mut answer = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        answer.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    [&answer, b"\r\n".as_slice(), &body].concat()
}

/// In bytes.
const MAX_UNREAD: u64 = 64 * 1024;
const LAST_WORDS: Duration = Duration::from_secs(2);
