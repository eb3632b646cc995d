//! Brings messages to one receiver, one after the other: a few attempts for each, with pauses that grow.

use std::error::Error as _;
use std::sync::OnceLock;
use std::time::Duration;

use axum::body::Body;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use tokenkeep::TokenManager;
use tokenkeep::config::{WebhookSecret, WebhookSettings, WebhookUrl};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::message::Message;
use crate::connect::{Bounded, tcp, trusting};
use crate::metrics::Waiting;
use crate::server::Limits;
use crate::tasks::Tasks;

/// The way to one receiver.
pub(super) struct Delivery {
    url: WebhookUrl,
    secret: Option<WebhookSecret>,
    manager: TokenManager,
    tasks: Tasks,
    timeout: Duration,
    pause: Duration,
    /// Made when it is needed first: CA certificates take a while to load.
    client: OnceLock<Sender>,
}

enum Sender {
    Plain(Client<Bounded<HttpConnector>, Body>),
    Secure(Client<Bounded<HttpsConnector<HttpConnector>>, Body>),
}

impl Delivery {
    pub(super) fn new(settings: &WebhookSettings, manager: &TokenManager, tasks: &Tasks, limits: &Limits) -> Self {
        Self {
            url: settings.url.clone(),
            secret: settings.secret.clone(),
            manager: manager.clone(),
            tasks: tasks.clone(),
            timeout: limits.webhook_timeout,
            pause: limits.webhook_pause,
            client: OnceLock::new(),
        }
    }

    /// Delivers what comes until nothing more will. When the server stops, what waits has [`FAREWELL`], and nothing is
    /// tried again.
    pub(super) async fn run(self, mut queue: mpsc::Receiver<(Message, Waiting)>) {
        let delivering = async {
            while let Some((message, mut waiting)) = queue.recv().await {
                waiting.outcome = Some(self.deliver(&message).await);
            }
        };
        tokio::select! {
            biased;
            () = delivering => {}
            () = self.tasks.stopping_for(FAREWELL) => {
                warn!(webhook = self.url.host(), "the server stops before all messages of a webhook were delivered");
            }
        }
    }

    async fn deliver(&self, message: &Message) -> Outcome {
        let (webhook, id) = (self.url.host(), message.id.as_str());
        let (key, event) = (&message.key, message.event.as_str());
        let mut pause = self.pause;
        for attempt in 1..=ATTEMPTS {
            let Err(error) = self.attempt(message).await else {
                info!(webhook, %key, event, attempt, id, "told a webhook");
                return Outcome::Delivered;
            };
            if attempt == ATTEMPTS || self.tasks.stopping().is_cancelled() {
                error!(webhook, %key, event, attempt, id, error, "a webhook could not be told; this message is given up");
                return Outcome::GivenUp;
            }
            let retry_in_s = pause.as_secs_f32();
            warn!(webhook, %key, event, attempt, id, error, retry_in_s, "a webhook could not be told; it is tried again");
            self.tasks.stopping().run_until_cancelled(tokio::time::sleep(pause)).await;
            pause *= GROWTH;
        }
        Outcome::GivenUp
    }

    /// Sends it once; the error says why it did not arrive.
    async fn attempt(&self, message: &Message) -> Result<(), String> {
        let request = self.request(message).map_err(|_| "its address cannot be asked")?;
        let status = tokio::time::timeout(self.timeout, self.send(request)).await;
        match status.unwrap_or_else(|_| Err(format!("it did not answer within {} s", self.timeout.as_secs_f32())))? {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => {
                Err(format!("it answered {}, and redirects are not followed", status.as_u16()))
            }
            status => Err(format!("it answered {}", status.as_u16())),
        }
    }

    fn request(&self, message: &Message) -> http::Result<Request<Body>> {
        let timestamp = self.manager.now().wall_ms.div_euclid(1000);
        let request = Request::post(self.url.as_url().as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("tokenkeep/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", timestamp);
        let request = match &self.secret {
            Some(secret) => request.header("webhook-signature", message.signature(secret, timestamp)),
            None => request,
        };
        request.body(Body::from(message.body.clone()))
    }

    async fn send(&self, request: Request<Body>) -> Result<StatusCode, String> {
        let sending = match self.client()? {
            Sender::Plain(client) => client.request(request),
            Sender::Secure(client) => client.request(request),
        };
        let answer = sending.await.map_err(|error| {
            let mut cause = error.source();
            let mut text = "the connection failed".to_owned();
            while let Some(error) = cause {
                text = error.to_string();
                cause = error.source();
            }
            format!("it cannot be reached: {text}")
        })?;
        // What else it says does not matter.
        Ok(answer.status())
    }

    fn client(&self) -> Result<&Sender, String> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let mut builder = Client::builder(self.tasks.clone());
        // Messages are rare, and a connection that is kept can be a dead one.
        builder.pool_max_idle_per_host(0);
        let limit = self.timeout;
        let client = if self.url.as_url().scheme() == "https" {
            let trust =
                trusting().map_err(|why| format!("it cannot be asked: {why}; are CA certificates installed?"))?;
            let connector = HttpsConnectorBuilder::new().with_tls_config(trust).https_only().enable_http1();
            Sender::Secure(builder.build(Bounded { connector: connector.wrap_connector(tcp()), limit }))
        } else {
            Sender::Plain(builder.build(Bounded { connector: tcp(), limit }))
        };
        Ok(self.client.get_or_init(|| client))
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Delivered,
    GivenUp,
}

const ATTEMPTS: u32 = 5;
/// How many times longer each pause is than the one before.
const GROWTH: u32 = 4;
const FAREWELL: Duration = Duration::from_secs(2);
