//! An application of two language models, with a token manager for each: what Revos did, done with tokenkeep.
//!
//! It brings its own issuers. Variables such as `SALES_TOKEN_REFRESH_INTERVAL_MINUTES=30` are obeyed. Given a Python with
//! the package `openai` and the `tokenkeep` binary, it also has `chat.py` stream through the proxy:
//! `revos PYTHON TOKENKEEP`.

#![expect(clippy::print_stdout, reason = "it is run to be watched")]

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use revos::{CONFIG, Observers, chat, health};
use tokenkeep::environment::{Environment as _, ProcessEnvironment};
use tokenkeep::{Token, TokenHandle, TokenManager};
use tokenkeep_sandbox::{Client, Fault, Sandbox};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let issuers = Issuers::start().await?;
    let (sales, support) = (issuers.manager("SALES_").await?, issuers.manager("SUPPORT_").await?);
    tell("a manager runs", sales.is_running(), false)?;
    sales.start();
    support.start();
    tell("started, it runs", sales.is_running(), true)?;

    let (sales_llm, support_llm) = (sales.handle("llm")?, support.handle("llm")?);
    let different = sales_llm.token().await?.expose_secret() != support_llm.token().await?.expose_secret();
    tell("two managers side by side have tokens of their own", different, true)?;
    renewed(&sales_llm, "sales").await;
    renewed(&support_llm, "support").await;

    observed(&issuers, &sales_llm).await?;
    sales.stop().await?;
    tell("stopped, it runs", sales.is_running(), false)?;
    info(&sales_llm, "before", true).await?;
    sales_llm.clear().await?;
    info(&sales_llm, "invalidated or reset", false).await?;
    failing(&issuers, &sales_llm).await?;
    healthy(&sales_llm, &support_llm).await?;

    sales.close().await?;
    support.close().await?;
    in_python().await
}

/// Says what happened, and fails if it is not what was to happen.
fn tell<T: Copy + Debug + PartialEq>(what: &str, is: T, expected: T) -> Result<(), Box<dyn Error>> {
    println!("{what}: {is:?}");
    if is == expected { Ok(()) } else { Err(format!("{what}: it should have been {expected:?}").into()) }
}

/// Two issuers on real HTTP: the second is there for when the first fails.
struct Issuers {
    first: Sandbox,
    second: Sandbox,
}

impl Issuers {
    async fn start() -> Result<Self, Box<dyn Error>> {
        let issuer = || {
            let client = |id: &str| Client::new(id, "its-secret").life(Duration::from_hours(2));
            Sandbox::builder().client(client("sales")).client(client("support")).start()
        };
        Ok(Self { first: issuer().await?, second: issuer().await? })
    }

    /// A manager of the shipped configuration that finds variables with this prefix and no others.
    async fn manager(&self, prefix: &str) -> Result<TokenManager, Box<dyn Error>> {
        let client = prefix.trim_end_matches('_').to_lowercase();
        let ours = HashMap::from([
            ("LLM_TOKEN_URL", self.first.token_url()),
            ("LLM_API_BASE", self.first.llm_url()),
            ("LLM_FALLBACK_TOKEN_URL", self.second.token_url()),
            ("LLM_CLIENT_ID", client.clone()),
            ("LLM_FALLBACK_CLIENT_ID", client),
            ("LLM_CLIENT_SECRET", "its-secret".to_owned()),
            ("LLM_FALLBACK_CLIENT_SECRET", "its-secret".to_owned()),
        ]);
        let ours: HashMap<_, _> = ours.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)).collect();
        // Without this line it is the process's environment and nothing else, which is what an application wants.
        let environment = move |name: &str| ProcessEnvironment.variable(name).or_else(|| ours.get(name).cloned());
        let builder = TokenManager::builder().config_text(CONFIG).environment(environment);
        Ok(builder.env_prefix(prefix).build().await?)
    }
}

async fn renewed(llm: &TokenHandle, name: &str) {
    match llm.status().await.refresh_in {
        Some(wait) => println!("{name} renews its token in {} min", wait.as_secs().div_ceil(60)),
        None => println!("{name} renews its token when somebody asks"),
    }
}

