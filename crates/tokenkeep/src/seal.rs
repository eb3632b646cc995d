//! Texts that can lie in a store and be of no use to whoever reads it there.
//!
//! A sealed text is encrypted and authenticated, and bound to the record and the field that it is of: moved to another
//! place it does not open. It names the key that sealed it, so that an error can say which one is missing:
//!
//! ```text
//! sealed:1:1a2b3c4d:BASE64
//!        │ │        └ nonce, encrypted text and tag
//!        │ └ the key's id: the start of its hash
//!        └ the version of this form
//! ```
//!
//! The cipher is AES-256-GCM-SIV ([RFC 8452](https://www.rfc-editor.org/rfc/rfc8452)): with it random nonces need no
//! counting, and one that comes twice tells no more than that two texts are the same.

#[cfg(feature = "sqlite")]
pub(crate) mod key_file;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::fingerprint::Fingerprint;
use crate::key::Key;
use crate::secret::Secret;

/// Keys of which the first seals and all open.
///
/// ```
/// use tokenkeep::Key;
/// use tokenkeep::seal::{SealKey, SealKeys};
///
/// let (key, _text) = SealKey::generate()?;
/// let keys = SealKeys::new(key, []);
/// let graph: Key = "graph".parse()?;
/// let sealed = keys.seal(&graph, "access_token", "a-token")?;
/// assert!(sealed.starts_with("sealed:1:") && !sealed.contains("a-token"));
/// assert_eq!(keys.open(&graph, "access_token", &sealed)?.expose_secret(), "a-token");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SealKeys {
    sealing: Sealing,
    others: Vec<SealKey>,
}

/// What is done with texts that are to be sealed.
#[derive(Debug, Clone)]
enum Sealing {
    With(SealKey),
    /// They stay plain.
    Not,
    /// They are refused: the key is lost, and this says what to do.
    #[cfg(feature = "sqlite")]
    Refused(String),
}

