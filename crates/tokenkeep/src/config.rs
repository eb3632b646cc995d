//! From a TOML file to a [`Config`]: everything that is wrong is reported at once, each fault at its place.
//!
//! ```text
//! text ─▶ document (tables, spans) ─▶ seal_keys · provider · server ─▶ Config
//!              │   ▲ interpolate, secret_ref                             │
//!              ▼   │                                                     ▼ warnings
//!            mask ─┴────────────▶ problem ─────────────────────────▶ Problems
//! ```
//!
//! A report shows lines of the file, and the file may hold secrets. So a report is never made from the file, but from a
//! copy in which `mask` has blotted out every value except those of options known to hold none: a secret in the wrong
//! place, under a misspelt key or in a broken line stays hidden too.
//!
//! Nothing ambient is read: variables come from the [`Environment`] that the caller passes.

use std::future::Future;
use std::path::Path;
use std::task::Poll;

use toml::de::DeTable;

pub use self::caller::{Action, CallerSettings, InvalidPattern, KeyHash, KeyPattern};
use self::document::{Context, Table};
use self::mask::Masked;
use self::problem::Finding;
pub use self::problem::{Color, Problem, Problems, Severity};
pub use self::schema::schema;
pub use self::server::{InvalidListen, Listen, ListenRefusal, TlsSettings};
use self::syntax::Syntax;
pub use self::webhook::{InvalidWebhook, WebhookEvent, WebhookSecret, WebhookSettings, WebhookUrl};
use crate::budget::Budget;
use crate::environment::Environment;
use crate::provider::Provider;
use crate::seal::SealKey;
use crate::store::{MAKE_A_KEY, SERVERS_NEED_KEYS, StoreUrl};

mod caller;
mod document;
mod interpolate;
mod login;
mod mask;
mod problem;
mod provider;
mod read_file;
mod schema;
mod seal_keys;
mod secret_ref;
mod server;
mod suggest;
mod syntax;
mod variables;
mod webhook;

/// What a configuration file says.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = issuer().await?;
/// # let toml = configuration(&sandbox);
/// use tokenkeep::config;
///
/// let config = config::parse(&toml, "tokenkeep.toml", "/etc".as_ref(), &environment).await?;
/// for warning in &config.warnings {
///     eprintln!("{warning}");
/// }
/// let names: Vec<_> = config.providers.iter().map(|provider| provider.name()).collect();
/// assert_eq!(names, ["graph", "bluestakes", "cloud"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where records are kept, in memory if `memory_only` says so; `None` if the file leaves it to the caller.
    pub store: Option<StoreUrl>,
    /// The keys that seal what is kept there: the first seals, all open. Empty if the store is to make its own.
    pub seal_keys: Vec<SealKey>,
    /// The providers, in the order of the file.
    pub providers: Vec<Provider>,
    /// How tokens are served over HTTP.
    pub server: ServerSettings,
    /// What works but should be changed, in the order of the file.
    pub warnings: Vec<Problem>,
}

/// The table `[server]`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use tokenkeep::config;
/// let toml = r#"server.listen = ["127.0.0.1:8640", "unix:/run/tokenkeep/tokenkeep.sock"]"#;
/// let config = config::parse(toml, "tokenkeep.toml", "/etc".as_ref(), &|_: &str| None).await?;
/// assert_eq!((config.server.listen.len(), config.server.callers.len()), (2, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ServerSettings {
    /// Where to listen; empty if the file leaves it to the caller.
    pub listen: Vec<Listen>,
    /// Who may ask, and for what: the tables `[[server.keys]]`. Empty if everybody may who reaches an address.
    pub callers: Vec<CallerSettings>,
    /// The provider whose accounts callers may name without it.
    pub default_provider: Option<String>,
    /// The certificate for addresses with TLS.
    pub tls: Option<TlsSettings>,
    /// Whether other machines may reach an address without TLS.
    pub insecure: bool,
    /// How many requests a caller may make in a time; `None`: any number.
    pub requests: Option<Budget>,
    /// How many connections a listener serves at once; `None` leaves it to the server.
    pub max_connections: Option<usize>,
    /// Who is told when credentials are refused: the tables `[[server.webhooks]]`.
    pub webhooks: Vec<WebhookSettings>,
}

/// Reads a configuration file. Relative paths in it are taken from its folder.
///
/// Secret commands in it are run. Cancelling kills them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("tokenkeep.toml");
/// use tokenkeep::config;
/// use tokenkeep::environment::ProcessEnvironment;
///
/// std::fs::write(&path, "store = \"sqlite:tokens.db\"")?;
/// let config = config::load(&path, &ProcessEnvironment).await?;
/// assert!(config.store.is_some_and(|store| store.to_string().ends_with("/tokens.db"))); // beside the file
/// # Ok(())
/// # }
/// ```
pub async fn load(path: &Path, env: &dyn Environment) -> Result<Config, Problems> {
    let name = path.display().to_string();
    let bytes = read_file::read(path, MAX_FILE).map_err(|error| {
        let help = match error {
            read_file::Unreadable::Missing => "create this file, or name another one",
            _ => "make it readable for this user, or name another file",
        };
        Problems::of_file(&name, format!("cannot read the configuration file {name}: {error}"), help)
    })?;
    let source = str::from_utf8(&bytes).map_err(|error| Problems::not_utf8(&name, &bytes, error))?;
    parse(source, &name, path.parent().unwrap_or(Path::new("")), env).await
}

