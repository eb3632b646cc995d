//! Which key's files have which names.

use std::path::{Path, PathBuf};

use super::content::hash;
use crate::key::Key;

/// Where the files of one key are.
#[derive(Debug)]
pub(super) struct Paths {
    /// The token, where other programs look for it.
    pub(super) token: PathBuf,
    /// The next token, complete, before it takes its place.
    pub(super) next_token: PathBuf,
    /// All else that is kept of the key.
    pub(super) sidecar: PathBuf,
    /// Who has the key's lease.
    pub(super) lease: PathBuf,
    /// The credentials of the account.
    pub(super) credentials: PathBuf,
}

impl Paths {
    pub(super) fn of(key: &Key, root: &Path) -> Self {
        let (stem, inner) = (stem(key), inner(root));
        Self {
            token: root.join(format!("{stem}{TOKEN}")),
            next_token: root.join(format!(".{stem}{TOKEN}.new")),
            sidecar: inner.join(format!("{stem}{SIDECAR}")),
            lease: inner.join(format!("{stem}.lease")),
            credentials: inner.join(format!("{stem}{CREDENTIALS}")),
        }
    }
}

/// Where it is counted what was spent of a budget. Its name may be any text.
pub(super) fn budget(name: &str, root: &Path) -> PathBuf {
    inner(root).join(format!("{}.budget", &hash(name.as_bytes())[..HASH_LEN]))
}

/// The folder of what is not for other programs.
pub(super) fn inner(root: &Path) -> PathBuf {
    root.join(INNER)
}

/// Whose a file in the folder is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// This key's.
    Key(Key),
    /// That of a key whose name is too long for a file; its sidecar names it.
    LongKey,
    /// No key's.
    Nobody,
}

/// Whose a token file is, by its name.
pub(super) fn owner_of_token_file(name: &str) -> Owner {
    name.strip_suffix(TOKEN).map_or(Owner::Nobody, owner)
}

/// Whose a sidecar is, by its name.
pub(super) fn owner_of_sidecar(name: &str) -> Owner {
    name.strip_suffix(SIDECAR).map_or(Owner::Nobody, owner)
}

/// Whose credentials are in a file, by its name.
pub(super) fn owner_of_credentials(name: &str) -> Owner {
    name.strip_suffix(CREDENTIALS).map_or(Owner::Nobody, owner)
}

/// Whether a folder in which this lies may hold other things than tokens.
pub(super) fn is_foreign(name: &str) -> bool {
    !(name == INNER || name.contains(TOKEN))
}

fn owner(stem: &str) -> Owner {
    if stem.contains(HASHED) {
        return Owner::LongKey;
    }
    let text = match stem.split_once('@') {
        Some((provider, account)) => decoded(account).map(|account| format!("{provider}:{account}")),
        None => Some(stem.to_owned()),
    };
    let key = text.and_then(|text| Key::parse(&text).ok());
    // A name in another form than its own would be found by nobody.
    key.filter(|key| self::stem(key) == stem).map_or(Owner::Nobody, Owner::Key)
}

/// `graph`, `bluestakes@123`: what the names of a key's files begin with.
fn stem(key: &Key) -> String {
    let mut stem = key.provider().to_owned();
    if key.account() != Key::DEFAULT_ACCOUNT {
        stem.push('@');
        stem.extend(key.account().bytes().map(escaped));
    }
    if stem.len() <= MAX_STEM {
        return stem;
    }
    let start = &stem[..MAX_STEM - 1 - HASH_LEN];
    // Half of an escape would read as another character.
    let start = start.rfind('%').filter(|at| at + 3 > start.len()).map_or(start, |at| &start[..at]);
    format!("{start}{HASHED}{}", &hash(key.as_str().as_bytes())[..HASH_LEN])
}

fn escaped(byte: u8) -> String {
    match byte {
        b'-' | b'_' | b'.' | b'@' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).into(),
        _ => format!("%{byte:02X}"),
    }
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        if *first == b'%' {
            let (digits, others) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = others;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

const INNER: &str = ".tokenkeep";
const TOKEN: &str = "_token.json";
const SIDECAR: &str = ".json";
const CREDENTIALS: &str = ".credentials";
/// Stands between the beginning of a long name and its hash; no escaped name has it.
const HASHED: char = '~';
/// Leaves room for the endings, on file systems that allow 255 bytes and on those that allow 143.
const MAX_STEM: usize = 100;
/// Hex digits that stand for a long name.
const HASH_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    #[test]
    fn names_are_those_that_other_programs_know() {
        for (text, expected) in [
            ("verteil", "verteil_token.json"),
            ("bluestakes:123", "bluestakes@123_token.json"),
            ("graph:ada@example.com", "graph@ada@example.com_token.json"),
            ("graph:urn:x*", "graph@urn%3Ax%2A_token.json"),
            ("graph:é", "graph@%C3%A9_token.json"),
        ] {
            let paths = Paths::of(&key(text), Path::new("/keep"));
            assert_eq!(paths.token, Path::new("/keep").join(expected));
            assert_eq!(owner_of_token_file(expected), Owner::Key(key(text)), "{expected}");
        }
    }

    #[test]
    fn what_is_no_name_of_a_key_is_nobodys() {
        for name in [
            "x.json",
            "x@default_token.json",
            "x@%41_token.json",
            "x@%4_token.json",
            ".x_token.json.new",
            "a b_token.json",
        ] {
            assert_eq!(owner_of_token_file(name), Owner::Nobody, "{name}");
        }
    }

    #[test]
    fn a_long_name_is_short_enough_for_a_file_and_its_own() {
        let long = "é".repeat(120);
        let (one, two) = (key(&format!("graph:{long}1")), key(&format!("graph:{long}2")));
        let names = [&one, &two].map(|key| Paths::of(key, Path::new("")).token.display().to_string());
        assert_ne!(names[0], names[1]);
        assert!(names[0].len() < 130, "{}", names[0]);
        assert_eq!(owner_of_token_file(&names[0]), Owner::LongKey);
    }
}
