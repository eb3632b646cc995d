//! What `dev` starts: the sandbox, a folder with a real configuration file, and the manager of that file.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokenkeep::{Credentials, Secret, TokenManager};
use tokenkeep_sandbox::{Client, Grant, Sandbox};

use crate::exit::Failure;
use crate::output::counted;

/// A provider of the file, as the systems have them that tokenkeep replaces.
#[derive(Debug, Clone, Copy)]
pub(super) struct System {
    /// The key of its token: its name, with an account if it has some.
    pub(super) key: &'static str,
    /// How it gets a token.
    pub(super) grant: &'static str,
    /// What it stands for.
    pub(super) about: &'static str,
    /// Where its token comes from.
    pub(super) origin: Origin,
}

/// Where a token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The sandbox's issuer, where the client is called as the key, gives it so long a life; its API takes it.
    Issuer(Duration),
    /// A program prints it.
    Program,
    /// It stands in a file.
    File,
}

impl Origin {
    /// What a new token cost, in words; `requests` is what the issuer counted.
    pub(super) fn cost(self, requests: u64) -> String {
        match self {
            Self::Issuer(_) => format!("{} to the issuer", counted(requests, "request")),
            Self::Program => "1 run of the program".into(),
            Self::File => "nothing".to_owned(),
        }
    }
}

impl System {
    /// Its name, which is that of its client at the issuer too.
    pub(super) fn provider(self) -> &'static str {
        self.key.split_once(':').map_or(self.key, |(provider, _)| provider)
    }
}

/// All of them, in the order of their keys.
pub(super) const SYSTEMS: [System; 7] = [
    System { key: "billing", grant: "static", about: "an API key from a file", origin: Origin::File },
    System {
        key: "calendar",
        grant: "refresh_token",
        about: "a person's login; each refresh token is good once",
        origin: Origin::Issuer(Duration::from_secs(16)),
    },
    System {
        key: "genesys",
        grant: "client_credentials",
        about: "a service of its own right",
        origin: Origin::Issuer(Duration::from_secs(20)),
    },
    System {
        key: "graph",
        grant: "client_credentials",
        about: "another, with short lives",
        origin: Origin::Issuer(Duration::from_secs(10)),
    },
    System { key: "legacy", grant: "command", about: "a program prints it", origin: Origin::Program },
    System {
        key: ACCOUNT,
        grant: "login",
        about: "an account at a vendor's own login, which has a budget",
        origin: Origin::Issuer(Duration::from_secs(12)),
    },
    System {
        key: "verteil",
        grant: "password",
        about: "one account for a whole back end",
        origin: Origin::Issuer(Duration::from_secs(30)),
    },
];

/// The sandbox with a client for each system that asks it.
pub(super) async fn start_sandbox() -> Result<Sandbox, Failure> {
    let mut builder = Sandbox::builder().user(USER, PASSWORD);
    for system in SYSTEMS {
        if let Origin::Issuer(life) = system.origin {
            let client = Client::new(system.provider(), secret(system.provider())).life(life);
            builder = match system.grant {
                "login" => builder.vendor_life(life),
                "password" => builder.client(client.grants([Grant::Password])),
                "refresh_token" => builder.client(client.grants([Grant::RefreshToken])),
                _ => builder.client(client.grants([Grant::ClientCredentials])),
            };
        }
    }
    builder.start().await.map_err(|error| Failure::internal("the sandbox cannot listen", &error))
}

/// Gives the account its credentials, which go into the store.
pub(super) async fn give_credentials(manager: &TokenManager) -> Result<(), Failure> {
    let given = Credentials::with_password(USER, Secret::new(PASSWORD));
    let given = given.map_err(|error| Failure::internal("no credentials", &error))?;
    Ok(manager.set_credentials(ACCOUNT, given).await?)
}

/// The folder that holds everything, and what is in it.
#[derive(Debug)]
pub(super) struct Folder {
    root: TempDir,
}

