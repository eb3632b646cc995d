//! What is wrong with a configuration file, and how that is shown.

use std::fmt;
use std::ops::Range;
use std::str::Utf8Error;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::mask::Masked;
use crate::error::{Code, Error};
use crate::store::SERVERS_NEED_KEYS;

/// Everything that is wrong with a configuration file, in the order of its lines.
///
/// `Display` is the whole report in plain text. No secret is in it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use tokenkeep::config;
/// let toml = "[providers.billing]\ngrant = \"statik\"\ntoken = \"an-api-key\"";
/// let problems = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await.unwrap_err();
/// let report = problems.to_string(); // with the lines of the file, as compilers show them
/// assert!(report.contains("statik") && !report.contains("an-api-key"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Places findings in the file that they are about.
    pub(super) fn new(name: &str, source: &str, masked: &Masked, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.span.as_ref().map(|span| span.start));
        let file: Arc<str> = name.into();
        let placed = findings.into_iter().map(|finding| {
            let place = finding.span.map(|span| Place::new(source, masked, &span));
            let Finding { severity, message, help, .. } = finding;
            Problem { severity, message, help, file: Arc::clone(&file), place }
        });
        Self(placed.collect())
    }

    /// A problem with the file as a whole.
    pub(super) fn of_file(name: &str, message: String, help: &str) -> Self {
        let help = Some(help.to_owned());
        Self(vec![Problem { severity: Severity::Error, message, help, file: name.into(), place: None }])
    }

    /// A file that is no text. The line is not shown: nobody knows what it is.
    pub(super) fn not_utf8(name: &str, bytes: &[u8], error: Utf8Error) -> Self {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let (line, column) = line_and_column(&before, before.len());
        let mut problems = Self::of_file(name, "this is not UTF-8".into(), "save the file as UTF-8");
        for problem in &mut problems.0 {
            problem.place = Some(Place { line, column, shown: None });
        }
        problems
    }

    /// Each of them.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::config;
    /// # let toml = "[providers.billing]\ngrant = \"statik\"\ntoken = \"an-api-key\"";
    /// # let problems = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await.unwrap_err();
    /// let lines: Vec<_> = problems.iter().filter_map(|problem| problem.line()).collect();
    /// assert!(lines.contains(&2) && lines.is_sorted());
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// The whole report.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::config;
    /// # let toml = "[providers.billing]\ngrant = \"statik\"\ntoken = \"an-api-key\"";
    /// # let problems = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await.unwrap_err();
    /// use std::io::IsTerminal as _;
    /// use tokenkeep::config::Color;
    ///
    /// let color = if std::io::stderr().is_terminal() { Color::Always } else { Color::Never };
    /// let report = problems.render(color);
    /// eprintln!("{report}");
    /// assert!(report.contains("unknown grant"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn render(&self, color: Color) -> String {
        self.0.iter().map(|problem| problem.render(color)).collect::<Vec<_>>().join("\n\n")
    }

    pub(super) fn has_errors(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Color::Never))
    }
}

impl std::error::Error for Problems {}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        let errors = problems.0.iter().filter(|problem| problem.severity == Severity::Error);
        Self::new(Code::InvalidRequest, errors.map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }
}

/// One thing that is wrong with a configuration file.
///
/// `Display` is one line that starts with the place; [`Problem::render`] shows the line of the file too.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use tokenkeep::config;
/// # let toml = "[providers.billing]\ngrant = \"statik\"\ntoken = \"an-api-key\"";
/// # let problems = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await.unwrap_err();
/// for problem in &problems {
///     println!("{problem}"); // in one line, as editors read it
/// }
/// assert!(problems.iter().all(|problem| problem.to_string().starts_with("tokenkeep.toml:")));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Problem {
    severity: Severity,
    message: String,
    help: Option<String>,
    file: Arc<str>,
    place: Option<Place>,
}

