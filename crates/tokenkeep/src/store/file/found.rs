//! What a key's files say together, and what is to be done about it: pure decisions.
//!
//! ```text
//!  save:  next token ──▶ sidecar ──▶ next token takes the token file's place
//!                           └ from here on the save is done, also if the rest is left to whoever comes next
//! ```

use super::content::hash;
use super::sidecar::Sidecar;
use super::token_file::TokenFile;
use crate::key::Key;

/// A key's files, as they were read.
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) sidecar: FoundSidecar,
    pub(super) token: FoundToken,
    /// The token that a save has put ready.
    pub(super) next: Option<TokenFile>,
}

/// A sidecar, as it was read.
pub(super) enum FoundSidecar {
    Missing,
    Damaged,
    Known(Box<Sidecar>),
}

/// A token file, as it was read.
pub(super) enum FoundToken {
    Missing,
    /// It says no token of use: why, and its hash.
    Unusable(&'static str, String),
    /// A token, with its times if another program could have written it.
    Known(TokenFile, Result<(i64, i64), &'static str>),
}

/// What the files say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All is as a save has left it, or there is nothing.
    Settled,
    /// A save was cut short after it was done: the next token is to take its place.
    Unfinished,
    /// The token file is not to be there: its token is over, or was cleared.
    Spent,
    /// Another program has written the token file.
    Written,
    /// The token file was taken away by hand, or one in its place whose token is over.
    Gone,
    /// The token file is of no use, for this reason.
    Unusable(&'static str),
    /// The sidecar is of no use.
    Damaged,
}

impl Found {
    /// What the files say together at this moment of the wall clock.
    pub(super) fn verdict(&self, now_ms: i64) -> Verdict {
        let sidecar = match &self.sidecar {
            FoundSidecar::Damaged => return Verdict::Damaged,
            FoundSidecar::Missing => None,
            FoundSidecar::Known(sidecar) => Some(&**sidecar),
        };
        let wanted = sidecar.and_then(Sidecar::token_hash);
        let replaced = sidecar.and_then(|sidecar| sidecar.replaced.as_deref());
        let present = self.token.hash();
        let is_over = sidecar.is_some_and(|sidecar| sidecar.is_over(now_ms));
        if present == wanted {
            return if is_over && present.is_some() { Verdict::Spent } else { Verdict::Settled };
        }
        if present.is_none() && is_over {
            return Verdict::Settled;
        }
        let is_before = present.is_none() || present == replaced;
        if is_before && self.next.as_ref().is_some_and(|next| Some(&*next.hash) == wanted) {
            return Verdict::Unfinished;
        }
        if wanted.is_none() && present == replaced {
            return Verdict::Spent;
        }
        match &self.token {
            FoundToken::Missing => Verdict::Gone,
            FoundToken::Unusable(why, _) | FoundToken::Known(_, Err(why)) => Verdict::Unusable(why),
            // Over already: no token. It is not this program's file, and stays.
            FoundToken::Known(_, Ok((_, end_ms))) if *end_ms <= now_ms => {
                if wanted.is_some() {
                    Verdict::Gone
                } else {
                    Verdict::Settled
                }
            }
            FoundToken::Known(file, Ok((sent_ms, _))) => {
                let saved_at = file.saved_at.unwrap_or(sent_ms.div_euclid(1_000));
                // One that was taken over may be dated ahead; what is written now is not older than it for that.
                let latest = now_ms.div_euclid(1_000);
                let is_older = sidecar.is_some_and(|sidecar| saved_at < sidecar.saved_at.min(latest));
                if is_older || present == replaced {
                    Verdict::Unusable("it is older than what was saved last")
                } else {
                    Verdict::Written
                }
            }
        }
    }

    /// What is kept of the key: what will be there once the verdict is carried out.
    pub(super) fn view(self, now_ms: i64) -> Option<(Sidecar, Option<TokenFile>)> {
        let verdict = self.verdict(now_ms);
        let sidecar = match self.sidecar {
            FoundSidecar::Missing => None,
            // No count has come as far as the seconds since 1970, so no generation is repeated.
            FoundSidecar::Damaged => Some(Sidecar::bare(&self.key, u64::try_from(now_ms / 1_000).unwrap_or(1))),
            FoundSidecar::Known(sidecar) => Some(*sidecar),
        };
        match (verdict, self.token) {
            (Verdict::Settled, FoundToken::Known(file, _)) => Some((sidecar?, Some(file))),
            (Verdict::Unfinished, _) => Some((sidecar?, self.next)),
            (Verdict::Written | Verdict::Damaged, FoundToken::Known(file, Ok(times))) => {
                let sidecar = sidecar.unwrap_or_else(|| Sidecar::bare(&self.key, 0));
                Some((sidecar.taking_over(&file, times), Some(file)))
            }
            (Verdict::Gone | Verdict::Unusable(_) | Verdict::Damaged | Verdict::Written, _) => {
                Some((sidecar?.without_token(), None))
            }
            (Verdict::Settled | Verdict::Spent, _) => Some((sidecar?, None)),
        }
    }
}

impl FoundToken {
    /// What another program's or this one's token file says.
    pub(super) fn read(content: &[u8], modified_s: i64) -> Self {
        match TokenFile::parse(content) {
            Ok(file) => {
                let times = file.times(modified_s);
                Self::Known(file, times)
            }
            Err(why) => Self::Unusable(why, hash(content)),
        }
    }

    /// The hash of the file's content; `None` if there is no file.
    pub(super) fn hash(&self) -> Option<&str> {
        match self {
            Self::Missing => None,
            Self::Unusable(_, hash) => Some(hash),
            Self::Known(file, _) => Some(&file.hash),
        }
    }
}
