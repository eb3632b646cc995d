//! A certificate is renewed while the server runs.

use std::fs;
use std::os::unix::fs::symlink;

use reqwest::Client;

use crate::certificates::{Authority, Files};
use crate::secrets;
use crate::world::{Setup, World};

async fn world(toml: &str) -> World {
    let mut setup = Setup::open();
    setup.toml = toml.to_owned();
    setup.start().await
}

async fn is_served(world: &World, http: &Client) -> bool {
    http.get(world.url("/livez").replace("http:", "https:")).send().await.is_ok_and(|answer| answer.status() == 200)
}

/// Each time with a new connection.
async fn until_served(world: &World, authority: &Authority) {
    while !is_served(world, &authority.trusting().build().unwrap()).await {}
}

#[tokio::test]
async fn a_certificate_that_is_written_over_serves_new_connections_and_old_ones_go_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::new(&old.server());
    let world = world(&files.toml()).await;
    let early = old.trusting().build().unwrap();
    assert!(is_served(&world, &early).await);
    let renewed = new.server();
    files.write("server.pem", &renewed.certificate);
    files.write("server.key", &renewed.key);
    until_served(&world, &new).await;
    assert!(is_served(&world, &early).await, "the connection is there still");
    assert!(!is_served(&world, &old.trusting().build().unwrap()).await);
    world.end().await;
}

/// As Kubernetes does it: `server.pem` → `..data/server.pem`, `..data` → a folder of this version.
#[tokio::test]
async fn a_link_that_is_put_in_the_place_of_another_is_a_change() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::new(&old.server());
    for (folder, authority) in [("..1", &old), ("..2", &new)] {
        let signed = authority.server();
        fs::create_dir(files.path(folder)).unwrap();
        files.write(&format!("{folder}/server.pem"), &signed.certificate);
        files.write(&format!("{folder}/server.key"), &signed.key);
    }
    symlink("..1", files.path("..data")).unwrap();
    for name in ["server.pem", "server.key"] {
        fs::remove_file(files.path(name)).unwrap();
        symlink(format!("..data/{name}"), files.path(name)).unwrap();
    }
    let world = world(&files.toml()).await;
    assert!(is_served(&world, &old.trusting().build().unwrap()).await);
    symlink("..2", files.path("..data_tmp")).unwrap();
    fs::rename(files.path("..data_tmp"), files.path("..data")).unwrap();
    until_served(&world, &new).await;
    world.end().await;
}

#[tokio::test]
async fn a_new_certificate_that_is_wrong_changes_nothing_and_a_right_one_after_it_is_taken_over() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::new(&old.server());
    let world = world(&files.toml()).await;
    let other = new.server();
    files.write("server.pem", &other.certificate);
    let said = format!("{}", files.path("server.pem").display());
    while !secrets::log().lines().any(|line| line.contains(&said) && line.contains("stays in use")) {
        assert!(is_served(&world, &old.trusting().build().unwrap()).await);
    }
    fs::remove_file(files.path("server.key")).unwrap();
    assert!(is_served(&world, &old.trusting().build().unwrap()).await);
    files.write("server.key", &other.key);
    until_served(&world, &new).await;
    world.end().await;
}
