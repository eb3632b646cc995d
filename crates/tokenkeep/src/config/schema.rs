//! The configuration file as a JSON Schema (draft 2020-12), for editors: what they complete, explain and underline.
//!
//! Every option is one line here; what belongs to which grant, and what must be there, is derived. Where the reader
//! replaces `${…}`, the schema lets it stand. `crates/tokenkeep-cli/tests/cli/schema.rs` compares both, option by option.

use serde_json::{Map, Value, json};

use super::caller::Action;
use super::login::schema as login;
use super::provider::{GRANTS, GrantName, MAX_MAX_FAILURES, REFRESH, RESERVED};
use super::server::MAX_MAX_CONNECTIONS;
use super::webhook::WebhookEvent;
use crate::provider::ClientAuth;

/// The JSON Schema of a configuration file.
///
/// ```
/// let schema = tokenkeep::config::schema();
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("tokenkeep.schema.json");
/// std::fs::write(path, serde_json::to_string_pretty(&schema)?)?; // named by #:schema in the file's first line
/// assert!(schema["$defs"]["provider"].is_object());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn schema() -> Value {
    let mut schema = table(&[
        option(
            "store",
            text(&[
                "sqlite:/var/lib/tokenkeep/tokenkeep.db",
                "postgres://tokenkeep:${DB_PASSWORD}@db.example/tokens",
                "file:tokens",
                "memory:",
            ]),
            "Where tokens are kept.",
        ),
        option(
            "seal_keys",
            json!({ "type": "array", "minItems": 1, "items": secret_ref() }),
            "Keys of 32 bytes in base64 for what is stored: the first seals, all open.",
        ),
        option("memory_only", flag(), "Tokens are kept in memory and nowhere else, whatever store says.")
            .default(false),
        option("providers", providers(), "The ways to get tokens, each under its name."),
        option("server", server(), "How tokens are served over HTTP."),
    ]);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Configuration of tokenkeep");
    schema["$defs"] = json!({
        "provider": provider(),
        "fallback": fallback(),
        "secret": secret(),
        "duration": duration(),
    });
    for (name, definition) in login::definitions() {
        schema["$defs"][name] = definition;
    }
    schema
}

fn providers() -> Value {
    json!({
        "type": "object",
        "propertyNames": { "pattern": "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$" },
        "additionalProperties": { "$ref": "#/$defs/provider" },
    })
}

/// The options of `[providers.NAME]`, those of the same grants together.
fn provider_options() -> Vec<OptionSchema> {
    let stored = json!({ "const": "stored" });
    let status = json!({ "type": "integer", "minimum": 400, "maximum": 599 });
    let number = json!({ "type": "integer", "minimum": 1, "maximum": MAX_MAX_FAILURES });
    let fallbacks = json!({ "type": "array", "items": { "$ref": "#/$defs/fallback" } });
    let every_grant = [
        option("api_base", url(), "The API that the tokens are for: https, or http on a loopback host."),
        option("reject_on", json!({ "type": "array", "items": status }), "Statuses by which it refuses a token.")
            .default(json!([401])),
        option("header", header(), "What it takes a token in, if not Authorization with the token's type."),
    ];
    let accounts = [option("accounts", stored, "Any number of accounts, whose credentials are kept in the store.")];
    let policy = [
        option("expiry_buffer", duration_ref(), "A token with less left than this is not handed out."),
        option("refresh_before", duration_ref(), "A token with less left than this is renewed in the background."),
        option("refresh", refresh(), "Which tokens are renewed before their end.").default("ahead"),
        option("lifetime", duration_ref(), "The life of a token whose issuer states none.").default("5m"),
        option("jwt_expiry", flag(), "A token that is a JWT says its end itself.").default(false),
        option("expected_life", duration_ref(), "The life that tokens should have; another is warned of."),
        option("timeout", duration_ref(), "For one request, at most 25 s.").default("10s"),
        option("budget", text(&["10/1m"]), "Requests that the issuer allows in a time, of all processes together."),
        option("fallback", fallbacks, "Further ways to authenticate, for when this one fails."),
        option("max_failures", number, "After how many failures in a row the fallbacks are used.").default(1),
    ];
    let mut options = way_options(&GRANTS.map(|(name, _)| name));
    options.extend(of(|_| true, every_grant));
    options.extend(of(|grant| matches!(grant, GrantName::Password | GrantName::Login), accounts));
    options.extend(of(|grant| grant != GrantName::Static, policy));
    options
}