impl SealKeys {
    /// Takes the key that seals, and others that only open.
    ///
    /// ```
    /// # use tokenkeep::Key;
    /// # use tokenkeep::seal::{SealKey, SealKeys, Unopenable};
    /// # let (key, text) = SealKey::generate()?;
    /// # let keys = SealKeys::new(key.clone(), []);
    /// # let (graph, billing): (Key, Key) = ("graph".parse()?, "billing".parse()?);
    /// let sealed = keys.seal(&graph, "access_token", "a-token")?;
    /// let (newer, _text) = SealKey::generate()?;
    /// let rotated = SealKeys::new(newer, [key]); // the old key still opens
    /// assert!(rotated.open(&graph, "access_token", &sealed).is_ok());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(first: SealKey, others: impl IntoIterator<Item = SealKey>) -> Self {
        Self { sealing: Sealing::With(first), others: others.into_iter().collect() }
    }

    /// No key: nothing is sealed, and what was sealed does not open.
    ///
    /// ```
    /// # use tokenkeep::Key;
    /// # use tokenkeep::seal::{SealKey, SealKeys, Unopenable};
    /// # let (key, text) = SealKey::generate()?;
    /// # let keys = SealKeys::new(key.clone(), []);
    /// # let (graph, billing): (Key, Key) = ("graph".parse()?, "billing".parse()?);
    /// assert_eq!(SealKeys::none().seal(&graph, "access_token", "a-token")?, "a-token");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn none() -> Self {
        Self { sealing: Sealing::Not, others: Vec::new() }
    }

    /// In the place of keys that are lost: nothing opens and nothing is sealed. `what` was lost, and what to do.
    #[cfg(feature = "sqlite")]
    pub(crate) fn lost(what: String) -> Self {
        Self { sealing: Sealing::Refused(what), others: Vec::new() }
    }

    /// Seals a text for one field of one record.
    ///
    /// ```
    /// # use tokenkeep::Key;
    /// # use tokenkeep::seal::{SealKey, SealKeys, Unopenable};
    /// # let (key, text) = SealKey::generate()?;
    /// # let keys = SealKeys::new(key.clone(), []);
    /// # let (graph, billing): (Key, Key) = ("graph".parse()?, "billing".parse()?);
    /// let (one, other) = (keys.seal(&graph, "scope", "read")?, keys.seal(&graph, "scope", "read")?);
    /// assert_ne!(one, other); // nobody can tell that they are the same
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn seal(&self, key: &Key, field: &str, text: &str) -> Result<String, NotSealed> {
        let first = match &self.sealing {
            Sealing::With(first) => first,
            Sealing::Not => return Ok(text.to_owned()),
            #[cfg(feature = "sqlite")]
            Sealing::Refused(what) => return Err(NotSealed::KeyLost(what.clone())),
        };
        let id = first.id();
        let sealed = encrypt(&first.cipher, &place(id, key, field), text).map_err(|_| NotSealed::NoRandomness)?;
        Ok(format!("{PREFIX}{VERSION}{id}:{}", URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// Opens what was sealed for this field of this record. A text that was never sealed comes back as it is.
    ///
    /// ```
    /// # use tokenkeep::Key;
    /// # use tokenkeep::seal::{SealKey, SealKeys, Unopenable};
    /// # let (key, text) = SealKey::generate()?;
    /// # let keys = SealKeys::new(key.clone(), []);
    /// # let (graph, billing): (Key, Key) = ("graph".parse()?, "billing".parse()?);
    /// let sealed = keys.seal(&graph, "access_token", "a-token")?;
    /// assert!(keys.open(&graph, "access_token", &sealed).is_ok());
    /// assert!(keys.open(&billing, "access_token", &sealed).is_err()); // somebody put it into another record
    /// assert_eq!(keys.open(&graph, "access_token", "a-plain-token")?.expose_secret(), "a-plain-token");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(&self, key: &Key, field: &str, text: &str) -> Result<Secret, Unopenable> {
        let Some(sealed) = Sealed::parse(text)? else { return Ok(Secret::new(text)) };
        let mut candidates = self.all().filter(|candidate| candidate.id() == sealed.id).peekable();
        if candidates.peek().is_none() {
            let known = self.all().map(|key| key.id().to_owned()).collect();
            return Err(Unopenable::UnknownKey { sealed_with: sealed.id.to_owned(), known });
        }
        let place = place(sealed.id, key, field);
        let opened = candidates.find_map(|candidate| decrypt(&candidate.cipher, &place, &sealed.bytes));
        opened.ok_or_else(|| Unopenable::Altered { sealed_with: sealed.id.to_owned() })
    }

    /// Whether a text is sealed with the first key, or is plain where there is none.
    ///
    /// ```
    /// # use tokenkeep::Key;
    /// # use tokenkeep::seal::{SealKey, SealKeys, Unopenable};
    /// # let (key, text) = SealKey::generate()?;
    /// # let keys = SealKeys::new(key.clone(), []);
    /// # let (graph, billing): (Key, Key) = ("graph".parse()?, "billing".parse()?);
    /// let sealed = keys.seal(&graph, "access_token", "a-token")?;
    /// let (newer, _text) = SealKey::generate()?;
    /// let rotated = SealKeys::new(newer, [key]);
    /// assert!(keys.is_newest(&sealed) && !rotated.is_newest(&sealed)); // to be sealed again
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_newest(&self, text: &str) -> bool {
        Sealed::parse(text).is_ok_and(|sealed| sealed.map(|sealed| sealed.id) == self.first_id())
    }

    /// The id of the key that seals, if there is one.
    ///
    /// ```
    /// # use tokenkeep::Key;
    /// # use tokenkeep::seal::{SealKey, SealKeys, Unopenable};
    /// # let (key, text) = SealKey::generate()?;
    /// # let keys = SealKeys::new(key.clone(), []);
    /// # let (graph, billing): (Key, Key) = ("graph".parse()?, "billing".parse()?);
    /// assert_eq!(keys.first_id(), Some(key.id()));
    /// assert_eq!(SealKeys::none().first_id(), None);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn first_id(&self) -> Option<&str> {
        self.first().map(SealKey::id)
    }

    /// Why nothing can be sealed, where texts are to be and the key is lost.
    pub(crate) fn loss(&self) -> Option<NotSealed> {
        match &self.sealing {
            Sealing::With(_) | Sealing::Not => None,
            #[cfg(feature = "sqlite")]
            Sealing::Refused(what) => Some(NotSealed::KeyLost(what.clone())),
        }
    }

    fn first(&self) -> Option<&SealKey> {
        match &self.sealing {
            Sealing::With(first) => Some(first),
            Sealing::Not => None,
            #[cfg(feature = "sqlite")]
            Sealing::Refused(_) => None,
        }
    }

    fn all(&self) -> impl Iterator<Item = &SealKey> {
        self.first().into_iter().chain(&self.others)
    }
}

