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
        "[providers.graph]\n{provider}api_base = \"{}\"\n[providers.without-api-base]\n{provider}",
        sandbox.api_url()
    );
    let environment = |_: &str| Some("reports-secret".to_owned());
    Ok((sandbox, tokenkeep::TokenManager::builder().config_text(text).environment(environment).build().await?))
}
