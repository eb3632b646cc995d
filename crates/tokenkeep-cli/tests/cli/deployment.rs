//! What lies in `deploy/` is what the binary takes, as far as that can be seen without a cluster or a container.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokenkeep::store::StoreUrl;
use tokio::process::Command;

use crate::world::{CLIENT_SECRET, Running, World, ended};

const SEAL_KEY: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";

#[tokio::test]
#[ignore = "needs manifests: run ./test"]
async fn the_manifests_are_right_and_name_what_is_there() {
    let manifests = &read().await["manifests"];
    let (deployment, secret) = (&manifests["Deployment"], &manifests["Secret"]);
    let pod = &deployment["spec"]["template"];
    let labels = &pod["metadata"]["labels"];
    assert!(labels.is_object());
    for selector in [
        &deployment["spec"]["selector"]["matchLabels"],
        &manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        &manifests["Service"]["spec"]["selector"],
        &pod["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
        &pod["spec"]["topologySpreadConstraints"][1]["labelSelector"]["matchLabels"],
    ] {
        assert_eq!(selector, labels);
    }
    let container = &pod["spec"]["containers"][0];
    assert_eq!(manifests["Service"]["spec"]["ports"][0]["targetPort"], container["ports"][0]["name"]);
    for variable in list(&container["env"]) {
        let reference = &variable["valueFrom"]["secretKeyRef"];
        assert_eq!(reference["name"], secret["metadata"]["name"]);
        assert!(secret["stringData"][text(&reference["key"])].is_string(), "{variable}");
    }
    let StoreUrl::Postgres(_) = StoreUrl::parse(text(&secret["stringData"]["store"])).unwrap() else {
        panic!("a store that is not shared");
    };
    let volumes: Vec<_> = list(&pod["spec"]["volumes"]).iter().map(|volume| &volume["name"]).collect();
    assert!(list(&container["volumeMounts"]).iter().all(|mount| volumes.contains(&&mount["name"])));
    assert_eq!(pod["spec"]["volumes"][0]["configMap"]["name"], manifests["ConfigMap"]["metadata"]["name"]);
    // Requests under way have 10 s, a flight 30 s, a save 10 s, and the store 5 s to close.
    let pause = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
    assert!(pod["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap() >= pause + 55);
}

#[tokio::test]
#[ignore = "needs manifests: run ./test"]
async fn a_broker_starts_as_the_deployment_has_it_and_passes_its_probes_though_the_database_is_away() {
    let manifests = &read().await["manifests"];
    let container = &manifests["Deployment"]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"], serde_json::json!(["/usr/local/bin/tokenkeep"]));
    let world = World::without_config().await;
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(world.path("tls.crt"), signed.cert.pem()).unwrap();
    std::fs::write(world.path("tls.key"), signed.signing_key.serialize_pem()).unwrap();
    let config = text(&manifests["ConfigMap"]["data"]["tokenkeep.toml"]);
    let here = config.replace("/etc/tokenkeep-tls/", "").replace("0.0.0.0:8443", "127.0.0.1:0");
    assert!(here.contains("\"tls.crt\"") && here.contains("127.0.0.1:0"), "{here}");
    world.write_config(&here);
    // What is mounted where.
    assert_eq!(container["volumeMounts"][1]["mountPath"], "/etc/tokenkeep-tls");
    let args: Vec<_> = list(&container["args"]).iter().map(text).collect();
    let args: Vec<_> = args.iter().map(|arg| arg.trim_start_matches("/etc/tokenkeep/")).collect();
    assert!(args.contains(&"tokenkeep.toml"), "{args:?}");

    let mut command = world.command(&args);
    for variable in list(&container["env"]) {
        command.env(text(&variable["name"]), value(text(&variable["name"])));
    }
    let mut broker = Running::start(command);
    let line: Value = serde_json::from_str(&broker.hear("\"listening\"").await).unwrap();
    let url = text(&line["address"]).to_owned();
    let client = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build().unwrap();
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let get = &container[probe]["httpGet"];
        assert_eq!((&get["scheme"], &get["port"]), (&"HTTPS".into(), &container["ports"][0]["name"]), "{probe}");
        let answer = client.get(format!("{url}{}", text(&get["path"]))).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{probe}");
    }
    broker.signal(Signal::TERM);
    let ended = broker.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
#[ignore = "needs manifests: run ./test"]
async fn the_brokers_of_the_compose_file_have_a_configuration_that_is_right() {
    let compose = &read().await["compose"];
    let world = World::without_config().await;
    std::fs::copy(deploy().join("compose.toml"), world.path("tokenkeep.toml")).unwrap();
    for name in ["broker-1", "broker-2"] {
        let broker = &compose["services"][name];
        assert_eq!(broker["volumes"][0], "./compose.toml:/etc/tokenkeep/tokenkeep.toml:ro");
        let command: Vec<_> = list(&broker["command"]).iter().map(text).collect();
        assert_eq!(command[..3], ["serve", "--config", "/etc/tokenkeep/tokenkeep.toml"]);
        // Its arguments are some.
        let help = world.run(&[&command[..], &["--help"]].concat()).await;
        assert_eq!(help.code, Some(0), "{help:?}");
        assert!(deploy().join("..").join(text(&broker["build"]["dockerfile"])).is_file());
        assert!(text(&broker["environment"]["TOKENKEEP_STORE"]).contains("@postgres/tokens?sslmode=disable"));
        let mut check = world.command(&["config", "check", "--json"]);
        for variable in broker["environment"].as_object().unwrap().keys() {
            check.env(variable, value(variable));
        }
        let checked = ended(check).await;
        assert_eq!(checked.code, Some(0), "{checked:?}");
        let warnings: Vec<Value> = serde_json::from_str(&checked.stdout).unwrap();
        assert!(warnings.iter().all(|warning| text(&warning["message"]).contains("other machines")), "{warnings:?}");
    }
    assert_eq!(compose["services"]["postgres"]["environment"]["POSTGRES_DB"], "tokens");
}

/// What a variable may hold; the database is away.
fn value(name: &str) -> &'static str {
    match name {
        "TOKENKEEP_STORE" => "postgres://tokenkeep:hunter2@127.0.0.1:1/tokens",
        "TOKENKEEP_SEAL_KEY" => SEAL_KEY,
        "GRAPH_CLIENT_SECRET" => CLIENT_SECRET,
        name => panic!("nobody says what {name} is"),
    }
}

/// Everything in `deploy/`, judged by the schemas of Kubernetes.
async fn read() -> Value {
    let python = std::env::var_os("TOKENKEEP_MANIFESTS").expect("run this by ./test");
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/manifests/check.py");
    let mut command = Command::new(python);
    command.arg(check).arg(deploy()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let read = tokio::time::timeout(Duration::from_mins(2), ended(command)).await.unwrap();
    assert_eq!(read.code, Some(0), "{}", read.stderr);
    serde_json::from_str(&read.stdout).unwrap()
}

fn deploy() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
