//! A table `[providers.NAME]` and the [`Provider`] it stands for.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;

use toml::de::DeValue;

use super::document::{Field, Table, Text, listed};
use super::login;
use super::problem::Finding;
use super::secret_ref;
use crate::budget::Budget;
use crate::expiry::{MAX_LIFE, MIN_EVERY, Policy, Refresh, Unstated};
use crate::key::check_provider_name;
use crate::provider::{
    Accounts, ApiBase, ApiSettings, ClientAuth, Grant, MAX_TIMEOUT, OwnHeader, Provider, ResourceOwner,
    TokenEndpointSettings, TokenHeader, TokenUrl, Transport,
};
use crate::secret::Secret;

/// Reads a provider, or notes why it is none.
pub(super) async fn read(name: Field<'_>, mut table: Table<'_>) -> Option<Provider> {
    let checked = check_provider_name(name.name).map_err(|error| name.report_name(Finding::error(error.to_string())));
    if ROUTES.contains(&name.name) {
        let finding = Finding::warning(format!("`/tokens/{}` is a route of the server", name.name));
        let other = format!("choose another name, or ask a server for /tokens/{}:default", name.name);
        name.report_name(finding.help(other));
    }
    let Some(grant_name) = table.require("grant").and_then(|field| field.choice(&GRANTS)) else {
        read_without_grant(table);
        return None;
    };
    let accounts = accounts(&mut table, grant_name);
    let asks = grant_name != GrantName::Static;
    let policy = if asks { policy(&mut table) } else { Policy::default() };
    let budget = if asks { table.text("budget").and_then(|text| budget(&text)) } else { None };
    let transport = transport(&mut table);
    let is_written = table.has("api_base");
    let api = api(&mut table, transport);
    let base = Base { url: api.base.as_ref(), is_written };
    let grant = grant(grant_name, &mut table, transport, accounts, base).await;
    let (fallbacks, max_failures) =
        if asks { fallbacks(&mut table, name.name, accounts, base).await } else { Default::default() };
    finish(table, grant_name, accounts);
    checked.ok()?;
    let mut provider = Provider::new(name.name, grant?).ok()?.with_policy(policy).with_api(api);
    provider.accounts = accounts;
    provider.budget = budget;
    provider.fallbacks = fallbacks;
    provider.max_failures = max_failures.unwrap_or(provider.max_failures);
    Some(provider)
}

/// Reads what means the same whatever the grant, for its faults. What belongs to the grant is unknown; what belongs to
/// none is wrong in any case.
fn read_without_grant(mut table: Table<'_>) {
    let transport = transport(&mut table);
    let is_written = table.has("api_base");
    let api = api(&mut table, transport);
    let base = Base { url: api.base.as_ref(), is_written };
    policy(&mut table);
    table.text("budget").and_then(|text| budget(&text));
    token_url(table.text("token_url"), transport, base);
    for option in GRANT_OPTIONS.into_iter().chain(PROVIDER_OPTIONS) {
        table.ask(option);
    }
    table.finish(|_| None);
}

/// What a path is added to.
#[derive(Clone, Copy)]
struct Base<'a> {
    url: Option<&'a ApiBase>,
    /// Whether there is an `api_base`, be it wrong.
    is_written: bool,
}

/// A URL, or a path below `api_base`: one that is put behind a variable instead could make another host of the two.
fn token_url(text: Option<Text<'_>>, transport: Transport, base: Base<'_>) -> Option<TokenUrl> {
    let text = text?;
    let report = |error: &dyn Display| text.report(Finding::error(format!("`token_url` {error}")));
    if !text.value.starts_with('/') {
        let url = TokenUrl::parse(&text.value, transport);
        return url.map_err(|error| report(&error)).ok();
    }
    let Some(base) = base.url else {
        if !base.is_written {
            report(&"is a path, and there is no `api_base` that it could be added to");
        }
        return None;
    };
    let url = base.join(&text.value).map_err(|error| report(&error)).ok()?;
    TokenUrl::parse(url.as_str(), transport).map_err(|error| report(&error)).ok()
}

/// Reports what is left over, each with why it is out of place.
fn finish(table: Table<'_>, grant: GrantName, accounts: Accounts) {
    table.finish(|option| match option {
        "username" | "password" if accounts == Accounts::Stored => {
            Some(format!("`{option}` is each account's own, with accounts = \"stored\""))
        }
        _ if GRANT_OPTIONS.contains(&option) || PROVIDER_OPTIONS.contains(&option) => {
            Some(format!("`{option}` does not belong to grant {}", grant.as_str()))
        }
        _ => None,
    });
}

