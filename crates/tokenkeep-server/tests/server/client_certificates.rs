//! Callers that prove who they are by a certificate.

use rcgen::SanType;
use reqwest::{ClientBuilder, StatusCode};

use crate::certificates::{Authority, Files};
use crate::secrets::API_KEY;
use crate::world::{Setup, World};

const CALLERS: &str = "
[[server.keys]]
name = 'by-name'
certificate = 'billing.internal'
tokens = ['fixed']
[[server.keys]]
name = 'by-uri'
certificate = 'spiffe://example.org/billing'
tokens = ['vendor']
";

async fn world(servers: &Authority, clients: &Authority) -> (World, Files) {
    let files = Files::new(&servers.server());
    let mut setup = Setup::keyed();
    let keys = setup.toml.split_once("[[").unwrap().1.to_owned();
    setup.toml = format!("{}[[{keys}{CALLERS}", files.toml_with_clients(clients));
    (setup.start().await, files)
}

async fn status(world: &World, http: ClientBuilder, key: &str) -> Option<StatusCode> {
    let url = world.url(&format!("/tokens/{key}/status")).replace("http:", "https:");
    http.build().unwrap().get(url).send().await.ok().map(|answer| answer.status())
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

#[tokio::test]
async fn a_certificate_makes_a_caller_by_its_dns_names_its_uris_or_else_its_common_name() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let (world, _files) = world(&servers, &clients).await;
    let uri = SanType::URI("spiffe://example.org/billing".try_into().unwrap());
    for (common_name, names, key, expected) in [
        ("x", vec![dns("billing.internal")], "fixed", 200),
        ("x", vec![dns("other.internal"), dns("billing.internal")], "fixed", 200),
        ("x", vec![uri.clone()], "vendor", 200),
        ("x", vec![dns("other.internal"), uri], "vendor", 200),
        ("billing.internal", vec![], "fixed", 200),
        ("x", vec![dns("billing.internal")], "vendor", 404),
        ("billing.internal", vec![dns("other.internal")], "fixed", 401),
        ("billing.internal", vec![SanType::Rfc822Name("a@example.org".try_into().unwrap())], "fixed", 401),
        ("billing.internal", vec![SanType::IpAddress([10, 0, 0, 1].into())], "fixed", 401),
        ("BILLING", vec![], "fixed", 401),
        ("x", vec![dns("sub.billing.internal")], "fixed", 401),
    ] {
        let shown = clients.client(common_name, &names).identity();
        let found = status(&world, servers.trusting().identity(shown), key).await;
        assert_eq!(found.unwrap(), expected, "{common_name} {names:?} {key}");
    }
    world.end().await;
}

#[tokio::test]
async fn whoever_shows_no_certificate_may_have_a_key() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let (world, _files) = world(&servers, &clients).await;
    assert_eq!(status(&world, servers.trusting(), "fixed").await.unwrap(), 401);
    let url = world.url("/tokens/fixed").replace("http:", "https:");
    let answer = servers.trusting().build().unwrap().get(url).header("x-api-key", API_KEY).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    world.end().await;
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_refused() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let (world, _files) = world(&servers, &clients).await;
    for stranger in [&Authority::new(), &servers] {
        let shown = stranger.client("x", &[dns("billing.internal")]).identity();
        assert_eq!(status(&world, servers.trusting().identity(shown), "fixed").await, None);
    }
    world.end().await;
}
