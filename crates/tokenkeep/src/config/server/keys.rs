//! The tables `[[server.keys]]`: one for each caller.

use sha2::{Digest as _, Sha256};

use super::super::caller::{Action, CallerSettings, KeyHash, KeyPattern};
use super::super::document::{Field, Table, Text};
use super::super::problem::Finding;
use super::super::suggest;

/// What the rest of a file says that matters to its callers.
pub(super) struct Around<'p> {
    pub(super) providers: &'p [&'p str],
    /// Whether there is a unix socket.
    pub(super) has_socket: bool,
    /// Whether clients are asked for certificates.
    pub(super) has_client_ca: bool,
}

/// Reads the callers.
pub(super) fn read(field: &Field<'_>, around: &Around<'_>) -> Vec<CallerSettings> {
    if !field.is_array() {
        refuse(field);
        return Vec::new();
    }
    let tables = field.tables("[[server.keys]]").unwrap_or_default();
    let mut callers: Vec<CallerSettings> = Vec::with_capacity(tables.len());
    for table in tables {
        callers.extend(caller(table, &callers, around));
    }
    callers
}

/// Notes that callers are written in another way.
pub(super) fn refuse(field: &Field<'_>) {
    field.report_name(Finding::error(NO_TABLES).help(NEW));
}

fn caller(mut table: Table<'_>, others: &[CallerSettings], around: &Around<'_>) -> Option<CallerSettings> {
    if !["sha256", "uid", "certificate"].iter().any(|way| table.has(way)) {
        table.report(Finding::error("nothing says how this caller is recognised").help(WAYS));
    }
    let name = table.require_text("name").and_then(|text| name(&text, others));
    let key = table.text("sha256").and_then(|text| hash(&text, others));
    let uid = table.take("uid").and_then(|field| uid(&field, others, around));
    let certificate = table.text("certificate").and_then(|text| certificate(&text, others, around));
    let tokens = table.require("tokens").and_then(|field| patterns(&field, around.providers));
    let allow = table.take("allow").map_or(Some(Action::DEFAULT.to_vec()), |field| actions(&field));
    let requests = table.take("requests").and_then(|field| super::requests(&field));
    table.finish(|_| None);
    Some(CallerSettings { name: name?, key, uid, certificate, tokens: tokens?, allow: allow?, requests })
}

fn name(text: &Text<'_>, others: &[CallerSettings]) -> Option<String> {
    let name = text.value.clone();
    if !name.chars().all(|c| c.is_ascii_graphic()) || name.len() > MAX_NAME {
        text.report(Finding::error("`name` is not a name").help("write up to 64 visible ASCII characters"));
        return None;
    }
    if name == ANONYMOUS {
        text.report(
            Finding::error("`name` is taken: logs call everybody so where no caller is configured")
                .help("choose another"),
        );
        return None;
    }
    unique(text, &name, others, |other| Some(other.name.clone()))
}

fn hash(text: &Text<'_>, others: &[CallerSettings]) -> Option<KeyHash> {
    let Some(hash) = parse_hex(&text.value) else {
        text.report(Finding::error("`sha256` is not a SHA-256 in hex").help(HASH_FORM));
        return None;
    };
    if NO_KEYS.iter().any(|key| Sha256::digest(key)[..] == hash) {
        text.report(Finding::error("`sha256` is the hash of an empty key").help(HASH_FORM));
        return None;
    }
    unique(text, &hash, others, |other| other.key.as_ref().map(|key| *key.as_bytes())).map(KeyHash::new)
}

fn uid(field: &Field<'_>, others: &[CallerSettings], around: &Around<'_>) -> Option<u32> {
    if !around.has_socket {
        field.report_name(Finding::warning(NO_SOCKET).help("add \"unix:/run/tokenkeep/tokenkeep.sock\" to `listen`"));
    }
    let uid = field.number(0..=u32::MAX)?;
    if others.iter().any(|other| other.uid == Some(uid)) {
        field.report(taken());
        return None;
    }
    Some(uid)
}

fn certificate(text: &Text<'_>, others: &[CallerSettings], around: &Around<'_>) -> Option<String> {
    if !around.has_client_ca {
        text.report(
            Finding::warning(NO_CLIENT_CA).help("add client_ca = \"clients.pem\", whose authorities sign them"),
        );
    }
    unique(text, &text.value.clone(), others, |other| other.certificate.clone())
}

fn unique<T: PartialEq + Clone>(
    text: &Text<'_>,
    value: &T,
    others: &[CallerSettings],
    of: impl Fn(&CallerSettings) -> Option<T>,
) -> Option<T> {
    if others.iter().any(|other| of(other).as_ref() == Some(value)) {
        text.report(taken());
        return None;
    }
    Some(value.clone())
}

fn taken() -> Finding {
    Finding::error("another caller has the same").help("each table is one caller: put its patterns together")
}

/// Patterns of keys, at least one.
pub(super) fn patterns(field: &Field<'_>, providers: &[&str]) -> Option<Vec<KeyPattern>> {
    let texts = field.each_text()?;
    if texts.is_empty() {
        field.report(Finding::error(format!("`{}` is empty", field.name)).help(PATTERN_FORMS));
        return None;
    }
    texts.iter().map(|text| text.as_ref().and_then(|text| pattern(text, providers))).collect()
}

fn pattern(text: &Text<'_>, providers: &[&str]) -> Option<KeyPattern> {
    let Ok(pattern) = KeyPattern::parse(&text.value) else {
        text.report(Finding::error("this is no pattern of keys").help(PATTERN_FORMS));
        return None;
    };
    if let Some(unknown) = pattern.provider().filter(|name| !providers.contains(name)) {
        let finding = Finding::warning("this pattern names no provider of this file");
        text.report(match suggest::closest(unknown, providers.iter().copied()) {
            Some(meant) => finding.help(format!("did you mean `{meant}`?")),
            None => finding,
        });
    }
    Some(pattern)
}

fn actions(field: &Field<'_>) -> Option<Vec<Action>> {
    field.items()?.iter().map(|element| element.choice(&Action::ALL)).collect()
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

const MAX_NAME: usize = 64;
const ANONYMOUS: &str = "anonymous";
/// What is hashed where a variable is empty.
const NO_KEYS: [&[u8]; 3] = [b"", b"\n", b"\r\n"];
const WAYS: &str = "`tokenkeep key new` makes a key and the table for it; or write uid or certificate";
const HASH_FORM: &str = "write the 64 hex digits that `printf %s KEY | sha256sum` prints; `tokenkeep key new` does it";
const PATTERN_FORMS: &str = "write e.g. \"graph\", \"bluestakes:123\", \"bluestakes:*\", \"*:123\" or \"*\"";
const NO_TABLES: &str = "callers are tables [[server.keys]], one for each";
const NEW: &str = "`tokenkeep key new` prints one, with a new key";
const NO_SOCKET: &str = "no address in `listen` is a unix socket, so `uid` counts only at sockets that systemd passes";
const NO_CLIENT_CA: &str = "`tls` has no `client_ca`, so no client is asked for a certificate";
