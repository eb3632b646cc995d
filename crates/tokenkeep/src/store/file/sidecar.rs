//! The sidecar: what is kept of a key and has no place in its token file.
//!
//! It names the content of the token file that it belongs to, and the content that was there before. So it can be told
//! whether a write was cut short, or another program has written the token file since.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::content::json;
use super::fault::Fault;
use super::token_file::TokenFile;
use crate::clock::Moment;
use crate::failure::Failure;
use crate::fingerprint::Fingerprint;
use crate::key::Key;
use crate::store::record_json::{FailureText, SecretText, Times, whole_millis};
use crate::store::{Record, Version, Versioned};
use crate::token::{IssuedToken, TokenKind};

/// All of a record but the token's text, its type and the text of its end.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Sidecar {
    form: u32,
    key: String,
    /// As in [`Versioned`].
    pub(super) version: u64,
    generation: u64,
    fingerprint: String,
    /// The token, whose text is in the token file; `None` if there is none.
    pub(super) token: Option<TokenPart>,
    /// The hash of the token file that was there when this was written.
    pub(super) replaced: Option<String>,
    /// When the token was written or cleared, in Unix seconds.
    pub(super) saved_at: i64,
    refresh_in_ms: Option<u64>,
    jitter: f32,
    refresh_token: Option<SecretText>,
    asked_at: Option<Times>,
    failure: Option<FailureText>,
    boot_id: String,
}

/// What the token file does not say of its token.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct TokenPart {
    /// The hash of the token file.
    pub(super) sha256: String,
    scope: Option<String>,
    sent_at: Times,
    expires_at: Option<Times>,
}

/// Why a sidecar is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// A later version of this program wrote it.
    Later,
    /// It is this other key's: a disk may take two names for one.
    Foreign(String),
    /// It is not in its form.
    Damaged,
}

impl Sidecar {
    /// What is kept of a record whose token file, if it has a token, has this hash.
    pub(super) fn of(key: &Key, record: &Record, token_file: Option<&str>, replaced: Option<String>) -> Self {
        let part = |token: &Arc<IssuedToken>| TokenPart {
            sha256: token_file.unwrap_or_default().to_owned(),
            scope: token.kind().scope.as_deref().map(str::to_owned),
            sent_at: token.sent_at().into(),
            expires_at: Times::stated(token.expires_at()),
        };
        Self {
            form: FORM,
            key: key.as_str().to_owned(),
            version: 0,
            generation: record.generation,
            fingerprint: record.fingerprint.as_str().to_owned(),
            token: record.token.as_ref().map(part),
            replaced,
            saved_at: 0,
            refresh_in_ms: record.refresh_in.map(whole_millis),
            jitter: record.jitter,
            refresh_token: record.refresh_token.clone().map(SecretText),
            asked_at: record.asked_at.map(Times::from),
            failure: record.failure.as_ref().map(FailureText::from),
            boot_id: record.boot_id.to_string(),
        }
    }

    /// What is kept of a key of which nothing is known but how far its generations may have come.
    pub(super) fn bare(key: &Key, generation: u64) -> Self {
        let record = Record {
            generation,
            fingerprint: Fingerprint::any(),
            token: None,
            refresh_in: None,
            jitter: 0.0,
            refresh_token: None,
            asked_at: None,
            failure: None,
            due_at: None,
            boot_id: "".into(),
        };
        Self { saved_at: i64::MIN, ..Self::of(key, &record, None, None) }
    }

    /// The same after another program has written the token file: its token is the next generation, of whatever
    /// configuration there is; the refresh token stays.
    pub(super) fn taking_over(self, file: &TokenFile, (sent_ms, end_ms): (i64, i64)) -> Self {
        // Under no boot's name only the wall clock's side of a moment counts.
        let at = |ms| Times { wall_ms: ms, boot_ms: ms };
        let fingerprint = Fingerprint::from_stored(self.fingerprint).with_any_token();
        Self {
            generation: self.generation.saturating_add(1),
            fingerprint: fingerprint.as_str().to_owned(),
            token: Some(TokenPart {
                sha256: file.hash.clone(),
                scope: None,
                sent_at: at(sent_ms),
                expires_at: Some(at(end_ms)),
            }),
            replaced: None,
            saved_at: file.saved_at.unwrap_or(sent_ms.div_euclid(1_000)),
            refresh_in_ms: None,
            jitter: 0.0,
            failure: None,
            boot_id: String::new(),
            ..self
        }
    }

    /// The same after the token was taken away.
    pub(super) fn without_token(self) -> Self {
        Self { token: None, replaced: None, ..self }
    }

    /// Whether its token's end has passed on the wall clock.
    pub(super) fn is_over(&self, now_ms: i64) -> bool {
        self.token.as_ref().and_then(|token| token.expires_at).is_some_and(|end| end.wall_ms <= now_ms)
    }

    /// The hash that the token file should have.
    pub(super) fn token_hash(&self) -> Option<&str> {
        self.token.as_ref().map(|token| &*token.sha256)
    }

    /// The record, with the token if its file is given.
    pub(super) fn record(self, file: Option<TokenFile>) -> Versioned {
        let token = self.token.zip(file).map(|(part, file)| {
            let kind = TokenKind { token_type: file.token_type, scope: part.scope.map(Into::into) };
            let (sent, end) = (part.sent_at.into(), Times::moment(part.expires_at));
            Arc::new(IssuedToken::new(file.access_token, Arc::new(kind), self.generation, sent, end))
        });
        let record = Record {
            generation: self.generation,
            fingerprint: Fingerprint::from_stored(self.fingerprint),
            token,
            refresh_in: self.refresh_in_ms.map(Duration::from_millis),
            jitter: self.jitter,
            refresh_token: self.refresh_token.map(|SecretText(token)| token),
            asked_at: self.asked_at.map(Moment::from),
            failure: self.failure.map(Failure::from),
            due_at: None,
            boot_id: self.boot_id.into(),
        };
        Versioned { version: Version(self.version), record }
    }

    /// Reads a key's sidecar.
    pub(super) fn parse(content: &[u8], key: &Key) -> Result<Self, Unreadable> {
        let head: Head = serde_json::from_slice(content).map_err(|_| Unreadable::Damaged)?;
        if head.form > FORM {
            return Err(Unreadable::Later);
        }
        let sidecar: Self = serde_json::from_slice(content).map_err(|_| Unreadable::Damaged)?;
        match Key::parse(&sidecar.key) {
            Ok(own) if own == *key => Ok(sidecar),
            Ok(_) => Err(Unreadable::Foreign(sidecar.key)),
            Err(_) => Err(Unreadable::Damaged),
        }
    }

    /// The file's content.
    pub(super) fn content(&self) -> Result<Zeroizing<Vec<u8>>, Fault> {
        json(self, self.refresh_token.as_ref().map_or(0, |SecretText(token)| token.expose_secret().len()))
    }
}

#[derive(Deserialize)]
struct Head {
    form: u32,
}

/// Counts the changes of this form that earlier versions of this program would misread.
const FORM: u32 = 1;
