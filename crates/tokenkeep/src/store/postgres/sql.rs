//! Statements with their values in them.
//!
//! The hard problem is a pooler such as pgbouncer in transaction mode: what was prepared on a server's connection is not
//! there for the next message, or is another program's statement of the same name. So nothing is prepared: a call is one
//! message of the simple protocol, which the server runs as one transaction, to its commit, whoever has stopped listening
//! meanwhile. Such a message has its values in it, and this module is the one place that writes them there.

use sqlx::AssertSqlSafe;

use super::url::SCHEMA;

/// A value in a statement.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Number(i64),
    /// Milliseconds since 1970; the end of time if there is none, or it is too late for a calendar.
    Time(Option<i64>),
    Null,
}

/// The message that runs a statement: `$1` is the first of its values, and what lies in the schema `tokenkeep`
/// lies in this one.
pub(super) fn message(template: &str, schema: &str, values: &[Value<'_>]) -> AssertSqlSafe<String> {
    let mut message = String::with_capacity(template.len() + 64 * values.len());
    let mut parts = template.split('$');
    message.push_str(&in_schema(parts.next().unwrap_or(""), schema));
    for part in parts {
        let (number, rest) = part.split_at(part.find(|next: char| !next.is_ascii_digit()).unwrap_or(part.len()));
        match number.parse::<usize>().ok().and_then(|number| values.get(number.checked_sub(1)?)) {
            Some(value) => value.write(&mut message),
            None => message.push_str("NULL"),
        }
        message.push_str(&in_schema(rest, schema));
    }
    AssertSqlSafe(message)
}

/// The same statement for another schema.
pub(super) fn in_schema(statement: &str, schema: &str) -> String {
    statement.replace(&format!("{SCHEMA}."), &format!("\"{schema}\"."))
}

impl Value<'_> {
    fn write(self, message: &mut String) {
        match self {
            Self::Text(text) => write_text(text, message),
            Self::Number(number) => message.extend(["(", &number.to_string(), ")::bigint"]),
            Self::Time(Some(ms)) if ms < LAST_MS => {
                message.extend(["to_timestamp((", &ms.max(FIRST_MS).to_string(), ")::float8 / 1000)"]);
            }
            Self::Time(_) => message.push_str("'infinity'::timestamptz"),
            Self::Null => message.push_str("NULL"),
        }
    }
}

/// As [a constant with escapes](https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS-ESCAPE),
/// which reads the same under every setting of the server; the connection is in UTF-8, where no character holds a byte
/// of another.
fn write_text(text: &str, message: &mut String) {
    message.reserve(text.len() + 16);
    message.push_str("E'");
    for character in text.chars() {
        match character {
            '\'' => message.push_str("''"),
            '\\' => message.push_str("\\\\"),
            // No text of PostgreSQL can hold it; it stands in names of budgets at most.
            '\0' => message.push('\u{2400}'),
            other => message.push(other),
        }
    }
    message.push_str("'::text");
}

/// The years 1 and 9999.
const FIRST_MS: i64 = -62_135_596_800_000;
const LAST_MS: i64 = 253_402_300_800_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_stand_where_their_numbers_do() {
        let AssertSqlSafe(text) = message(
            "UPDATE tokenkeep.x SET a = $2, b = $1 WHERE c = $2",
            "other",
            &[Value::Number(-7), Value::Text("$1 tokenkeep.y")],
        );
        assert_eq!(
            text,
            "UPDATE \"other\".x SET a = E'$1 tokenkeep.y'::text, b = (-7)::bigint WHERE c = E'$1 tokenkeep.y'::text"
        );
    }

    #[test]
    fn a_time_beyond_calendars_is_the_end_of_time() {
        for (ms, expected) in [
            (Some(i64::MAX - 1), "'infinity'::timestamptz"),
            (None, "'infinity'::timestamptz"),
            (Some(1_500), "to_timestamp((1500)::float8 / 1000)"),
            (Some(i64::MIN), "to_timestamp((-62135596800000)::float8 / 1000)"),
        ] {
            assert_eq!(message("$1", "tokenkeep", &[Value::Time(ms)]).0, expected);
        }
    }

    proptest! {
        #[test]
        fn no_text_ends_its_constant(text in "\\PC{0,40}|[\\x00-\\x7f$'\\\\]{0,40}") {
            let AssertSqlSafe(written) = message("$1", "tokenkeep", &[Value::Text(&text)]);
            let inner = written.strip_prefix("E'").and_then(|rest| rest.strip_suffix("'::text")).unwrap();
            let (mut read, mut characters) = (String::new(), inner.chars());
            while let Some(character) = characters.next() {
                if matches!(character, '\'' | '\\') {
                    prop_assert_eq!(characters.next(), Some(character), "a lone {} in {}", character, inner);
                }
                read.push(character);
            }
            prop_assert_eq!(read, text.replace('\0', "\u{2400}"));
        }
    }
}
