//! The tables `[[server.webhooks]]`: one for each receiver.

use super::super::document::{Field, Table, Text};
use super::super::problem::Finding;
use super::super::webhook::{WebhookEvent, WebhookSecret, WebhookSettings, WebhookUrl};
use super::super::{join_all, secret_ref};
use super::keys;

/// Reads the receivers.
pub(super) async fn read(field: &Field<'_>, providers: &[&str]) -> Vec<WebhookSettings> {
    if !field.is_array() {
        field.report_name(Finding::error("webhooks are tables [[server.webhooks]], one for each receiver"));
        return Vec::new();
    }
    let tables = field.tables("[[server.webhooks]]").unwrap_or_default();
    join_all(tables.into_iter().map(|table| webhook(table, providers))).await.into_iter().flatten().collect()
}

async fn webhook(mut table: Table<'_>, providers: &[&str]) -> Option<WebhookSettings> {
    let url = table.require_text("url").and_then(|text| url(&text));
    let secret_field = table.take("secret");
    let events = table.take("events").map(|field| events(&field));
    let keys = table.take("keys").map(|field| keys::patterns(&field, providers));
    table.finish(|_| None);
    let secret = match &secret_field {
        Some(field) => Some(secret(field).await?),
        None => None,
    };
    let all = WebhookSettings::new(url?);
    Some(WebhookSettings {
        secret,
        events: events.unwrap_or(Some(all.events))?,
        keys: keys.unwrap_or(Some(all.keys))?,
        ..WebhookSettings::new(all.url)
    })
}

fn url(text: &Text<'_>) -> Option<WebhookUrl> {
    let url = WebhookUrl::parse(&text.value);
    url.map_err(|error| text.report(Finding::error(format!("`url` {error}")))).ok()
}

async fn secret(field: &Field<'_>) -> Option<WebhookSecret> {
    let secret = WebhookSecret::parse(&secret_ref::read(field).await?);
    let report = |error| field.report(Finding::error(format!("`secret` {error}")).help(NEW));
    secret.map_err(report).ok()
}

fn events(field: &Field<'_>) -> Option<Vec<WebhookEvent>> {
    let items = field.items()?;
    if items.is_empty() {
        field.report(Finding::error("`events` is empty").help("name some, or leave the option out"));
        return None;
    }
    items.iter().map(|element| element.choice(&WebhookEvent::ALL)).collect()
}

const NEW: &str = "make one with: printf 'whsec_%s\\n' \"$(openssl rand -base64 32)\"";
