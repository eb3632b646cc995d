//! Requests that a foreign web page makes a browser send.

use crate::certificates::{Authority, Files};
use crate::raw;
use crate::secrets::API_KEY;
use crate::world::Setup;

#[tokio::test]
async fn only_names_of_this_machine_are_answered_to() {
    let world = Setup::keyed().start().await;
    let key = format!("X-API-Key: {API_KEY}");
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.4.5.6:8640", "[::1]:8640"] {
        let (status, answer) = raw::get(world.address, "/tokens/fixed", &format!("Host: {host}\n{key}")).await;
        assert_eq!(status, 200, "{host}: {answer}");
    }
    for host in ["evil.example", "localhost.evil.example:8640", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"] {
        for path in ["/tokens/fixed", "/livez", "/nowhere"] {
            let (status, answer) = raw::get(world.address, path, &format!("Host: {host}\n{key}")).await;
            assert_eq!(status, 403, "{host}");
            assert!(
                answer.contains("application/problem+json") && answer.contains(r#""code":"forbidden""#),
                "{answer}"
            );
            assert!(!answer.contains("evil"), "{answer}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_request_that_names_no_host_or_two_is_refused() {
    let world = Setup::open().start().await;
    for (target, headers, expected) in [
        ("/livez", "Accept: */*", 403),
        ("/livez", "Host: localhost\nHost: evil.example", 400),
        ("/livez", "Host: localhost\nHost: localhost", 400),
        ("http://evil.example/livez", "Host: localhost", 403),
        ("http://localhost/livez", "Host: evil.example", 403),
        ("http://localhost/livez", "Host: localhost", 200),
        ("/livez", "Host: not a host", 400),
        ("/livez", "Host:", 400),
    ] {
        let (status, answer) = raw::get(world.address, target, headers).await;
        assert_eq!(status, expected, "{target} {headers}: {answer}");
        assert!(status == 200 || answer.contains(r#""code":""#), "{answer}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_page_of_another_site_cannot_ask() {
    let world = Setup::open().start().await;
    for (headers, expected) in [
        ("Host: localhost:3000\nOrigin: http://localhost:3000", 200),
        ("Host: localhost:80\nOrigin: http://LOCALHOST", 200),
        ("Host: localhost:1\nOrigin: http://localhost:3000", 403),
        ("Host: localhost:1\nOrigin: http://localhost", 403),
        ("Host: localhost\nOrigin: http://localhost:3000", 403),
        ("Host: localhost:1\nOrigin: https://localhost:1", 403),
        ("Host: localhost\nSec-Fetch-Site: same-site", 403),
        ("Host: 127.0.0.1\nOrigin: http://127.0.0.1", 200),
        ("Host: [::1]:1\nOrigin: http://[::1]:1", 200),
        ("Host: localhost\nSec-Fetch-Site: same-origin", 200),
        ("Host: localhost\nSec-Fetch-Site: none", 200),
        ("Host: localhost\nOrigin: https://evil.example", 403),
        ("Host: localhost\nOrigin: http://localhost.evil.example", 403),
        ("Host: localhost\nOrigin: http://127.0.0.1", 403),
        ("Host: localhost\nOrigin: null", 403),
        ("Host: localhost\nOrigin: localhost", 403),
        ("Host: localhost\nOrigin: http://localhost\nOrigin: http://evil.example", 403),
        ("Host: localhost\nSec-Fetch-Site: cross-site", 403),
        ("Host: localhost\nOrigin: http://localhost\nSec-Fetch-Site: cross-site", 403),
    ] {
        let (status, answer) = raw::get(world.address, "/tokens/fixed", headers).await;
        assert_eq!(status, expected, "{headers}: {answer}");
        assert_eq!(status == 200, answer.contains("access_token"), "{answer}");
    }
    world.end().await;
}

#[tokio::test]
async fn by_tls_only_an_https_page_is_of_this_origin() {
    let authority = Authority::new();
    let files = Files::new(&authority.server());
    let world = Setup { toml: files.toml(), ..Setup::open() }.start().await;
    let http = authority.trusting().http1_only().build().unwrap();
    let (address, port) = (world.address, world.address.port());
    for (host, origin, expected) in [
        (address.to_string(), format!("https://{address}"), 200),
        ("127.0.0.1".to_owned(), "https://127.0.0.1".to_owned(), 200),
        ("127.0.0.1".to_owned(), "https://127.0.0.1:443".to_owned(), 200),
        (address.to_string(), format!("http://{address}"), 403),
        ("127.0.0.1".to_owned(), "http://127.0.0.1".to_owned(), 403),
        ("127.0.0.1".to_owned(), "http://127.0.0.1:443".to_owned(), 403),
        ("127.0.0.1".to_owned(), format!("https://127.0.0.1:{port}"), 403),
    ] {
        let url = world.url("/tokens/fixed").replace("http:", "https:");
        let request = http.get(url).header("host", &host).header("origin", &origin);
        assert_eq!(request.send().await.unwrap().status(), expected, "{host} {origin}");
    }
    world.end().await;
}