/// Three observers, of which one fails at each token and one is taken away, and refreshes by hand.
async fn observed(issuers: &Issuers, llm: &TokenHandle) -> Result<(), Box<dyn Error>> {
    let (teller, mut told) = mpsc::unbounded_channel();
    let mut observers = Observers::of(llm.clone());
    let observer = move |name: &'static str| {
        let teller = teller.clone();
        move |token: &Token| Ok(teller.send((name, token.generation()))?)
    };
    observers.add("first", observer("the first observer"));
    let gone = observers.add("gone", observer("the other observer"));
    observers.add("failing", |_: &Token| Err("as the example wants".into()));
    let mut at_once = [told.recv().await, told.recv().await].map(Option::unwrap_or_default);
    at_once.sort_unstable();
    for (name, generation) in at_once {
        tell(&format!("at once {name} has token"), generation, 1)?;
    }
    gone.abort();
    tell("a manual refresh succeeded", llm.refresh().await.is_ok(), true)?;
    let (name, generation) = told.recv().await.ok_or("nobody is told")?;
    tell(&format!("after it, while another fails and one is gone, {name} has token"), generation, 2)?;

    issuers.first.set_fault(Fault::Status { status: 503, body: "down".into() });
    issuers.second.set_fault(Fault::Status { status: 503, body: "down".into() });
    tell("with the issuers down, a manual refresh succeeded", llm.refresh().await.is_ok(), false)?;
    tell("the token is good all the same", llm.token().await.is_ok(), true)?;
    issuers.first.clear_faults();
    issuers.second.clear_faults();
    Ok(())
}

async fn info(llm: &TokenHandle, when: &str, has_token: bool) -> Result<(), Box<dyn Error>> {
    let info = llm.status().await;
    let minutes = info.expires_in.map(|left| left.as_secs().div_ceil(60));
    println!("info, {when}: minutes until expiry: {minutes:?}, consecutive failures: {}", info.consecutive_failures);
    tell("it has a token", info.has_token, has_token)
}

/// The first way fails, so the fallback is used; when that is reset, the first is used again.
async fn failing(issuers: &Issuers, llm: &TokenHandle) -> Result<(), Box<dyn Error>> {
    issuers.first.set_fault(Fault::Status { status: 503, body: "down".into() });
    llm.token().await?;
    tell("the first issuer is down; tokens of the fallback", issuers.second.counters().total.issued, 1)?;
    issuers.first.clear_faults();
    llm.clear().await?;
    let before = issuers.first.counters().total.issued;
    llm.token().await?;
    tell("after a reset, tokens of the first", issuers.first.counters().total.issued - before, 1)
}

async fn healthy(sales: &TokenHandle, support: &TokenHandle) -> Result<(), Box<dyn Error>> {
    let routes = Router::new().nest("/sales", health(sales.clone())).nest("/support", health(support.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/sales/health", listener.local_addr()?);
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, routes).await.unwrap_or_default() });
    let http = reqwest::Client::builder().no_proxy().build()?;
    let answer = http.get(url).send().await?;
    let status = answer.status().as_u16();
    let body: serde_json::Value = serde_json::from_str(&answer.text().await?)?;
    println!("GET /health: {body}");
    tell("its status", status, 200)
}

/// The program in Python, if there is one to run it.
async fn in_python() -> Result<(), Box<dyn Error>> {
    let mut paths = std::env::args().skip(1);
    let (Some(python), Some(tokenkeep)) = (paths.next(), paths.next()) else { return Ok(()) };
    println!("now in Python, through the proxy, with tokens that live for 3 s:");
    let chatted = chat(Path::new(&python), Path::new(&tokenkeep), |line| println!("  {line}")).await?;
    println!("{} tokens, withdrawn {} times", chatted.counters.issued, chatted.withdrawals);
    println!("requests that the model refused, which were sent again: {}", chatted.counters.api_refused);
    tell("requests that came with an expired token", chatted.counters.api_expired, 0)
}
