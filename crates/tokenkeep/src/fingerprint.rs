//! What shaped a token, in one comparable value: so that a changed secret, scope or tenant never meets an old token.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A hash of everything that shapes a token: issuer, client, secrets, grant, scope, audience. A source whose tokens
/// come from a login adds a hash of what shapes that, so that the login outlives e.g. a change of scope.
///
/// ```
/// use tokenkeep::fingerprint::Fingerprint;
///
/// let of = |scope| Fingerprint::of([("token_url", "https://login.example.com/token"), ("scope", scope)]);
/// assert!(of("read").is_same_token(&of("read")));
/// assert!(!of("read").is_same_token(&of("write"))); // a token for reading is not used for writing
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint(Box<str>);

impl Fingerprint {
    /// Hashes named parts. Order and boundaries count, so `("a", "bc")` and `("ab", "c")` differ.
    ///
    /// ```
    /// # use tokenkeep::fingerprint::Fingerprint;
    /// assert_ne!(Fingerprint::of([("a", "bc")]), Fingerprint::of([("ab", "c")]));
    /// ```
    pub fn of<'a>(parts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut hash = Sha256::new();
        for (name, value) in parts {
            for text in [name, value] {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text.as_bytes());
            }
        }
        let hex = hash.finalize().iter().fold(String::with_capacity(64), |hex, byte| hex + &format!("{byte:02x}"));
        Self(hex.into())
    }

    /// Adds what shapes the login behind the token; a refresh token is used again as long as this stays the same.
    ///
    /// ```
    /// # use tokenkeep::fingerprint::Fingerprint;
    /// let login = [("client_id", "reports"), ("seed", "a-refresh-token")];
    /// let read = Fingerprint::of([("scope", "read")]).with_login(login);
    /// let write = Fingerprint::of([("scope", "write")]).with_login(login);
    /// assert!(!read.is_same_token(&write) && read.is_same_login(&write)); // nobody need log in again
    /// ```
    #[must_use]
    pub fn with_login<'a>(self, parts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(format!("{}{LOGIN}{}", self.token(), Self::of(parts).0).into())
    }

    /// Adds what proves the account whose token it is, when that is not configured but kept in the store. The login
    /// behind the token is then another for other credentials, too.
    ///
    /// ```
    /// # use tokenkeep::fingerprint::Fingerprint;
    /// let provider = Fingerprint::of([("scope", "read")]);
    /// let (ann, bob) = (provider.with_account([("username", "ann")]), provider.with_account([("username", "bob")]));
    /// assert!(!ann.is_same_token(&bob) && ann.is_same_provider(&bob));
    /// ```
    #[must_use]
    pub fn with_account<'a>(&self, parts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let account = Self::of(parts);
        let token = format!("{}{ACCOUNT}{}", self.token(), account.0);
        match self.0.split_once(LOGIN) {
            Some((_, login)) => {
                let login = Self::of([("login", login), ("account", &account.0)]);
                Self(format!("{token}{LOGIN}{}", login.0).into())
            }
            None => Self(token.into()),
        }
    }

    /// Adds what shapes the tokens of further ways to authenticate; the login stays the first one's.
    ///
    /// ```
    /// # use tokenkeep::fingerprint::Fingerprint;
    /// let (first, other) = (Fingerprint::of([("grant", "login")]), Fingerprint::of([("grant", "static")]));
    /// let both = first.clone().with_fallbacks([&other].into_iter());
    /// assert!(!both.is_same_token(&first));
    /// assert_eq!(first.clone().with_fallbacks([].into_iter()), first);
    /// ```
    #[must_use]
    pub fn with_fallbacks<'a>(self, others: impl ExactSizeIterator<Item = &'a Self>) -> Self {
        if others.len() == 0 {
            return self;
        }
        let parts = [("first", self.token())].into_iter().chain(others.map(|other| ("fallback", other.token())));
        let token = Self::of(parts);
        let login = self.0.split_once(LOGIN).map_or_else(String::new, |(_, login)| format!("{LOGIN}{login}"));
        Self(format!("{}{login}", token.0).into())
    }

    /// Whether the one is a token of the same provider as the other, of whatever account.
    ///
    /// ```
    /// # use tokenkeep::fingerprint::Fingerprint;
    /// let provider = Fingerprint::of([("scope", "read")]);
    /// assert!(provider.with_account([("username", "ann")]).is_same_provider(&provider));
    /// ```
    pub fn is_same_provider(&self, other: &Self) -> bool {
        self.provider() == other.provider() || self.is_any_token() || other.is_any_token()
    }

    /// Of a token that another program has left: nobody has written down what shaped it, so it counts as that of
    /// whatever is configured.
    ///
    /// ```
    /// # use tokenkeep::fingerprint::Fingerprint;
    /// assert!(Fingerprint::any().is_same_token(&Fingerprint::of([("scope", "read")])));
    /// ```
    pub fn any() -> Self {
        Self(ANY.into())
    }

    /// The same login, with a token as of [`Fingerprint::any`].
    ///
    /// ```
    /// # use tokenkeep::fingerprint::Fingerprint;
    /// let known = Fingerprint::of([("scope", "read")]).with_login([("seed", "a-refresh-token")]);
    /// let taken_over = known.with_any_token();
    /// assert!(taken_over.is_any_token() && taken_over.is_same_login(&known));
    /// ```
    #[must_use]
    pub fn with_any_token(&self) -> Self {
        Self(format!("{ANY}{LOGIN}{}", self.login()).into())
    }

    /// Whether its token is one of [`Fingerprint::any`].
    ///
    /// ```
    /// # use tokenkeep::fingerprint::Fingerprint;
    /// assert!(Fingerprint::any().is_any_token());
    /// assert!(!Fingerprint::of([("scope", "read")]).is_any_token());
    /// ```
    pub fn is_any_token(&self) -> bool {
        self.token() == ANY
    }

    /// Whether a token of the one is a token of the other.
    ///
    /// ```
    /// # use tokenkeep::fingerprint::Fingerprint;
    /// let (read, write) = (Fingerprint::of([("scope", "read")]), Fingerprint::of([("scope", "write")]));
    /// assert!(read.is_same_token(&read) && !read.is_same_token(&write));
    /// ```
    pub fn is_same_token(&self, other: &Self) -> bool {
        self.token() == other.token() || self.is_any_token() || other.is_any_token()
    }

    /// Whether a login of the one is a login of the other.
    ///
    /// ```
    /// # use tokenkeep::fingerprint::Fingerprint;
    /// let read = Fingerprint::of([("scope", "read")]);
    /// let (one, other) = (read.clone().with_login([("seed", "1")]), read.with_login([("seed", "2")]));
    /// assert!(one.is_same_token(&other) && !one.is_same_login(&other));
    /// ```
    pub fn is_same_login(&self, other: &Self) -> bool {
        self.login() == other.login()
    }

    fn token(&self) -> &str {
        self.0.split_once(LOGIN).map_or(&self.0, |(token, _)| token)
    }

    fn provider(&self) -> &str {
        self.token().split_once(ACCOUNT).map_or(self.token(), |(provider, _)| provider)
    }

    /// Without a login of its own a token's login is what shapes the token.
    fn login(&self) -> &str {
        self.0.split_once(LOGIN).map_or(&self.0, |(_, login)| login)
    }

    /// Reads what [`Fingerprint::as_str`] gave, e.g. from a store.
    ///
    /// ```
    /// # use tokenkeep::fingerprint::Fingerprint;
    /// let read = Fingerprint::of([("scope", "read")]);
    /// assert_eq!(Fingerprint::from_stored(read.as_str()), read);
    /// ```
    pub fn from_stored(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The hashes in hex.
    ///
    /// ```
    /// # use tokenkeep::fingerprint::Fingerprint;
    /// assert_eq!(Fingerprint::of([("scope", "read")]).as_str().len(), 64);
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Stands where a hash would; no hash is written so.
const ANY: &str = "any";

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({:.8}…)", self.token())
    }
}

