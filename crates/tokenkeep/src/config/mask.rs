//! A copy of the file that can be shown: what may be a secret is blotted out, places still map from the one to the other.
//!
//! Which value is a secret cannot be known of a file that is wrong: the option may be misspelt, the quotes unbalanced.
//! So it is the other way round: only values of [`SHOWN_OPTIONS`] are shown, and of those not what looks like
//! credentials in a URL. Comments are hidden too; an old password may live on in one.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::syntax::Syntax;

/// The copy. Each hidden stretch of a line, however long, has become [`BLOT`].
pub(super) struct Masked {
    text: String,
    /// For each byte of the file (and its end): where in `text` that what it belongs to starts, and ends.
    places: Vec<Range<usize>>,
}

impl Masked {
    /// Masks `source`, which was parsed to `document`.
    pub(super) fn new(source: &str, document: &DeTable<'_>, syntax: Syntax) -> Self {
        let mut ink = Ink { source, kinds: vec![Kind::Rest; source.len()] };
        ink.judge_table(document, Table::File);
        ink.hide_comments();
        match syntax {
            Syntax::Sound => {}
            Syntax::Repeating => ink.judge_lines(|ink, line| !ink.is_judged(line)),
            Syntax::Broken => ink.judge_lines(|_, _| true),
        }
        ink.blotted()
    }

    /// The line of the copy that holds this place of the file, and where in that line the place is. A place that goes
    /// on over several lines is cut at the end of its first.
    pub(super) fn line(&self, place: &Range<usize>) -> (&str, Range<usize>) {
        let end_of_file = self.places.len() - 1;
        let start = self.places[place.start.min(end_of_file)].start;
        let last = place.end.saturating_sub(1).clamp(place.start.min(end_of_file), end_of_file);
        let end = if place.is_empty() { start } else { self.places[last].end };
        let line_start = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = &self.text[line_start..];
        let line = line.split_once('\n').map_or(line, |(line, _)| line).trim_end_matches('\r');
        (line, (start - line_start).min(line.len())..(end - line_start).min(line.len()))
    }
}

/// Marks each byte of the file.
struct Ink<'a> {
    source: &'a str,
    kinds: Vec<Kind>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Shown,
    Hidden,
    /// Neither key nor value: blanks, punctuation, comments.
    Rest,
}

/// What a table is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    /// The whole of it.
    File,
    Server,
    Usual,
    /// A caller of the server.
    Caller,
    /// Its options can be called anything.
    Hidden,
}

impl Table {
    /// What the table of this name in it is about.
    fn below(self, name: &str) -> Self {
        match self {
            Self::Hidden => Self::Hidden,
            _ if HIDDEN_TABLES.contains(&name) => Self::Hidden,
            Self::File if name == SERVER => Self::Server,
            Self::Server if name == CALLERS => Self::Caller,
            Self::File | Self::Server | Self::Usual | Self::Caller => Self::Usual,
        }
    }
}

