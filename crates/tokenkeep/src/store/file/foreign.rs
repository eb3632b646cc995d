//! Token files of another program, read where they lie.

use std::time::{Duration, SystemTime};

use super::FileStore;
use super::names::{Owner, owner_of_token_file};
use super::token_file::TokenFile;
use crate::key::Key;
use crate::token::ForeignToken;

impl FileStore {
    /// Reads the content of a token file without opening a store, e.g. to import it into another; `modified` is when it was
    /// written, by the file system. The error says what is wrong with it, and nothing of what it says.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use tokenkeep::store::FileStore;
    ///
    /// let content = br#"{"access_token": "a-token", "token_expiry": 1704123456, "saved_at": 1704080257}"#;
    /// let token = FileStore::read_token(content, SystemTime::now())?;
    /// assert_eq!(token.access_token.expose_secret(), "a-token");
    /// assert_eq!(token.expires_at.duration_since(token.issued_at.ok_or("unknown")?)?.as_secs(), 43_199);
    /// assert_eq!(FileStore::read_token(b"{", SystemTime::now()).unwrap_err(), "it is cut off");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_token(content: &[u8], modified: SystemTime) -> Result<ForeignToken, &'static str> {
        let modified = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let file = TokenFile::parse(content)?;
        let (sent_ms, end_ms) = file.times(i64::try_from(modified).unwrap_or(i64::MAX))?;
        let token = ForeignToken::new(file.access_token, time(end_ms));
        Ok(ForeignToken { token_type: file.token_type, issued_at: Some(time(sent_ms)), ..token })
    }

    /// The key that a token file of this name is of; `None` if it is none, or if the name is too long to tell.
    ///
    /// ```
    /// # use tokenkeep::store::FileStore;
    /// assert_eq!(FileStore::key_of("bluestakes@123_token.json"), Some("bluestakes:123".parse()?));
    /// assert_eq!(FileStore::key_of("notes.json"), None);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn key_of(file_name: &str) -> Option<Key> {
        match owner_of_token_file(file_name) {
            Owner::Key(key) => Some(key),
            Owner::LongKey | Owner::Nobody => None,
        }
    }
}

fn time(unix_ms: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(unix_ms).unwrap_or(0))
}
