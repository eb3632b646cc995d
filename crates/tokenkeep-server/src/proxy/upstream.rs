//! Connections to APIs, and what is said when one does not answer.
//!
//! Nothing is sent twice from here, but for a request that found its kept connection closed before a byte of it was
//! written. HTTP/2 is spoken with those that choose it. One connection then carries many answers, so a caller that does
//! not read must not fill it for the others: the windows are small for a stream, and large for the connection.

#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::pin::pin;
use std::sync::OnceLock;
use std::time::Duration;

use h2::Reason;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client, Error, ResponseFuture};
use hyper_util::rt::TokioTimer;
use rustls::ClientConfig;
use tokenkeep::Key;

use super::upload::{Attempt, Sender, Upload};
use crate::connect::{Bounded, KEEP_ALIVE, TookTooLong, tcp, trusting};
use crate::problem::Problem;
use crate::server::Limits;
use crate::tasks::Tasks;

/// Sends requests to APIs.
pub(super) struct Upstream {
    plain: Client<Bounded<HttpConnector>, Attempt>,
    /// Made when it is needed first: CA certificates take longer to load than an answer to come.
    secure: OnceLock<Result<Secure, String>>,
    builder: Builder,
    connect_timeout: Duration,
    silence: Duration,
}

impl Upstream {
    pub(super) fn new(tasks: Tasks, limits: &Limits) -> Self {
        let (connect_timeout, silence) = (limits.api_connect_timeout, limits.api_timeout);
        let builder = builder(tasks);
        let plain = builder.build(Bounded { connector: tcp(), limit: connect_timeout });
        Self { plain, secure: OnceLock::new(), builder, connect_timeout, silence }
    }

    /// How long an API may be silent.
    pub(super) fn silence(&self) -> Duration {
        self.silence
    }

    /// Sends a request; comes back with the head of the answer. The time that a caller takes for its body does not
    /// count, as long as the body comes on.
    pub(super) async fn ask(
        &self,
        key: &Key,
        request: Request<Attempt>,
        upload: &Upload,
    ) -> Result<Response<Incoming>, Problem> {
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let failed = |failure: Failure| failure.problem(&host, self).with_key(key.as_str());
        let mut sending = pin!(self.send(request).map_err(failed)?);
        loop {
            let before = upload.progress().frames;
            match tokio::time::timeout(self.silence, sending.as_mut()).await {
                Ok(Ok(answer)) if answer.status().is_informational() => return Err(failed(Failure::Unasked)),
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(_)) if upload.progress().sender == Sender::Gone => return Err(failed(Failure::BrokenBody)),
                Ok(Err(error)) => return Err(failed(Failure::of(&error))),
                Err(_) if upload.progress().frames != before => {}
                Err(_) if upload.progress().sender == Sender::Awaited => return Err(failed(Failure::SlowBody)),
                Err(_) => return Err(failed(Failure::Silent)),
            }
        }
    }

    fn send(&self, request: Request<Attempt>) -> Result<ResponseFuture, Failure> {
        if request.uri().scheme_str() != Some("https") {
            return Ok(self.plain.request(request));
        }
        let client = self.secure.get_or_init(|| {
            let connector = Bounded { connector: secured(trusting()?), limit: self.connect_timeout };
            Ok(self.builder.build(connector))
        });
        match client {
            Ok(client) => Ok(client.request(request)),
            Err(why) => Err(Failure::NoTrust(why.clone())),
        }
    }
}

type Secure = Client<Bounded<HttpsConnector<HttpConnector>>, Attempt>;

/// Why there is no answer.
#[derive(Debug)]
enum Failure {
    NoTrust(String),
    Unreachable(String),
    /// The connection was not there in time.
    NotConnected,
    Broken(String),
    /// It told that it did not look at the request.
    NotTaken,
    Silent,
    /// It switched to another protocol, or sent something of that kind in place of an answer.
    Unasked,
    BrokenBody,
    SlowBody,
}

impl Failure {
    fn of(error: &Error) -> Self {
        let mut cause = error.source();
        let mut text = "connection failed".to_owned();
        while let Some(error) = cause {
            if error.is::<TookTooLong>() {
                return Self::NotConnected;
            }
            if error.downcast_ref().is_some_and(was_not_taken) {
                return Self::NotTaken;
            }
            text = error.to_string();
            cause = error.source();
        }
        if error.is_connect() { Self::Unreachable(text) } else { Self::Broken(text) }
    }

    fn problem(self, host: &str, upstream: &Upstream) -> Problem {
        let silence = upstream.silence.as_secs_f32();
        match self {
            Self::NoTrust(why) => {
                Problem::bad_gateway(format!("{host} cannot be asked: {why}; are CA certificates installed?"))
            }
            Self::Unreachable(why) => {
                Problem::bad_gateway(format!("{host} cannot be reached: {why}; is api_base right, and the API up?"))
            }
            Self::NotConnected => {
                let within = upstream.connect_timeout.as_secs_f32();
                Problem::gateway_timeout(format!("{host} could not be connected to within {within} s"))
            }
            Self::Broken(why) => {
                let next = "whether it did what was asked is not known";
                Problem::bad_gateway(format!("{host} did not answer: {why}; {next}")).not_to_be_repeated()
            }
            Self::NotTaken => {
                Problem::bad_gateway(format!("{host} did not take the request and did nothing of it; try again"))
            }
            Self::Silent => {
                let next = "whether it does what was asked is not known";
                Problem::gateway_timeout(format!("{host} did not answer within {silence} s; {next}"))
                    .not_to_be_repeated()
            }
            Self::Unasked => Problem::bad_gateway(format!("{host} switched to another protocol, which was not asked"))
                .not_to_be_repeated(),
            Self::BrokenBody => Problem::invalid("the body of the request broke off"),
            Self::SlowBody => {
                Problem::request_timeout(format!("no more of the body of the request came within {silence} s"))
            }
        }
    }
}

/// RFC 9113 section 8.7. What an API had begun when it went away breaks off in another way.
fn was_not_taken(error: &h2::Error) -> bool {
    error.is_remote()
        && match error.reason() {
            Some(Reason::REFUSED_STREAM) => error.is_reset(),
            Some(Reason::NO_ERROR) => error.is_go_away(),
            _ => false,
        }
}

fn builder(tasks: Tasks) -> Builder {
    let mut builder = Client::builder(tasks);
    builder
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(MAX_IDLE)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .http2_keep_alive_timeout(KEEP_ALIVE);
    builder
}

fn secured(config: ClientConfig) -> HttpsConnector<HttpConnector> {
    HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_all_versions().wrap_connector(tcp())
}

/// Idle connections are not kept as long as load balancers do, which close them without a word.
const POOL_IDLE: Duration = Duration::from_secs(30);
const MAX_IDLE: usize = 256;
/// What an API may send ahead of a caller that reads, in bytes; and of all callers on a connection.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024 * 1024;
