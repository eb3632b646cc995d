//! The laws of the configuration file.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

mod addresses;
mod callers;
mod files;
mod login;
mod providers;
mod reports;
mod secrets;
mod variables;
mod webhooks;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokenkeep::Secret;
use tokenkeep::config::{self, Color, Config, Problems, Severity};
use tokenkeep::environment::Environment;
use tokenkeep::expiry::Refresh;
use tokenkeep::provider::{Accounts, ClientAuth, Grant};
use tokenkeep::seal::SealKey;
use tokenkeep::store::StoreUrl;

const KEY: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";

const KEY_2: &str = "MjIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";

const KEY_3: &str = "MzIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";

const ENDPOINT: &str = "token_url = \"https://a.example/t\"\nclient_id = \"me\"\n";

fn provider(options: &str) -> String {
    format!("[providers.graph]\ngrant = \"client_credentials\"\n{options}")
}

fn environment() -> HashMap<String, String> {
    [("SET", "set"), ("SECRET", "hunter2-env"), ("OTHER", "hunter2-other"), ("EMPTY", ""), ("KEY", KEY)]
        .map(|(name, value)| (name.into(), value.into()))
        .into()
}

async fn config(source: &str) -> Config {
    match parse(source).await {
        Ok(config) => config,
        Err(problems) => panic!("{problems}"),
    }
}

async fn faults(source: &str) -> Problems {
    match parse(source).await {
        Ok(_) => panic!("no fault was found in:\n{source}"),
        Err(problems) => problems,
    }
}

async fn report(source: &str) -> String {
    faults(source).await.to_string()
}

async fn parse(source: &str) -> Result<Config, Problems> {
    config::parse(source, "keep.toml", Path::new("/etc/keep"), &environment()).await
}

async fn parse_with(source: &str, variables: &[(&str, &str)]) -> Result<Config, Problems> {
    let env: HashMap<_, _> = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    config::parse(source, "keep.toml", Path::new("/etc/keep"), &env).await
}

fn assert_hides(what: &dyn std::fmt::Debug, problems: &Problems) {
    let lines: Vec<_> = problems.iter().map(|problem| format!("{problem} {problem:?}")).collect();
    let error = tokenkeep::Error::from(problems.clone());
    let shown = format!("{problems}\n{}\n{problems:?}\n{lines:?}\n{error}\n{error:?}", problems.render(Color::Always));
    assert!(!shown.contains("hunter2"), "{what:?} is shown:\n{shown}");
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn program(&self, name: &str, script: &str) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        self.write(name, format!("#!/bin/sh\n{script}\n"));
        let path = self.path(name);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path.display().to_string()
    }

    async fn parse(&self, source: &str) -> Result<Config, Problems> {
        let mut env = environment();
        env.insert("HERE".into(), self.0.path().display().to_string());
        let env: &dyn Environment = &env;
        config::parse(source, "keep.toml", self.0.path(), env).await
    }
}
