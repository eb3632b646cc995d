//! APIs behind TLS, with certificates that are made here.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::AUTHORIZATION;
use http_body_util::BodyExt as _;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::DropGuard;

use super::super::upload::Room;
use super::*;

/// An API that answers in which protocol it was asked.
struct Api {
    address: SocketAddr,
    trust: ClientConfig,
    _running: JoinSet<()>,
}

impl Api {
    async fn choosing(protocol: &str) -> Self {
        Self::serving(protocol, async |stream| {
            let answer = service_fn(async |request: Request<Incoming>| {
                Ok::<_, std::convert::Infallible>(Response::new(Body::from(format!("{:?}", request.version()))))
            });
            auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await.ok();
        })
        .await
    }

    /// One that chooses this protocol and does this with each connection.
    async fn serving<F, A>(protocol: &str, serve: F) -> Self
    where
        F: Fn(TlsStream<TcpStream>) -> A + Send + 'static,
        A: Future<Output = ()> + Send,
    {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let mut config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        config.alpn_protocols = vec![protocol.into()];
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let trust = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut running = JoinSet::new();
        running.spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                serve(stream).await;
            }
        });
        Self { address, trust, _running: running }
    }

    fn request(&self) -> (Request<Attempt>, Upload) {
        let upload = Upload::new(Body::from("text"), &Room::default(), AUTHORIZATION);
        let uri = format!("https://localhost:{}/", self.address.port());
        (Request::post(uri).body(upload.first()).unwrap(), upload)
    }
}

/// With what ends its connections when it is dropped.
fn upstream(limits: &Limits, trust: Option<ClientConfig>) -> (Upstream, DropGuard) {
    let (tasks, cut_when_dropped) = Tasks::new();
    let upstream = Upstream::new(tasks, limits);
    if let Some(trust) = trust {
        let connector = Bounded { connector: secured(trust), limit: limits.api_connect_timeout };
        upstream.secure.set(Ok(upstream.builder.build(connector))).ok();
    }
    (upstream, cut_when_dropped)
}

fn key() -> Key {
    Key::parse("api").unwrap()
}

#[tokio::test]
async fn the_protocol_is_the_one_that_the_api_chooses() {
    for (protocol, version) in [("h2", "HTTP/2.0"), ("http/1.1", "HTTP/1.1")] {
        let api = Api::choosing(protocol).await;
        let (upstream, _until_dropped) = upstream(&Limits::default(), Some(api.trust.clone()));
        for _ in 0..2 {
            let (request, upload) = api.request();
            let answer = upstream.ask(&key(), request, &upload).await.unwrap();
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), version);
        }
    }
}

#[tokio::test]
async fn an_api_whose_certificate_nobody_vouches_for_is_not_asked() {
    let api = Api::choosing("h2").await;
    let (request, upload) = api.request();
    let (upstream, _until_dropped) = upstream(&Limits::default(), None);
    let problem = upstream.ask(&key(), request, &upload).await.unwrap_err().into_response();
    assert_eq!(problem.status(), StatusCode::BAD_GATEWAY);
    let text = problem.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("cannot be reached: invalid peer certificate: "), "{text}");
}

#[tokio::test]
async fn a_handshake_without_end_is_given_up_in_time() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut silent = JoinSet::new();
    silent.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
    });
    let limits = Limits { api_connect_timeout: Duration::from_millis(200), ..Limits::default() };
    let upload = Upload::new(Body::empty(), &Room::default(), AUTHORIZATION);
    let request = Request::get(format!("https://localhost:{port}/")).body(upload.first()).unwrap();
    let trust = Api::choosing("h2").await.trust;
    let (upstream, _until_dropped) = upstream(&limits, Some(trust));
    let problem = upstream.ask(&key(), request, &upload).await.unwrap_err().into_response();
    assert_eq!(problem.status(), StatusCode::GATEWAY_TIMEOUT);
}

/// Whether what a client sent has the head of a request.
fn has_head(sent: &[u8]) -> bool {
    let mut frames = sent.get(24..).unwrap_or_default();
    while let Some((head, rest)) = frames.split_at_checked(9) {
        if head[3] == 1 {
            return true;
        }
        frames = rest.get(u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize..).unwrap_or_default();
    }
    false
}

#[tokio::test]
async fn of_a_request_that_an_api_did_not_take_it_is_known_that_nothing_was_done() {
    // The reset of stream 1 with REFUSED_STREAM, and GOAWAY for all after stream 0 with NO_ERROR.
    let reset = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7][..];
    for refusal in [reset, &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
        let api = Api::serving("h2", move |mut stream| async move {
            let mut sent = Vec::new();
            while !has_head(&sent) {
                assert_ne!(stream.read_buf(&mut sent).await.unwrap(), 0);
            }
            stream.write_all(&[&[0, 0, 0, 4, 0, 0, 0, 0, 0], refusal].concat()).await.unwrap();
            stream.read_to_end(&mut sent).await.ok();
        })
        .await;
        let (request, upload) = api.request();
        let (upstream, _until_dropped) = upstream(&Limits::default(), Some(api.trust.clone()));
        let problem = upstream.ask(&key(), request, &upload).await.unwrap_err().into_response();
        assert_eq!(problem.status(), StatusCode::BAD_GATEWAY);
        assert!(problem.headers().contains_key("retry-after"));
        let text = problem.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&text).contains("did nothing of it"), "{text:?}");
    }
}