impl Ink<'_> {
    fn judge_table(&mut self, table: &DeTable<'_>, kind: Table) {
        for (key, value) in table {
            self.mark(key.span(), Kind::Shown);
            self.judge_value(key.get_ref(), value.get_ref(), value.span(), kind);
        }
    }

    fn judge_value(&mut self, option: &str, value: &DeValue<'_>, span: Range<usize>, kind: Table) {
        match value {
            DeValue::Table(table) => self.judge_table(table, kind.below(option)),
            DeValue::Array(array) => {
                for value in array {
                    self.judge_value(option, value.get_ref(), value.span(), kind);
                }
            }
            _ => {
                let hide = match kind {
                    Table::Hidden => true,
                    Table::Caller if SHOWN_OF_CALLERS.contains(&option) => false,
                    Table::File | Table::Server | Table::Usual | Table::Caller => {
                        !is_harmless(option, &self.source[span.clone()])
                    }
                };
                self.mark(span.clone(), Kind::Shown);
                let inner = self.without_quotes(span);
                let hidden = if hide { inner } else { credentials(self.source, inner, option) };
                self.mark(hidden, Kind::Hidden);
            }
        }
    }

    fn hide_comments(&mut self) {
        for (start, line) in lines(self.source) {
            let is_comment = |at: &usize| self.kinds[start + at] == Kind::Rest;
            if let Some((at, _)) = line.match_indices('#').find(|(at, _)| is_comment(at)) {
                self.mark(start + at + 1..start + line.len(), Kind::Hidden);
            }
        }
    }

    /// Whether the document accounts for all that stands in a line. Its strings stand there with their quotes.
    fn is_judged(&self, line: Range<usize>) -> bool {
        let is_structure = |byte: u8| byte.is_ascii_whitespace() || b"=,.{}[]#".contains(&byte);
        line.into_iter().all(|at| self.kinds[at] != Kind::Rest || is_structure(self.source.as_bytes()[at]))
    }

    /// Hides in each of these lines by itself what does not look like a table's header or `option = ` with an option
    /// that may be shown in this table.
    fn judge_lines(&mut self, which: impl Fn(&Self, Range<usize>) -> bool) {
        let mut hides = Hides::Some;
        for (start, line) in lines(self.source) {
            let end = start + line.len();
            let before = hides;
            hides = hides.after(line);
            if !which(self, start..end) {
                continue;
            }
            match line.split_once('=') {
                Some((key, value)) if is_plain_key(key.trim()) => {
                    let value_start = start + key.len() + 1;
                    let comment = value.find('#').map_or(end, |at| value_start + at + 1);
                    let option = key.trim().rsplit('.').next().unwrap_or_default();
                    let hide_all = before != Hides::Some || in_hidden_table(key);
                    if !hide_all && is_harmless(option, value) && !value.contains('=') {
                        self.mark(credentials(self.source, value_start..comment, option), Kind::Hidden);
                        self.mark(comment..end, Kind::Hidden);
                    } else {
                        self.mark(value_start..end, Kind::Hidden);
                    }
                }
                None if is_header(line.trim()) => {}
                _ => self.mark(start..end, Kind::Hidden),
            }
        }
    }

    fn without_quotes(&self, span: Range<usize>) -> Range<usize> {
        let quote = QUOTES.iter().find(|quote| self.source[span.clone()].starts_with(*quote)).map_or(0, |q| q.len());
        if span.len() < 2 * quote { span } else { span.start + quote..span.end - quote }
    }

    fn mark(&mut self, span: Range<usize>, kind: Kind) {
        if let Some(kinds) = self.kinds.get_mut(span) {
            kinds.fill(kind);
        }
    }

    fn blotted(self) -> Masked {
        let mut text = String::with_capacity(self.source.len());
        let mut places = Vec::with_capacity(self.source.len() + 1);
        let mut blot: Option<Range<usize>> = None;
        for (at, c) in self.source.char_indices() {
            let is_blank = c.is_whitespace() && (blot.is_none() || matches!(c, '\n' | '\r'));
            let place = if self.kinds[at] == Kind::Hidden && !is_blank {
                blot.get_or_insert_with(|| push(&mut text, BLOT)).clone()
            } else {
                blot = None;
                push(&mut text, c.encode_utf8(&mut [0; 4]))
            };
            places.extend(std::iter::repeat_n(place, c.len_utf8()));
        }
        places.push(text.len()..text.len());
        Masked { text, places }
    }
}

/// Whether the value of an option can be shown. What is no variable's name after `env` may be what it should lead to.
fn is_harmless(option: &str, value: &str) -> bool {
    let is_in_reference = |b: u8| b.is_ascii_alphanumeric() || b"_${}:-".contains(&b);
    let is_reference = || value.trim_matches([' ', '"', '\'']).bytes().all(is_in_reference);
    SHOWN_OPTIONS.contains(&option) && (option != "env" || is_reference())
}

/// The part of a text from the first to the last thing that can be a secret in a URL: name and password before the
/// host, the query, and the fragment. What should be a URL may lack its scheme.
fn credentials(source: &str, span: Range<usize>, option: &str) -> Range<usize> {
    let text = &source[span.clone()];
    let start = match text.find("://") {
        Some(scheme) => scheme + 3,
        None if URLS.contains(&option) => text.find(|c: char| !" \"'".contains(c)).unwrap_or(text.len()),
        None => return span.start..span.start,
    };
    let query = text[start..].find(['?', '#']).map(|query| start + query + 1);
    let hidden = match (text[start..].rfind('@'), query) {
        (Some(_), Some(_)) => start..text.len(),
        (Some(at), None) => start..start + at,
        (None, Some(query)) => query..text.len(),
        (None, None) => 0..0,
    };
    span.start + hidden.start..span.start + hidden.end
}

/// What is hidden from a line on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hides {
    /// What is hidden everywhere.
    Some,
    /// All values of this table.
    Table,
    /// All values of a table in braces that are not closed yet.
    Braces,
}

