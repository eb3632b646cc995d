//! What the keys of a store are called on the server.
//!
//! All begin with the prefix in braces, which is a cluster's [hash tag](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags):
//! so all lie in one slot, and a script that touches several of them is atomic there too. The price is that one node has
//! all of a store.

use std::sync::Arc;

use crate::key::Key;

/// The names of one handle's store.
#[derive(Debug)]
pub(super) struct Names {
    prefix: Box<str>,
    /// The form of the data; see [`FORM`].
    pub(super) form: Box<str>,
    /// The newest version.
    pub(super) version: Box<str>,
    /// All keys that have records, in the order of their bytes.
    pub(super) keys: Box<str>,
    /// The same by their versions.
    pub(super) changes: Box<str>,
    /// Those keys that are renewed though nobody asks, by the milliseconds since 1970 at which they are due. Earlier versions
    /// leave it as it is, so whoever claims a key looks into its record.
    pub(super) due: Box<str>,
    /// All keys that have credentials.
    pub(super) accounts: Box<str>,
    /// Where writes are told.
    pub(super) channel: Box<str>,
    /// What this handle calls itself there.
    pub(super) handle: Box<str>,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Arc<Self> {
        let name = |what: &str| format!("{{{prefix}}}:{what}").into();
        Arc::new(Self {
            prefix: prefix.into(),
            form: name("form"),
            version: name("version"),
            keys: name("keys"),
            changes: name("changes"),
            due: name("due"),
            accounts: name("accounts"),
            channel: name("changed"),
            handle: unique().into(),
        })
    }

    pub(super) fn record(&self, key: &str) -> String {
        self.of("record", key)
    }

    pub(super) fn lease(&self, key: &Key) -> String {
        self.of("lease", key.as_str())
    }

    pub(super) fn credentials(&self, key: &Key) -> String {
        self.of("credentials", key.as_str())
    }

    pub(super) fn budget(&self, name: &str) -> String {
        self.of("budget", name)
    }

    fn of(&self, what: &str, name: &str) -> String {
        format!("{{{}}}:{what}:{name}", self.prefix)
    }
}

/// A name that nothing else has, for a handle or for one call.
pub(super) fn unique() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// The form of what is stored. A later tokenkeep raises it when an earlier one would misread what it writes, which then
/// refuses to; what is only added does not raise it, so that both can run side by side.
pub(super) const FORM: u32 = 1;
