//! Requests that no HTTP library would send.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends these headers for a path, one a line, and returns the status and the whole answer.
pub(crate) async fn get(address: SocketAddr, path: &str, headers: &str) -> (u16, String) {
    let answer = send(address, &format!("GET {path} HTTP/1.1\nConnection: close\n{headers}\n\n")).await;
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

/// Sends a text with CR LF for each line feed, and reads until the server closes.
pub(crate) async fn send(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is an end too.
    stream.read_to_end(&mut answer).await.ok();
    String::from_utf8(answer).unwrap()
}