/// Stands before the hash of a login.
const LOGIN: char = '/';
/// Stands before the hash of an account.
const ACCOUNT: char = '@';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_moved_over_a_boundary_makes_another_fingerprint() {
        assert_ne!(Fingerprint::of([("a", "bc")]), Fingerprint::of([("ab", "c")]));
        assert_ne!(Fingerprint::of([("a", "b"), ("c", "d")]), Fingerprint::of([("c", "d"), ("a", "b")]));
    }

    #[test]
    fn a_login_is_the_same_when_only_the_token_differs() {
        let login = [("seed", "1")];
        let (one, two) = (Fingerprint::of([("scope", "a")]), Fingerprint::of([("scope", "b")]));
        let (one, two) = (one.with_login(login), two.with_login(login));
        assert!(one.is_same_login(&two) && !one.is_same_token(&two));
        assert!(!one.is_same_login(&one.clone().with_login([("seed", "2")])));
        assert!(!Fingerprint::of([("scope", "a")]).is_same_login(&two));
    }

    #[test]
    fn a_token_of_unknown_shape_is_anybodys_and_leaves_the_login_whose_it_is() {
        let (one, two) = (Fingerprint::of([("scope", "a")]), Fingerprint::of([("scope", "b")]));
        assert!(Fingerprint::any().is_same_token(&one) && two.is_same_token(&Fingerprint::any()));
        for known in [one.clone(), one.with_login([("seed", "1")])] {
            let taken_over = known.with_any_token();
            assert!(taken_over.is_same_token(&two) && taken_over.is_same_login(&known));
            assert!(!taken_over.is_same_login(&two));
        }
    }

    #[test]
    fn other_credentials_are_another_token_and_login_of_the_same_provider() {
        let provider = Fingerprint::of([("scope", "a")]).with_login([("seed", "1")]);
        let (one, two) = (provider.with_account([("password", "1")]), provider.with_account([("password", "2")]));
        assert!(!one.is_same_token(&two) && !one.is_same_login(&two) && one.is_same_provider(&two));
        assert!(!one.is_same_token(&provider) && one.is_same_provider(&provider));
        assert!(one.is_same_login(&provider.with_account([("password", "1")])));
        assert!(!one.is_same_provider(&Fingerprint::of([("scope", "b")])));
    }
}
