//! A request to the API that a token is for.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tokenkeep_sandbox::Fault;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::world::{Ended, World, ended};

#[tokio::test]
async fn a_request_takes_the_token_along_and_prints_the_answer() {
    let world = World::start().await;
    let got = world.run(&["request", "graph", "get", "/things/1?full=yes"]).await;
    let answer = served(&got);
    assert_eq!((&answer["method"], &answer["path"]), (&"GET".into(), &"/things/1".into()));
    assert_eq!((&answer["query"], &answer["client"]), (&"full=yes".into(), &"graph".into()));
    assert_eq!(got.stderr, "HTTP/1.1 200 OK\n");
    assert!(world.run(&["request", "graph", "GET", ""]).await.code == Some(0));
    assert_eq!(world.requests("graph"), 1);
}

#[tokio::test]
async fn a_token_that_the_api_refuses_is_replaced_and_the_request_sent_once_more() {
    let world = World::start().await;
    let refused = world.run(&["get", "graph"]).await.data().to_owned();
    world.sandbox.revoke_all();
    let posted = world.run(&["request", "graph", "POST", "/things", "--data", "12345"]).await;
    let answer = served(&posted);
    assert_eq!((&answer["method"], &answer["body_bytes"]), (&"POST".into(), &5.into()));
    assert_eq!(posted.stderr, "graph: 401 for generation 1; sent once more with generation 2\nHTTP/1.1 200 OK\n");
    assert_ne!(world.run(&["get", "graph"]).await.data(), refused);
    assert_eq!(world.requests("graph"), 2);
}

#[tokio::test]
async fn the_token_goes_into_the_header_that_configuration_names() {
    let world = World::start().await;
    let config = world.usual_config();
    for (header, code) in [("{ format = \"Bearer {token}\" }", 0), ("{ name = \"X-Auth-Token\" }", 10)] {
        world.write_config(&config.replacen("api_base", &format!("header = {header}\napi_base"), 1));
        let got = world.run(&["request", "graph", "GET", "/", "--header", "X-Auth-Token: mine"]).await;
        assert_eq!(got.code, Some(code), "{header}: {got:?}");
    }
}

#[tokio::test]
async fn an_api_that_refuses_every_token_is_asked_twice_and_no_more() {
    let (world, api) = World::with_api("HTTP/1.1 401 Unauthorized\r\n", Some(b"who are you?")).await;
    let refused = world.run(&["request", "graph", "GET", "/"]).await;
    assert_eq!((refused.code, &*refused.stdout), (Some(10), "who are you?"));
    assert!(refused.stderr.ends_with("\nHTTP/1.1 401 Unauthorized\n"), "{refused:?}");
    assert_eq!((api.requests(), world.requests("graph")), (2, 2));
}

#[tokio::test]
async fn configuration_says_what_a_refused_token_looks_like() {
    let (world, api) = World::with_api("HTTP/1.1 403 Forbidden\r\n", Some(b"")).await;
    let forbidden = world.run(&["request", "graph", "GET", "/"]).await;
    assert_eq!((forbidden.code, &*forbidden.stderr), (Some(10), "HTTP/1.1 403 Forbidden\n"));
    assert_eq!(api.requests(), 1);

    let config = world.config_with_api(&api.base());
    world.write_config(&config.replace("api_base", "reject_on = [401, 403]\napi_base"));
    let forbidden = world.run(&["request", "graph", "GET", "/"]).await;
    assert!(forbidden.stderr.starts_with("graph: 403 for generation 1; "), "{forbidden:?}");
    assert_eq!(api.requests(), 3);
}

