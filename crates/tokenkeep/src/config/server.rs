//! The table `[server]`.

mod listen;
mod tls;

use toml::de::DeValue;

pub use self::listen::{InvalidListen, Listen, ListenRefusal};
pub use self::tls::TlsSettings;
use super::document::{Field, Table};
use super::problem::Finding;
use super::{KeyHash, ServerSettings};
use crate::budget::Budget;

/// Reads the table `[server]`.
pub(super) fn read(mut table: Table<'_>) -> ServerSettings {
    let addresses = table.take("listen").and_then(|field| listen::read(&field)).unwrap_or_default();
    let (has_keys, tls) = (table.has("key"), table.take("tls"));
    let mut settings = ServerSettings {
        listen: addresses.iter().map(|(_, address)| address.clone()).collect(),
        key: table.take("key").and_then(|field| key(&field)),
        tls: tls.as_ref().and_then(tls::read),
        insecure: table.flag("insecure").unwrap_or(false),
        requests: table.take("requests").and_then(|field| requests(&field)),
        max_connections: None,
    };
    let max_connections = table.take("max_connections").and_then(|field| field.number(1..=MAX_MAX_CONNECTIONS));
    settings.max_connections = max_connections.and_then(|number| usize::try_from(number).ok());
    table.finish(|_| None);
    listen::judge(&addresses, &settings, has_keys, tls.is_some());
    if let Some(tls) = tls
        && !settings.listen.iter().any(|address| matches!(address, Listen::Tls(_)))
    {
        let finding = Finding::warning("`tls` is for addresses that begin with https://, and `listen` has none");
        tls.report_name(finding);
    }
    settings
}

/// A rate of requests.
fn requests(field: &Field<'_>) -> Option<Budget> {
    let text = field.text()?;
    let rate = Budget::parse(&text.value);
    rate.map_err(|_| text.report(Finding::error("`requests` is not a rate").help("write e.g. \"100/1s\""))).ok()
}

fn key(field: &Field<'_>) -> Option<KeyHash> {
    let DeValue::Table(_) = field.value else {
        field.report(Finding::error("the API key is given by its hash").help(KEY_FORM));
        return None;
    };
    let mut table = field.table("`key`".into())?;
    let hash = table.require("sha256").and_then(|field| {
        let text = field.text()?;
        let hash = parse_hex(&text.value);
        if hash.is_none() {
            text.report(Finding::error("`sha256` is not a SHA-256 in hex").help(KEY_FORM));
        }
        hash
    });
    table.finish(|_| None);
    hash.map(KeyHash)
}

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}

const KEY_FORM: &str = "write key = { sha256 = \"…\" } with the 64 hex digits that `printf %s KEY | sha256sum` prints";
/// More than a process may have open nearly everywhere.
pub(super) const MAX_MAX_CONNECTIONS: u32 = 1_000_000;
