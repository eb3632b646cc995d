//! The sandbox as a program of its own, for scripts: it prints where everything is and runs until it is ended.
//!
//! ```sh
//! cargo run -q -p tokenkeep-sandbox --example issuer -- --client reports:a-secret --life 43199 > issuer.env &
//! until grep -q SANDBOX_READY issuer.env; do sleep 0.1; done
//! . ./issuer.env
//! curl -u reports:a-secret -d grant_type=client_credentials "$SANDBOX_TOKEN_URL"
//! curl "$SANDBOX_URL/sandbox"
//! ```
//!
//! Users are for grant `password` and for the vendor's login, whose tokens are those of the ID `vendor`. A life with an ID
//! is that of its tokens, one without is everybody's.

#![expect(clippy::print_stdout, reason = "an example shows where it is")]

use std::error::Error;
use std::future;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokenkeep_sandbox::{Client, Sandbox};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut builder = Sandbox::builder();
    let mut lives = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(option) = args.next() {
        let value = args.next().ok_or(USAGE)?;
        builder = match (option.as_str(), value.split_once(':')) {
            ("--client", Some((id, secret))) => builder.client(Client::new(id, secret).life(USUAL_LIFE)),
            ("--client", None) => builder.client(Client::public(value).life(USUAL_LIFE)),
            ("--user", Some((name, password))) => builder.user(name, password),
            ("--port", _) => builder.listen(SocketAddr::from((Ipv4Addr::LOCALHOST, value.parse()?))),
            ("--life", _) => {
                lives.push(value);
                builder
            }
            _ => return Err(USAGE.into()),
        };
    }
    let sandbox = builder.vendor_life(USUAL_LIFE).start().await?;
    for life in lives {
        let (whose, seconds) = life.split_once('=').map_or((None, &*life), |(id, seconds)| (Some(id), seconds));
        let seconds = Duration::try_from_secs_f64(seconds.parse()?)?;
        let everybody: Vec<_> = sandbox.counters().clients.into_keys().collect();
        for id in everybody.iter().filter(|id| whose.is_none_or(|whose| whose == *id)) {
            sandbox.set_life(id, seconds);
        }
        if whose.is_some_and(|id| !everybody.iter().any(|known| known == id)) {
            return Err(format!("--life {life}: nobody is called so").into());
        }
    }

    println!("SANDBOX_URL={}", sandbox.url());
    println!("SANDBOX_TOKEN_URL={}", sandbox.token_url());
    println!("SANDBOX_LOGIN_URL={}", sandbox.login_url());
    println!("SANDBOX_API_URL={}", sandbox.api_url());
    println!("SANDBOX_READY=true");
    future::pending().await
}

const USAGE: &str =
    "usage: issuer [--client ID[:SECRET]]… [--user NAME:PASSWORD]… [--life [ID=]SECONDS]… [--port PORT]";

const USUAL_LIFE: Duration = Duration::from_hours(1);
