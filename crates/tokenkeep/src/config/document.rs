//! Reads tables by hand, one option after the other, and notes what is wrong instead of stopping there.
//!
//! An option that is absent and one that is wrong both read as `None`; the second has left a [`Finding`]. A [`Table`]
//! remembers what it was asked for: in the end the rest is unknown, and what it was asked for is what can be suggested.

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::fmt::friendly::SpanParser;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::interpolate::interpolate;
use super::problem::Finding;
use super::suggest;
use crate::environment::{Environment, yes_or_no};

/// What every reader needs, and where it notes what is wrong.
pub(super) struct Context<'d> {
    source: &'d str,
    /// The folder that relative paths are taken from.
    pub(super) base: &'d Path,
    /// Where variables are looked up.
    pub(super) env: &'d dyn Environment,
    findings: Mutex<Vec<Finding>>,
}

impl<'d> Context<'d> {
    pub(super) fn new(source: &'d str, base: &'d Path, env: &'d dyn Environment) -> Self {
        Self { source, base, env, findings: Mutex::default() }
    }

    /// Notes what is wrong.
    pub(super) fn report(&self, finding: Finding) {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).push(finding);
    }

    /// All that was noted.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a program is: a name is left for the search path, a relative path is taken from the file's folder.
    pub(super) fn program(&self, program: &str) -> String {
        if program.contains('/') { self.base.join(program).display().to_string() } else { program.to_owned() }
    }
}

/// A table that is being read.
pub(super) struct Table<'d> {
    context: &'d Context<'d>,
    /// How messages call it, e.g. `[server]`.
    title: String,
    /// Where its name stands.
    place: Range<usize>,
    entries: Vec<Field<'d>>,
    asked: Vec<&'static str>,
    missing: Vec<&'static str>,
}

impl<'d> Table<'d> {
    /// The table of the whole file.
    pub(super) fn top(table: &'d DeTable<'d>, context: &'d Context<'d>) -> Self {
        Self::new(table, context, "the file".into(), 0..0)
    }

    fn new(table: &'d DeTable<'d>, context: &'d Context<'d>, title: String, place: Range<usize>) -> Self {
        let entries = table.iter().map(|(key, value)| Field {
            context,
            name: key.get_ref(),
            name_span: key.span(),
            value: value.get_ref(),
            span: value.span(),
        });
        Self { context, title, place, entries: entries.collect(), asked: Vec::new(), missing: Vec::new() }
    }

    /// Notes what is wrong with the table as a whole.
    pub(super) fn report(&self, finding: Finding) {
        self.context.report(finding.at(self.place.clone()));
    }

    /// One with nothing in it in place of a value that is none.
    pub(super) fn empty(field: &Field<'d>) -> Self {
        let title = format!("`{}`", field.name);
        let (context, place) = (field.context, field.name_span.clone());
        Self { context, title, place, entries: Vec::new(), asked: Vec::new(), missing: Vec::new() }
    }