/// Whether a text is of the form of sealed ones, whatever key it is of.
pub(crate) fn is_sealed(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// What the key is called that sealed a text; `None` for a plain one.
#[cfg(feature = "sqlite")]
pub(crate) fn sealed_with(text: &str) -> Option<String> {
    match Sealed::parse(text) {
        Ok(sealed) => sealed.map(|sealed| sealed.id.to_owned()),
        Err(Unopenable::UnknownKey { sealed_with, .. } | Unopenable::Altered { sealed_with }) => Some(sealed_with),
        Err(Unopenable::UnknownForm) => Some("of a later tokenkeep".into()),
    }
}

/// A key of 32 random bytes. Its `Debug` shows its id, which tells nothing of it.
///
/// ```
/// use tokenkeep::seal::SealKey;
///
/// let (key, text) = SealKey::generate()?;
/// assert_eq!(SealKey::parse(&text)?, key);
/// assert_eq!(format!("{key:?}"), format!("SealKey({})", key.id()));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SealKey {
    fingerprint: Fingerprint,
    cipher: Arc<LessSafeKey>,
}

impl SealKey {
    /// Reads the base64 of 32 bytes, as `openssl rand -base64 32` prints it.
    ///
    /// ```
    /// use tokenkeep::Secret;
    /// use tokenkeep::seal::{InvalidSealKey, SealKey};
    ///
    /// assert!(SealKey::parse(&Secret::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")).is_ok());
    /// assert_eq!(SealKey::parse(&Secret::new("c2hvcnQ=")), Err(InvalidSealKey::Length(5)));
    /// ```
    pub fn parse(text: &Secret) -> Result<Self, InvalidSealKey> {
        let bytes =
            Zeroizing::new(STANDARD.decode(text.expose_secret().trim()).map_err(|_| InvalidSealKey::NotBase64)?);
        Self::from_bytes(&bytes)
    }

    /// A new key, and its text.
    ///
    /// ```
    /// # use tokenkeep::seal::SealKey;
    /// let (key, text) = SealKey::generate()?;
    /// let file = format!("{}\n", text.expose_secret()); // for a file that only its owner can read
    /// assert_eq!(SealKey::parse(&tokenkeep::Secret::new(file))?, key);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn generate() -> Result<(Self, Secret), NotSealed> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| NotSealed::NoRandomness)?;
        let key = Self::from_bytes(bytes.as_slice()).map_err(|_| NotSealed::NoRandomness)?;
        Ok((key, Secret::new(STANDARD.encode(bytes.as_slice()))))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSealKey> {
        let cipher = UnboundKey::new(&AES_256_GCM_SIV, bytes).map_err(|_| InvalidSealKey::Length(bytes.len()))?;
        let text = Zeroizing::new(STANDARD.encode(bytes));
        Ok(Self { fingerprint: Fingerprint::of([("seal key", &**text)]), cipher: Arc::new(LessSafeKey::new(cipher)) })
    }

    /// What messages and sealed texts call it: the start of its hash, in hex.
    ///
    /// ```
    /// # use tokenkeep::seal::SealKey;
    /// let (key, _text) = SealKey::generate()?;
    /// println!("sealed with key {}", key.id());
    /// assert_eq!(key.id().len(), 8);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(&self) -> &str {
        &self.fingerprint.as_str()[..ID_LEN]
    }
}

impl PartialEq for SealKey {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for SealKey {}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({})", self.id())
    }
}

/// Why a text is no key; nothing of the text is in it.
///
/// ```
/// use tokenkeep::Secret;
/// use tokenkeep::seal::{InvalidSealKey, SealKey};
///
/// let error = SealKey::parse(&Secret::new("not base64!")).unwrap_err();
/// assert_eq!(error, InvalidSealKey::NotBase64);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSealKey {
    /// It is something else.
    #[error("is not base64")]
    NotBase64,
    /// It holds so many bytes.
    #[error("holds {0} bytes and not {KEY_LEN}")]
    Length(usize),
}

/// Why a text was not sealed.
///
/// ```
/// use tokenkeep::seal::NotSealed;
///
/// assert_eq!(NotSealed::NoRandomness.to_string(), "cannot seal: the system gives no random numbers");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSealed {
    /// Without random numbers nothing is sealed.
    #[error("cannot seal: the system gives no random numbers")]
    NoRandomness,
    /// The key that sealed before is lost, and there is no other.
    #[error("cannot seal: {0}")]
    KeyLost(String),
}

