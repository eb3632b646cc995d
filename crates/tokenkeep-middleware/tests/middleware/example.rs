// What the examples in the documentation need before they begin; included there, and so without doc comments.

async fn example() -> Result<(tokenkeep_sandbox::Sandbox, tokenkeep::TokenManager), Box<dyn std::error::Error + Send + Sync>> {
    use tokenkeep_sandbox::{Client, Sandbox};

    let sandbox = Sandbox::builder().client(Client::new("reports", "reports-secret")).start().await?;
    let provider = format!(
        "grant = \"client_credentials\"\ntoken_url = \"{}\"\nclient_id = \"reports\"\n\
         client_secret = {{ env = \"SECRET\" }}\n",
        sandbox.token_url()
    );
    let text = format!(
        "store = \"memory:\"\n[providers.graph]\n{provider}api_base = \"{}\"\n[providers.without-api-base]\n{provider}",
        sandbox.api_url()
    );
    let environment = |_: &str| Some("reports-secret".to_owned());
    let config = tokenkeep::config::parse(&text, "tokenkeep.toml", "/".as_ref(), &environment).await;
    let config = config.map_err(|problems| problems.to_string())?;
    Ok((sandbox, tokenkeep::TokenManager::builder().config(config).build().await?))
}