fn accounts(table: &mut Table<'_>, grant_name: GrantName) -> Accounts {
    if !matches!(grant_name, GrantName::Password | GrantName::Login) {
        return Accounts::Default;
    }
    let stored = table.take("accounts").and_then(|field| field.choice(&[("stored", Accounts::Stored)]));
    stored.unwrap_or(Accounts::Default)
}

fn budget(text: &Text<'_>) -> Option<Budget> {
    let budget = Budget::parse(&text.value);
    budget.map_err(|error| text.report(Finding::error(format!("`budget` {error}")))).ok()
}

/// The further ways to authenticate, and after how many failures they are used.
async fn fallbacks(
    table: &mut Table<'_>,
    provider: &str,
    accounts: Accounts,
    base: Base<'_>,
) -> (Vec<Grant>, Option<u32>) {
    let max_failures = table.take("max_failures");
    let Some(field) = table.take("fallback") else {
        if let Some(max_failures) = max_failures {
            let finding = Finding::error("`max_failures` says when a fallback is used, and there is none");
            max_failures.report_name(finding.help(format!("add [[providers.{}.fallback]]", provider.escape_debug())));
        }
        return (Vec::new(), None);
    };
    let mut fallbacks = Vec::new();
    let title = format!("[[providers.{}.fallback]]", provider.escape_debug());
    for table in field.tables(&title).unwrap_or_default() {
        fallbacks.extend(fallback(table, accounts, base).await);
    }
    (fallbacks, max_failures.and_then(|field| field.number(1..=MAX_MAX_FAILURES)))
}

async fn fallback(mut table: Table<'_>, accounts: Accounts, base: Base<'_>) -> Option<Grant> {
    let field = table.require("grant");
    let chosen = field.as_ref().and_then(|field| Some((field, field.choice(&GRANTS)?)));
    let Some((field, name)) = chosen else {
        for option in GRANT_OPTIONS {
            table.ask(option);
        }
        table.finish(|_| None);
        return None;
    };
    if name == GrantName::RefreshToken {
        // The store keeps one refresh token for a key, and that is the first way's.
        let finding = Finding::error("a fallback cannot be a refresh_token");
        field.report(finding.help("make it the provider's own grant, and the other one the fallback"));
        return None;
    }
    if name == GrantName::Login {
        login::check_fallback(&table);
    }
    let transport = transport(&mut table);
    let grant = grant(name, &mut table, transport, accounts, base).await;
    finish(table, name, accounts);
    grant
}

/// What the token stands in, if that is not `Authorization: Bearer`.
fn header(field: &Field<'_>) -> Option<OwnHeader> {
    let mut table = field.table("`header`".into())?;
    let (name, format) = (table.take("name"), table.take("format"));
    table.finish(|_| None);
    // What is there and wrong is no header.
    let text = |field: Option<Field<'_>>| match field {
        Some(field) => field.text().map(|text| Some(text.value)),
        None => Some(None),
    };
    let (name, format) = (text(name)?, text(format)?);
    let format = format.as_deref().unwrap_or("{token}");
    OwnHeader::new(name.as_deref(), format).map_err(|error| field.report(Finding::error(error.to_string()))).ok()
}

fn policy(table: &mut Table<'_>) -> Policy {
    let default = Policy::default();
    Policy {
        expiry_buffer: table.duration("expiry_buffer", MAX_LIFE),
        refresh_before: table.duration("refresh_before", MAX_LIFE),
        refresh: table.take("refresh").and_then(|field| refresh(&field)).unwrap_or(default.refresh),
        lifetime: table.duration("lifetime", MAX_LIFE).unwrap_or(default.lifetime),
        unstated: if table.flag("jwt_expiry") == Some(true) { Unstated::Jwt } else { Unstated::Assumed },
        expected_life: table.duration("expected_life", MAX_LIFE),
        timeout: table.duration("timeout", MAX_TIMEOUT).unwrap_or(default.timeout),
    }
}

