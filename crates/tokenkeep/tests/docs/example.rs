// What the examples in the documentation need before they begin; included there, and so without doc comments.

// An issuer and an API, and a manager that is configured for them.
async fn example() -> Result<(tokenkeep_sandbox::Sandbox, tokenkeep::TokenManager), Box<dyn std::error::Error>> {
    let sandbox = issuer().await?;
    let builder = tokenkeep::TokenManager::builder().config_text(configuration(&sandbox));
    Ok((sandbox, builder.environment(environment).build().await?))
}

// The same, with time that goes by as the example says.
async fn example_with_clock()
-> Result<(tokenkeep_sandbox::Sandbox, tokenkeep::TokenManager, std::sync::Arc<HandClock>), Box<dyn std::error::Error>> {
    let (sandbox, clock) = (issuer().await?, std::sync::Arc::new(HandClock::default()));
    let builder = tokenkeep::TokenManager::builder().config_text(configuration(&sandbox));
    let manager = builder.environment(environment).clock(clock.clone()).build().await?;
    Ok((sandbox, manager, clock))
}

async fn issuer() -> std::io::Result<tokenkeep_sandbox::Sandbox> {
    let life = std::time::Duration::from_hours(1);
    let client = tokenkeep_sandbox::Client::new("reports", "reports-secret").life(life);
    tokenkeep_sandbox::Sandbox::builder().client(client).user("ann", "ann-secret").start().await
}

fn configuration(sandbox: &tokenkeep_sandbox::Sandbox) -> String {
    let (token_url, api_url) = (sandbox.token_url(), sandbox.api_url());
    format!(
        r#"
        [providers.graph]
        grant = "client_credentials"
        token_url = "{token_url}"
        client_id = "reports"
        client_secret = {{ env = "GRAPH_CLIENT_SECRET" }}
        api_base = "{api_url}"

        [providers.bluestakes]
        grant = "password"
        accounts = "stored"
        token_url = "{token_url}"
        client_id = "reports"
        client_secret = {{ env = "GRAPH_CLIENT_SECRET" }}

        [providers.cloud]
        grant = "client_credentials"
        token_url = "{token_url}"
        client_id = "reports"
        client_secret = {{ env = "GRAPH_CLIENT_SECRET" }}
        [[providers.cloud.fallback]]
        grant = "static"
        token = {{ env = "EMERGENCY_TOKEN" }}
        "#
    )
}

fn environment(name: &str) -> Option<String> {
    match name {
        "GRAPH_CLIENT_SECRET" => Some("reports-secret".to_owned()),
        "EMERGENCY_TOKEN" => Some("an-emergency-token".to_owned()),
        _ => None,
    }
}

#[derive(Debug, Default)]
struct HandClock {
    passed_ms: std::sync::atomic::AtomicI64,
}

impl HandClock {
    fn advance(&self, time: std::time::Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.passed_ms.fetch_add(ms, std::sync::atomic::Ordering::SeqCst);
    }
}

impl tokenkeep::Clock for HandClock {
    fn now(&self) -> tokenkeep::Moment {
        let passed_ms = self.passed_ms.load(std::sync::atomic::Ordering::SeqCst);
        tokenkeep::Moment { wall_ms: 1_700_000_000_000 + passed_ms, boot_ms: 60_000 + passed_ms }
    }

    fn boot_id(&self) -> &str {
        "example"
    }
}
