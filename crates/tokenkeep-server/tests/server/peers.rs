//! Callers that the kernel names, on unix sockets.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::secrets::API_KEY;
use crate::world::{Setup, client, settings};

/// Root in a container, somebody else elsewhere.
fn this_user(folder: &Path) -> u32 {
    std::os::unix::fs::MetadataExt::uid(&folder.metadata().unwrap())
}

fn caller(uid: u32) -> String {
    format!("[[server.keys]]\nname = 'user'\nuid = {uid}\ntokens = ['fixed']\n")
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_caller_is_the_user_that_the_kernel_names() {
    for (is_this_user, status) in [(true, 200), (false, 401)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keep.sock");
        let uid = this_user(folder.path()) + u32::from(!is_this_user);
        let mut setup = Setup::open();
        setup.toml = format!("[server]\nlisten = ['127.0.0.1:0', 'unix:{}']\n{}", path.display(), caller(uid));
        let world = setup.start().await;
        assert_eq!(mode(&path), 0o666, "others may come, and are told apart");
        let http = client().unix_socket(&*path).build().unwrap();
        assert_eq!(http.get("http://localhost/tokens/fixed").send().await.unwrap().status(), status);
        let with_a_wrong_key = http.get("http://localhost/tokens/fixed").header("x-api-key", API_KEY);
        assert_eq!(with_a_wrong_key.send().await.unwrap().status(), 401, "a key is what counts if one is shown");
        assert_eq!(world.get("/tokens/fixed").await.status(), 401, "nobody is known on a port");
        world.end().await;
    }
}

#[tokio::test]
async fn a_socket_is_opened_to_other_users_when_one_of_them_becomes_a_caller_and_closed_after() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keep.sock");
    let toml = format!("[server]\nlisten = ['unix:{}']\n", path.display());
    let mut setup = Setup::open();
    setup.toml.clone_from(&toml);
    let world = setup.start().await;
    assert_eq!(mode(&path), 0o600);
    world.control.reload(&settings(&format!("{toml}{}", caller(5))).await);
    assert_eq!(mode(&path), 0o666);
    world.control.reload(&settings(&toml).await);
    assert_eq!(mode(&path), 0o600);
    world.end().await;
}

#[tokio::test]
async fn a_server_that_others_can_reach_keeps_its_callers_when_a_reload_has_none() {
    let mut setup = Setup::keyed();
    setup.toml = setup.toml.replace("127.0.0.1:0\"]", "0.0.0.0:0\"]\ninsecure = true");
    let world = setup.start().await;
    let url = format!("http://127.0.0.1:{}/tokens/fixed", world.address.port());
    for _ in 0..2 {
        assert_eq!(world.http.get(&url).send().await.unwrap().status(), 401);
        let with_key = world.http.get(&url).header("x-api-key", API_KEY);
        assert_eq!(with_key.send().await.unwrap().status(), 200);
        world.control.reload(&settings("").await);
    }
    world.end().await;
}
