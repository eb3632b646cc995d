//! Where a server listens, and where it will not.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokenkeep::TokenManager;
use tokenkeep::config::{Listen, ServerSettings};
use tokenkeep_server::Server;

use crate::world::{Setup, client};

async fn bind(listen: Listen) -> std::io::Result<Server> {
    let mut settings = ServerSettings::default();
    settings.listen = vec![listen];
    Server::bind(&settings, TokenManager::builder().build().await.unwrap()).await
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenkeep.sock");
    (folder, path)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_unix_socket_is_for_this_user_only_serves_any_host_and_goes_away() {
    let (_folder, path) = folder();
    let mut setup = Setup::open();
    setup.toml = format!("[server]\nlisten = [\"127.0.0.1:0\", \"unix:{}\"]\n", path.display());
    let world = setup.start().await;
    assert_eq!(mode(&path), 0o600);
    let http = client().unix_socket(&*path).build().unwrap();
    let answer = http.get("http://anything.example/tokens/fixed").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.json::<Value>().await.unwrap()["key"]), (200, &json!("fixed")));
    let foreign = http.get("http://anything.example/tokens/fixed").header("sec-fetch-site", "cross-site");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    assert_eq!(world.get("/tokens/fixed").await.status(), 200, "both addresses are served");
    world.end().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_unix_socket_that_nobody_listens_at_is_replaced() {
    let (_folder, path) = folder();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "the file of a process that was killed");
    let server = bind(Listen::Unix(path.clone())).await.unwrap();
    assert_eq!(mode(&path), 0o600);
    drop(server);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_unix_socket_that_somebody_listens_at_is_left_alone() {
    let (_folder, path) = folder();
    let other = UnixListener::bind(&path).unwrap();
    let error = bind(Listen::Unix(path.clone())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let text = error.to_string();
    assert!(text.contains(&*path.to_string_lossy()) && text.contains("another process listens there"), "{text}");
    assert!(text.contains("--listen") && text.contains("[server]"), "{text}");
    std::os::unix::net::UnixStream::connect(&path).unwrap();
    other.accept().unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let (folder, path) = folder();
    fs::write(&path, "precious").unwrap();
    let error = bind(Listen::Unix(path.clone())).await.unwrap_err();
    assert!(error.to_string().contains("no socket"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

    let link = folder.path().join("link.sock");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    bind(Listen::Unix(link)).await.unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn the_file_of_a_successor_is_left_alone_at_the_end() {
    let (_folder, path) = folder();
    let server = bind(Listen::Unix(path.clone())).await.unwrap();
    fs::rename(&path, path.with_extension("old")).unwrap();
    let _successor = UnixListener::bind(&path).unwrap();
    drop(server);
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
}

#[tokio::test]
async fn a_missing_folder_is_an_error_that_says_so() {
    let (folder, _) = folder();
    let error = bind(Listen::Unix(folder.path().join("none/tokenkeep.sock"))).await.unwrap_err();
    assert!(error.to_string().contains("make its folder first"), "{error}");
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it_and_gives_up_what_was_taken_before() {
    let (_folder, path) = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut settings = ServerSettings::default();
    settings.listen = vec![Listen::Unix(path.clone()), Listen::Tcp(address)];
    let error = Server::bind(&settings, TokenManager::builder().build().await.unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let text = error.to_string();
    assert!(text.starts_with(&format!("cannot listen at {address}: ")) && text.contains("another port"), "{text}");
    assert!(!path.exists());
}

#[tokio::test]
async fn an_address_that_other_machines_can_reach_is_refused() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let error = bind(Listen::Tcp(address.parse().unwrap())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(text.contains("other machines could reach") && text.contains("[[server.keys]]"), "{text}");
    }
}