/// Why a sealed text does not open, and what to do; nothing of the text is in it.
///
/// ```
/// # use tokenkeep::Key;
/// # use tokenkeep::seal::{SealKey, SealKeys, Unopenable};
/// # let (key, text) = SealKey::generate()?;
/// # let keys = SealKeys::new(key.clone(), []);
/// # let (graph, billing): (Key, Key) = ("graph".parse()?, "billing".parse()?);
/// let sealed = keys.seal(&graph, "access_token", "a-token")?;
/// let error = SealKeys::none().open(&graph, "access_token", &sealed).unwrap_err();
/// assert!(matches!(&error, Unopenable::UnknownKey { sealed_with, .. } if sealed_with == key.id()));
/// assert!(error.to_string().contains("seal_keys")); // where to put the key
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unopenable {
    /// The key that sealed it is not there.
    #[error(
        "it is sealed with key {sealed_with}, and {}; add that key to seal_keys, or put its key file back",
        at_hand(known)
    )]
    UnknownKey {
        /// The id of the key that sealed it.
        sealed_with: String,
        /// The ids of the keys that were tried.
        known: Vec<String>,
    },
    /// The key is there, and the text is not what it sealed for this place.
    #[error("it is not what key {sealed_with} sealed for it: it was changed, or moved here; restore it from a copy")]
    Altered {
        /// The id of the key that sealed it.
        sealed_with: String,
    },
    /// The form is not the one that this program knows.
    #[error("it is sealed in a form that this tokenkeep does not know; use the later one, or restore it from a copy")]
    UnknownForm,
}

fn at_hand(known: &[String]) -> String {
    match known {
        [] => "no key is at hand".to_owned(),
        [one] => format!("the one at hand is {one}"),
        several => format!("those at hand are {}", several.join(", ")),
    }
}

/// A sealed text, taken apart.
struct Sealed<'a> {
    id: &'a str,
    bytes: Vec<u8>,
}

impl<'a> Sealed<'a> {
    /// `None` for a text that is not sealed.
    fn parse(text: &'a str) -> Result<Option<Self>, Unopenable> {
        let Some(rest) = text.strip_prefix(PREFIX) else { return Ok(None) };
        let (id, encoded) =
            rest.strip_prefix(VERSION).and_then(|rest| rest.split_once(':')).ok_or(Unopenable::UnknownForm)?;
        // Errors show the id: it must be one.
        if id.len() != ID_LEN || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Unopenable::UnknownForm);
        }
        let altered = || Unopenable::Altered { sealed_with: id.to_owned() };
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| altered())?;
        Ok(Some(Self { id, bytes }))
    }
}

/// What a sealed text is bound to. None of the parts holds the character between them.
fn place(id: &str, key: &Key, field: &str) -> String {
    format!("{PREFIX}{VERSION}{id}\0{key}\0{field}")
}

fn encrypt(cipher: &LessSafeKey, place: &str, text: &str) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce)?;
    // Of its whole length from the start: one that grew would leave a copy of the text behind.
    let mut sealed = Vec::with_capacity(NONCE_LEN + text.len() + AES_256_GCM_SIV.tag_len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(text.as_bytes());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(place), &mut sealed[NONCE_LEN..])?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

/// `None` if it was not encrypted with this key for this place.
fn decrypt(cipher: &LessSafeKey, place: &str, sealed: &[u8]) -> Option<Secret> {
    let (nonce, encrypted) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut text = Zeroizing::new(encrypted.to_vec());
    let text = cipher.open_in_place(nonce, Aad::from(place), &mut text).ok()?;
    str::from_utf8(text).ok().map(Secret::new)
}

