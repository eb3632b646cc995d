//! Takes the limit and ours in turn, so that what else the machine does befalls both.

use crate::machine::cpu_time;

/// What was measured, one number per round, in no particular unit.
#[derive(Debug, Clone)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn new(values: Vec<f64>) -> Self {
        Self(values)
    }

    pub(crate) fn into_values(self) -> Vec<f64> {
        self.0
    }

    pub(crate) fn median(&self) -> f64 {
        quantile(&self.0, 0.5)
    }

    pub(crate) fn min(&self) -> f64 {
        quantile(&self.0, 0.0)
    }

    pub(crate) fn max(&self) -> f64 {
        quantile(&self.0, 1.0)
    }

    /// Each round divided by the same round of the limit, so that a slow minute cancels out.
    pub(crate) fn over(&self, limit: &Self) -> Self {
        Self(self.0.iter().zip(&limit.0).map(|(ours, limit)| ours / limit).collect())
    }
}

/// The value below which this part of the values lies.
pub(crate) fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the number of values")]
    #[expect(clippy::cast_precision_loss, reason = "a number of samples")]
    let index = ((sorted.len().saturating_sub(1)) as f64 * part).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// Nanoseconds of work per operation, for each of the bodies, in turn: A B C, C B A, A B C … The first round warms up.
pub(crate) fn work_in_turn<const N: usize>(rounds: usize, operations: usize, bodies: [Body<'_>; N]) -> [Samples; N] {
    work_in_turn_beside(rounds, operations, bodies, &PeerWork { operations, bodies: Vec::new() }).0
}

/// The same, and for each of the peers.
pub(crate) fn work_in_turn_beside<const N: usize>(
    rounds: usize,
    operations: usize,
    mut bodies: [Body<'_>; N],
    peers: &PeerWork<'_>,
) -> ([Samples; N], Vec<Samples>) {
    let mut samples = [const { Vec::new() }; N];
    let mut beside = vec![Vec::new(); peers.bodies.len()];
    for round in 0..=rounds {
        let mut order: Vec<_> = (0..N + beside.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let (work, operations, samples) = match index.checked_sub(N) {
                None => (nanos_of_work(|| bodies[index](round)), operations, &mut samples[index]),
                Some(peer) => (nanos_of_work(&peers.bodies[peer]), peers.operations, &mut beside[peer]),
            };
            if round > 0 {
                samples.push(per(work, operations));
            }
        }
    }
    (samples.map(Samples), beside.into_iter().map(Samples).collect())
}

/// What the peers do, and how many operations that is, for each.
pub(crate) struct PeerWork<'a> {
    pub(crate) operations: usize,
    pub(crate) bodies: Vec<Box<dyn Fn() + 'a>>,
}

/// What is measured; it is told which round it is.
pub(crate) type Body<'a> = &'a mut dyn FnMut(usize);

/// Nanoseconds that the cores work for this.
pub(crate) fn nanos_of_work(body: impl FnOnce()) -> f64 {
    let before = cpu_time();
    body();
    cpu_time().saturating_sub(before).as_secs_f64() * 1e9
}

/// An amount for each of so many.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(crate) fn per(amount: f64, count: usize) -> f64 {
    amount / count as f64
}
