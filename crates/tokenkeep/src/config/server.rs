//! The table `[server]`.

mod keys;
mod listen;
mod tls;
mod webhooks;

pub use self::listen::{InvalidListen, Listen, ListenRefusal};
pub use self::tls::TlsSettings;
use super::document::{Field, Table, Text};
use super::problem::Finding;
use super::{ServerSettings, suggest};
use crate::budget::Budget;

/// Reads the table `[server]` of a file with these providers.
pub(super) async fn read(mut table: Table<'_>, providers: &[&str]) -> ServerSettings {
    let addresses = table.take("listen").and_then(|field| listen::read(&field)).unwrap_or_default();
    let (has_keys, tls_field) = (table.has("keys"), table.take("tls"));
    let tls = tls_field.as_ref().and_then(tls::read);
    let around = keys::Around {
        providers,
        has_socket: addresses.iter().any(|(_, address)| matches!(address, Listen::Unix(_))),
        // What is wrong with `tls` was noted already.
        has_client_ca: tls.as_ref().map_or(tls_field.is_some(), |tls| tls.client_ca.is_some()),
    };
    if let Some(field) = table.take_unknown("key") {
        keys::refuse(&field);
    }
    let max_connections = table.take("max_connections").and_then(|field| field.number(1..=MAX_MAX_CONNECTIONS));
    let webhooks_field = table.take("webhooks");
    let mut settings = ServerSettings {
        listen: addresses.iter().map(|(_, address)| address.clone()).collect(),
        callers: table.take("keys").map(|field| keys::read(&field, &around)).unwrap_or_default(),
        default_provider: table.text("default_provider").and_then(|text| provider(&text, providers)),
        tls,
        insecure: table.flag("insecure").unwrap_or(false),
        requests: table.take("requests").and_then(|field| requests(&field)),
        max_connections: max_connections.and_then(|number| usize::try_from(number).ok()),
        webhooks: Vec::new(),
    };
    table.finish(|_| None);
    listen::judge(&addresses, &settings, has_keys, tls_field.is_some());
    if let Some(field) = tls_field
        && !settings.listen.iter().any(|address| matches!(address, Listen::Tls(_)))
    {
        let text = "no address in `listen` begins with https://, so `tls` counts only for sockets that systemd passes";
        field.report_name(Finding::warning(text).help("write e.g. listen = [\"https://127.0.0.1:8443\"]"));
    }
    if let Some(field) = webhooks_field {
        settings.webhooks = webhooks::read(&field, providers).await;
    }
    settings
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

/// A rate of requests.
fn requests(field: &Field<'_>) -> Option<Budget> {
    let text = field.text()?;
    let rate = Budget::parse(&text.value);
    rate.map_err(|_| text.report(Finding::error("`requests` is not a rate").help("write e.g. \"100/1s\""))).ok()
}

/// More than a process may have open nearly everywhere.
pub(super) const MAX_MAX_CONNECTIONS: u32 = 1_000_000;