/// The options of one way to authenticate.
fn way_options(grants: &[&str]) -> Vec<OptionSchema> {
    let auths = ClientAuth::ALL.map(ClientAuth::as_str);
    let every_grant = [
        option("grant", one_of(grants), "How a token is asked for.").required(),
        option("insecure", flag(), "Allows http to any host.").default(false),
    ];
    let endpoint = [
        option(
            "token_url",
            url_or_path(),
            "The token endpoint, or its path below api_base: https, or http on a loopback host.",
        )
        .required(),
        option("client_id", text(&[]), "The registered client.").required(),
        option("client_secret", secret_ref(), "The client's secret; a public client has none."),
        option("client_auth", one_of(&auths), "How the client proves itself; without a secret it does not."),
        option("scope", scope(), "What the token shall be good for."),
        option("extra", extra(), "More form parameters, e.g. audience."),
    ];
    let password = [
        option("username", text(&[]), "The resource owner.").required_of_one_account(),
        option("password", secret_ref(), "The resource owner's password.").required_of_one_account(),
    ];
    let login = [
        option("username", text(&[]), "The account's name, for a password or a recipe."),
        option("password", secret_ref(), "The account's password, for a password or a recipe."),
    ];
    let refresh_token =
        [option("refresh_token", secret_ref(), "The first one; what the store has is newer and is used.").required()];
    let fixed = [option("token", secret_ref(), "The token.").required()];
    let program = [option("command", words(), "Prints a token, or JSON with access_token and expires_in.").required()];
    [
        of(|_| true, every_grant),
        of(GrantName::has_endpoint, endpoint),
        of(|grant| grant == GrantName::Password, password),
        of(|grant| grant == GrantName::Login, login),
        of(|grant| grant == GrantName::Login, login::options()),
        of(|grant| grant == GrantName::RefreshToken, refresh_token),
        of(|grant| grant == GrantName::Static, fixed),
        of(|grant| grant == GrantName::Command, program),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Options that belong to some grants only.
fn of(belongs: fn(GrantName) -> bool, options: impl IntoIterator<Item = OptionSchema>) -> Vec<OptionSchema> {
    options.into_iter().map(|option| OptionSchema { belongs, ..option }).collect()
}

/// All options flat, which is what editors complete; the grant then says which of them may and must be there.
fn by_grant(options: &[OptionSchema], grants: impl IntoIterator<Item = (&'static str, GrantName)>) -> Value {
    let rules = grants.into_iter().map(|(name, grant)| {
        let its_own = || options.iter().filter(|option| (option.belongs)(grant));
        let required = |need| names(its_own().filter(move |option| option.required == need));
        let mut then = json!({ "required": required(Required::Always), "propertyNames": { "enum": names(its_own()) } });
        let of_one_account = required(Required::OfOneAccount);
        if !of_one_account.is_empty() {
            then["anyOf"] = json!([{ "required": ["accounts"] }, { "required": of_one_account }]);
        }
        json!({ "if": { "properties": { "grant": { "const": name } }, "required": ["grant"] }, "then": then })
    });
    let rules: Vec<_> = rules.collect();
    let mut way = table(options);
    way["required"] = json!(["grant"]);
    way["allOf"] = json!(rules);
    way
}

fn provider() -> Value {
    by_grant(&provider_options(), GRANTS)
}

fn fallback() -> Value {
    let grants = GRANTS.into_iter().filter(|(_, grant)| *grant != GrantName::RefreshToken);
    let names: Vec<_> = grants.clone().map(|(name, _)| name).collect();
    // Whether it has accounts of its own is said by the provider that it belongs to.
    let options = way_options(&names).into_iter().map(|option| match option.required {
        Required::OfOneAccount => OptionSchema { required: Required::No, ..option },
        Required::No | Required::Always => option,
    });
    by_grant(&options.collect::<Vec<_>>(), grants)
}

fn header() -> Value {
    table(&[
        option("name", text(&["X-Auth-Token"]), "The header's name."),
        option(
            "format",
            json!({ "type": "string", "pattern": or_reference(r"\{token\}") }),
            "The token among its text.",
        ),
    ])
}

fn server() -> Value {
    let address = json!({ "type": "string", "pattern": or_reference("^unix:.|:[0-9]+/?$") });
    let hash = json!({ "type": "string", "pattern": or_reference("^[0-9A-Fa-f]{64}$") });
    let pattern = json!({ "type": "string", "pattern": or_reference(r"^(\*|[A-Za-z0-9_.-]+)(:[^\s/?#%]+)?$") });
    let actions = Action::ALL.map(|(word, _)| word);
    let keys = table(&[
        option("name", text(&["billing"]), "What logs call this caller.").required(),
        option("sha256", hash, "The hex SHA-256 of its API key."),
        option("uid", json!({ "type": "integer", "minimum": 0 }), "The user whose processes it is, on unix sockets."),
        option("certificate", text(&["billing.internal"]), "A name in its client certificate."),
        option("tokens", json!({ "type": "array", "minItems": 1, "items": &pattern }), "The keys that it may see.")
            .required(),
        option(
            "allow",
            json!({ "type": "array", "items": one_of(&actions) }),
            "What it may do with them; nothing: it sees statuses and metrics.",
        )
        .default(json!(Action::DEFAULT.map(Action::as_str))),
        option("requests", text(&["100/1s"]), "Requests that it may make in a time, in place of those of [server]."),
    ]);
    let events = WebhookEvent::ALL.map(|(word, _)| word);
    let webhooks = table(&[
        option("url", url(), "Where messages are sent: https, or http on a loopback host.").required(),
        option("secret", secret_ref(), "What they are signed with: whsec_ and the base64 of 24 to 64 bytes."),
        option("events", json!({ "type": "array", "minItems": 1, "items": one_of(&events) }), "What it is told of.")
            .default(json!(events)),
        option("keys", json!({ "type": "array", "minItems": 1, "items": pattern }), "The keys that it is told of.")
            .default(json!(["*"])),
    ]);
    let listen = json!({ "type": "array", "minItems": 1, "items": address });
    let tls = table(&[
        option("certificate", text(&["server.pem"]), "The file of the server's certificate and its chain.").required(),
        option("key", text(&["server.key"]), "The file of the certificate's private key.").required(),
        option("client_ca", text(&["clients.pem"]), "The file of those who sign clients' certificates."),
    ]);
    let connections = json!({ "type": "integer", "minimum": 1, "maximum": MAX_MAX_CONNECTIONS });
    table(&[
        option("listen", listen, "Ports, those with TLS as https://, and sockets.").default(json!(["127.0.0.1:8640"])),
        option("tls", tls, "The certificate of the addresses that begin with https://; taken over when it changes."),
        option("insecure", flag(), "Allows addresses beyond loopback without TLS.").default(false),
        option("keys", json!({ "type": "array", "items": keys }), "Who may ask, and for what."),
        option("default_provider", text(&[]), "The provider whose accounts callers name without it."),
        option("requests", text(&["100/1s"]), "Requests that one caller may make in a time."),
        option("max_connections", connections, "Connections that one listener serves at once.").default(1024),
        option("webhooks", json!({ "type": "array", "items": webhooks }), "Who is told when credentials are refused."),
    ])
}

fn secret() -> Value {
    let name = json!({ "type": "string", "minLength": 1 });
    let mut places = table(&[
        option(
            "env",
            json!({ "anyOf": [name, { "type": "array", "minItems": 1, "items": name }] }),
            "The variable that holds it, or several names that mean the same.",
        ),
        option("file", text(&[]), "The file that holds it; one newline at its end is cut off."),
        option("command", words(), "The program that prints it in its first line."),
    ]);
    places["minProperties"] = json!(1);
    places["maxProperties"] = json!(1);
    let literal =
        json!({ "type": "string", "minLength": 1, "description": "Works, but whoever can read the file has it." });
    json!({ "anyOf": [places, literal] })
}

fn duration() -> Value {
    json!({
        "type": "string",
        "pattern": or_reference("^ *[0-9].*[a-zµ]"),
        "examples": ["30s", "5m", "1h 30m"],
    })
}

fn scope() -> Value {
    json!({ "anyOf": [text(&[]), { "type": "array", "items": { "type": "string", "pattern": r"^\S+$" } }] })
}

fn extra() -> Value {
    json!({ "type": "object", "propertyNames": { "not": { "enum": RESERVED } }, "additionalProperties": text(&[]) })
}

fn refresh() -> Value {
    let every = option("every", duration_ref(), "Renewed whenever a token is so old, at least 10 s.").required();
    json!({ "anyOf": [one_of(&REFRESH.map(|(name, _)| name)), table(&[every])] })
}

/// A table with these options and no others.
pub(super) fn table(options: &[OptionSchema]) -> Value {
    let properties: Map<_, _> = options.iter().map(|option| (option.name.to_owned(), option.schema.clone())).collect();
    let required = names(options.iter().filter(|option| option.required == Required::Always));
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn names<'a>(options: impl Iterator<Item = &'a OptionSchema>) -> Vec<&'static str> {
    options.map(|option| option.name).collect()
}

pub(super) fn option(name: &'static str, mut schema: Value, description: &str) -> OptionSchema {
    schema["description"] = description.into();
    OptionSchema { name, schema, required: Required::No, belongs: |_| true }
}

/// What may stand for one option.
pub(super) struct OptionSchema {
    name: &'static str,
    schema: Value,
    required: Required,
    belongs: fn(GrantName) -> bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Required {
    No,
    Always,
    /// Unless each account has its own in the store.
    OfOneAccount,
}

impl OptionSchema {
    pub(super) fn required(self) -> Self {
        Self { required: Required::Always, ..self }
    }

    fn required_of_one_account(self) -> Self {
        Self { required: Required::OfOneAccount, ..self }
    }

    pub(super) fn default(mut self, value: impl Into<Value>) -> Self {
        self.schema["default"] = value.into();
        self
    }
}

fn flag() -> Value {
    json!({ "anyOf": [{ "type": "boolean" }, { "type": "string", "pattern": REFERENCE }] })
}

fn url() -> Value {
    json!({ "type": "string", "pattern": or_reference("^https?://") })
}

fn url_or_path() -> Value {
    json!({ "type": "string", "pattern": or_reference("^https?://|^/[^/]") })
}

pub(super) fn text(examples: &[&str]) -> Value {
    let mut text = json!({ "type": "string", "minLength": 1 });
    if !examples.is_empty() {
        text["examples"] = json!(examples);
    }
    text
}

fn words() -> Value {
    json!({ "type": "array", "minItems": 1, "items": text(&[]) })
}

pub(super) fn one_of(words: &[&str]) -> Value {
    json!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": REFERENCE }] })
}

pub(super) fn secret_ref() -> Value {
    json!({ "$ref": "#/$defs/secret" })
}

fn duration_ref() -> Value {
    json!({ "$ref": "#/$defs/duration" })
}

fn or_reference(pattern: &str) -> String {
    format!("{pattern}|{REFERENCE}")
}

/// A text with a variable in it can become anything.
const REFERENCE: &str = r"\$\{";
