//! A record as one JSON text, for stores that keep texts.
//!
//! The text says in which form it is. A later form may add members, which are passed over here; one that this program
//! would misread has a greater number and is refused.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::Record;
use crate::clock::Moment;
use crate::failure::{Failure, FailureKind};
use crate::fingerprint::Fingerprint;
use crate::secret::Secret;
use crate::token::{IssuedToken, TokenKind};

impl Record {
    /// The record as a JSON object in one line, with all secrets in it: what a store of texts keeps. Wrap such a store in
    /// a [`SealedStore`](super::SealedStore), and the secrets in it are sealed ones. Durations and moments are written in
    /// whole milliseconds.
    ///
    /// ```
    /// # use tokenkeep::store::{InvalidRecord, Record};
    /// # fn example(record: &Record) -> Result<(), InvalidRecord> {
    /// let text = record.expose_json(); // wiped when dropped
    /// let again = Record::from_json(&text)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn expose_json(&self) -> Zeroizing<String> {
        let written = RecordText::of(self);
        // With room for all of it from the start: what a buffer that grows leaves behind is not wiped.
        let mut json = Zeroizing::new(Vec::with_capacity(2 * written.texts_len() + REST_LEN));
        // Texts and numbers under texts are always JSON, and JSON is UTF-8.
        serde_json::to_writer(&mut *json, &written).ok();
        Zeroizing::new(String::from_utf8(mem::take(&mut *json)).unwrap_or_default())
    }

    /// Reads what [`Record::expose_json`] gave, also that of another version of this program.
    ///
    /// ```
    /// # use tokenkeep::store::Record;
    /// let error = Record::from_json("{\"access_token\": \"of something else\"}").unwrap_err();
    /// assert_eq!(error.to_string(), "it is not a record in JSON");
    /// ```
    pub fn from_json(json: &str) -> Result<Self, InvalidRecord> {
        // The reader's own errors can repeat what was read.
        let Head { form } = serde_json::from_str(json).map_err(|_| NO_RECORD)?;
        if form > FORM {
            return Err(InvalidRecord("it was written by a later version of this program"));
        }
        serde_json::from_str::<RecordText>(json).map(RecordText::into_record).map_err(|_| NO_RECORD)
    }
}

/// Why a text is no record, as a sentence about it. It holds nothing of the text.
///
/// ```
/// use tokenkeep::store::Record;
///
/// let secret = "{\"form\": 1, \"refresh_token\": \"a-refresh-token\"}"; // and the rest is missing
/// let invalid = Record::from_json(secret).unwrap_err();
/// assert_eq!(invalid.to_string(), "it is not a record in JSON"); // what the text was, nobody is told
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRecord(&'static str);

#[derive(Serialize, Deserialize)]
struct RecordText {
    form: u32,
    generation: u64,
    fingerprint: Box<str>,
    token: Option<TokenText>,
    refresh_in_ms: Option<u64>,
    jitter: f32,
    refresh_token: Option<SecretText>,
    asked_at: Option<Times>,
    failure: Option<FailureText>,
    due_at: Option<Times>,
    boot_id: Box<str>,
}

#[derive(Deserialize)]
struct Head {
    form: u32,
}

#[derive(Serialize, Deserialize)]
struct TokenText {
    access_token: SecretText,
    token_type: Box<str>,
    scope: Option<Box<str>>,
    sent_at: Times,
    expires_at: Option<Times>,
}

impl RecordText {
    fn of(record: &Record) -> Self {
        let token_text = |token: &Arc<IssuedToken>| TokenText {
            access_token: SecretText(token.access_token().clone()),
            token_type: token.kind().token_type.clone(),
            scope: token.kind().scope.clone(),
            sent_at: token.sent_at().into(),
            expires_at: Times::stated(token.expires_at()),
        };
        // A new part of a record does not compile before it is decided here how it is written.
        let Record {
            generation,
            fingerprint,
            token,
            refresh_in,
            jitter,
            refresh_token,
            asked_at,
            failure,
            due_at,
            boot_id,
        } = record;
        Self {
            form: FORM,
            generation: *generation,
            fingerprint: fingerprint.as_str().into(),
            token: token.as_ref().map(token_text),
            refresh_in_ms: refresh_in.map(whole_millis),
            jitter: *jitter,
            refresh_token: refresh_token.clone().map(SecretText),
            asked_at: asked_at.map(Times::from),
            failure: failure.as_ref().map(FailureText::from),
            due_at: due_at.map(Times::from),
            boot_id: boot_id.clone(),
        }
    }

    fn into_record(self) -> Record {
        let token = self.token.map(|token| {
            let kind = TokenKind { token_type: token.token_type, scope: token.scope };
            let (sent, end) = (token.sent_at.into(), Times::moment(token.expires_at));
            Arc::new(IssuedToken::new(token.access_token.0, Arc::new(kind), self.generation, sent, end))
        });
        Record {
            generation: self.generation,
            fingerprint: Fingerprint::from_stored(self.fingerprint),
            token,
            refresh_in: self.refresh_in_ms.map(Duration::from_millis),
            jitter: self.jitter,
            refresh_token: self.refresh_token.map(|SecretText(token)| token),
            asked_at: self.asked_at.map(Moment::from),
            failure: self.failure.map(Failure::from),
            due_at: self.due_at.map(Moment::from),
            boot_id: self.boot_id,
        }
    }

    fn texts_len(&self) -> usize {
        let secret = |secret: &SecretText| secret.0.expose_secret().len();
        let token = self.token.as_ref().map_or(0, |token| {
            secret(&token.access_token) + token.token_type.len() + token.scope.as_deref().map_or(0, str::len)
        });
        let failure =
            self.failure.as_ref().map_or(0, |failure| failure.what.len() + failure.next.as_deref().map_or(0, str::len));
        token + self.refresh_token.as_ref().map_or(0, secret) + failure + self.fingerprint.len() + self.boot_id.len()
    }
}

/// A secret as a text, for what nobody but a store sees.
#[derive(Clone)]
pub(super) struct SecretText(pub(super) Secret);

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

/// A moment; the end of time is left out.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Times {
    pub(super) wall_ms: i64,
    pub(super) boot_ms: i64,
}