    /// Whether an option is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|field| field.name == name)
    }

    /// An option, if it is there, to be read later or not at all.
    pub(super) fn peek(&self, name: &str) -> Option<&Field<'d>> {
        self.entries.iter().find(|field| field.name == name)
    }

    /// An option, if it is there.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Field<'d>> {
        if !self.asked.contains(&name) {
            self.asked.push(name);
        }
        let at = self.entries.iter().position(|field| field.name == name)?;
        Some(self.entries.swap_remove(at))
    }

    /// What was written where no option is, to say more of it than that.
    pub(super) fn take_unknown(&mut self, name: &str) -> Option<Field<'d>> {
        let at = self.entries.iter().position(|field| field.name == name)?;
        Some(self.entries.swap_remove(at))
    }

    /// Counts an option as known, whatever it holds.
    pub(super) fn ask(&mut self, name: &'static str) {
        let _known = self.take(name);
    }

    /// An option that must be there.
    pub(super) fn require(&mut self, name: &'static str) -> Option<Field<'d>> {
        let field = self.take(name);
        if field.is_none() {
            self.missing.push(name);
        }
        field
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<Text<'d>> {
        self.take(name)?.text()
    }

    pub(super) fn require_text(&mut self, name: &'static str) -> Option<Text<'d>> {
        self.require(name)?.text()
    }

    pub(super) fn duration(&mut self, name: &'static str, max: Duration) -> Option<Duration> {
        self.take(name)?.duration(max)
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.take(name)?.switch()
    }

    pub(super) fn table(&mut self, name: &'static str) -> Option<Self> {
        self.take(name)?.table(format!("[{name}]"))
    }

    /// Everything in it, in the order of the file: a table whose options are named by whoever wrote it.
    pub(super) fn into_fields(mut self) -> Vec<Field<'d>> {
        self.entries.sort_by_key(|field| field.name_span.start);
        self.entries
    }

    /// The tables in it, each with its name's field.
    pub(super) fn into_tables(self) -> Vec<(Field<'d>, Self)> {
        let named = |field: Field<'d>| {
            let table = field.table(format!("[providers.{}]", field.name.escape_debug()))?;
            Some((field, table))
        };
        self.into_fields().into_iter().filter_map(named).collect()
    }

    /// Reports what nobody asked for, and what is missing unless that is a misspelling of it. `explain` may know better
    /// why an option is out of place. Answers how many nobody asked for.
    pub(super) fn finish(self, explain: impl Fn(&str) -> Option<String>) -> usize {
        let Self { context, title, place, entries, asked, mut missing } = self;
        let left = entries.len();
        for field in entries {
            let unknown = Finding::error(format!("unknown option `{}`", field.name.escape_debug()));
            let finding = match (explain(field.name), suggest::closest(field.name, asked.iter().copied())) {
                (Some(message), _) => Finding::error(message),
                (None, Some(meant)) => {
                    missing.retain(|name| *name != meant);
                    unknown.help(format!("did you mean `{meant}`?"))
                }
                (None, None) => unknown.help(format!("known in {title} are {}", listed(asked.iter().copied()))),
            };
            context.report(finding.at(field.name_span));
        }
        for name in missing {
            context.report(Finding::error(format!("`{name}` is missing in {title}")).at(place.clone()));
        }
        left
    }
}

/// An option and its value.
pub(super) struct Field<'d> {
    context: &'d Context<'d>,
    pub(super) name: &'d str,
    name_span: Range<usize>,
    pub(super) value: &'d DeValue<'d>,
    span: Range<usize>,
}

