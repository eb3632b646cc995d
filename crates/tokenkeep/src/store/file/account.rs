//! The credentials of accounts, each in a file of its own.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::content::json;
use super::disk::{self, Durability};
use super::fault::Fault;
use super::folder::Folder;
use super::lock::Lock;
use super::names;
use crate::credentials::Credentials;
use crate::key::Key;

impl Folder {
    /// The credentials of an account.
    pub(super) fn credentials(&self, key: &Key) -> Result<Option<Credentials>, Fault> {
        let Some(content) = disk::read(&self.paths(key).credentials)? else { return Ok(None) };
        let unreadable = || Fault::new(format!("the credentials of '{key}' cannot be read; give them again"));
        let read: Reading = serde_json::from_slice(&content.bytes).map_err(|_| unreadable())?;
        let text = Zeroizing::new(read.credentials);
        if read.key != key.as_str() {
            return Err(unreadable());
        }
        Credentials::from_json(&text).map(Some).map_err(|_| unreadable())
    }

    /// Writes the credentials of an account in place of those before.
    pub(super) fn save_credentials(&self, _lock: &Lock, key: &Key, credentials: &Credentials) -> Result<(), Fault> {
        let (path, text) = (self.paths(key).credentials, credentials.expose_json());
        let content = json(&Writing { key: key.as_str(), credentials: &text }, text.len())?;
        let new = path.with_extension("credentials.new");
        disk::replace(&path, &new, &content, Durability::PowerCut).map(drop)
    }

    /// Writes credentials in place of `before`, unless there are others by now.
    pub(super) fn replace_credentials(
        &self,
        lock: &Lock,
        key: &Key,
        before: &Credentials,
        after: &Credentials,
    ) -> Result<bool, Fault> {
        if self.credentials(key)?.as_ref() != Some(before) {
            return Ok(false);
        }
        self.save_credentials(lock, key, after).map(|()| true)
    }

    /// Forgets the credentials of an account; whether there were any.
    pub(super) fn remove_credentials(&self, _lock: &Lock, key: &Key) -> Result<bool, Fault> {
        let path: &Path = &self.paths(key).credentials;
        let is_there = path.symlink_metadata().is_ok();
        disk::remove(path)?;
        disk::sync_folder_of(path)?;
        Ok(is_there)
    }

    /// All keys that have credentials, in their order.
    pub(super) fn accounts(&self) -> Result<BTreeSet<Key>, Fault> {
        self.inner_keys(names::owner_of_credentials)
    }
}

#[derive(Deserialize)]
struct Reading {
    key: String,
    credentials: String,
}

/// Credentials as they are written down everywhere: a text of JSON.
#[derive(Serialize)]
struct Writing<'a> {
    key: &'a str,
    credentials: &'a str,
}
