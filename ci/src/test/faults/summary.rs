//! What a campaign has found, in lines.

use super::round::{End, Round};
use std::collections::BTreeMap;
use std::fmt::Debug;

/// The lines: rounds by TEE, by injury, by core and level, and by what came of them; attacks; times.
pub fn lines(rounds: &[Round], back_after: &[u64]) -> Vec<String> {
    let level = |round: &Round| format!("EL{} of core {}", round.level, round.core);
    let mut lines = vec![
        format!("by TEE: {}", counted(rounds, |round| round.partition.clone())),
        format!("by injury: {}", counted(rounds, |round| word(&round.injury))),
        format!("by place: {}", counted(rounds, level)),
        format!(
            "by outcome: {}",
            counted(rounds, |round| round
                .end
                .map_or("none".to_owned(), |end| word(&end)))
        ),
    ];
    let refused: Vec<_> = rounds.iter().flat_map(|round| &round.refused).collect();
    let kinds: std::collections::BTreeSet<_> = refused.iter().collect();
    lines.push(format!(
        "attacks refused: {}, of {} kinds",
        refused.len(),
        kinds.len()
    ));
    for (what, number) in [("its client's error", 0), ("the first good call", 1)] {
        for (which, hung) in [("hung", true), ("others", false)] {
            let of = rounds
                .iter()
                .filter(|round| (round.end == Some(End::Hung)) == hung);
            let times = of
                .filter_map(Round::times)
                .map(|times| times[number].as_millis() as u64);
            if let Some(spread) = spread(times.collect()) {
                lines.push(format!("from the fault to {what}, {which}: {spread} ms"));
            }
        }
    }
    if let Some(spread) = spread(back_after.iter().map(|micros| micros / 1000).collect()) {
        lines.push(format!(
            "from a failure until its TEE is ready again: {spread} ms"
        ));
    }
    lines
}

fn word(thing: &impl Debug) -> String {
    format!("{thing:?}")
}

/// How many rounds there are of each kind.
fn counted(rounds: &[Round], kind: impl Fn(&Round) -> String) -> String {
    let mut counts = BTreeMap::new();
    for round in rounds {
        *counts.entry(kind(round)).or_insert(0) += 1;
    }
    let words: Vec<_> = counts
        .iter()
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    words.join(", ")
}

/// The median, what one in twenty exceeds, and the longest.
fn spread(mut times: Vec<u64>) -> Option<String> {
    times.sort_unstable();
    let at = |part: usize| times.get((times.len() * part / 100).min(times.len().saturating_sub(1)));
    Some(format!(
        "median {}, 95 % {}, longest {} of {}",
        at(50)?,
        at(95)?,
        times.last()?,
        times.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn times_have_their_spread() {
        assert_eq!(spread(Vec::new()), None);
        assert_eq!(spread(vec![7]).unwrap(), "median 7, 95 % 7, longest 7 of 1");
        let many = (1..=100).rev().collect();
        assert_eq!(spread(many).unwrap(), "median 51, 95 % 96, longest 100 of 100");
    }
}