/// What every sealed text begins with, and no token.
const PREFIX: &str = "sealed:";
const VERSION: &str = "1:";
/// Hex digits of a key's hash that are its id.
const ID_LEN: usize = 8;
/// Bytes of a key.
pub(crate) const KEY_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    fn new_key() -> SealKey {
        SealKey::generate().unwrap().0
    }

    fn keys() -> SealKeys {
        SealKeys::new(new_key(), [])
    }

    proptest! {
        #[test]
        fn whatever_was_sealed_opens_and_shows_nothing_of_it(
            text in any::<String>(), sealed_before in any::<bool>(), field in "[a-z_]{1,20}", account in "[a-z0-9]{1,20}",
        ) {
            let (keys, graph) = (keys(), key(&format!("graph:{account}")));
            let text = if sealed_before { keys.seal(&graph, &field, &text).unwrap() } else { text };
            let sealed = keys.seal(&graph, &field, &text).unwrap();
            prop_assert!(keys.open(&graph, &field, &sealed).unwrap().expose_secret() == text);
            prop_assert!(text.len() < 12 || !sealed.contains(&text));
            prop_assert!(sealed != keys.seal(&graph, &field, &text).unwrap(), "sealed twice alike");
        }

        #[test]
        fn a_sealed_text_with_any_bit_flipped_or_any_end_cut_off_does_not_open(
            text in "[ -~]{0,40}", at in any::<prop::sample::Index>(), bit in 0..7_u32,
        ) {
            let (keys, graph) = (keys(), key("graph"));
            let sealed = keys.seal(&graph, "access_token", &text).unwrap();
            // What no longer begins like a sealed text is a plain one.
            let at = PREFIX.len() + at.index(sealed.len() - PREFIX.len());
            let mut flipped = sealed.clone().into_bytes();
            flipped[at] ^= 1 << bit;
            let flipped = String::from_utf8(flipped).unwrap();
            prop_assert!(keys.open(&graph, "access_token", &flipped).is_err());
            prop_assert!(keys.open(&graph, "access_token", &sealed[..at]).is_err());
        }

        #[test]
        fn whatever_a_store_holds_is_opened_or_refused_without_being_shown(rest in ".{0,60}") {
            match keys().open(&key("graph"), "scope", &format!("sealed:{rest}")) {
                Ok(_) => prop_assert!(false, "nobody sealed this"),
                Err(error) => prop_assert!(rest.chars().count() < 12 || !error.to_string().contains(&rest)),
            }
        }
    }

    #[test]
    fn a_value_moved_to_another_key_or_field_does_not_open() {
        let keys = keys();
        let sealed = keys.seal(&key("graph:1"), "access_token", "planted").unwrap();
        for (to, field) in [("graph:2", "access_token"), ("graph", "access_token"), ("graph:1", "refresh_token")] {
            let error = keys.open(&key(to), field, &sealed).unwrap_err();
            assert!(matches!(error, Unopenable::Altered { .. }), "{error}");
        }
    }

    #[test]
    fn a_rotated_key_opens_what_the_old_one_sealed_and_seals_with_the_new() {
        let (old, new, graph) = (new_key(), new_key(), key("graph"));
        let before = SealKeys::new(old.clone(), []);
        let during = SealKeys::new(new.clone(), [old.clone()]);
        let after = SealKeys::new(new.clone(), []);
        let sealed = before.seal(&graph, "scope", "read").unwrap();
        assert_eq!(during.open(&graph, "scope", &sealed).unwrap().expose_secret(), "read");
        assert!(!during.is_newest(&sealed) && !during.is_newest("read"));
        let again = during.seal(&graph, "scope", "read").unwrap();
        assert!(during.is_newest(&again));
        assert_eq!(after.open(&graph, "scope", &again).unwrap().expose_secret(), "read");
        let error = after.open(&graph, "scope", &sealed).unwrap_err().to_string();
        assert!(error.contains(&format!("sealed with key {}", old.id())), "{error}");
        assert!(error.contains(&format!("the one at hand is {};", new.id())), "{error}");
        let two = SealKeys::new(new_key(), [new.clone()]);
        let error = two.open(&graph, "scope", &sealed).unwrap_err().to_string();
        assert!(error.contains("those at hand are ") && error.contains(&format!(", {};", new.id())), "{error}");
    }

    #[test]
    fn a_key_is_the_base64_of_32_bytes_and_its_debug_shows_nothing_of_it() {
        let (generated, text) = SealKey::generate().unwrap();
        let read = SealKey::parse(&Secret::new(format!("{}\n", text.expose_secret()))).unwrap();
        assert_eq!(read, generated);
        let shown = format!("{read:?} {:?}", SealKeys::new(read.clone(), [generated]));
        assert!(!shown.contains(text.expose_secret()) && shown.contains(read.id()), "{shown}");
        for (text, expected) in [
            ("", InvalidSealKey::Length(0)),
            ("aHVudGVyMg==", InvalidSealKey::Length(7)),
            ("hunter2!", InvalidSealKey::NotBase64),
        ] {
            assert_eq!(SealKey::parse(&Secret::new(text)).unwrap_err(), expected);
        }
    }
}
