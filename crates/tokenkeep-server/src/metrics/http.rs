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
    answers: [[AtomicU64; CLASSES.len()]; METHODS.len()],
    took_us: AtomicU64,
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
                for (method, class, count) in route.counts() {
                    samples.add(&[("route", template), ("method", method), ("status", class)], count);
                }
            }
        });
        page.family(&HTTP_DURATION, |samples| {
            for (template, route) in &routes {
                let count = route.counts().map(|(_, _, count)| count).sum();
                let sum = Duration::from_micros(route.took_us.load(Ordering::Relaxed));
                samples.add_summary(&[("route", template)], sum, count);
            }
        });
    }
}

impl Route {
    fn answered(&self, method: &Method, status: StatusCode, took: Duration) {
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1);
        let class = usize::from(status.as_u16() / 100).saturating_sub(1).min(CLASSES.len() - 1);
        self.answers[method][class].fetch_add(1, Ordering::Relaxed);
        self.took_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What was answered at least once.
    fn counts(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let of_method = |(method, classes): (&&'static str, &[AtomicU64; CLASSES.len()])| {
            let method = *method;
            let counts: [u64; CLASSES.len()] = std::array::from_fn(|class| classes[class].load(Ordering::Relaxed));
            CLASSES.into_iter().zip(counts).map(move |(class, count)| (method, class, count))
        };
        METHODS.iter().zip(&self.answers).flat_map(of_method).filter(|(_, _, count)| *count > 0)
    }
}

/// The last stands for all others, of which callers can invent as many as they like.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "other"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
