//! Counts requests by what a route's author chose, so that no caller can make the page grow.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{Method, StatusCode};

use super::names::{HTTP_DURATION, HTTP_REQUESTS};
use super::text::Page;

/// All routes that were asked for, by template.
#[derive(Debug, Default)]
pub(super) struct Http(ArcSwap<HashMap<Box<str>, Arc<Route>>>);

#[derive(Debug, Default)]
struct Route {
    answers: [Answers; METHODS.len()],
    /// How many took longer than a bound and at most the next one; the last lie above all bounds.
    took: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// Those of one method.
#[derive(Debug)]
struct Answers {
    by_status: [AtomicU64; STATUSES.len()],
    /// With a status that is not counted by itself.
    others: [AtomicU64; CLASSES.len()],
}

impl Http {
    pub(super) fn answered(&self, template: &str, method: &Method, status: StatusCode, took: Duration) {
        if let Some(route) = self.0.load().get(template) {
            return route.answered(method, status, took);
        }
        self.0.rcu(|routes| {
            let mut routes = HashMap::clone(routes);
            routes.entry(template.into()).or_default();
            routes
        });
        if let Some(route) = self.0.load().get(template) {
            route.answered(method, status, took);
        }
    }

    pub(super) fn write(&self, page: &mut Page) {
        let routes = self.0.load();
        let mut routes: Vec<_> = routes.iter().collect();
        routes.sort_unstable_by_key(|(template, _)| *template);
        page.family(&HTTP_REQUESTS, |samples| {
            for (template, route) in &routes {
                for (method, answers) in METHODS.iter().zip(&route.answers) {
                    for (status, count) in answers.counts() {
                        samples.add(&[("route", template), ("method", method), ("status", &status)], count);
                    }
                }
            }
        });
        page.family(&HTTP_DURATION, |samples| {
            for (template, route) in &routes {
                let sum = Duration::from_micros(route.sum_us.load(Ordering::Relaxed));
                samples.add_buckets(&[("route", template)], route.buckets(), sum);
            }
        });
    }
}

impl Route {
    fn answered(&self, method: &Method, status: StatusCode, took: Duration) {
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1);
        self.answers[method].of(status.as_u16()).fetch_add(1, Ordering::Relaxed);
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.took[BOUNDS_US.partition_point(|bound| *bound < took)].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(took, Ordering::Relaxed);
    }

    /// How many took at most so long, for each bound and then for none.
    fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = BOUNDS_US.iter().map(|bound| Some(Duration::from_micros(*bound))).chain([None]);
        let mut within = 0;
        bounds.zip(&self.took).map(move |(bound, count)| {
            within += count.load(Ordering::Relaxed);
            (bound, within)
        })
    }
}

impl Answers {
    fn of(&self, status: u16) -> &AtomicU64 {
        match STATUSES.binary_search(&status) {
            Ok(at) => &self.by_status[at],
            Err(_) => &self.others[usize::from(status / 100).saturating_sub(1).min(CLASSES.len() - 1)],
        }
    }

    /// What was answered at least once.
    fn counts(&self) -> impl Iterator<Item = (String, u64)> {
        let statuses = STATUSES.iter().map(ToString::to_string).chain(CLASSES.iter().map(ToString::to_string));
        let counts = self.by_status.iter().chain(&self.others).map(|count| count.load(Ordering::Relaxed));
        statuses.zip(counts).filter(|(_, count)| *count > 0)
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            by_status: std::array::from_fn(|_| AtomicU64::new(0)),
            others: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

/// The last stands for all others, of which callers can invent as many as they like.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "other"];
/// Those that are counted by themselves, sorted: what this server answers, and what APIs mostly do.
const STATUSES: [u16; 35] = [
    200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 412,
    413, 415, 416, 421, 422, 423, 429, 431, 500, 502, 503, 504,
];
/// What an API can invent is counted by its class.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// In microseconds. A token that is there is answered within the first.
const BOUNDS_US: [u64; 13] =
    [100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 100_000, 500_000, 1_000_000, 5_000_000, 30_000_000];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_counted_by_its_number_or_by_its_class_and_never_lost() {
        assert!(STATUSES.is_sorted());
        let http = Http::default();
        for status in 100..1000 {
            http.answered("/", &Method::GET, StatusCode::from_u16(status).unwrap(), Duration::from_millis(1));
        }
        let mut page = Page::default();
        http.write(&mut page);
        let page = page.into_text();
        let counts =
            page.lines().filter_map(|line| line.strip_prefix("tokenkeep_http_requests_total{")?.rsplit_once("} "));
        let counts: HashMap<_, u64> = counts.map(|(labels, count)| (labels, count.parse().unwrap())).collect();
        assert_eq!((counts.len(), counts.values().sum::<u64>()), (STATUSES.len() + CLASSES.len(), 900));
        assert_eq!(counts[r#"route="/",method="GET",status="401""#], 1);
        assert_eq!(counts[r#"route="/",method="GET",status="1xx""#], 100);
    }

    #[test]
    fn what_took_just_a_bound_lies_within_it() {
        let route = Route::default();
        for us in [0, 100, 101, 30_000_000, 30_000_001] {
            route.answered(&Method::GET, StatusCode::OK, Duration::from_micros(us));
        }
        let within: Vec<_> = route.buckets().map(|(_, within)| within).collect();
        assert_eq!((within[0], within[1], within[12], within[13]), (2, 3, 4, 5));
    }
}
