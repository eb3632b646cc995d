//! Callers that the kernel names, on unix sockets.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

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

#[tokio::test]
async fn a_stranger_who_came_while_there_were_callers_stays_one_when_there_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keep.sock");
    let toml = format!("[server]\nlisten = ['unix:{}']\n", path.display());
    let mut setup = Setup::open();
    setup.toml.clone_from(&toml);
    let world = setup.start().await;
    world.control.reload(&settings(&format!("{toml}{}", caller(this_user(folder.path()) + 1))).await);
    let connect = async || UnixStream::connect(&path).await.unwrap();
    let plain = "GET /tokens/fixed HTTP/1.1\r\nhost: localhost\r\n";
    let oauth = |headers: &str, form: &str| {
        format!(
            "POST /oauth2/token HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\
             content-type: application/x-www-form-urlencoded\r\n{headers}\r\n{form}",
            form.len()
        )
    };
    let form = "grant_type=client_credentials&scope=fixed";
    let mut strangers = Vec::new();
    for _ in 0..5 {
        let mut stranger = connect().await;
        assert_eq!(status(&mut stranger, &format!("{plain}\r\n")).await, "401");
        strangers.push(stranger);
    }
    world.control.reload(&settings(&toml).await);
    for (request, mut stranger) in [
        format!("{plain}\r\n"),
        format!("{plain}x-api-key: invented\r\n\r\n"),
        oauth("", form),
        oauth("", &format!("{form}&client_secret=invented")),
        oauth("authorization: Basic aW52ZW50ZWQ6aW52ZW50ZWQ=\r\n", form),
    ]
    .into_iter()
    .zip(strangers)
    {
        assert_eq!(status(&mut stranger, &request).await, "401", "{request}");
        // It must connect anew.
        assert_eq!(stranger.read(&mut [0; 16]).await.unwrap(), 0, "{request}");
    }
    let mut newcomer = connect().await;
    assert_eq!(status(&mut newcomer, &format!("{plain}\r\n")).await, "200", "the file is for this user only");
    world.end().await;
}

#[tokio::test]
async fn whoever_watches_over_the_process_and_shows_no_key_is_not_counted_whoever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keep.sock");
    let mut setup = Setup::open();
    let server = format!("[server]\nlisten = ['unix:{}']\nrequests = '1/1h'\n", path.display());
    setup.toml = format!("{server}{}", caller(this_user(folder.path())));
    let world = setup.start().await;
    let http = client().unix_socket(&*path).build().unwrap();
    for path in ["health", "readyz", "livez"] {
        for _ in 0..5 {
            assert_eq!(http.get(format!("http://localhost/{path}")).send().await.unwrap().status(), 200, "{path}");
        }
    }
    for expected in [200, 429] {
        assert_eq!(http.get("http://localhost/tokens/fixed").send().await.unwrap().status(), expected);
    }
    world.end().await;
}

#[tokio::test]
async fn an_empty_secret_is_not_mended_by_the_user_who_asks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keep.sock");
    let mut setup = Setup::open();
    setup.toml = format!("[server]\nlisten = ['unix:{}']\n{}", path.display(), caller(this_user(folder.path())));
    let world = setup.start().await;
    let http = client().unix_socket(&*path).build().unwrap();
    for (secret, expected) in [("", 200), ("&client_secret=", 401)] {
        let request =
            http.post("http://localhost/oauth2/token").header("content-type", "application/x-www-form-urlencoded");
        let form = format!("grant_type=client_credentials&client_id=fixed{secret}");
        assert_eq!(request.body(form).send().await.unwrap().status(), expected, "{secret}");
    }
    world.end().await;
}

/// The status of the answer to a request on a connection that stays open.
async fn status(connection: &mut UnixStream, request: &str) -> String {
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !is_whole(&answer) {
        let mut piece = [0; 4096];
        let length = connection.read(&mut piece).await.unwrap();
        assert!(length > 0, "the connection ended: {answer}");
        answer += str::from_utf8(&piece[..length]).unwrap();
    }
    answer["HTTP/1.1 ".len()..][..3].to_owned()
}

fn is_whole(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.parse().unwrap())
}
