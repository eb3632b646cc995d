//! The option `seal_keys`: the keys that seal what is stored.

use toml::de::DeValue;

use super::document::Field;
use super::problem::Finding;
use super::{join_all, secret_ref};
use crate::seal::SealKey;

/// Reads the keys, in the order of the file; none if the option is not there.
pub(super) async fn read(field: Option<Field<'_>>) -> Vec<SealKey> {
    let Some(field) = field else { return Vec::new() };
    let DeValue::Array(_) = field.value else {
        field.report(Finding::error("`seal_keys` must be an array").help(FORM));
        return Vec::new();
    };
    let elements = field.elements();
    if elements.is_empty() {
        field.report(Finding::error("`seal_keys` is empty").help("name a key, or leave the option out"));
    }
    let found = join_all(elements.iter().map(secret_ref::read)).await;
    let mut keys: Vec<SealKey> = Vec::new();
    for (element, secret) in elements.iter().zip(found) {
        // What cannot be had has been reported.
        let Some(secret) = secret else { continue };
        match SealKey::parse(&secret) {
            Ok(key) if keys.contains(&key) => {
                element.report(Finding::error("this key stands in `seal_keys` twice").help("keep one of them"));
            }
            Ok(key) => keys.push(key),
            Err(error) => {
                let finding = Finding::error(format!("a key of `seal_keys` {error}"));
                element.report(finding.help("make one with: openssl rand -base64 32"));
            }
        }
    }
    keys
}

const FORM: &str = "write [{ env = \"NAME\" }]; the first key seals, all open";
