//! A client over TLS: whom it trusts, and what it shows.

use tokenkeep_api::ProblemCode;
use tokenkeep_api::client::{ApiKey, Client, ClientError};

use crate::certificates::{Authority, Files};
use crate::secrets::API_KEY;
use crate::world::Setup;

const CALLER: &str = "\n[[server.keys]]\nname = 'billing'\ncertificate = 'billing.internal'\ntokens = ['fixed']\n";

#[tokio::test]
async fn whom_a_client_trusts_and_what_it_shows_is_said_as_pem() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let files = Files::new(&servers.server());
    let mut setup = Setup::keyed();
    let keys = setup.toml.split_once("[[").unwrap().1.to_owned();
    setup.toml = format!("{}[[{keys}{CALLER}", files.toml_with_clients(&clients));
    let world = setup.start().await;
    let url = world.url("").replace("http:", "https:");

    let trusting = Client::builder(&url).ca_pem(servers.pem());
    let by_key = trusting.clone().api_key(ApiKey::new(API_KEY)).build().unwrap();
    assert_eq!(by_key.token("vendor").await.unwrap().generation, 1);
    let shown = clients.client("billing.internal", &[]);
    let identity = format!("{}{}", shown.certificate, shown.key);
    let by_certificate = trusting.clone().identity_pem(identity.clone()).build().unwrap();
    assert_eq!(by_certificate.token("fixed").await.unwrap().generation, 1);
    assert_eq!(by_certificate.token("vendor").await.unwrap_err().code(), ProblemCode::UnknownKey);
    let nobody = trusting.clone().build().unwrap();
    assert_eq!(nobody.token("fixed").await.unwrap_err().code(), ProblemCode::Unauthenticated);

    let of_others = Client::builder(&url).ca_pem(clients.pem()).api_key(ApiKey::new(API_KEY)).build().unwrap();
    let error = of_others.token("fixed").await.unwrap_err();
    assert!(matches!(&error, ClientError::Untrusted { .. }), "{error:?}");
    assert!(error.to_string().contains(" is not trusted: "), "{error}");
    let error = trusting.clone().identity_pem(shown.certificate).build().unwrap_err();
    assert!(error.to_string().contains("no certificate with its private key"), "{error}");
    assert!(!format!("{:?}", trusting.identity_pem(identity)).contains("PRIVATE"));
    world.end().await;
}
