//! The running broker.

use std::io::{PipeReader, PipeWriter, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokenkeep_sandbox::Fault;
use tokio::task::JoinSet;

use crate::world::{Running, World, in_time, is_free_of};

/// A running `serve`, and its URL.
pub(crate) async fn serve(world: &World, args: &[&str]) -> (Running, String) {
    serve_with(world, args, "info").await
}

/// The same with this level of the log.
async fn serve_with(world: &World, args: &[&str], level: &str) -> (Running, String) {
    let args: Vec<_> = ["serve", "--listen", "127.0.0.1:0"].iter().chain(args).copied().collect();
    let mut command = world.command(&args);
    command.env("RUST_LOG", level);
    let mut serve = Running::start(command);
    let line = serve.hear("listening on http").await;
    let url = line.strip_prefix("listening on ").unwrap().split(',').next().unwrap().to_owned();
    (serve, url)
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn answer(http: &reqwest::Client, url: &str) -> Value {
    http.get(url).send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
}

#[tokio::test]
async fn the_broker_hands_out_what_the_command_line_gets_in_the_same_form() {
    let world = World::start().await;
    let (serve, url) = serve(&world, &[]).await;
    let http = http();
    let mut by_http = answer(&http, &format!("{url}/tokens/graph")).await;
    let mut by_hand = world.run(&["get", "graph", "--format", "json"]).await.json();
    // A second may have gone by.
    for json in [&mut by_http, &mut by_hand] {
        assert!(json["expires_in"].take().is_u64());
    }
    assert_eq!(by_http, by_hand);

    let by_http = answer(&http, &format!("{url}/tokens/people/status")).await;
    assert_eq!(by_http, world.run(&["status", "people", "--json"]).await.json());
    serve.signal(Signal::INT);
    assert_eq!(serve.end().await.code, Some(0));
}

#[tokio::test]
async fn sigterm_lets_a_request_that_is_under_way_finish_and_no_token_is_lost() {
    let world = World::start().await;
    let (mut serve, url) = serve(&world, &["--listen", "unix:broker.sock"]).await;
    assert!(world.path("broker.sock").exists());
    world.sandbox.set_fault(Fault::HoldAnswer.times(1));
    let http = http();
    let url = format!("{url}/tokens/calendar");
    let asking = answer(&http, &url);
    let ending = async {
        world.issued("calendar", 1).await;
        serve.signal(Signal::TERM);
        serve.hear("stopping").await;
        world.sandbox.release();
    };
    let (token, ()) = tokio::join!(asking, ending);
    assert_eq!(token["generation"], 1);
    let ended = serve.end().await;
    assert_eq!((ended.code, &*ended.stdout), (Some(0), ""), "{ended:?}");
    assert!(is_free_of(world.home.path(), ".sock"));
    assert_eq!(world.run(&["get", "calendar"]).await.data(), token["access_token"]);
}

#[tokio::test]
async fn a_second_signal_ends_the_broker_at_once() {
    let world = World::start().await;
    let (mut serve, url) = serve(&world, &[]).await;
    world.sandbox.set_fault(Fault::Hang);
    let http = http();
    let asking = http.get(format!("{url}/tokens/graph")).send();
    let ending = async {
        world.arrived("graph", 1).await;
        serve.signal(Signal::TERM);
        serve.hear("stopping").await;
        serve.signal(Signal::TERM);
        serve.end().await
    };
    let (asked, ended) = tokio::join!(asking, ending);
    assert!(asked.is_err());
    assert_eq!(ended.code, Some(143));
}

#[tokio::test]
async fn a_running_broker_notices_what_another_process_cleared() {
    let world = World::start().await;
    // It is asked as fast as it can answer, and nobody reads the log meanwhile.
    let (serve, url) = serve_with(&world, &[], "warn").await;
    let (http, url) = (http(), format!("{url}/tokens/graph"));
    assert_eq!(answer(&http, &url).await["generation"], 1);
    assert_eq!(world.run(&["clear", "graph"]).await.code, Some(0));
    let noticed = async { while answer(&http, &url).await["generation"] == 1 {} };
    tokio::time::timeout(Duration::from_secs(20), noticed).await.unwrap();
    assert_eq!(answer(&http, &url).await["generation"], 2);
    assert_eq!(world.requests("graph"), 2);
    serve.signal(Signal::TERM);
    assert_eq!(serve.end().await.code, Some(0));
}

#[tokio::test]
async fn an_address_that_is_taken_is_a_wrong_call_that_says_so() {
    let world = World::start().await;
    let (serve, url) = serve(&world, &[]).await;
    let taken = url.strip_prefix("http://").unwrap();
    let ended = world.run(&["serve", "--listen", taken]).await;
    let said = ended.failure(2);
    assert!(said.starts_with(&format!("error: cannot listen at {taken}: ")) && said.contains("\nnext: "), "{said}");
    serve.signal(Signal::INT);
    assert_eq!(serve.end().await.code, Some(0));
}

#[tokio::test]
async fn an_address_that_others_could_reach_is_refused() {
    let world = World::start().await;
    for (address, what, next) in [
        ("0.0.0.0:0", "other machines could reach this address", "[[server.keys]]"),
        ("https://0.0.0.0:0", "other machines could reach this address", "[[server.keys]]"),
        ("https://127.0.0.1:0", "needs a certificate", "tls = {"),
        ("8640", "not an address to listen at", "127.0.0.1:8640"),
    ] {
        let ended = world.run(&["serve", "--listen", address]).await;
        let said = ended.failure(2);
        assert!(said.contains(what) && said.contains(next), "{ended:?}");
        assert!(!said.contains("can reach this address"), "it does not listen: {ended:?}");
    }
}

#[tokio::test]
async fn the_log_as_json_is_one_object_per_line() {
    let world = World::start().await;
    let mut serve = world.spawn(&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    let listening: Value = serde_json::from_str(&serve.hear("\"listening\"").await).unwrap();
    let address = listening["address"].as_str().unwrap();
    answer(&http(), &format!("http://{address}/tokens/graph")).await;
    serve.signal(Signal::TERM);
    let ended = serve.end().await;
    let log: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let obtained = log.iter().find(|line| line["message"] == "obtained a new token").unwrap();
    assert_eq!((&obtained["key"], &obtained["level"]), (&"graph".into(), &"INFO".into()));
    let audit = log.iter().find(|line| line["target"] == "tokenkeep::audit").unwrap();
    let told: Value =
        ["caller", "action", "key", "outcome", "generation"].into_iter().map(|of| audit[of].clone()).collect();
    assert_eq!(told, serde_json::json!(["anonymous", "get", "graph", "ok", 1]));
}

#[tokio::test]
async fn each_hand_out_is_in_the_log_however_the_broker_ends() {
    let world = World::start().await;
    for is_cut_off in [false, true] {
        let (serve, url) = serve(&world, &[]).await;
        let http = http();
        for _ in 0..200 {
            answer(&http, &format!("{url}/tokens/graph")).await;
        }
        serve.signal(Signal::TERM);
        if is_cut_off {
            serve.signal(Signal::INT);
        }
        let ended = serve.end().await;
        let is_hand_out = |line: &&str| line.contains("tokenkeep::audit") && line.contains("key=\"graph\"");
        assert_eq!(ended.stderr.lines().filter(is_hand_out).count(), 200, "{ended:?}");
    }
}

/// A pipe that nobody reads and that has no room.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (unread, mut full) = std::io::pipe().unwrap();
    fcntl_setfl(&full, OFlags::NONBLOCK).unwrap();
    while full.write(&[b'x'; 1024]).is_ok() {}
    fcntl_setfl(&full, OFlags::empty()).unwrap();
    (unread, full)
}

#[tokio::test]
async fn a_broker_whose_log_nobody_reads_serves_and_ends_when_it_is_told_to() {
    let world = World::start().await;
    for (hangs, code) in [(false, 0), (true, 143)] {
        let (_unread, full) = full_pipe();
        let mut command = world.command(&["serve", "--listen", "unix:broker.sock"]);
        let mut serve = command.env("RUST_LOG", "trace").stderr(full).spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(serve.id().unwrap()).unwrap()).unwrap();
        let socket = world.path("broker.sock");
        let http = reqwest::Client::builder().no_proxy().unix_socket(&*socket).build().unwrap();
        in_time(async { while http.get("http://localhost/livez").send().await.is_err() {} }).await;
        let mut asking = JoinSet::new();
        if hangs {
            world.sandbox.set_fault(Fault::Hang);
            asking.spawn(http.get("http://localhost/tokens/people").send());
            world.arrived("people", 1).await;
        }
        kill_process(pid, Signal::TERM).unwrap();
        if hangs {
            in_time(async {
                while UnixStream::connect(&socket).is_ok() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            kill_process(pid, Signal::TERM).unwrap();
        }
        assert_eq!(in_time(serve.wait()).await.unwrap().code(), Some(code));
    }
}