impl Times {
    pub(super) fn stated(moment: Moment) -> Option<Self> {
        (!moment.is_never()).then(|| moment.into())
    }

    pub(super) fn moment(stated: Option<Self>) -> Moment {
        stated.map_or(Moment::NEVER, Moment::from)
    }
}

impl From<Moment> for Times {
    fn from(Moment { wall_ms, boot_ms }: Moment) -> Self {
        Self { wall_ms, boot_ms }
    }
}

impl From<Times> for Moment {
    fn from(Times { wall_ms, boot_ms }: Times) -> Self {
        Self { wall_ms, boot_ms }
    }
}

/// A failure as it is written down.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct FailureText {
    #[serde(with = "kind_name")]
    kind: FailureKind,
    what: String,
    next: Option<String>,
    count: u32,
    since: Times,
    retry_at: Option<Times>,
}

impl From<&Failure> for FailureText {
    fn from(failure: &Failure) -> Self {
        Self {
            kind: failure.kind,
            what: failure.what.clone(),
            next: failure.next.clone(),
            count: failure.count,
            since: failure.since.into(),
            retry_at: Times::stated(failure.retry_at),
        }
    }
}

impl From<FailureText> for Failure {
    fn from(text: FailureText) -> Self {
        let FailureText { kind, what, next, count, since, retry_at } = text;
        Self { kind, what, next, count, since: since.into(), retry_at: Times::moment(retry_at) }
    }
}

/// A duration as it is written down.
pub(super) fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

mod kind_name {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::failure::FailureKind;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
    pub(super) fn serialize<S: Serializer>(kind: &FailureKind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FailureKind, D::Error> {
        let name = String::deserialize(deserializer)?;
        FailureKind::parse(&name).ok_or_else(|| D::Error::custom("no kind of failure"))
    }
}

const NO_RECORD: InvalidRecord = InvalidRecord("it is not a record in JSON");
/// Counts the changes of this form that earlier versions of this program would misread.
const FORM: u32 = 1;
/// What stands around the texts is shorter.
const REST_LEN: usize = 1_024;

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    proptest! {
        #[test]
        fn a_record_that_was_written_down_is_read_as_it_was(record in records()) {
            let text = record.expose_json();
            prop_assert!(!text.contains('\n'));
            let again = Record::from_json(&text).unwrap();
            prop_assert_eq!(&*again.expose_json(), &*text);
            assert_same(&again, &record);
        }

        #[test]
        fn a_text_that_is_cut_off_is_no_record(record in records(), at in any::<Index>()) {
            let text = record.expose_json();
            let cut = text.floor_char_boundary(at.index(text.len()));
            prop_assert_eq!(Record::from_json(&text[..cut]).unwrap_err(), NO_RECORD);
        }
    }

