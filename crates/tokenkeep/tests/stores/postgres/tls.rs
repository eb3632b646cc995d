//! TLS with authorities of one's own, on a real server.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tokenkeep::store::Store as _;
use tokenkeep_test_servers::Postgres;

use super::{open, save};

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn a_server_is_known_by_an_authority_of_ones_own() {
    let ours = Authority::new();
    let theirs = Authority::new();
    let (certificate, key) = ours.issue("localhost");
    let server = Postgres::start(&[
        ("ssl", "on"),
        ("ssl_cert_file", &read(&certificate)),
        ("ssl_key_file", &read(&key)),
        ("ssl_ca_file", &read(&ours.root())),
    ]);
    server.sql("postgres", "CREATE ROLE with_certificate LOGIN");
    server.sql("postgres", "CREATE DATABASE with_certificate OWNER with_certificate");
    let at = |host: &str, options: &str| format!("postgres://tokenkeep@{host}:{}/postgres?{options}", server.port());
    let (known, unknown) = (ours.root().display().to_string(), theirs.root().display().to_string());
    for (text, what) in [
        (at("localhost", &format!("sslrootcert={known}")), None),
        (at("localhost", &format!("sslmode=verify-full&sslrootcert={known}")), None),
        (at("127.0.0.1", &format!("sslrootcert={known}")), Some("TLS failed")),
        (at("127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={known}")), None),
        (at("127.0.0.1", &format!("sslmode=require&sslrootcert={unknown}")), Some("TLS failed")),
        (at("localhost", &format!("sslrootcert={unknown}")), Some("sslrootcert in the URL")),
        (at("localhost", "sslmode=verify-full"), Some("TLS failed")),
        (at("localhost", "sslmode=require"), None),
        (at("localhost", "sslrootcert=/nowhere/root.pem"), Some("cannot read sslrootcert /nowhere/root.pem")),
        (at("localhost", &format!("sslrootcert={}", key.display())), Some("TLS")),
    ] {
        match (open(&text).await, what) {
            (Ok(store), None) => drop(store.load(&super::key("graph")).await.unwrap()),
            (Err(error), Some(what)) => assert!(error.what.contains(what), "{text}: {error}"),
            (outcome, _) => panic!("{text}: {outcome:?}"),
        }
    }

    let (certificate, key) = ours.issue("with_certificate");
    let me = format!("sslrootcert={known}&sslcert={}&sslkey={}", certificate.display(), key.display());
    let text = format!("postgres://with_certificate@localhost:{}/with_certificate", server.port());
    let store = open(&format!("{text}?{me}")).await.unwrap();
    save(&store, "graph").await;
    let listening = tokio::time::timeout(std::time::Duration::from_secs(10), store.changed());
    assert!(listening.await.is_ok(), "it does not listen over TLS");
    let sql = "SELECT bool_and(ssl), count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'with_certificate'";
    assert_eq!(server.sql("postgres", sql), "t|2");
    let error = open(&format!("{text}?sslrootcert={known}")).await.unwrap_err();
    assert!(error.what.contains("takes no such connection"), "{error}");
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn a_server_without_tls_is_refused_unless_that_is_allowed() {
    let server = Postgres::shared();
    let text = server.url(&server.database());
    let error = open(&format!("{text}?sslmode=require")).await.unwrap_err();
    assert!(error.what.contains("does not support TLS"), "{error}");
    open(&format!("{text}?sslmode=disable")).await.unwrap();
}

/// What signs certificates, in a folder.
struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("root.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// A certificate of this name, and its key.
    fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let path = |end: &str| self.folder.path().join(format!("{name}.{end}"));
        fs::write(path("pem"), certificate.pem()).unwrap();
        fs::write(path("key"), key.serialize_pem()).unwrap();
        (path("pem"), path("key"))
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}
