//! An issuer that plays back bytes, for what no HTTP server library would send.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What is sent to whoever asks.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// These bytes, then the end.
    Once(Vec<u8>),
    /// The first of these to the first who asks, and so on; the last one to all who come later.
    Each(Vec<Vec<u8>>),
    /// The first bytes, then the second ones over and over, for as long as somebody reads.
    Endless(Vec<u8>, Vec<u8>),
    /// The first bytes, then nothing, and no end either.
    Stalled(Vec<u8>),
    /// The first bytes, then the second ones one at a time.
    Dripping(Vec<u8>, Vec<u8>),
}

/// A running issuer. It ends when dropped.
#[derive(Debug)]
pub(crate) struct Playback {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

impl Playback {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, script, Arc::clone(&requests)));
        Self { address, requests, _server: server }
    }

    /// Answers with this head and body; `Content-Length` is added.
    pub(crate) async fn answering(head: &str, body: &str) -> Self {
        let text = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        Self::start(Script::Once(text.into_bytes())).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn token_url(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// What was asked so far: head and body of each request.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(listener: TcpListener, script: Script, requests: Arc<Mutex<Vec<String>>>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        // Whoever asks may leave at any time, also in the middle of a request.
        if let Ok(request) = read_request(&mut stream).await {
            let number = {
                let mut requests = requests.lock().unwrap();
                requests.push(request);
                requests.len() - 1
            };
            play(&mut stream, &script, number).await.ok();
        }
    }
}

async fn play(stream: &mut TcpStream, script: &Script, number: usize) -> io::Result<()> {
    match script {
        Script::Once(bytes) => {
            stream.write_all(bytes).await?;
            stream.shutdown().await
        }
        Script::Each(answers) => {
            stream.write_all(&answers[number.min(answers.len() - 1)]).await?;
            stream.shutdown().await
        }
        Script::Endless(first, again) => {
            stream.write_all(first).await?;
            loop {
                stream.write_all(again).await?;
            }
        }
        Script::Stalled(first) => {
            stream.write_all(first).await?;
            stream.read_to_end(&mut Vec::new()).await.map(drop)
        }
        Script::Dripping(first, rest) => {
            stream.set_nodelay(true)?;
            stream.write_all(first).await?;
            // What is slow cannot be played without time.
            let mut drip = tokio::time::interval(DRIP);
            for byte in rest {
                drip.tick().await;
                stream.write_all(&[*byte]).await?;
            }
            Ok(())
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> io::Result<String> {
    let mut request = String::new();
    loop {
        let mut bytes = [0; 4096];
        let read = stream.read(&mut bytes).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request.push_str(std::str::from_utf8(&bytes[..read]).map_err(io::Error::other)?);
        if let Some((head, body)) = request.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Ok(request);
            }
        }
    }
}

/// Between two bytes of an answer that drips.
const DRIP: Duration = Duration::from_millis(20);
