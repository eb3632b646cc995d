//! What a client learns that speaks HTTP to a port with TLS.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Whether a client begins with HTTP. Waits for its first byte, and leaves it there.
pub(super) async fn is_http(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    // Methods are letters; TLS begins with 22.
    Ok(stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase())
}

/// Says what is wrong, and leaves the client a moment to read it: closed with a request unread, a connection is reset
/// and the answer lost.
pub(super) async fn refuse(stream: &mut TcpStream) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        ANSWER.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(ANSWER.as_bytes()).await?;
    stream.shutdown().await?;
    let (mut rest, mut nowhere) = (stream.take(MAX_UNREAD), tokio::io::sink());
    tokio::time::timeout(LAST_WORDS, tokio::io::copy(&mut rest, &mut nowhere)).await.ok();
    Ok(())
}

const ANSWER: &str = "{\"code\":\"invalid_request\",\"title\":\"Invalid request\",\"detail\":\"this port speaks TLS; \
                      ask with https://\",\"key\":null,\"retry_after\":null}";
/// In bytes.
const MAX_UNREAD: u64 = 64 * 1024;
const LAST_WORDS: Duration = Duration::from_secs(2);
