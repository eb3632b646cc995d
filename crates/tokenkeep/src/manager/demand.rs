//! What a caller needs, and what it gets.

use std::time::Duration;

use crate::status::Warning;
use crate::token::Token;

/// What a caller needs. By default any good token will do, and 30 s to wait for it.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// use std::time::Duration;
/// use tokenkeep::Demand;
///
/// // For an upload of ten minutes, in an answer to somebody who waits.
/// let demand = Demand::default().with_min_valid(Duration::from_mins(10)).with_max_wait(Duration::from_secs(5));
/// let answer = manager.handle("graph")?.get(demand).await?;
/// assert!(answer.token.expires_in() > Some(Duration::from_mins(10)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Demand {
    /// The token must live at least so long.
    pub min_valid: Duration,
    /// Waits at most so long for one.
    pub max_wait: Duration,
}

impl Demand {
    /// The same for a token that lives at least so long.
    ///
    /// ```
    /// # use tokenkeep::Demand;
    /// let demand = Demand::default().with_min_valid(std::time::Duration::from_mins(5));
    /// assert_eq!(demand.min_valid.as_secs(), 300);
    /// ```
    #[must_use]
    pub fn with_min_valid(mut self, min_valid: Duration) -> Self {
        self.min_valid = min_valid;
        self
    }

    /// The same by somebody who waits at most so long.
    ///
    /// ```
    /// # use tokenkeep::Demand;
    /// let demand = Demand::default().with_max_wait(std::time::Duration::from_millis(50));
    /// assert_eq!(demand.max_wait.as_millis(), 50);
    /// ```
    #[must_use]
    pub fn with_max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }
}

impl Default for Demand {
    fn default() -> Self {
        Self { min_valid: Duration::ZERO, max_wait: Duration::from_secs(30) }
    }
}

/// A token, and what is not as it should be though there is one.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// # let demand = tokenkeep::Demand::default();
/// let answer = manager.handle("graph")?.get(demand).await?;
/// for warning in &answer.warnings {
///     eprintln!("{warning}"); // the token is good, but somebody should know
/// }
/// assert!(answer.warnings.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// The token.
    pub token: Token,
    /// What is not as it should be.
    pub warnings: Vec<Warning>,
}
