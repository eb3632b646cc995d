//! How far a law goes that could go on for ever.

/// What the suite has time for, or all that was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Suite,
    Full,
}

impl Extent {
    pub(crate) fn of_this_run() -> Self {
        #[expect(clippy::disallowed_methods, reason = "tests are told by it")]
        let asked = std::env::var("TOKENKEEP_FLEET");
        if asked.is_ok_and(|asked| asked == "full") { Self::Full } else { Self::Suite }
    }

    /// Rounds in each of which two members die or stand still.
    pub(crate) fn rounds(self) -> u32 {
        match self {
            Self::Suite => 2,
            Self::Full => 100,
        }
    }

    /// Companies that get their token of a small budget.
    pub(crate) fn companies(self) -> usize {
        match self {
            Self::Suite => 50,
            Self::Full => 500,
        }
    }

    /// Lives of a token.
    pub(crate) fn lives(self) -> u64 {
        match self {
            Self::Suite => 4,
            Self::Full => 20,
        }
    }

    /// Tokens of ten seconds that each member obtains while the store is away.
    pub(crate) fn tokens_meanwhile(self) -> usize {
        match self {
            Self::Suite => 1,
            Self::Full => 32,
        }
    }
}
