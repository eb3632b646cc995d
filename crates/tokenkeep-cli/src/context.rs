//! From the arguments and the environment to a configuration, a store and a manager.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tokenkeep::TokenManager;
use tokenkeep::config::{self, Config};
use tokenkeep::environment::ProcessEnvironment;
use tokenkeep::fingerprint::Fingerprint;
use tokenkeep::store::StoreUrl;

use crate::command::GlobalArgs;
use crate::environment;
use crate::exit::Failure;

/// A configuration that was read, and where.
#[derive(Debug)]
pub(crate) struct Context {
    /// What the file says.
    pub(crate) config: Config,
    /// The file.
    pub(crate) path: PathBuf,
}

impl Context {
    /// Finds the configuration file and reads it.
    pub(crate) async fn load(global: &GlobalArgs) -> Result<Self, Failure> {
        let path = find_config(global)?;
        let config = config::load(&path, &ProcessEnvironment).await?;
        Ok(Self { config, path })
    }

    /// Opens the store and makes the manager; starts nothing.
    pub(crate) async fn manager(&self) -> Result<TokenManager, Failure> {
        let store = self.store()?;
        tracing::debug!(config = %self.path.display(), ?store, "configured");
        let builder = TokenManager::builder().store_url(store).seal_keys(self.config.seal_keys.iter().cloned());
        Ok(builder.providers(self.config.providers.iter().cloned()).build().await?)
    }

    /// Where tokens are kept.
    pub(crate) fn store(&self) -> Result<StoreUrl, Failure> {
        match &self.config.store {
            Some(store) => Ok(store.clone()),
            None => default_store(&self.path),
        }
    }
}

/// The file that `--config` or `TOKENKEEP_CONFIG` names, else the first one of the usual places that is there.
pub(crate) fn find_config(global: &GlobalArgs) -> Result<PathBuf, Failure> {
    if let Some(path) = &global.config {
        return Ok(path.clone());
    }
    if let Some(path) = environment::path("TOKENKEEP_CONFIG") {
        // Whoever set it may not think of it any more.
        let gone = format!("TOKENKEEP_CONFIG names {}, and there is no such file", path.display());
        let next = "name another file, or unset the variable";
        return if is_there(&path) { Ok(path) } else { Err(Failure::usage(gone, next)) };
    }
    let user = environment::xdg_folder("XDG_CONFIG_HOME", ".config");
    let places: Vec<_> =
        [Some(PathBuf::from(".")), user.map(|user| user.join("tokenkeep")), Some(SYSTEM_CONFIG.into())]
            .into_iter()
            .flatten()
            .map(|folder| folder.join("tokenkeep.toml"))
            .collect();
    match places.iter().find(|place| is_there(place)) {
        Some(path) => Ok(path.clone()),
        None => Err(Failure::NoConfig(places)),
    }
}

/// A file that is there but cannot be read counts: to go past it in silence would be to use another one than meant.
fn is_there(path: &Path) -> bool {
    match path.metadata() {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

/// Where tokens are kept if the file does not say: with a configuration below `/etc` in the system's folder of state,
/// else in the user's. So it follows from the file alone, and all who use the file share its tokens.
fn default_store(config: &Path) -> Result<StoreUrl, Failure> {
    let config = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
    let folder = if config.starts_with("/etc") {
        PathBuf::from(SYSTEM_STATE)
    } else {
        let state = environment::xdg_folder("XDG_STATE_HOME", ".local/state");
        state.map(|state| state.join("tokenkeep")).ok_or_else(|| {
            Failure::usage(
                "the configuration names no store, and there is no home folder to keep tokens in",
                "set HOME, or write e.g. store = \"sqlite:/var/lib/tokenkeep/tokenkeep.db\"",
            )
        })?
    };
    // One store per file: two projects may use the same name for different logins, and neither's may be lost.
    let usual = config.parent().and_then(Path::file_name).is_some_and(|folder| folder == "tokenkeep");
    let name = if usual { "tokenkeep".to_owned() } else { project(&config) };
    Ok(StoreUrl::Sqlite(folder.join(format!("{name}.db"))))
}

/// Names a configuration file by its folder and, so that the name is its own, a hash of its path.
fn project(config: &Path) -> String {
    let folder = config.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let hash = Fingerprint::of([("config", &*config.to_string_lossy())]);
    format!("{folder}-{:.8}", hash.as_str())
}

const SYSTEM_CONFIG: &str = "/etc/tokenkeep";
const SYSTEM_STATE: &str = "/var/lib/tokenkeep";