/// Reads the text of a configuration file: `name` is what reports call it, `base` the folder that relative paths in it
/// are taken from.
///
/// Secret commands in it are run, unless the TOML itself is broken. Cancelling kills them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tokenkeep::config;
///
/// let toml = "[providers.billing]\ngrant = \"static\"\ntoken = { env = \"API_KEY\" }";
/// let environment = |name: &str| (name == "API_KEY").then(|| "an-api-key".to_owned());
/// let config = config::parse(toml, "tokenkeep.toml", "/etc".as_ref(), &environment).await?;
/// assert!(config.warnings.is_empty());
///
/// let problems = config::parse(toml, "tokenkeep.toml", "/etc".as_ref(), &|_: &str| None).await.unwrap_err();
/// assert!(problems.to_string().contains("API_KEY"));
/// # Ok(())
/// # }
/// ```
pub async fn parse(source: &str, name: &str, base: &Path, env: &dyn Environment) -> Result<Config, Problems> {
    let (document, faults) = DeTable::parse_recoverable(source);
    let document = document.into_inner();
    let context = Context::new(source, base, env);
    let syntax = Syntax::of(&faults);
    for fault in &faults {
        context.report(syntax::finding(source, fault));
    }
    // After a syntax error the rest was guessed, and its faults would be guesses too. A repetition leaves no doubt.
    let read = if syntax == Syntax::Broken { None } else { Some(read(&document, &context).await) };

    let mut findings = context.into_findings();
    syntax::drop_consequences(source, &faults, &mut findings);
    let problems = Problems::new(name, source, &Masked::new(source, &document, syntax), findings);
    match read {
        Some(config) if !problems.has_errors() => Ok(Config { warnings: problems.into_vec(), ..config }),
        _ => Err(problems),
    }
}

/// What could be made of the file; what could not is in the context's findings.
async fn read(document: &DeTable<'_>, context: &Context<'_>) -> Config {
    let mut top = Table::top(document, context);
    let store = top.text("store").and_then(|text| {
        let store = StoreUrl::parse(&text.value).map_err(|what| {
            // The error may name a part of the text, which may come from a variable; those of servers do not.
            let help = if SERVERS.iter().any(|server| what.starts_with(server)) { what.as_str() } else { KNOWN_STORES };
            text.report(Finding::error("`store` is not the URL of a store").help(help));
        });
        store.map(|url| (url.resolved(context.base), text)).ok()
    });
    let seal_keys = top.take("seal_keys");
    if let Some((url, text)) = &store
        && url.is_on_server()
        && seal_keys.is_none()
    {
        // A program may have keys from somewhere else.
        text.report(Finding::warning(SERVERS_NEED_KEYS).help(MAKE_A_KEY));
    }
    let memory_only = top.flag("memory_only") == Some(true);
    let store = if memory_only { Some(StoreUrl::Memory) } else { store.map(|(url, _)| url) };
    let server = top.table("server");
    let providers = top.table("providers").map(Table::into_tables).unwrap_or_default();
    top.finish(|_| None);
    let names: Vec<_> = providers.iter().map(|(field, _)| field.name).collect();
    let providers = join_all(providers.into_iter().map(|(name, table)| provider::read(name, table)));
    let server = async {
        match server {
            Some(table) => server::read(table, &names).await,
            None => ServerSettings::default(),
        }
    };
    let (seal_keys, server, providers) = tokio::join!(seal_keys::read(seal_keys), server, providers);
    Config { store, seal_keys, providers: providers.into_iter().flatten().collect(), server, warnings: Vec::new() }
}

/// Drives all futures at once on this task, so that the secret commands of many options run side by side.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|task| {
        for (future, output) in futures.iter_mut().zip(&mut outputs).filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(ready) = future.as_mut().poll(task) {
                *output = Some(ready);
            }
        }
        if outputs.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

/// The longest configuration file, in bytes.
pub const MAX_FILE: usize = 1024 * 1024;

/// How errors begin that are about the URL of a server.
const SERVERS: [&str; 2] = ["postgres: ", "redis: "];

const KNOWN_STORES: &str = "write \"sqlite:PATH\", \"postgres://USER:PASSWORD@HOST/DATABASE\", \"redis://HOST\", \"file:DIR\" or \
                            \"memory:\"; a program may have been built without some of them";