impl Folder {
    /// Makes the folder, for this user only, with the secrets in files of their own.
    pub(super) fn create(sandbox: &Sandbox) -> Result<Self, Failure> {
        let create = || -> io::Result<TempDir> {
            let only_mine = Permissions::from_mode(0o700);
            let root = tempfile::Builder::new().prefix("tokenkeep-dev-").permissions(only_mine).tempdir()?;
            let secrets = root.path().join("secrets");
            fs::DirBuilder::new().mode(0o700).create(&secrets)?;
            for system in SYSTEMS {
                write_private(&secrets.join(system.provider()), &secret(system.provider()))?;
            }
            write_private(&secrets.join("backend-password"), PASSWORD)?;
            write_private(&secrets.join("calendar-login"), &sandbox.issue_refresh_token("calendar"))?;
            Ok(root)
        };
        create().map(|root| Self { root }).map_err(|error| {
            Failure::usage(
                format!("cannot write a temporary folder: {error}"),
                "set TMPDIR to a folder that can be written",
            )
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.root.path()
    }

    /// The configuration file.
    pub(super) fn config(&self) -> PathBuf {
        self.path().join("tokenkeep.toml")
    }

    /// The broker's socket; `None` where the path is longer than the system allows.
    pub(super) fn socket(&self) -> Option<PathBuf> {
        Some(self.path().join("tokenkeep.sock")).filter(|path| path.as_os_str().len() < LONGEST_SOCKET)
    }

    /// Writes the configuration file, for a broker at this port.
    pub(super) fn write_config(&self, sandbox: &Sandbox, port: u16) -> Result<(), Failure> {
        let text = config_text(sandbox, port, self.socket().is_some());
        fs::write(self.config(), text).map_err(|error| Failure::internal("cannot write the configuration", &error))
    }

    /// Removes it with all that is in it.
    pub(super) fn remove(self) -> Result<(), Failure> {
        let path = self.path().to_owned();
        self.root.close().map_err(|error| Failure::internal(&format!("cannot remove {}", path.display()), &error))
    }
}

/// The usual port of a broker if it is free, else any free one.
pub(super) fn free_port() -> Result<u16, Failure> {
    let bound =
        TcpListener::bind((Ipv4Addr::LOCALHOST, USUAL_PORT)).or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let port = bound.and_then(|listener| Ok(listener.local_addr()?.port()));
    port.map_err(|error| Failure::internal("there is no free port", &error))
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

/// What stands for a client's secret or a fixed token; the sandbox is gone when `dev` ends.
fn secret(key: &str) -> String {
    format!("{key}-secret-of-the-sandbox")
}

fn config_text(sandbox: &Sandbox, port: u16, has_socket: bool) -> String {
    let (token_url, login_url) = (sandbox.token_url(), sandbox.login_url());
    let socket = if has_socket { ", \"unix:tokenkeep.sock\"" } else { "" };
    let mut text = format!(
        "# Written by `tokenkeep dev`; it is gone when that ends.\n\
         store = \"sqlite:tokenkeep.db\"\n\n\
         [server]\n\
         listen = [\"127.0.0.1:{port}\"{socket}]\n\
         default_provider = \"vendor\"\n"
    );
    let api = format!("api_base = \"{}\"\n", sandbox.api_url());
    for system in SYSTEMS {
        let (key, System { grant, about, origin, .. }) = (system.provider(), system);
        let options = match (origin, grant) {
            (Origin::Program, _) => {
                "command = [\"sh\", \"-c\", \"echo legacy-$(date +%s)\"]\nlifetime = \"15s\"\n".to_owned()
            }
            (Origin::File, _) => format!("token = {{ file = \"secrets/{key}\" }}\n"),
            // The vendor says nothing of a token's life.
            (Origin::Issuer(life), "login") => format!(
                "accounts = \"stored\"\n{api}lifetime = \"{}s\"\nbudget = \"20/1m\"\n\
                 [providers.{key}.login]\npost = \"{login_url}\"\n\
                 json = {{ username = \"{{username}}\", password = \"{{password}}\" }}\ntoken = \"/Authorization\"\n",
                life.as_secs()
            ),
            (Origin::Issuer(_), grant) => {
                let more = match grant {
                    "password" => "username = \"backend\"\npassword = { file = \"secrets/backend-password\" }\n",
                    "refresh_token" => "refresh_token = { file = \"secrets/calendar-login\" }\n",
                    _ => "",
                };
                format!(
                    "token_url = \"{token_url}\"\nclient_id = \"{key}\"\nclient_secret = {{ file = \"secrets/{key}\" }}\n{more}{api}"
                )
            }
        };
        // Writing to a String does not fail.
        write!(text, "\n[providers.{key}] # {about}\ngrant = \"{grant}\"\n{options}").ok();
    }
    text
}

/// The key of an account of the default provider.
const ACCOUNT: &str = "vendor:7";
const USER: &str = "backend";
const PASSWORD: &str = "backend-password-of-the-sandbox";
const USUAL_PORT: u16 = 8640;
/// Linux takes 107 bytes and others less.
const LONGEST_SOCKET: usize = 100;

#[cfg(test)]
mod tests {
    use tokenkeep::provider::Provider;

    use super::*;

    #[tokio::test]
    async fn the_file_that_is_written_is_right_and_says_all_that_there_is() {
        let sandbox = start_sandbox().await.unwrap();
        let folder = Folder::create(&sandbox).unwrap();
        folder.write_config(&sandbox, 1).unwrap();
        let config = tokenkeep::config::load(&folder.config(), &|_: &str| None).await.unwrap();
        assert_eq!(config.providers.iter().map(Provider::name).collect::<Vec<_>>(), SYSTEMS.map(System::provider));
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
        let path = folder.path().to_owned();
        folder.remove().unwrap();
        assert!(!path.exists());
    }
}