impl<'d> Field<'d> {
    /// A string that is not empty, its references replaced.
    pub(super) fn text(&self) -> Option<Text<'d>> {
        self.text_in(self.context.env)
    }

    /// The same with other variables.
    pub(super) fn text_in(&self, env: &dyn Environment) -> Option<Text<'d>> {
        match self.value {
            DeValue::String(raw) => self.interpolated(raw, self.span.clone(), env),
            _ => self.mismatch("a string"),
        }
    }

    /// The values of an array, each as if it were the option's.
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        let DeValue::Array(values) = self.value else { return self.mismatch("an array") };
        let item = |value: &'d toml::Spanned<DeValue<'d>>| Self {
            context: self.context,
            name: self.name,
            name_span: value.span(),
            value: value.get_ref(),
            span: value.span(),
        };
        Some(values.iter().map(item).collect())
    }

    /// The options of a table; nothing if it is none.
    pub(super) fn members(&self) -> Vec<Self> {
        let DeValue::Table(table) = self.value else { return Vec::new() };
        Table::new(table, self.context, String::new(), self.name_span.clone()).into_fields()
    }

    /// Several of them, `None` if one is wrong.
    pub(super) fn texts(&self) -> Option<Vec<Text<'d>>> {
        self.each_text()?.into_iter().collect()
    }

    /// Several of them, `None` in place of each that is wrong.
    pub(super) fn each_text(&self) -> Option<Vec<Option<Text<'d>>>> {
        let DeValue::Array(values) = self.value else { return self.mismatch("an array of strings") };
        let texts = values.iter().map(|value| {
            if let DeValue::String(raw) = value.get_ref() {
                return self.interpolated(raw, value.span(), self.context.env);
            }
            let finding = Finding::error(format!("`{}` must hold strings only", self.name));
            self.context.report(finding.at(value.span()));
            None
        });
        Some(texts.collect())
    }

    /// What an array holds, each under the name of the array; nothing if it is none.
    pub(super) fn elements(&self) -> Vec<Self> {
        let DeValue::Array(values) = self.value else { return Vec::new() };
        let element = |value: &'d Spanned<DeValue<'d>>| Self {
            context: self.context,
            name: self.name,
            name_span: value.span(),
            value: value.get_ref(),
            span: value.span(),
        };
        values.iter().map(element).collect()
    }

    /// A program and its arguments.
    pub(super) fn command(&self) -> Option<(String, Vec<String>)> {
        let mut words = self.texts()?.into_iter();
        let Some(program) = words.next() else {
            self.report(Finding::error(format!("`{}` is empty", self.name)).help("write [\"program\", \"argument\"]"));
            return None;
        };
        Some((self.context.program(&program.value), words.map(|word| word.value).collect()))
    }

    /// True or false, also by a variable.
    pub(super) fn switch(&self) -> Option<bool> {
        let DeValue::String(raw) = self.value else { return self.flag() };
        if !raw.contains("${") {
            return self.flag();
        }
        let text = self.text()?;
        let switch = yes_or_no(&text.value);
        if switch.is_none() {
            text.report(Finding::error(format!("the variable for `{}` is neither true nor false", self.name)));
        }
        switch
    }

    /// True or false, as it stands there.
    pub(super) fn flag(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.mismatch("true or false"),
        }
    }

    pub(super) fn table(&self, title: String) -> Option<Table<'d>> {
        match self.value {
            DeValue::Table(table) => Some(Table::new(table, self.context, title, self.name_span.clone())),
            _ => self.mismatch("a table"),
        }
    }

    /// Whether there is an array, of whatever.
    pub(super) fn is_array(&self) -> bool {
        matches!(self.value, DeValue::Array(_))
    }

    /// The tables of an array of tables, `[[…]]`.
    pub(super) fn tables(&self, title: &str) -> Option<Vec<Table<'d>>> {
        let DeValue::Array(values) = self.value else { return self.mismatch("an array of tables") };
        let tables = values.iter().map(|value| {
            if let DeValue::Table(table) = value.get_ref() {
                return Some(Table::new(table, self.context, title.to_owned(), value.span()));
            }
            let finding = Finding::error(format!("`{}` must hold tables only", self.name));
            self.context.report(finding.at(value.span()));
            None
        });
        tables.collect()
    }

    /// A whole number within bounds.
    pub(super) fn number(&self, bounds: RangeInclusive<u32>) -> Option<u32> {
        let DeValue::Integer(number) = self.value else { return self.mismatch("a number") };
        let value = u32::from_str_radix(number.as_str(), number.radix()).ok().filter(|value| bounds.contains(value));
        if value.is_none() {
            let finding = Finding::error(format!("`{}` is out of range", self.name));
            self.report(finding.help(format!("it can be {} to {}", bounds.start(), bounds.end())));
        }
        value
    }

    /// The decimal form of a whole number, however it is written; `None` if it is none or too large.
    pub(super) fn integer(&self) -> Option<i64> {
        let DeValue::Integer(number) = self.value else { return None };
        i64::from_str_radix(number.as_str(), number.radix()).ok()
    }

    /// One of the words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        self.choice_or(choices, "")
    }

    /// One of the words, where something else is possible too.
    pub(super) fn choice_or<T: Copy>(&self, choices: &[(&'static str, T)], other: &str) -> Option<T> {
        let text = self.text()?;
        let chosen = choices.iter().find(|(word, _)| *word == text.value);
        if chosen.is_none() {
            let words = || choices.iter().map(|(word, _)| *word);
            let known = match other {
                "" => format!("known are {}", listed(words())),
                other => format!("known are {}, or {other}", listed(words())),
            };
            text.report(Finding::error(format!("unknown {}", self.name)).help(
                match suggest::closest(&text.value, words()) {
                    Some(meant) => format!("did you mean `{meant}`? {known}"),
                    None => known,
                },
            ));
        }
        chosen.map(|(_, choice)| *choice)
    }

    /// A length of time above zero.
    pub(super) fn duration(&self, max: Duration) -> Option<Duration> {
        let name = self.name;
        if let DeValue::Integer(number) = self.value {
            let example = format!("write a string with a unit, e.g. \"{}s\"", number.as_str());
            self.report(Finding::error(format!("`{name}` has no unit")).help(example));
            return None;
        }
        let text = self.text()?;
        let finding = match SpanParser::new().parse_unsigned_duration(&text.value) {
            Ok(duration) if duration.is_zero() => Finding::error(format!("`{name}` must be more than zero")),
            Ok(duration) if duration > max => {
                Finding::error(format!("`{name}` is too long")).help(format!("it can be {} at most", shown(max)))
            }
            Ok(duration) => return Some(duration),
            Err(_) => Finding::error(format!("`{name}` is not a length of time"))
                .help("write e.g. \"30s\", \"5m\" or \"1h 30m\""),
        };
        text.report(finding);
        None
    }

    fn interpolated(&self, raw: &str, span: Range<usize>, env: &dyn Environment) -> Option<Text<'d>> {
        let context = self.context;
        match interpolate(raw, env) {
            Ok(value) if value.is_empty() => {
                context.report(Finding::error(format!("`{}` is empty", self.name.escape_debug())).at(span));
                None
            }
            Ok(value) => Some(Text { context, value, span }),
            Err(bad) => {
                for bad in bad {
                    // Without escapes in it the value stands in the file as it is.
                    let verbatim = context.source.get(span.clone()).and_then(|source| source.find(raw));
                    let place = verbatim.map_or(span.clone(), |at| {
                        let start = span.start + at;
                        start + bad.place.start..start + bad.place.end
                    });
                    context.report(Finding::error(bad.message).at(place));
                }
                None
            }
        }
    }

    /// Where it was read.
    pub(super) fn context(&self) -> &'d Context<'d> {
        self.context
    }

    /// Notes what is wrong with the value.
    pub(super) fn report(&self, finding: Finding) {
        self.context.report(finding.at(self.span.clone()));
    }

    /// Notes what is wrong with the option being there.
    pub(super) fn report_name(&self, finding: Finding) {
        self.context.report(finding.at(self.name_span.clone()));
    }

    /// Notes that the value should be something else.
    pub(super) fn mismatch<T>(&self, expected: &str) -> Option<T> {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.report(Finding::error(format!("`{}` must be {expected}, not {found}", self.name.escape_debug())));
        None
    }
}

/// A string from the file, its references replaced, and never empty.
pub(super) struct Text<'d> {
    context: &'d Context<'d>,
    pub(super) value: String,
    span: Range<usize>,
}

impl Text<'_> {
    /// Notes what is wrong with it.
    pub(super) fn report(&self, finding: Finding) {
        self.context.report(finding.at(self.span.clone()));
    }

    /// Where it was read.
    pub(super) fn context(&self) -> &Context<'_> {
        self.context
    }

    /// As a path, a relative one from the file's folder.
    pub(super) fn path(&self) -> PathBuf {
        self.context.base.join(&self.value)
    }
}

/// Names in a row, as messages show them.
pub(super) fn listed(names: impl IntoIterator<Item = &'static str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds.is_multiple_of(3600) { format!("{}h", seconds / 3600) } else { format!("{seconds}s") }
}
