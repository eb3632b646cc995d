//! Where a server may listen, and its certificate.

use tokenkeep::config::{Listen, ListenRefusal, Problem, TlsSettings};

use super::{assert_hides, config, faults, report};

const KEYS: &str = "[[server.keys]]
name = 'a'
uid = 1
tokens = ['*']";

const TLS: &str = "tls = { certificate = 'server.pem', key = '/run/server.key', client_ca = 'clients.pem' }";

#[tokio::test]
async fn addresses_are_ports_with_tls_or_without_and_sockets() {
    let listen = "listen = ['127.0.0.1:8640', '[::1]:0', 'https://127.0.0.1:1', 'https://[::1]:2/', 'unix:/run/keep.sock', 'unix:keep.sock']";
    let config = config(&format!("[server]\n{listen}\n{TLS}")).await;
    assert_eq!(
        config.server.listen,
        [
            Listen::Tcp("127.0.0.1:8640".parse().unwrap()),
            Listen::Tcp("[::1]:0".parse().unwrap()),
            Listen::Tls("127.0.0.1:1".parse().unwrap()),
            Listen::Tls("[::1]:2".parse().unwrap()),
            Listen::Unix("/run/keep.sock".into()),
            Listen::Unix("/etc/keep/keep.sock".into()),
        ]
    );
    let mut tls = TlsSettings::new("/etc/keep/server.pem", "/run/server.key");
    tls.client_ca = Some("/etc/keep/clients.pem".into());
    assert_eq!(config.server.tls, Some(tls));
    assert!(config.warnings.is_empty());

    let problems = faults(
        "server.listen = ['localhost:1', '8640', 'unix:', 'https://', 'https://a.example:1', 'http://127.0.0.1:1']",
    )
    .await;
    assert_eq!(problems.iter().count(), 6, "{problems}");
    assert!(report("server.listen = []").await.contains("`listen` is empty"));
}

#[tokio::test]
async fn beyond_loopback_a_server_needs_keys_and_tls_or_to_be_told_that_it_needs_no_tls() {
    let exposed = "listen = ['0.0.0.0:1', '[::]:1', '192.0.2.1:1', '[::ffff:127.0.0.1]:1']";
    let with_tls = exposed.replace("['", "['https://").replace(", '", ", 'https://");
    for (options, refusal) in [
        (exposed.to_owned(), Some(ListenRefusal::NoKeys)),
        (format!("{exposed}\ninsecure = true"), Some(ListenRefusal::NoKeys)),
        (format!("{with_tls}\n{TLS}"), Some(ListenRefusal::NoKeys)),
        (format!("{exposed}\n{KEYS}"), Some(ListenRefusal::NoTls)),
        (format!("{exposed}\n{TLS}\n{KEYS}"), Some(ListenRefusal::NoTls)),
        (format!("{with_tls}\n{KEYS}"), Some(ListenRefusal::NoCertificate)),
        (format!("{exposed}\ninsecure = true\n{KEYS}"), None),
        (format!("{with_tls}\n{TLS}\n{KEYS}"), None),
    ] {
        let options = format!("[server]\n{options}");
        let Some(refusal) = refusal else {
            assert_eq!(config(&options).await.server.listen.len(), 4, "{options}");
            continue;
        };
        let problems = faults(&options).await;
        let of_listen = problems.iter().filter(|problem| problem.line() == Some(2));
        let messages: Vec<_> = of_listen.map(Problem::message).collect();
        assert_eq!(messages, [&*refusal.to_string(); 4], "{options}");
        assert!(problems.to_string().contains(refusal.help()), "{problems}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_keys_or_tls_is_said_once() {
    for options in [
        "listen = ['https://0.0.0.0:1']\ntls = { certificate = 'a', key = 'b' }\nkeys = 5",
        "listen = ['https://127.0.0.1:1']\ntls = { certificate = 'a' }",
    ] {
        assert_eq!(faults(&format!("[server]\n{options}")).await.iter().count(), 1, "{options}");
    }
}

#[tokio::test]
async fn a_certificate_that_no_address_uses_is_a_warning() {
    let config = config(&format!("[server]\nlisten = ['127.0.0.1:0']\n{TLS}")).await;
    let [warning] = &config.warnings[..] else { panic!("{:?}", config.warnings) };
    assert_eq!((warning.line(), warning.column()), (Some(3), Some(1)));
}

#[tokio::test]
async fn a_private_key_in_the_place_of_its_file_is_an_error_that_does_not_show_it() {
    let toml = "[server.tls]\ncertificate = 'a'\nkey = '''\n-----BEGIN PRIVATE KEY-----\nhunter2\n'''";
    let problems = faults(toml).await;
    assert!(problems.to_string().contains("should stand in a file"), "{problems}");
    assert_hides(&toml, &problems);
}

#[tokio::test]
async fn limits_of_a_server_are_numbers_and_rates() {
    let config = config("[server]\nrequests = '100/1s'\nmax_connections = 4096").await;
    let requests = config.server.requests.unwrap();
    assert_eq!((requests.requests(), requests.window().as_secs(), config.server.max_connections), (100, 1, Some(4096)));
    let keys = "[[server.keys]]\nname = 'a'\nuid = 1\ntokens = ['*']\nrequests = '5/1m'";
    let of_caller = super::config(keys).await.server.callers[0].requests.unwrap();
    assert_eq!((of_caller.requests(), of_caller.window().as_secs()), (5, 60));
    for wrong in ["requests = '100'", "requests = 100", "max_connections = 0", "max_connections = '5'"] {
        assert_eq!(faults(&format!("[server]\n{wrong}")).await.iter().count(), 1, "{wrong}");
    }
}