fn refresh(field: &Field<'_>) -> Option<Refresh> {
    if let DeValue::String(_) = field.value {
        return field.choice_or(&REFRESH, "{ every = \"45m\" }");
    }
    let DeValue::Table(_) = field.value else {
        return field.mismatch("a string or { every = \"45m\" }");
    };
    let mut table = field.table("refresh".into())?;
    let every = table.require("every").and_then(|every| {
        let interval = every.duration(MAX_LIFE)?;
        if interval < MIN_EVERY {
            every.report(Finding::error("`every` is too short").help("it can be 10s at least"));
        }
        Some(interval)
    });
    table.finish(|_| None);
    every.map(Refresh::Every)
}

fn api(table: &mut Table<'_>, transport: Transport) -> ApiSettings {
    let base = table.text("api_base").and_then(|text| {
        let base = ApiBase::parse(&text.value, transport);
        base.map_err(|error| text.report(Finding::error(format!("`api_base` {error}")))).ok()
    });
    let reject_on = table.take("reject_on").and_then(|field| statuses(&field));
    let header = table.take("header").and_then(|field| header(&field));
    let mut settings = ApiSettings::default();
    settings.base = base;
    settings.reject_on = reject_on.unwrap_or(settings.reject_on);
    settings.header = header.map(TokenHeader::Own).unwrap_or_default();
    settings
}

fn statuses(field: &Field<'_>) -> Option<Vec<u16>> {
    let DeValue::Array(values) = field.value else { return field.mismatch("an array of numbers") };
    let status = |value: &DeValue<'_>| match value {
        DeValue::Integer(number) => {
            u16::from_str_radix(number.as_str(), number.radix()).ok().filter(|status| ERRORS.contains(status))
        }
        _ => None,
    };
    let statuses: Option<Vec<_>> = values.iter().map(|value| status(value.get_ref())).collect();
    if statuses.is_none() {
        let finding = Finding::error(format!("`{}` must hold HTTP statuses from 400 to 599 only", field.name));
        field.report(finding.help("write e.g. [401, 403]"));
    }
    statuses
}

fn transport(table: &mut Table<'_>) -> Transport {
    if table.flag("insecure") == Some(true) { Transport::Insecure } else { Transport::Secure }
}

async fn grant(
    name: GrantName,
    table: &mut Table<'_>,
    transport: Transport,
    accounts: Accounts,
    base: Base<'_>,
) -> Option<Grant> {
    Some(match name {
        GrantName::ClientCredentials => Grant::ClientCredentials(endpoint(table, transport, base).await?),
        GrantName::Password => {
            let endpoint = endpoint(table, transport, base).await;
            if accounts == Accounts::Stored {
                return Some(Grant::Password { endpoint: endpoint?, owner: None });
            }
            let username = table.require_text("username");
            let password = secret(table, "password").await;
            let owner = ResourceOwner { username: username?.value, password: password? };
            Grant::Password { endpoint: endpoint?, owner: Some(owner) }
        }
        GrantName::RefreshToken => {
            let endpoint = endpoint(table, transport, base).await;
            let seed = secret(table, "refresh_token").await;
            Grant::RefreshToken { endpoint: endpoint?, seed: seed? }
        }
        GrantName::Static => Grant::Static { token: secret(table, "token").await? },
        GrantName::Command => {
            let (program, args) = table.require("command")?.command()?;
            Grant::Command { program, args }
        }
        GrantName::Login => Grant::Login(Box::new(login::read(table, transport, accounts, base.url).await?)),
    })
}

async fn endpoint(table: &mut Table<'_>, transport: Transport, base: Base<'_>) -> Option<TokenEndpointSettings> {
    let token_url = token_url(table.require_text("token_url"), transport, base);
    let client_id = table.require_text("client_id");
    let secret_field = table.take("client_secret");
    let client_auth = client_auth(table, secret_field.as_ref());
    let client_secret = match &secret_field {
        Some(field) => secret_ref::read(field).await,
        None => None,
    };
    let scope = table.take("scope").and_then(|field| scope(&field));
    let extra = table.table("extra").map(extra);
    Some(TokenEndpointSettings {
        token_url: token_url?,
        client_id: client_id?.value,
        client_secret,
        client_auth,
        scope: scope.unwrap_or_default(),
        extra: extra.unwrap_or_default(),
    })
}