impl Hides {
    fn after(self, line: &str) -> Self {
        let line = line.trim();
        let header = line.split('#').next().unwrap_or_default();
        match (self, line.split_once('=')) {
            // What is no header that could be read may be one of those tables.
            _ if line.starts_with('[') && (!is_header(header) || in_hidden_table(header)) => Self::Table,
            _ if line.starts_with('[') => Self::Some,
            (Self::Some, Some((_, value))) if value.contains('{') && !value.contains('}') => Self::Braces,
            (Self::Braces, _) if line.contains('}') => Self::Some,
            (hides, _) => hides,
        }
    }
}

/// Whether a key or a header leads into a table whose options can be called anything.
fn in_hidden_table(path: &str) -> bool {
    path.split(['.', '[', ']', ' ', '"', '\'']).any(|name| HIDDEN_TABLES.contains(&name))
}

fn is_plain_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b"_-.".contains(&b))
}

fn is_header(text: &str) -> bool {
    text.starts_with('[') && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"[]_-. ".contains(&b))
}

/// The lines of a text, each with where it starts.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |next, line| {
        let start = *next;
        *next += line.len();
        Some((start, line.trim_end_matches(['\n', '\r'])))
    })
}

fn push(text: &mut String, part: &str) -> Range<usize> {
    let start = text.len();
    text.push_str(part);
    start..text.len()
}

/// The tables whose options are named by an issuer, which can call a secret anything.
const HIDDEN_TABLES: [&str; 8] = ["basic", "capture", "credentials", "extra", "form", "headers", "json", "query"];

/// The options that are URLs.
const URLS: [&str; 3] = ["api_base", "store", "token_url"];

/// The options whose values are no secrets. What is missing here is hidden, so a new option is safe until it is added.
const SHOWN_OPTIONS: [&str; 32] = [
    "accounts",
    "api_base",
    "budget",
    "certificate",
    "client_auth",
    "client_ca",
    "client_id",
    "default_provider",
    "env",
    "events",
    "every",
    "expected_life",
    "expiry_buffer",
    "file",
    "grant",
    "insecure",
    "jwt_expiry",
    "lifetime",
    "listen",
    "max_connections",
    "max_failures",
    "memory_only",
    "refresh",
    "refresh_before",
    "reject_on",
    "requests",
    "scope",
    "store",
    "timeout",
    "token_url",
    "unit",
    "username",
];

/// The table of the server, and in it those of its callers.
const SERVER: &str = "server";
const CALLERS: &str = "keys";
/// What is shown of a caller beside [`SHOWN_OPTIONS`]. Elsewhere `tokens` is a misspelt `token`, and a `name` anything.
const SHOWN_OF_CALLERS: [&str; 4] = ["allow", "name", "tokens", "uid"];

/// What stands for a hidden stretch.
const BLOT: &str = "***";

