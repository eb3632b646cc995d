//! The table `[server]`.

use std::net::SocketAddr;

use toml::de::DeValue;

use super::document::{Field, Table, Text};
use super::problem::Finding;
use super::{KeyHash, Listen, ServerSettings};

/// Reads the table `[server]`.
pub(super) fn read(mut table: Table<'_>) -> ServerSettings {
    let listen = table.take("listen").and_then(|field| listen(&field)).unwrap_or_default();
    let key = table.take("key").and_then(|field| key(&field));
    table.finish(|_| None);
    ServerSettings { listen, key }
}

fn listen(field: &Field<'_>) -> Option<Vec<Listen>> {
    let texts = field.each_text()?;
    if texts.is_empty() {
        field.report(Finding::error("`listen` is empty").help(LISTEN_FORMS));
    }
    Some(texts.iter().flatten().filter_map(address).collect())
}

fn address(text: &Text<'_>) -> Option<Listen> {
    let finding = match text.value.strip_prefix("unix:") {
        Some("") => Finding::error("`unix:` needs a path"),
        Some(path) => return Some(Listen::Unix(text.context().base.join(path))),
        None => match text.value.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => return Some(Listen::Tcp(address)),
            Ok(_) => {
                Finding::error("other machines could reach this address; only loopback and unix sockets are served")
            }
            Err(_) => Finding::error("this is not an address to listen at"),
        },
    };
    text.report(finding.help(LISTEN_FORMS));
    None
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

const LISTEN_FORMS: &str = "write e.g. \"127.0.0.1:8640\", \"[::1]:8640\" or \"unix:/run/tokenkeep.sock\"";
const KEY_FORM: &str = "write key = { sha256 = \"…\" } with the 64 hex digits that `printf %s KEY | sha256sum` prints";