fn client_auth(table: &mut Table<'_>, secret: Option<&Field<'_>>) -> ClientAuth {
    let field = table.take("client_auth");
    let chosen = field.as_ref().and_then(|field| field.choice(&ClientAuth::ALL.map(|auth| (auth.as_str(), auth))));
    match (&field, chosen, secret) {
        (_, Some(ClientAuth::None), Some(secret)) => {
            let finding = Finding::error("`client_secret` is not used with client_auth none");
            secret.report_name(finding.help("remove one of the two"));
        }
        (Some(field), Some(auth @ (ClientAuth::ClientSecretBasic | ClientAuth::ClientSecretPost)), None) => {
            field.report(Finding::error(format!("client_auth {} needs a `client_secret`", auth.as_str())));
        }
        _ => {}
    }
    let default = if secret.is_some() { ClientAuth::default() } else { ClientAuth::None };
    chosen.unwrap_or(default)
}

fn scope(field: &Field<'_>) -> Option<Vec<String>> {
    match field.value {
        DeValue::String(_) => Some(field.text()?.value.split_whitespace().map(ToOwned::to_owned).collect()),
        DeValue::Array(_) => {
            let texts = field.texts()?;
            for text in texts.iter().filter(|text| text.value.contains(char::is_whitespace)) {
                text.report(Finding::error("a scope holds no spaces").help("write one string for each"));
            }
            Some(texts.into_iter().map(|text| text.value).collect())
        }
        _ => field.mismatch("a string or an array of strings"),
    }
}

fn extra(table: Table<'_>) -> BTreeMap<String, String> {
    let mut extra = BTreeMap::new();
    for field in table.into_fields() {
        if RESERVED.contains(&field.name) {
            let finding = Finding::error(format!("`{}` is set by the grant itself", field.name));
            field.report_name(finding.help(format!("`extra` takes anything but {}", listed(RESERVED))));
        } else if let Some(text) = field.text() {
            extra.insert(field.name.to_owned(), text.value);
        }
    }
    extra
}

async fn secret(table: &mut Table<'_>, name: &'static str) -> Option<Secret> {
    secret_ref::read(&table.require(name)?).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum GrantName {
    ClientCredentials,
    Password,
    RefreshToken,
    Static,
    Command,
    Login,
}

impl GrantName {
    fn as_str(self) -> &'static str {
        GRANTS.iter().find(|(_, grant)| *grant == self).map_or("", |(name, _)| name)
    }

    /// Whether it asks a token endpoint.
    pub(super) fn has_endpoint(self) -> bool {
        match self {
            Self::ClientCredentials | Self::Password | Self::RefreshToken => true,
            Self::Static | Self::Command | Self::Login => false,
        }
    }
}

pub(super) const GRANTS: [(&str, GrantName); 6] = [
    ("client_credentials", GrantName::ClientCredentials),
    ("password", GrantName::Password),
    ("refresh_token", GrantName::RefreshToken),
    ("static", GrantName::Static),
    ("command", GrantName::Command),
    ("login", GrantName::Login),
];

pub(super) const REFRESH: [(&str, Refresh); 3] =
    [("ahead", Refresh::Ahead), ("always", Refresh::Always), ("on_demand", Refresh::OnDemand)];

/// The options of all grants.
pub(super) const GRANT_OPTIONS: [&str; 14] = [
    "token_url",
    "client_id",
    "client_secret",
    "client_auth",
    "scope",
    "extra",
    "insecure",
    "username",
    "password",
    "refresh_token",
    "token",
    "command",
    "login",
    "credentials",
];

/// The options of a provider whatever its grant, or of most grants.
pub(super) const PROVIDER_OPTIONS: [&str; 14] = [
    "accounts",
    "expiry_buffer",
    "refresh_before",
    "refresh",
    "lifetime",
    "jwt_expiry",
    "expected_life",
    "timeout",
    "header",
    "budget",
    "fallback",
    "max_failures",
    "api_base",
    "reject_on",
];

/// More failures in a row than anybody would wait for.
pub(super) const MAX_MAX_FAILURES: u32 = 1000;

/// The HTTP statuses of errors.
const ERRORS: RangeInclusive<u16> = 400..=599;

/// The form parameters that some grant sets.
pub(super) const RESERVED: [&str; 7] =
    ["grant_type", "client_id", "client_secret", "scope", "username", "password", "refresh_token"];
/// What can stand after `/tokens/` and is no key.
const ROUTES: [&str; 3] = ["stats", "cleanup", "credentials"];
