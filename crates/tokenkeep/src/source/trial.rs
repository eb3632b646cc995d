//! What is told of a login that is only tried out: what was asked and what came, without any secret.

/// One request of a trial.
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