impl Problem {
    /// An error of a whole file, found by whoever uses what stands in it.
    ///
    /// ```
    /// # use tokenkeep::config::{Problem, Severity};
    /// let problem = Problem::of_file("keep.toml", "its certificate cannot be read", "name another one");
    /// assert_eq!(problem.to_string(), "keep.toml: its certificate cannot be read (name another one)");
    /// assert_eq!((problem.severity(), problem.line()), (Severity::Error, None));
    /// ```
    pub fn of_file(file: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            help: Some(help.into()),
            file: file.into(),
            place: None,
        }
    }

    /// The same as a warning: the file can be used all the same.
    ///
    /// ```
    /// # use tokenkeep::config::{Problem, Severity};
    /// let problem = Problem::of_file("keep.toml", "its certificate cannot be read", "name another one");
    /// assert_eq!(problem.into_warning().severity(), Severity::Warning);
    /// ```
    #[must_use]
    pub fn into_warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// The same as an error, for a program that can use the file only as it stands there.
    ///
    /// ```
    /// # use tokenkeep::config::{Problem, Severity};
    /// let problem = Problem::of_file("keep.toml", "its certificate cannot be read", "name another one");
    /// assert_eq!(problem.into_warning().into_error().severity(), Severity::Error);
    /// ```
    #[must_use]
    pub fn into_error(self) -> Self {
        Self { severity: Severity::Error, ..self }
    }

    /// Whether it is that a store on a server has no `seal_keys`. That is a warning, since a program may have keys from
    /// somewhere else; for one that has none the file is of no use.
    ///
    /// ```
    /// # use tokenkeep::config::Problem;
    /// let problem = Problem::of_file("keep.toml", "its certificate cannot be read", "name another one");
    /// assert!(!problem.lacks_seal_keys());
    /// ```
    pub fn lacks_seal_keys(&self) -> bool {
        self.message == SERVERS_NEED_KEYS
    }

    /// How bad it is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::config;
    /// # let toml = "[providers.billing]\ngrant = \"statik\"\ntoken = \"an-api-key\"";
    /// # let problems = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await.unwrap_err();
    /// # let problem = problems.iter().next().ok_or("none")?;
    /// assert_eq!(problem.severity(), config::Severity::Error);
    /// # Ok(())
    /// # }
    /// ```
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What is wrong.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::config;
    /// # let toml = "[providers.billing]\ngrant = \"statik\"\ntoken = \"an-api-key\"";
    /// # let problems = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await.unwrap_err();
    /// # let problem = problems.iter().next().ok_or("none")?;
    /// assert_eq!(problem.message(), "unknown grant");
    /// # Ok(())
    /// # }
    /// ```
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::config;
    /// # let toml = "[providers.billing]\ngrant = \"statik\"\ntoken = \"an-api-key\"";
    /// # let problems = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await.unwrap_err();
    /// # let problem = problems.iter().next().ok_or("none")?;
    /// assert!(problem.help().is_some_and(|help| help.contains("static")));
    /// # Ok(())
    /// # }
    /// ```
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The name of the file.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::config;
    /// # let toml = "[providers.billing]\ngrant = \"statik\"\ntoken = \"an-api-key\"";
    /// # let problems = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await.unwrap_err();
    /// # let problem = problems.iter().next().ok_or("none")?;
    /// assert_eq!(problem.file(), "tokenkeep.toml");
    /// # Ok(())
    /// # }
    /// ```
    pub fn file(&self) -> &str {
        &self.file
    }

    /// In which line it is, counted from 1; `None` if it is about the file as a whole.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::config;
    /// # let toml = "[providers.billing]\ngrant = \"statik\"\ntoken = \"an-api-key\"";
    /// # let problems = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await.unwrap_err();
    /// # let problem = problems.iter().next().ok_or("none")?;
    /// assert_eq!(problem.line(), Some(2)); // grant = "statik"
    /// # Ok(())
    /// # }
    /// ```
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.line)
    }

    /// At which character of the line it starts, counted from 1.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::config;
    /// # let toml = "[providers.billing]\ngrant = \"statik\"\ntoken = \"an-api-key\"";
    /// # let problems = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await.unwrap_err();
    /// # let problem = problems.iter().next().ok_or("none")?;
    /// assert_eq!(problem.column(), Some(9)); // of "statik"
    /// # Ok(())
    /// # }
    /// ```
    pub fn column(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.column)
    }

    /// Shows it with the line of the file, secrets masked.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::config;
    /// # let toml = "[providers.billing]\ngrant = \"statik\"\ntoken = \"an-api-key\"";
    /// # let problems = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await.unwrap_err();
    /// # let problem = problems.iter().next().ok_or("none")?;
    /// let report = problem.render(config::Color::Never);
    /// assert!(report.contains("grant = \"statik\"") && !report.contains('\u{1b}'));
    /// # Ok(())
    /// # }
    /// ```
    pub fn render(&self, color: Color) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&*self.message);
        let group = match &self.place {
            None => title.element(Origin::path(&*self.file)),
            Some(Place { line, column, shown: None }) => {
                title.element(Origin::path(&*self.file).line(*line).char_column(*column))
            }
            Some(Place { line, shown: Some((text, mark)), .. }) => {
                let mark = AnnotationKind::Primary.span(mark.clone());
                title.element(Snippet::source(&**text).line_start(*line).path(&*self.file).annotation(mark))
            }
        };
        let help = self.help.as_ref().map(|help| Level::HELP.message(&**help));
        let renderer = match color {
            Color::Never => Renderer::plain(),
            Color::Always => Renderer::styled(),
        };
        self.with_true_column(renderer.render(&[group.elements(help)]))
    }

    /// The renderer counts columns in the masked line. Right of a mask that is not the column in the file.
    fn with_true_column(&self, report: String) -> String {
        let Some(Place { line, column, shown: Some((text, mark)) }) = &self.place else { return report };
        let shown_column = text[..mark.start].chars().count() + 1;
        let origin = |column: usize| format!("{}:{line}:{column}", self.file);
        if shown_column == *column { report } else { report.replacen(&origin(shown_column), &origin(*column), 1) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = &self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// How bad a problem is.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tokenkeep::config::{self, Severity};
///
/// let toml = "[providers.billing]\ngrant = \"static\"\ntoken = \"an-api-key\""; // a secret in the file itself
/// let config = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await?;
/// assert_eq!(config.warnings[0].severity(), Severity::Warning);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but should be changed.
    Warning,
}

/// Whether a report has colours, as terminals take them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use tokenkeep::config;
/// # let toml = "[providers.billing]\ngrant = \"statik\"\ntoken = \"an-api-key\"";
/// # let problems = config::parse(toml, "tokenkeep.toml", "".as_ref(), &|_: &str| None).await.unwrap_err();
/// use tokenkeep::config::Color;
///
/// assert!(problems.render(Color::Always).contains('\u{1b}'));
/// assert!(!problems.render(Color::Never).contains('\u{1b}'));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Plain text.
    Never,
    /// With ANSI escape codes.
    Always,
}

/// A problem before its place is looked up: `span` is in bytes of the file.
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) span: Option<Range<usize>>,
}

impl Finding {
    pub(super) fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), help: None, span: None }
    }

    pub(super) fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    pub(super) fn at(self, span: Range<usize>) -> Self {
        Self { span: Some(span), ..self }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

#[derive(Debug, Clone)]
struct Place {
    line: usize,
    column: usize,
    /// The masked line and the marked part of it.
    shown: Option<(String, Range<usize>)>,
}

impl Place {
    fn new(source: &str, masked: &Masked, span: &Range<usize>) -> Self {
        let (line, column) = line_and_column(source, span.start);
        let (text, mark) = masked.line(span);
        Self { line, column, shown: Some((text.to_owned(), mark)) }
    }
}

fn line_and_column(source: &str, at: usize) -> (usize, usize) {
    let before = &source[..source.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
