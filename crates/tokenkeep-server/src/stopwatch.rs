//! How long something took, and for how long it is believed.

use std::time::Instant;

/// The present, for what this process measures of itself. No token's life is decided by it.
#[expect(clippy::disallowed_methods, reason = "measures answers and ages what this process keeps for itself")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
