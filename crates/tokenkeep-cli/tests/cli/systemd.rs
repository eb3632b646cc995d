//! The broker as a service of systemd: what it says, and the sockets that it is given.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use rustix::process::Signal;
use tokio::net::UnixDatagram;
use tokio::process::Command;

use crate::world::{Running, World, in_time};

#[tokio::test]
async fn systemd_is_told_when_it_serves_reloads_and_stops_and_that_it_lives() {
    let world = World::start().await;
    let notified = UnixDatagram::bind(world.path("notify.sock")).unwrap();
    let mut command = world.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", world.path("notify.sock")).env("WATCHDOG_USEC", "300000");
    let serve = Running::start(command);

    let ready = told(&notified, "READY=1").await;
    assert!(ready.contains("STATUS=listening on http://127.0.0.1:"), "{ready}");
    for _ in 0..3 {
        told(&notified, "WATCHDOG=1").await;
    }
    serve.signal(Signal::HUP);
    let reloading = told(&notified, "RELOADING=1").await;
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    told(&notified, "READY=1").await;
    // A configuration with faults changes nothing, and the reload ends all the same.
    world.write_config("nonsense");
    serve.signal(Signal::HUP);
    told(&notified, "RELOADING=1").await;
    told(&notified, "READY=1").await;
    serve.signal(Signal::TERM);
    told(&notified, "STOPPING=1").await;
    assert_eq!(serve.end().await.code, Some(0));
}

#[tokio::test]
async fn sockets_that_systemd_passes_take_the_place_of_those_in_the_configuration() {
    let world = World::start().await;
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap();
    let path = world.path("passed.sock");
    let unix = UnixListener::bind(&path).unwrap();
    // Somebody comes before the broker is there, and is not turned away.
    let early = reqwest::Client::builder().no_proxy().build().unwrap();
    let early = early.get(format!("http://{port}/tokens/graph")).send();

    let mut serve = Running::start(passing(&world, tcp.into(), unix.into()));
    let heard = serve.hear("listening on").await;
    assert_eq!(heard, format!("listening on http://{port}, unix:{}", path.display()));
    assert_eq!(in_time(early).await.unwrap().status(), 200);
    let by_path = reqwest::Client::builder().unix_socket(path.clone()).build().unwrap();
    assert_eq!(by_path.get("http://localhost/livez").send().await.unwrap().status(), 200);

    serve.signal(Signal::HUP);
    serve.hear("took over the configuration").await;
    serve.signal(Signal::TERM);
    let ended = serve.end().await;
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("takes effect when"), "{}", ended.stderr);
    // It is systemd's, which listens on.
    assert!(path.exists());
}

#[tokio::test]
async fn a_passed_socket_is_for_tls_if_its_name_says_so() {
    let world = World::start().await;
    let (first, second) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let named = second.local_addr().unwrap();
    let mut command = passing(&world, first.into(), second.into());
    command.env("LISTEN_FDNAMES", "plain:https");
    // Without a certificate it cannot be.
    let ended = Running::start(command).end().await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains(&format!("cannot listen at https://{named}: ")), "{}", ended.stderr);
}

#[tokio::test]
async fn sockets_that_were_passed_to_another_process_are_left_alone() {
    let world = World::start().await;
    let mut command = world.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let mut serve = Running::start(command);
    serve.hear("listening on http://127.0.0.1:").await;
    serve.signal(Signal::TERM);
    assert_eq!(serve.end().await.code, Some(0));
}

/// `serve` with two sockets, as systemd passes them: file descriptors from 3 on.
fn passing(world: &World, first: OwnedFd, second: OwnedFd) -> Command {
    let plain = world.command(&["serve", "--listen", "127.0.0.1:1"]);
    let mut command = Command::new("/bin/sh");
    // They come in at the places of stdin and stdout, since a program cannot be started with others open.
    let script = "exec env LISTEN_PID=$$ LISTEN_FDS=2 \"$0\" \"$@\" 3<&0 4<&1 </dev/null >/dev/null";
    command.arg("-c").arg(script).arg(plain.as_std().get_program()).args(plain.as_std().get_args());
    command.env_clear().current_dir(world.home.path());
    command.envs(plain.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::from(first)).stdout(Stdio::from(second)).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// The next datagram that says this.
async fn told(notified: &UnixDatagram, what: &str) -> String {
    let hearing = async {
        loop {
            let mut datagram = [0; 4096];
            let length = notified.recv(&mut datagram).await.unwrap();
            let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
            if text.contains(what) {
                return text;
            }
        }
    };
    in_time(hearing).await
}
