// What the examples of sources need before they begin; included there, and so without doc comments.

// The vendor takes its clients' PIN, of which 0000 is a good one, and answers with a token.
#[derive(Debug)]
struct Vault {
    pin: tokenkeep::Secret,
}

impl Vault {
    fn new(pin: &str) -> Self {
        Self { pin: tokenkeep::Secret::new(pin) }
    }
}

#[async_trait::async_trait]
impl tokenkeep::source::TokenSource for Vault {
    async fn fetch(&self, _: tokenkeep::source::Ask<'_>) -> Fetch {
        use tokenkeep::source::{Fault, FetchError, Fetched};
        match self.pin.expose_secret() {
            "0000" => Ok(Fetched::new(tokenkeep::Secret::new("a-token"))),
            _ => Err(FetchError::new(Fault::Refused, "the vault refused the PIN")),
        }
    }

    fn issuer(&self) -> &str {
        "vault.example"
    }

    fn fingerprint(&self) -> tokenkeep::fingerprint::Fingerprint {
        tokenkeep::fingerprint::Fingerprint::of([("source", "vault"), ("pin", self.pin.expose_secret())])
    }
}

type Fetch = Result<tokenkeep::source::Fetched, tokenkeep::source::FetchError>;

// A manager that has this source under the name `vault`.
async fn manager_of(
    source: impl tokenkeep::source::TokenSource + 'static,
) -> Result<tokenkeep::TokenManager, tokenkeep::Error> {
    let (source, settings) = (std::sync::Arc::new(source), tokenkeep::SourceSettings::default());
    tokenkeep::TokenManager::builder().source("vault", source, settings).build().await
}

// A manager whose source has this to say when it is asked.
async fn manager_that_hears(answer: Fetch) -> Result<tokenkeep::TokenManager, tokenkeep::Error> {
    manager_of(Saying(std::sync::Mutex::new(Some(answer)))).await
}

#[derive(Debug)]
struct Saying(std::sync::Mutex<Option<Fetch>>);

#[async_trait::async_trait]
impl tokenkeep::source::TokenSource for Saying {
    async fn fetch(&self, _: tokenkeep::source::Ask<'_>) -> Fetch {
        self.0.lock().unwrap().take().unwrap()
    }

    fn issuer(&self) -> &str {
        "vault.example"
    }

    fn fingerprint(&self) -> tokenkeep::fingerprint::Fingerprint {
        tokenkeep::fingerprint::Fingerprint::of([("source", "saying")])
    }
}
