//! The picture: calls and hit ratio by minute, logins by minute below their limit, and how long calls took.

use std::fmt::Write as _;
use std::time::Duration;

use crate::tally::{Outcome, Tally, quantile};
use crate::time::{MINUTES, minute};
use crate::vendor::{LIMITED, LOSS, Vendor};

/// A document that any browser shows, light or dark.
pub(crate) fn svg(tally: &Tally, vendor: &Vendor) -> String {
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} 560\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Two hours of 500 companies at a vendor that allows ten logins a minute</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let minutes = tally.by_minute();
    let share = |(hits, all): (usize, usize)| if all == 0 { 100.0 } else { 100.0 * number(hits) / number(all) };
    let ratios: Vec<_> = minutes.iter().copied().map(share).collect();
    let hits = Panel { top: 40.0, name: "calls that found a token, % of each minute", most: 100.0, unit: "%" };
    hits.frame(&mut text);
    hits.line(&mut text, &ratios, "#1f6f43");

    let mut logins = vec![0.0; MINUTES];
    for (at, _) in vendor.logins() {
        logins[minute(at)] += 1.0;
    }
    let panel = Panel { top: 220.0, name: "logins in each minute; the line is the budget", most: 12.0, unit: "" };
    panel.frame(&mut text);
    panel.bars(&mut text, &logins, "#3b6ea8");
    let budget = panel.y(10.0);
    line(&mut text, (LEFT, budget), (RIGHT, budget), "#b03a2e");
    for (at, what) in [(LIMITED.0, "the vendor allows no login for 3 min"), (LOSS.0, "30 sessions lost at once")] {
        let x = x(at.as_secs_f64() / 60.0);
        line(&mut text, (x, hits.top), (x, panel.top + HEIGHT), "#999");
        let anchor = if at == LIMITED.0 { "end" } else { "start" };
        let x = if at == LIMITED.0 { x - 4.0 } else { x + 4.0 };
        label(&mut text, (x, hits.top + HEIGHT + 14.0), anchor, what);
    }
    distribution(&mut text, tally);
    text.push_str("</svg>\n");
    text
}

/// Which part of all calls took longer than a time; both axes by powers of ten.
fn distribution(text: &mut String, tally: &Tally) {
    let calls = tally.calls().into_iter().map(|call| match call.outcome {
        Outcome::Hit(took) | Outcome::Waited(took) | Outcome::ToldToComeBack(took) => took,
    });
    let mut times: Vec<_> = calls.collect();
    times.sort_unstable();
    let (top, bottom) = (400.0, 400.0 + HEIGHT);
    label(
        text,
        (LEFT, top - 8.0),
        "start",
        "how long calls for a token took: at most so long, for this part of all calls",
    );
    let across =
        |time: Duration| LEFT + (RIGHT - LEFT) * ((time.as_secs_f64().max(1e-7).log10() + 7.0) / 10.0).min(1.0);
    for (power, name) in
        ["100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"].iter().enumerate()
    {
        let x = LEFT + (RIGHT - LEFT) * number(power) / 10.0;
        line(text, (x, top), (x, bottom), if *name == "10 ms" { "#b03a2e" } else { "#eee" });
        label(text, (x, bottom + 14.0), "middle", name);
    }
    let mut points = String::new();
    for (step, name) in ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"].iter().enumerate() {
        let y = bottom - HEIGHT * number(step) / 4.0;
        line(text, (LEFT, y), (RIGHT, y), "#eee");
        label(text, (LEFT - 6.0, y + 4.0), "end", name);
    }
    for step in 0..=400 {
        let part = number(step) / 100.0;
        let time = quantile(&times, 1.0 - 10f64.powf(-part));
        write!(points, "{:.1},{:.1} ", across(time), bottom - HEIGHT * part / 4.0).ok();
    }
    polyline(text, &points, "#1f6f43");
}

/// Two hours from left to right.
struct Panel {
    top: f64,
    name: &'static str,
    most: f64,
    unit: &'static str,
}

impl Panel {
    fn y(&self, value: f64) -> f64 {
        self.top + HEIGHT * (1.0 - value / self.most)
    }

    fn frame(&self, text: &mut String) {
        label(text, (LEFT, self.top - 8.0), "start", self.name);
        for quarter in 0..=4 {
            let value = self.most * number(quarter) / 4.0;
            line(text, (LEFT, self.y(value)), (RIGHT, self.y(value)), "#eee");
            label(text, (LEFT - 6.0, self.y(value) + 4.0), "end", &format!("{value:.0}{}", self.unit));
        }
        for hour in 0..=4 {
            let at = format!("{}:{:02}", 8 + hour / 2, hour % 2 * 30);
            label(text, (x(number(hour) * 30.0), self.top + HEIGHT + 28.0), "middle", &at);
        }
    }

    fn line(&self, text: &mut String, values: &[f64], colour: &str) {
        let mut points = String::new();
        for (minute, value) in values.iter().enumerate() {
            write!(points, "{:.1},{:.1} ", x(number(minute) + 0.5), self.y(*value)).ok();
        }
        polyline(text, &points, colour);
    }

    fn bars(&self, text: &mut String, values: &[f64], colour: &str) {
        for (minute, value) in values.iter().enumerate() {
            let (left, width, top) = (x(number(minute)), x(0.8) - x(0.0), self.y(*value));
            let height = self.top + HEIGHT - top;
            writeln!(
                text,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
            )
            .ok();
        }
    }
}

/// Where a minute lies.
fn x(minute: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * minute / number(MINUTES)
}

// Writing to a string does not fail.

fn line(text: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str) {
    writeln!(text, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"/>").ok();
}

fn polyline(text: &mut String, points: &str, colour: &str) {
    let points = points.trim_end();
    writeln!(text, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>").ok();
}

fn label(text: &mut String, (x, y): (f64, f64), anchor: &str, what: &str) {
    writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#333\">{what}</text>").ok();
}

#[expect(clippy::cast_precision_loss, reason = "counts of calls and minutes")]
fn number(count: usize) -> f64 {
    count as f64
}

const WIDTH: f64 = 800.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 780.0;
const HEIGHT: f64 = 110.0;
