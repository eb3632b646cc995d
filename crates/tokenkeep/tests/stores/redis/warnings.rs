//! What a store says in the log.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// From here on the warnings of this thread are kept, which are those of a test that has one thread. A subscriber for one
/// thread would miss some: whether a line is wanted at all is remembered for all threads.
pub(super) fn keep() {
    static SET: Once = Once::new();
    SET.call_once(|| tracing::subscriber::set_global_default(Keeper).unwrap());
    take();
}

/// Those so far, and forgets them.
pub(super) fn take() -> String {
    KEPT.take()
}

struct Keeper;

thread_local! {
    static KEPT: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        KEPT.with_borrow_mut(|kept| event.record(&mut Fields(kept)));
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        writeln!(self.0, "{field}={value:?}").unwrap();
    }
}