/// The longest first.
const QUOTES: [&str; 4] = ["\"\"\"", "'''", "\"", "'"];

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(source: &str) -> String {
        let (document, faults) = DeTable::parse_recoverable(source);
        Masked::new(source, document.get_ref(), Syntax::of(&faults)).text
    }

    #[test]
    fn only_values_that_are_no_secrets_are_shown() {
        for (source, shown) in [
            ("client_id = 'a' # hunter2", "client_id = 'a' # ***"),
            ("client_id = 'a#b'", "client_id = 'a#b'"),
            ("client_secret = \"hun\\\"ter2\"", "client_secret = \"***\""),
            ("clientid = 'hunter2'", "clientid = '***'"),
            ("token = 12345", "token = ***"),
            ("token = '''\nhun\nter2'''", "token = '''\n***\n***'''"),
            ("password = { env = 'PW', x = 'hunter2' }", "password = { env = 'PW', x = '***' }"),
            ("password = { env = ['A', 'B C'] }", "password = { env = ['A', '***'] }"),
            ("extra = { scope = 'hunter2' }", "extra = { scope = '***' }"),
            ("extra = [{ scope = 'hunter2' }]", "extra = [{ scope = '***' }]"),
            ("seal_keys = [{ env = 'KEY' }, 'hunter2']", "seal_keys = [{ env = 'KEY' }, '***']"),
            ("a.token_url = 'https://me:hunt@er2@b/t?code=x'", "a.token_url = 'https://***'"),
            ("token_url = 'https://b/t?code=hunter2'", "token_url = 'https://b/t?***'"),
            ("store = 'postgres://me:hunter2@b/t'", "store = 'postgres://***@b/t'"),
            ("store = 'postgres:/me:hunt@er2@b/t'", "store = '***@b/t'"),
            ("token_url = 'me:hunter2@b/t'", "token_url = '***@b/t'"),
            ("username = 'ada@b.example'", "username = 'ada@b.example'"),
            ("api_base = 'https://b/#key=hunter2'", "api_base = 'https://b/#***'"),
            ("api_base = 'b/#key=hunter2'", "api_base = 'b/#***'"),
            ("server.default_provider = 'graph'", "server.default_provider = 'graph'"),
            (
                "[[server.keys]]\nname = 'a'\nuid = 1\ntokens = ['b:*']\nallow = 'get'",
                "[[server.keys]]\nname = 'a'\nuid = 1\ntokens = ['b:*']\nallow = 'get'",
            ),
            ("[[server.keys]]\nsha256 = 'hunter2'\nkey = 'hunter2'", "[[server.keys]]\nsha256 = '***'\nkey = '***'"),
            ("[providers.a]\ntokens = 'hunter2'", "[providers.a]\ntokens = '***'"),
            (
                "[[keys]]\ntokens = ['hunter2']\n[[providers.server.keys]]\ntokens = ['hunter2']",
                "[[keys]]\ntokens = ['***']\n[[providers.server.keys]]\ntokens = ['***']",
            ),
            (
                "[providers.a]\nname = 'hunter2'\nuid = 12345\nallow = ['hunter2']",
                "[providers.a]\nname = '***'\nuid = ***\nallow = ['***']",
            ),
        ] {
            assert_eq!(masked(source), shown);
        }
    }

    #[test]
    fn in_a_broken_file_each_line_is_judged_by_itself() {
        for (source, shown) in [
            ("client_secret = \"hun\"ter2\"", "client_secret = ***"),
            ("client_secret = hunter2!", "client_secret = ***"),
            ("client_id = \"a # hunter2", "client_id = \"a # ***"),
            ("client_id = 'a', password = 'hunter2'", "client_id = ***"),
            ("[providers.graph", "[providers.graph"),
            ("password = \"\"\"\nhunter2\nc2Vj==", "password = ***\n***\n***"),
            ("token = 'hunter2'\ntoken = 'hunter2'\n[a", "token = ***\ntoken = ***\n[a"),
            ("[a.json]\nscope = 'hunter2'\n[b]\nscope = 'c'\n[", "[a.json]\nscope = ***\n[b]\nscope = 'c'\n["),
            ("[a.form] # b\nscope = 'hunter2'\n[", "***\nscope = ***\n["),
            ("[a.\"b c\".query]\nscope = 'hunter2'\n[", "***\nscope = ***\n["),
            ("json.scope = 'hunter2'\n[", "json.scope = ***\n["),
            ("extra = {\nscope = 'hunter2'\n}\nscope = 'c'\n[", "extra = ***\nscope = ***\n***\nscope = 'c'\n["),
            ("token_url = 'me:hunter2@b/t'\n[", "token_url = '***@b/t'\n["),
        ] {
            assert_eq!(masked(source), shown);
        }
    }

    #[test]
    fn in_a_file_with_repetitions_a_line_that_holds_one_is_judged_by_itself() {
        for (source, shown) in [
            ("token = 'hunter2'\ntoken = 'hunter2'", "token = '***'\ntoken = ***"),
            ("a = { env = 'A', env = 'hunter2' }\nb = { env = 'B' }", "a = ***\nb = { env = 'B' }"),
            ("extra = { a = 'b', a = '=' }", "extra = ***"),
            ("scope = 'a'\nscope = [\n'hunter2']", "scope = 'a'\nscope = [\n***"),
            ("scope = 'a'\nscope = '''\nhunter2\n'''", "scope = 'a'\nscope = '''\n***\n***"),
            ("[a]\ntoken = 1\n[b]\n[a] # hunter2\ntoken = 2", "[a]\ntoken = ***\n[b]\n[a] # ***\ntoken = ***"),
        ] {
            assert_eq!(masked(source), shown);
        }
    }

    #[test]
    fn places_map_to_what_is_shown() {
        let source = "a = 'ü'\nclient_id = 'x'";
        let (document, _) = DeTable::parse_recoverable(source);
        let masked = Masked::new(source, document.get_ref(), Syntax::Sound);
        assert_eq!(masked.line(&(4..8)), ("a = '***'", 4..9));
        assert_eq!(masked.line(&(5..7)), ("a = '***'", 5..8));
        assert_eq!(masked.line(&(9..18)), ("client_id = 'x'", 0..9));
        assert_eq!(masked.line(&(24..24)), ("client_id = 'x'", 15..15));
    }
}
