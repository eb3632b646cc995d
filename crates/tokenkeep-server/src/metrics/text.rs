//! The text format of Prometheus, version 0.0.4: families of samples, each with labels.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use tokenkeep::measurements::Histogram;

use super::names::Family;

/// A page of metrics.
#[derive(Debug, Default)]
pub(super) struct Page(String);

/// A label and its value.
pub(super) type Label<'a> = (&'static str, &'a str);

impl Page {
    /// The samples of a family, or nothing of it if there are none.
    pub(super) fn family(&mut self, family: &'static Family, write: impl FnOnce(&mut Samples<'_>)) {
        let before = self.0.len();
        let Family { name, kind, help } = family;
        self.add(format_args!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.as_str()));
        let head = self.0.len();
        write(&mut Samples { page: self, name });
        if self.0.len() == head {
            self.0.truncate(before);
        }
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }

    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing into a string does not fail.
        self.0.write_fmt(text).ok();
    }
}

/// Where the samples of one family go.
pub(super) struct Samples<'a> {
    page: &'a mut Page,
    name: &'static str,
}

impl Samples<'_> {
    pub(super) fn add(&mut self, labels: &[Label<'_>], value: impl Display) {
        self.sample("", labels, value);
    }

    pub(super) fn add_histogram(&mut self, labels: &[Label<'_>], histogram: &Histogram) {
        let bounded = histogram.buckets().map(|(bound, within)| (Some(bound), within));
        self.add_buckets(labels, bounded.chain([(None, histogram.count())]), histogram.sum());
    }

    /// A histogram, as how many lie within each bound. The last has none, so all lie within it.
    pub(super) fn add_buckets(
        &mut self,
        labels: &[Label<'_>],
        buckets: impl Iterator<Item = (Option<Duration>, u64)>,
        sum: Duration,
    ) {
        let mut count = 0;
        for (bound, within) in buckets {
            let bound = bound.map_or("+Inf".to_owned(), |bound| bound.as_secs_f64().to_string());
            self.sample("_bucket", &[labels, &[("le", &bound)]].concat(), within);
            count = within;
        }
        self.sample("_sum", labels, sum.as_secs_f64());
        self.sample("_count", labels, count);
    }

    fn sample(&mut self, suffix: &str, labels: &[Label<'_>], value: impl Display) {
        self.page.add(format_args!("{}{suffix}", self.name));
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            self.page.add(format_args!("{before}{label}=\"{}\"", escaped(text)));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        self.page.add(format_args!("{after} {value}\n"));
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::super::names::{CONNECTIONS, FLIGHTS};
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_label_and_what_has_no_samples_is_not_there() {
        let mut page = Page::default();
        page.family(&CONNECTIONS, |_| {});
        page.family(&FLIGHTS, |samples| {
            samples.add(&[("provider", "a"), ("key", "a:\"\n\\")], 1);
            samples.add(&[], 2.5);
        });
        let text = page.into_text();
        let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(samples, [r#"tokenkeep_flights{provider="a",key="a:\"\n\\"} 1"#, "tokenkeep_flights 2.5"]);
        assert!(!text.contains(CONNECTIONS.name));
    }
}