#[tokio::test]
async fn the_exit_code_tells_whose_turn_it_is_and_the_answer_is_printed_all_the_same() {
    let world = World::start().await;
    for (status, code) in [(204, 0), (302, 0), (404, 10), (429, 10), (500, 11), (503, 11)] {
        let body = if status == 204 { "" } else { "the answer\n" };
        world.sandbox.set_api_fault(Fault::Status { status, body: body.to_owned() });
        let answered = world.run(&["request", "graph", "GET", "/x"]).await;
        assert_eq!((answered.code, &*answered.stdout), (Some(code), body));
        assert!(answered.stderr.starts_with(&format!("HTTP/1.1 {status} ")), "{answered:?}");
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_without_another_one_nothing_more() {
    let world = World::start().await;
    world.sandbox.set_fault(Fault::Status { status: 503, body: String::new() });
    let ended = world.run(&["request", "graph", "GET", "/x"]).await;
    assert!(ended.failure(7).starts_with("error: graph: "), "{ended:?}");
    assert_eq!(arrivals(&world), 0);

    let world = World::start().await;
    world.run(&["get", "graph"]).await.data();
    world.sandbox.revoke_all();
    world.sandbox.set_fault(Fault::Status { status: 503, body: String::new() });
    let ended = world.run(&["request", "graph", "GET", "/x"]).await;
    // What was sent was answered, and that is shown.
    assert!(ended.stderr.starts_with("HTTP/1.1 401 Unauthorized\nerror: graph: "), "{ended:?}");
    assert!(ended.code == Some(7) && !ended.stdout.is_empty(), "{ended:?}");
    assert_eq!(arrivals(&world), 1);
}

#[tokio::test]
async fn a_token_that_stays_the_same_is_not_sent_twice() {
    let (world, api) = World::with_api("HTTP/1.1 401 Unauthorized\r\n", Some(b"who are you?")).await;
    let base = api.base();
    world.write_config(&format!(
        "store = \"memory:\"\n[providers.key]\ngrant = \"static\"\ntoken = {{ env = \"PASSWORD\" }}\napi_base = \"{base}\"\n"
    ));
    let refused = world.run(&["request", "key", "GET", "/"]).await;
    assert_eq!((refused.code, &*refused.stdout), (Some(10), "who are you?"));
    assert!(refused.stderr.starts_with("key: 401, and the token stays the same"), "{refused:?}");
    assert_eq!(api.requests(), 1);
}

#[tokio::test]
async fn no_path_leads_to_another_place() {
    let world = World::start().await;
    for path in ["http://127.0.0.1:1/x", "//127.0.0.1:1/x", "/../sandbox/counters", "/%2e%2e/sandbox", "x", "/a b"] {
        let ended = world.run(&["request", "graph", "GET", path]).await;
        let said = ended.failure(2);
        assert!(said.starts_with("error: the path "), "{said}");
        assert!(said.ends_with("next: a path is added to api_base; write e.g. /users?top=1\n"), "{said}");
    }
    assert_eq!(world.requests("graph"), 0);
}

#[tokio::test]
async fn a_redirect_is_printed_and_not_followed() {
    let elsewhere = Api::start("HTTP/1.1 200 OK\r\n", None).await;
    let head = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {}/x\r\n", elsewhere.base());
    let (world, api) = World::with_api(&head, Some(b"")).await;
    let redirected = world.run(&["request", "graph", "POST", "/x", "--data", "12345", "--include"]).await;
    assert_eq!((redirected.code, &*redirected.stderr), (Some(0), ""));
    assert!(redirected.stdout.contains(&format!("\r\nlocation: {}/x\r\n", elsewhere.base())), "{redirected:?}");
    assert_eq!((api.requests(), elsewhere.requests()), (1, 0));
}

#[tokio::test]
async fn what_is_sent_is_what_was_said() {
    let (world, api) = World::with_api("HTTP/1.1 200 OK\r\n", None).await;
    let token = world.run(&["get", "graph"]).await.data().to_owned();
    std::fs::write(world.path("body"), "from a file\n").unwrap();
    let sent = |args: &[&str]| {
        let mut command = world.command(&[&["request", "graph", "PUT", "/x?q=%20"], args].concat());
        command.stdin(Stdio::from(std::fs::File::open(world.path("body")).unwrap()));
        async {
            let ended = ended(command).await;
            assert_eq!(ended.code, Some(0), "{ended:?}");
            ended.stdout
        }
    };
    let plain = sent(&["--data", "a text", "-H", "X-One: 1", "--header", "x-one:2"]).await;
    assert!(plain.starts_with("PUT /api/x?q=%20 HTTP/1.1\r\n") && plain.ends_with("\r\n\r\na text"), "{plain}");
    for header in ["x-one: 1", "x-one: 2", &format!("host: {}", api.address), &format!("authorization: Bearer {token}")]
    {
        assert!(plain.contains(&format!("\r\n{header}\r\n")), "{header} is not in {plain}");
    }
    assert!(!plain.contains("content-type") && !plain.contains("accept-encoding"), "{plain}");

    for from in ["@body", "@-"] {
        assert!(sent(&["--data", from]).await.ends_with("\r\n\r\nfrom a file\n"), "{from}");
    }
    let json = sent(&["--json", "{\"a\": 1}"]).await;
    assert!(json.contains("\r\ncontent-type: application/json\r\n"), "{json}");
    assert!(json.ends_with("\r\n\r\n{\"a\": 1}"), "{json}");
    let merge = sent(&["--json", "{}", "--header", "Content-Type: application/merge-patch+json"]).await;
    assert!(merge.contains("\r\ncontent-type: application/merge-patch+json\r\n"), "{merge}");
}

#[tokio::test]
async fn the_body_is_printed_byte_for_byte() {
    let bytes: Vec<u8> = (0..=255).chain(*b"\x1b[31m\r\n\0").collect();
    let (world, _api) = World::with_api("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n", Some(&bytes)).await;
    let mut command = world.command(&["request", "graph", "GET", "/x"]);
    assert_eq!(command.output().await.unwrap().stdout, bytes);
    let mut command = world.command(&["request", "graph", "GET", "/x", "-i"]);
    let length = bytes.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n");
    assert_eq!(command.output().await.unwrap().stdout, [head.as_bytes(), &bytes].concat());
}

#[tokio::test]
async fn an_api_that_is_not_there_or_stops_is_unavailable() {
    let (world, api) = World::with_api("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n", Some(b"begun")).await;
    let broken = world.run(&["request", "graph", "GET", "/x"]).await;
    assert_eq!((broken.code, &*broken.stdout), (Some(7), "begun"));
    assert!(broken.stderr.contains(&format!("\nerror: {} broke off its answer: ", api.address)), "{broken:?}");

    world.write_config(&world.config_with_api("http://127.0.0.1:1/api"));
    let ended = world.run(&["request", "graph", "GET", "/x?q=planted"]).await;
    assert!(ended.failure(7).starts_with("error: 127.0.0.1:1 cannot be reached: "), "{ended:?}");
    assert!(!ended.stderr.contains("planted"), "{ended:?}");

    world.write_config(&world.usual_config());
    world.sandbox.set_api_fault(Fault::Hang);
    let ended = world.run(&["request", "graph", "GET", "/x", "--timeout", "1s"]).await;
    assert!(ended.failure(7).contains(" did not answer within 1s\n"), "{ended:?}");
}

#[tokio::test]
async fn a_wrong_call_sends_nothing_and_says_what_is_wrong() {
    let world = World::start().await;
    for (args, expected) in [
        (&["people", "GET", "/x"][..], "next: write api_base = \"https://…\" in [providers.people]"),
        (&["grahp", "GET", "/x"], "there is no such provider"),
        (&["graph", "G E T", "/x"], "write e.g. GET or POST"),
        (&["graph", "CONNECT", "/x"], "write e.g. GET or POST"),
        (
            &["graph", "GET", "/x", "--header", "Authorization: Bearer x"],
            "the header authorization is set by tokenkeep",
        ),
        (&["graph", "GET", "/x", "--header", "Host: a.example"], "the header host is set by tokenkeep"),
        (&["graph", "GET", "/x", "--header", "nonsense"], "a --header has no name"),
        (&["graph", "GET", "/x", "--header", "a: b\nc: d"], "the header a holds control characters"),
        (&["graph", "POST", "/x", "--json", "{"], "what --json gives is no JSON"),
        (&["graph", "POST", "/x", "--data", "@nowhere"], "cannot read the body from nowhere"),
        (&["graph", "POST", "/x", "--data", "a", "--json", "{}"], "cannot be used with"),
    ] {
        let ended = world.run(&[&["request"], args].concat()).await;
        let code = if args[0] == "grahp" { 4 } else { 2 };
        assert!(ended.failure(code).contains(expected), "{ended:?}");
    }
    assert_eq!(world.requests("graph") + arrivals(&world), 0);
}

/// What the sandbox's API says of a request that it served.
#[track_caller]
fn served(ended: &Ended) -> Value {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

/// How many requests the sandbox's API has judged.
fn arrivals(world: &World) -> u64 {
    world.sandbox.counters().clients.values().map(|client| client.api_served + client.api_refused).sum()
}

impl World {
    /// With an API that answers everything in one way.
    async fn with_api(head: &str, body: Option<&[u8]>) -> (Self, Api) {
        let (world, api) = (Self::start().await, Api::start(head, body).await);
        world.write_config(&world.config_with_api(&api.base()));
        (world, api)
    }

    fn config_with_api(&self, base: &str) -> String {
        self.usual_config().replace(&self.sandbox.api_url(), base)
    }
}

/// An API that takes every token. It ends when dropped.
struct Api {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

impl Api {
    /// Answers with this head and this body, or with the request itself.
    async fn start(head: &str, body: Option<&[u8]>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let mut server = JoinSet::new();
        let (head, body, count) = (head.to_owned(), body.map(<[u8]>::to_vec), Arc::clone(&requests));
        server.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                count.fetch_add(1, Ordering::SeqCst);
                let body = body.clone().unwrap_or(request);
                let length = if head.contains("Content-Length") {
                    String::new()
                } else {
                    format!("Content-Length: {}\r\n", body.len())
                };
                let answer = [format!("{head}{length}\r\n").as_bytes(), &body].concat();
                // Whoever asked may have left.
                stream.write_all(&answer).await.ok();
            }
        });
        Self { address, requests, _server: server }
    }

    fn base(&self) -> String {
        format!("http://{}/api", self.address)
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    while !is_whole(&request) {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "the request broke off");
    }
    request
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        body.len() >= length.map_or(0, |length| length.parse().unwrap())
    })
}
