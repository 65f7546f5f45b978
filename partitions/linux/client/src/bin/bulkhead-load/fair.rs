//! Whether the TEEs, and the clients of each, had a fair share.

use std::time::Instant;

use crate::clients::Crowd;
use crate::{SUITE, say};
use bulkhead_client::tees::Tee;

/// TEEs of one kind, with the same clients, must be within this of each other: the one with the fewest calls has at
/// least so many hundredths of the one with the most.
const TEES: u64 = 75;
/// The same for the clients of one TEE. They are few, and chance gives some more long calls.
const CLIENTS: u64 = 50;

/// Right calls of each TEE's clients in the time in which all of them called.
pub struct Shares {
    tees: Vec<(Tee, Vec<u64>)>,
}

impl Shares {
    /// From here on all of them call.
    pub fn begin(crowd: &Crowd, tees: &[Tee]) -> Shares {
        let tees = tees.iter().map(|tee| (tee.clone(), crowd.right(tee)));
        Shares { tees: tees.collect() }
    }

    /// To here.
    pub fn end(mut self, crowd: &Crowd) -> Shares {
        for (tee, calls) in &mut self.tees {
            for (before, after) in calls.iter_mut().zip(crowd.right(tee)) {
                *before = after.saturating_sub(*before);
            }
        }
        self
    }

    /// Tells of them: a case for each kind of TEE of which there are several, and one for each TEE's clients.
    pub fn report(&self, start: Instant) -> bool {
        let mut ok = true;
        let mut kinds: Vec<&str> = self.tees.iter().map(|(tee, _)| tee.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let of = self.tees.iter().filter(|(tee, _)| tee.kind == kind);
            let calls: Vec<u64> = of.map(|(_, calls)| calls.iter().sum()).collect();
            if calls.len() > 1 {
                ok &= one("-", &format!("TEEs of kind {kind}"), &calls, TEES, start);
            }
        }
        for (tee, calls) in &self.tees {
            ok &= one(&tee.name, "clients of one TEE", calls, CLIENTS, start);
        }
        ok
    }
}

fn one(tee: &str, whose: &str, calls: &[u64], bound: u64, start: Instant) -> bool {
    let share = hundredths(calls);
    say::figure(
        SUITE,
        tee,
        &format!("fewest calls of {whose}, in hundredths of the most"),
        share,
    );
    let detail = format!("{calls:?}: {share} hundredths, {bound} at least");
    say::case(
        SUITE,
        tee,
        &format!("a fair share: {whose}"),
        share >= bound,
        start,
        &detail,
    )
}

/// The smallest as hundredths of the largest.
fn hundredths(calls: &[u64]) -> u64 {
    let (least, most) = (calls.iter().min(), calls.iter().max());
    match (least, most) {
        (Some(least), Some(most)) if *most > 0 => least * 100 / most,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::hundredths;

    #[test]
    fn shares() {
        assert_eq!(hundredths(&[80, 100, 90]), 80);
        assert_eq!(hundredths(&[5]), 100);
        assert_eq!(hundredths(&[0, 7]), 0);
        assert_eq!(hundredths(&[0, 0]), 0, "who did nothing had no share");
        assert_eq!(hundredths(&[]), 0);
    }
}
