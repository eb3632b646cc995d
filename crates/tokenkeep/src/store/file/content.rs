//! What is written to files, as bytes.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::fault::Fault;
use crate::key::Key;

/// A value's form in JSON, with room for secrets of so many bytes from the start: what a buffer that grows leaves
/// behind is not wiped.
pub(super) fn json(value: &impl Serialize, secrets: usize) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut content = Zeroizing::new(Vec::with_capacity(2 * secrets + REST_LEN));
    let written = serde_json::to_writer(&mut *content, value);
    written.map(|()| content).map_err(|error| Fault::new(format!("it has no form in JSON: {error}")))
}

/// Tells contents apart, and says nothing of them.
pub(super) fn hash(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold(String::with_capacity(64), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Whose a file of the inner folder says that it is.
pub(super) fn key_in(content: &[u8]) -> Option<Key> {
    #[derive(Deserialize)]
    struct Head {
        key: String,
    }
    let head: Head = serde_json::from_slice(content).ok()?;
    Key::parse(&head.key).ok()
}

/// What token file and sidecar say beside secrets is shorter, as a rule.
const REST_LEN: usize = 4_096;
