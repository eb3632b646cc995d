//! What is told of a login that is only tried out: what was asked and what came, without any secret.

/// One request of a trial.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = issuer().await?;
/// # let toml = format!(
/// #     "[providers.vendor]\ngrant = \"login\"\nusername = \"ann\"\npassword = \"ann-secret\"\nlifetime = \"1h\"\n\
/// #      [providers.vendor.login]\npost = \"{}\"\ntoken = \"/Authorization\"\n\
/// #      json = {{ username = \"{{username}}\", password = \"{{password}}\" }}",
/// #     sandbox.login_url(),
/// # );
/// # let manager = tokenkeep::TokenManager::builder().config_text(toml).build().await?;
/// let trial = manager.try_login("vendor", None).await?; // a provider with a recipe for its login
/// let step = &trial.steps[0];
/// println!("{}: {} {}", step.name, step.method, step.url);
/// assert_eq!(step.body.as_deref(), Some(r#"{"username": "‹username›", "password": "‹password›"}"#));
/// assert_eq!(step.found, ["token at /Authorization"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialStep {
    /// Which one it is: `step 1`, `login`, `refresh`.
    pub name: String,
    /// Its method.
    pub method: &'static str,
    /// Its address, with `‹name›` for each value, and of a query only what the recipe names.
    pub url: String,
    /// Headers that the recipe adds, values as `‹name›`.
    pub headers: Vec<String>,
    /// Its body in one line, values as `‹name›`.
    pub body: Option<String>,
    /// What came, if anything did.
    pub answer: Option<TrialAnswer>,
    /// What was found in it, and where.
    pub found: Vec<String>,
}

/// What is told of an answer.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sandbox = issuer().await?;
/// # let toml = format!(
/// #     "[providers.vendor]\ngrant = \"login\"\nusername = \"ann\"\npassword = \"ann-secret\"\nlifetime = \"1h\"\n\
/// #      [providers.vendor.login]\npost = \"{}\"\ntoken = \"/Authorization\"\n\
/// #      json = {{ username = \"{{username}}\", password = \"{{password}}\" }}",
/// #     sandbox.login_url(),
/// # );
/// # let manager = tokenkeep::TokenManager::builder().config_text(toml).build().await?;
/// let trial = manager.try_login("vendor", None).await?; // a provider with a recipe for its login
/// let answer = trial.steps[0].answer.as_ref().ok_or("it did not answer")?;
/// assert_eq!((answer.status, answer.content_type.as_deref()), (200, Some("application/json")));
/// assert_eq!(answer.kind, "a JSON object with Authorization"); // of what it holds only names
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialAnswer {
    /// The HTTP status.
    pub status: u16,
    /// What it says it is.
    pub content_type: Option<Box<str>>,
    /// The size of its body.
    pub bytes: usize,
    /// What it is.
    pub kind: String,
}
