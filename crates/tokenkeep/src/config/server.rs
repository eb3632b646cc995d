//! The table `[server]`.

mod keys;

use std::net::SocketAddr;

use super::document::{Field, Table, Text};
use super::problem::Finding;
use super::{Listen, ServerSettings, suggest};

/// Reads the table `[server]` of a file with these providers.
pub(super) fn read(mut table: Table<'_>, providers: &[&str]) -> ServerSettings {
    let listen = table.take("listen").and_then(|field| listen(&field)).unwrap_or_default();
    let callers = table.take("keys").map(|field| keys::read(&field, providers)).unwrap_or_default();
    let default_provider = table.text("default_provider").and_then(|text| provider(&text, providers));
    table.finish(|_| None);
    ServerSettings { listen, callers, default_provider }
}

fn provider(text: &Text<'_>, providers: &[&str]) -> Option<String> {
    if providers.contains(&&*text.value) {
        return Some(text.value.clone());
    }
    let help = match suggest::closest(&text.value, providers.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "write the name of a table [providers.NAME] whose accounts callers name without it".to_owned(),
    };
    text.report(Finding::error("`default_provider` is no provider of this file").help(help));
    None
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

const LISTEN_FORMS: &str = "write e.g. \"127.0.0.1:8640\", \"[::1]:8640\" or \"unix:/run/tokenkeep.sock\"";