    /// Compares without what `Debug` leaves out being left out.
    fn assert_same(again: &Record, record: &Record) {
        assert_eq!(format!("{again:?}"), format!("{record:?}"));
        assert_eq!(again.fingerprint, record.fingerprint);
        assert_eq!(again.jitter.to_bits(), record.jitter.to_bits());
        assert!(again.refresh_token == record.refresh_token);
        let text = |record: &Record| record.token.as_ref().map(|token| token.access_token().clone());
        assert!(text(again) == text(record));
    }

    #[test]
    fn members_that_a_later_version_adds_are_passed_over_and_a_later_form_is_refused() {
        let text = bare().expose_json();
        let more = text.replacen('{', "{\"later\": {\"x\": [1]}, ", 1);
        assert!(Record::from_json(&more).is_ok());
        let less = text.replace("\"refresh_token\":null,", "");
        assert!(less != *text && Record::from_json(&less).is_ok());
        let later = Record::from_json(&text.replace("\"form\":1", "\"form\":2,\"token\":\"elsewhere\"")).unwrap_err();
        assert_eq!(later.to_string(), "it was written by a later version of this program");
    }

    #[test]
    fn no_error_shows_what_was_read() {
        let record = Record { refresh_token: Some(Secret::new("planted")), ..bare() };
        let text = record.expose_json();
        for wrong in [
            text.replace("\"generation\":1", "\"generation\":\"planted\""),
            text.replace("\"failure\":null", "\"failure\":{\"kind\":\"planted\"}"),
            text.replace("\"form\":1", "\"form\":\"planted\""),
            text.replace("\"planted\"", "{\"planted\":1}"),
            "planted".to_owned(),
        ] {
            let error = Record::from_json(&wrong).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("planted"), "{error:?}");
        }
    }

    #[test]
    fn the_buffer_of_a_record_has_room_from_the_start() {
        let record = Record { refresh_token: Some(Secret::new("x".repeat(100_000))), ..bare() };
        assert_eq!(record.expose_json().capacity(), 2 * RecordText::of(&record).texts_len() + REST_LEN);
    }

    fn bare() -> Record {
        Record {
            generation: 1,
            fingerprint: Fingerprint::of([("client", "1")]),
            token: None,
            refresh_in: None,
            jitter: 0.0,
            refresh_token: None,
            asked_at: None,
            failure: None,
            due_at: None,
            boot_id: "".into(),
        }
    }

    fn records() -> impl Strategy<Value = Record> {
        let kind = prop_oneof![
            Just(FailureKind::Unavailable),
            Just(FailureKind::RateLimited),
            Just(FailureKind::Refused),
            Just(FailureKind::LoginRequired)
        ];
        let failure = (kind, text(), option::of(text()), any::<u32>(), moment(), end()).prop_map(
            |(kind, what, next, count, since, retry_at)| Failure { kind, what, next, count, since, retry_at },
        );
        let life = option::of(any::<u32>().prop_map(|ms| Duration::from_millis(ms.into())));
        let token = (text(), text(), option::of(text()), moment(), life);
        let rest = (any::<u64>(), text(), option::of(any::<u64>()), 0.0..=1.0_f32, option::of(text()));
        let times = (option::of(moment()), option::of(moment()));
        (rest, option::of(token), times, option::of(failure), text()).prop_map(
            |((generation, fingerprint, refresh_in_ms, jitter, refresh_token), token, times, failure, boot_id)| {
                let token = token.map(|(token, token_type, scope, sent, life)| {
                    let kind = TokenKind { token_type: token_type.into(), scope: scope.map(Into::into) };
                    let end = life.map_or(Moment::NEVER, |life| sent.plus(life));
                    Arc::new(IssuedToken::new(Secret::new(token), Arc::new(kind), generation, sent, end))
                });
                Record {
                    generation,
                    fingerprint: Fingerprint::from_stored(fingerprint),
                    token,
                    refresh_in: refresh_in_ms.map(Duration::from_millis),
                    jitter,
                    refresh_token: refresh_token.map(Secret::new),
                    asked_at: times.0,
                    failure,
                    due_at: times.1,
                    boot_id: boot_id.into(),
                }
            },
        )
    }

    fn text() -> impl Strategy<Value = String> {
        "\\PC{0,20}|[\\x00-\\x7f]{0,20}"
    }

    fn moment() -> impl Strategy<Value = Moment> {
        // What was before this boot, when another one wrote it down, lies below zero.
        (0..i64::MAX / 2, i64::MIN / 2..i64::MAX / 2).prop_map(|(wall_ms, boot_ms)| Moment { wall_ms, boot_ms })
    }

    fn end() -> impl Strategy<Value = Moment> {
        prop_oneof![moment(), Just(Moment::NEVER)]
    }
}
