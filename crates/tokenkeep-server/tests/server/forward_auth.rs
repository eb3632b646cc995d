//! Proxies of others, with the configuration that `docs/forward-auth.md` shows: `interop/README.md`.

use std::path::Path;
use std::process::Stdio;

use reqwest::Response;
use serde_json::Value;
use tempfile::TempDir;
use tokenkeep_sandbox::Fault;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::interop::{brought, example};
use crate::secrets::API_KEY;
use crate::world::{Setup, World, caller, client, settings};

const PAGE: &str = include_str!("../../../../docs/forward-auth.md");

#[tokio::test]
#[ignore = "needs nginx: run ./test"]
async fn nginx_passes_the_header_to_an_upstream() {
    let world = world().await;
    let proxy = nginx(&world).await;
    passes_the_header(&world, &proxy).await;
    let inside = proxy.get("/_token").await;
    assert_eq!((inside.status().as_u16(), inside.headers().get("authorization")), (404, None));

    without_a_token(&world).await;
    let answer = proxy.get("/api/users").await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    assert!(answer.text().await.unwrap().starts_with("There is no token"));
    assert!(proxy.access_log().await.contains("\"GET /api/users HTTP/1.1\" 503 problem=unavailable\n"));
    world.control.reload(&settings(&caller("proxy", "another", "\"reports\"", "\"get\"")).await);
    assert_eq!(proxy.get("/api/users").await.status(), 503);
    assert!(proxy.access_log().await.contains("\" 503 problem=unauthenticated\n"));
    world.end().await;
}

#[tokio::test]
#[ignore = "needs caddy: run ./test"]
async fn caddy_passes_the_header_to_an_upstream() {
    let world = world().await;
    let proxy = caddy(&world).await;
    passes_the_header(&world, &proxy).await;

    without_a_token(&world).await;
    let answer = proxy.get("/api/users").await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(answer.headers()["tokenkeep-problem"], "unavailable");
    assert_eq!(answer.text().await.unwrap(), "");
    world.end().await;
}

async fn passes_the_header(world: &World, proxy: &Proxy) {
    let answer = proxy.get("/api/users?top=10").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers().get("authorization"), None);
    let seen: Value = answer.json().await.unwrap();
    assert_eq!((&seen["method"], &seen["path"], &seen["query"]), (&"GET".into(), &"/users".into(), &"top=10".into()));

    // A browser's, from another site, that tries to be somebody else; and more than the broker would read.
    let body = vec![b'x'; 200_000];
    let request = proxy
        .http
        .post(proxy.url("/api/users"))
        .bearer_auth("forged")
        .header("x-api-key", "forged")
        .header("origin", "https://elsewhere.example")
        .header("sec-fetch-site", "cross-site")
        .body(body);
    let seen: Value = request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
    assert_eq!((&seen["method"], &seen["body_bytes"]), (&"POST".into(), &200_000.into()));
    let counters = world.sandbox.counters_of("reports");
    assert_eq!((counters.token_requests, counters.api_served), (1, 2));
}

/// From now on the broker has none.
async fn without_a_token(world: &World) {
    world.sandbox.set_fault(Fault::Status { status: 503, body: String::new() });
    world.manager.handle("reports").unwrap().clear().await.unwrap();
}

async fn world() -> World {
    Setup::open().caller("proxy", API_KEY, "\"reports\"", "\"get\"").start().await
}

/// A proxy of somebody else; it ends with this.
struct Proxy {
    address: String,
    http: reqwest::Client,
    _process: Child,
    _reader: JoinSet<()>,
    scratch: TempDir,
}

impl Proxy {
    /// Starts it and waits until its log has this.
    async fn start(address: String, scratch: TempDir, mut command: Command, ready: &str) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = String::new();
        loop {
            let line = log.next_line().await.unwrap().unwrap_or_else(|| panic!("it ended: {said}"));
            said += &line;
            if line.contains(ready) {
                break;
            }
        }
        let http = client().build().unwrap();
        // Its log is read on, or it would stop when the pipe is full.
        let mut reader = JoinSet::new();
        reader.spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self { address, http, _process: process, _reader: reader, scratch }
    }

    async fn get(&self, path: &str) -> Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it has written about requests whose answers have come.
    async fn access_log(&self) -> String {
        // It writes the line after the answer, and before the next one.
        self.get("/_token").await;
        std::fs::read_to_string(self.scratch.path().join("access.log")).unwrap()
    }
}

async fn nginx(world: &World) -> Proxy {
    let (address, scratch) = (free_address(), tempfile::tempdir().unwrap());
    let (broker, api) = (world.address.to_string(), world.sandbox.api_url());
    let origin = api.strip_suffix("/api").unwrap();
    let server = example(
        PAGE,
        "## nginx",
        &[
            ("127.0.0.1:8640", &*broker),
            ("127.0.0.1:8080", &*address),
            ("https://graph.example.com", origin),
            ("/auth/graph", "/auth/reports"),
            ("the API key", API_KEY),
            ("/var/log/nginx/graph.log", "access.log"),
        ],
    );
    let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {name};\n"));
    let main = format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr notice;\nevents {{}}\n\
         http {{\n{}{server}\n}}\n",
        places.concat(),
    );
    let path = scratch.path().join("nginx.conf");
    std::fs::write(&path, main).unwrap();
    let mut command = Command::new(brought("TOKENKEEP_NGINX"));
    command.arg("-e").arg("stderr").arg("-p").arg(scratch.path()).arg("-c").arg(&path);
    // It says so when its sockets are open.
    Proxy::start(address, scratch, command, "event method").await
}

async fn caddy(world: &World) -> Proxy {
    let (address, scratch) = (free_address(), tempfile::tempdir().unwrap());
    let (broker, api) = (world.address.to_string(), world.sandbox.api_url());
    let origin = api.strip_suffix("/api").unwrap();
    let site = example(
        PAGE,
        "## Caddy",
        &[
            ("127.0.0.1:8640", &*broker),
            ("127.0.0.1:8080", &*address),
            ("https://graph.example.com", origin),
            ("/auth/graph", "/auth/reports"),
        ],
    );
    let path = scratch.path().join("Caddyfile");
    std::fs::write(&path, format!("{{\n\tadmin off\n}}\n{site}\n")).unwrap();
    let mut command = Command::new(brought("TOKENKEEP_CADDY"));
    command.arg("run").arg("--adapter").arg("caddyfile").arg("--config").arg(&path).env("TOKENKEEP_API_KEY", API_KEY);
    for name in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        command.env(name, Path::new(scratch.path()));
    }
    Proxy::start(address, scratch, command, "serving initial configuration").await
}

/// Of this machine, where nobody listens.
fn free_address() -> String {
    format!("127.0.0.1:{}", tokenkeep_test_servers::free_port())
}
