//! What is sent: one JSON text, with an id and a signature in headers as [Standard Webhooks] has them.
//!
//! [Standard Webhooks]: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use axum::body::Bytes;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokenkeep::config::{WebhookEvent, WebhookSecret};
use tokenkeep::{Key, Moment};

use super::troubles::News;
use crate::answer;

/// One message, the same for all receivers and at each attempt. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) event: WebhookEvent,
    pub(super) key: Key,
    pub(super) body: Bytes,
}

impl Message {
    /// What happened just now.
    pub(super) fn new(news: &News, now: Moment) -> Self {
        let trouble = &news.trouble;
        let body = json!({
            "type": news.event.as_str(),
            "timestamp": now.to_system_time().and_then(answer::time),
            "data": {
                "key": news.key.as_str(),
                "kind": trouble.kind.as_str(),
                "what": trouble.what,
                "since": trouble.since.and_then(answer::time),
                "count": trouble.count,
            },
        });
        Self { id: id(news), event: news.event, key: news.key.clone(), body: body.to_string().into() }
    }

    /// The header `webhook-signature` of an attempt at this Unix time.
    pub(super) fn signature(&self, secret: &WebhookSecret, timestamp: i64) -> String {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret()));
        context.update(format!("{}.{timestamp}.", self.id).as_bytes());
        context.update(&self.body);
        format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
    }
}

/// The same for all processes that share a store and tell the same.
fn id(news: &News) -> String {
    let since = news.trouble.since.and_then(|since| since.duration_since(std::time::UNIX_EPOCH).ok());
    let since_ms = since.unwrap_or_default().as_millis();
    let hash = Sha256::digest(format!("{} {} {since_ms}", news.key, news.event.as_str()));
    hash.iter().take(16).fold("msg_".to_owned(), |mut id, byte| {
        _ = write!(id, "{byte:02x}");
        id
    })
}

#[cfg(test)]
mod tests {
    use tokenkeep::Secret;
    use tokenkeep::failure::FailureKind;

    use super::super::troubles::Troubles;
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_published_example() {
        let message = Message {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(),
            event: WebhookEvent::Refused,
            key: "graph".parse().unwrap(),
            body: r#"{"test": 2432232314}"#.into(),
        };
        let secret = WebhookSecret::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let signature = message.signature(&secret, 1_614_265_330);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn processes_that_tell_the_same_give_it_the_same_id() {
        let key: Key = "graph".parse().unwrap();
        let start = Moment { wall_ms: 1_900_000_000_000, boot_ms: 0 };
        let id = |since: Moment, kind| {
            let how = ("x", since.to_system_time(), 1);
            let news = Troubles::default().failed(&key, kind, how).unwrap();
            Message::new(&news, since).id
        };
        let later = Moment { wall_ms: start.wall_ms + 1, boot_ms: 7 };
        let first = id(start, FailureKind::Refused);
        assert!(first.starts_with("msg_") && first.len() == 36, "{first}");
        assert_eq!(first, id(Moment { boot_ms: 9, ..start }, FailureKind::Refused));
        assert_ne!(first, id(later, FailureKind::Refused));
        assert_ne!(first, id(start, FailureKind::LoginRequired));
    }
}
