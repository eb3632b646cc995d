//! The tables, as Markdown.

use std::fmt::Write as _;
use std::time::Duration;

use crate::company::Kind;
use crate::tally::{Call, Outcome, Tally, quantile};
use crate::vendor::Vendor;

/// All that was counted.
pub(crate) fn table(tally: &Tally, vendor: &Vendor) -> String {
    let calls = tally.calls();
    let logins = vendor.logins();
    let allowed = logins.iter().filter(|(_, is_allowed)| *is_allowed).count();
    let mut text = "| companies | calls | found a token | waited for a login | were told to come back |\n\
                    |---|---|---|---|---|\n"
        .to_owned();
    let mut row = |name: String, is_meant: &dyn Fn(&Call) -> bool| {
        let meant = || calls.iter().filter(|call| is_meant(call));
        let of = |outcome: fn(&Outcome) -> bool| meant().filter(|call| outcome(&call.outcome)).count();
        let hits = of(|outcome| matches!(outcome, Outcome::Hit(_)));
        let (waited, told) = (
            of(|outcome| matches!(outcome, Outcome::Waited(_))),
            of(|outcome| matches!(outcome, Outcome::ToldToComeBack(_))),
        );
        let all = meant().count();
        // Writing to a string does not fail.
        writeln!(text, "| {name} | {all} | {hits}, {:.2} % | {waited} | {told} |", percent(hits, all)).ok();
    };
    for kind in Kind::ALL {
        let name = match kind {
            Kind::Busy => "busy",
            Kind::Steady => "steady",
            Kind::Rare => "rare",
        };
        let name = format!("{} {name}, a call each {} s", kind.companies(), kind.pause().as_secs());
        row(name, &|call| call.kind == kind);
    }
    row("active: busy and steady".into(), &|call| call.kind != Kind::Rare);
    row("all".into(), &|_| true);

    text.push_str("\n| callers who | p50 | p99 | p99.9 | longest |\n|---|---|---|---|---|\n");
    let ways: [(&str, Took); 3] = [
        ("found a token", |outcome| if let Outcome::Hit(took) = outcome { Some(took) } else { None }),
        ("waited for a login", |outcome| if let Outcome::Waited(took) = outcome { Some(took) } else { None }),
        ("were told to come back, until they had one", |outcome| {
            if let Outcome::ToldToComeBack(took) = outcome { Some(took) } else { None }
        }),
    ];
    for (name, took) in ways {
        let mut times: Vec<_> = calls.iter().filter_map(|call| took(call.outcome)).collect();
        times.sort_unstable();
        let [half, most, nearly, all] = [0.5, 0.99, 0.999, 1.0].map(|part| shown(quantile(&times, part)));
        writeln!(text, "| {name} | {half} | {most} | {nearly} | {all} |").ok();
    }

    let saved = 100.0 - percent(logins.len(), calls.len());
    writeln!(
        text,
        "\n| the vendor | |\n|---|---|\n\
         | logins | {allowed}, and {} answered with 429 |\n\
         | logins for 100 calls | {:.2}: {saved:.2} % fewer logins than calls |\n\
         | most logins in any minute | {} |\n\
         | calls of its API refused with 401 | {}, and {} once more with a new token |",
        logins.len() - allowed,
        100.0 - saved,
        vendor.most_in_a_window(),
        vendor.refused_calls(),
        tally.twice(),
    )
    .ok();
    text
}

/// How long a call took, if it went one way.
type Took = fn(Outcome) -> Option<Duration>;

#[expect(clippy::cast_precision_loss, reason = "a number of calls")]
fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// In the unit that suits it.
pub(crate) fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        ..1e-3 => format!("{:.1} µs", seconds * 1e6),
        ..1.0 => format!("{:.0} ms", seconds * 1e3),
        _ => format!("{seconds:.1} s"),
    }
}
