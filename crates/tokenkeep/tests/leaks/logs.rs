//! Keeps every log line of every crate, whether it logs by `tracing` or by `log`.

use std::fmt::{self, Write as _};
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// One event or span.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) target: String,
    pub(crate) text: String,
}

/// From here on every line of this process is kept.
pub(crate) fn keep_all() {
    static KEEPING: Once = Once::new();
    KEEPING.call_once(|| {
        tracing::subscriber::set_global_default(Keeper).unwrap();
        log::set_logger(&Keeper).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
}

/// What was kept so far.
pub(crate) fn kept() -> Vec<Line> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

struct Keeper;

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

fn keep(target: &str, text: String) {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).push(Line { target: target.to_owned(), text });
}

impl Subscriber for Keeper {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        span.record(&mut fields);
        keep(span.metadata().target(), format!("{}{}", span.metadata().name(), fields.0));
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, values: &Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        keep("span", fields.0);
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        keep(event.metadata().target(), fields.0);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {field}={value}").unwrap();
    }
}

impl log::Log for Keeper {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        keep(record.target(), record.args().to_string());
    }

    fn flush(&self) {}
}
