//! Words as a POSIX shell reads them.

/// One word that a shell takes for exactly this text: as it is if nothing in it is special, else quoted.
pub(crate) fn word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.,/:@%+=".contains(&byte);
    // A leading '~' or '=' is not plain to every shell; neither is nothing at all.
    if !text.is_empty() && text.bytes().all(is_plain) && !text.starts_with('=') {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_shell_would_change_is_quoted() {
        for (text, quoted) in [
            ("eyJhbGciOi.J9_-", "eyJhbGciOi.J9_-"),
            ("/tmp/a-b/c.toml", "/tmp/a-b/c.toml"),
            ("/tmp/a b", "'/tmp/a b'"),
            ("a'b$(c)", r"'a'\''b$(c)'"),
            ("~x", "'~x'"),
            ("=x", "'=x'"),
            ("", "''"),
        ] {
            assert_eq!(word(text), quoted);
        }
    }
}
