//! Authorities, and what they sign, made for one test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use tempfile::TempDir;

use crate::world::client;

/// Signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// For a server on this machine.
    pub(crate) fn server(&self) -> Signed {
        self.sign(&CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap())
    }

    /// For a client with this common name, and alternative names.
    pub(crate) fn client(&self, common_name: &str, names: &[SanType]) -> Signed {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.subject_alt_names = names.to_vec();
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Signed {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        Signed { certificate, key: key.serialize_pem() }
    }

    /// A client that trusts nobody else.
    pub(crate) fn trusting(&self) -> reqwest::ClientBuilder {
        client().tls_certs_only([reqwest::Certificate::from_pem(self.pem().as_bytes()).unwrap()])
    }
}

impl Signed {
    pub(crate) fn identity(&self) -> reqwest::Identity {
        reqwest::Identity::from_pem(format!("{}{}", self.certificate, self.key).as_bytes()).unwrap()
    }
}

/// The folder with a server's `server.pem` and `server.key`.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new(server: &Signed) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write("server.pem", &server.certificate);
        files.write("server.key", &server.key);
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The table `[server]` of one that listens with these.
    pub(crate) fn toml(&self) -> String {
        let folder = self.0.path().display();
        format!(
            "[server]\nlisten = ['https://127.0.0.1:0']\n\
             tls = {{ certificate = '{folder}/server.pem', key = '{folder}/server.key' }}\n"
        )
    }

    /// The same with an authority that signs clients' certificates.
    pub(crate) fn toml_with_clients(&self, clients: &Authority) -> String {
        self.write("clients.pem", &clients.pem());
        self.toml().replace(" }", &format!(", client_ca = '{}' }}", self.path("clients.pem").display()))
    }
}
