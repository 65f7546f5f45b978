//! What the hypervisor's instructions are spent on: an operation function by function, and the start.

use super::trace::{Code, Step, follow};
use crate::build::Firmware;
use crate::paths::read;
use crate::run::events::{self, Line};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Functions with fewer instructions than one in so many of the whole are shown together.
const SMALL: u64 = 50;

/// Instructions at S-EL2 by function.
#[derive(Default)]
pub struct Profile(BTreeMap<String, u64>);

impl Profile {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Those of functions whose name has this in it.
    pub fn of(&self, part: &str) -> u64 {
        let all = self.0.iter().filter(|(name, _)| name.contains(part));
        all.map(|(_, count)| count).sum()
    }

    /// The functions with most instructions first, and the rest together.
    pub fn lines(&self) -> Vec<(String, u64)> {
        let mut all: Vec<_> = self.0.iter().map(|(name, count)| (plain(name), *count)).collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let total = self.total();
        let (large, small): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, count)| count * SMALL >= total);
        let rest: u64 = small.iter().map(|(_, count)| count).sum();
        let others = (rest != 0).then(|| ("others".to_owned(), rest));
        large.into_iter().chain(others).collect()
    }

    /// As a table for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, count) in self.lines() {
            let _ = writeln!(text, "{count:>8}  {name}");
        }
        let _ = writeln!(text, "{:>8}  at S-EL2 together", self.total());
        text
    }
}

/// A function's name without the parameters of the policy's type, and without the crates' names.
fn plain(name: &str) -> String {
    let mut out = String::new();
    let mut depth = 0;
    for letter in name.chars() {
        match letter {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ if depth == 0 => out.push(letter),
            _ => {}
        }
    }
    let parts: Vec<_> = out.split("::").filter(|part| !part.is_empty()).collect();
    match parts.len() {
        0 => name.to_owned(),
        count => parts[count.saturating_sub(2)..].join("::"),
    }
}

/// A way through the hypervisor, and how often it was taken.
type Taken<'a> = (&'a [u64], u64);

/// The visits of the hypervisor while one operation is measured: how often each way through it was taken.
#[derive(Default)]
struct Visits {
    ways: BTreeMap<Vec<u64>, u64>,
}

impl Visits {
    /// The ways that belong to the rounds of the operation, with how often they were taken, and how many rounds there were:
    /// those that were taken half as often as the most frequent one, or more. None where these are not nearly all steps:
    /// then the rounds differ.
    fn of_the_rounds(&self) -> Option<(Vec<Taken<'_>>, u64)> {
        let rounds = self.ways.values().copied().max()?;
        let all = self.ways.iter().map(|(way, count)| (way.as_slice(), *count));
        let common: Vec<_> = all.clone().filter(|(_, count)| count * 2 > rounds).collect();
        let steps = |(way, count): Taken<'_>| way.len() as u64 * count;
        let (told, all): (u64, u64) = (common.iter().copied().map(steps).sum(), all.map(steps).sum());
        (told * 4 >= all * 3).then_some((common, rounds))
    }

    /// What a round of the operation is spent on.
    fn profile(&self, code: &Code) -> Option<Profile> {
        let (ways, rounds) = self.of_the_rounds()?;
        let mut profile = Profile::default();
        for (way, count) in ways {
            for address in way {
                *profile.0.entry(code.function(*address).to_owned()).or_default() += count;
            }
        }
        for count in profile.0.values_mut() {
            *count = (*count + rounds / 2) / rounds;
        }
        Some(profile)
    }
}

/// The profiles of operations, in the order in which they are measured; none where one is measured with another, or its
/// rounds differ.
pub fn operations(firmware: &Firmware) -> Result<Vec<(String, Profile)>> {
    let code = Code::of(&firmware.hypervisor)?;
    let (mut visits, mut way, mut all) = (Visits::default(), Vec::new(), Vec::new());
    let console = follow(firmware, &code, |step| {
        match step {
            Step::Inside(address) => {
                way.push(address);
                if code.leaves(address) {
                    *visits.ways.entry(std::mem::take(&mut way)).or_default() += 1;
                }
            }
            Step::Normal => visits = Visits::default(),
            Step::Report => all.push(std::mem::take(&mut visits).profile(&code)),
        }
        true
    })?;
    let text = read(&console)?;
    let text = String::from_utf8_lossy(&text);
    let names = text.lines().filter_map(|line| match events::read(line) {
        Line::Bench { operation, .. } => Some(operation),
        _ => None,
    });
    let all = names.zip(all);
    Ok(all.filter_map(|(name, profile)| Some((name, profile?))).collect())
}

/// What the start takes at S-EL2, from the hypervisor's first instruction to the normal world's.
pub fn start(firmware: &Firmware) -> Result<Profile> {
    let code = Code::of(&firmware.hypervisor)?;
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    let mut started = false;
    follow(firmware, &code, |step| {
        match step {
            Step::Inside(address) => *counts.entry(address).or_default() += 1,
            Step::Normal | Step::Report => started = true,
        }
        !started
    })?;
    started.then_some(()).context("the normal world did not start")?;
    let mut profile = Profile::default();
    for (address, count) in counts {
        *profile.0.entry(code.function(address).to_owned()).or_default() += count;
    }
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short() {
        let name = "bulkhead_core::direct::<impl bulkhead_core::spmc::Spmc<_,_,_,_,_,S>>::undelivered";
        assert_eq!(plain(name), "direct::undelivered");
        assert_eq!(plain("<bulkhead::machine::Machine as api::Ports>::read"), "read");
        assert_eq!(plain("guest_left"), "guest_left");
    }

    #[test]
    fn rounds_that_differ_are_no_profile() {
        let visits = |ways: &[(&[u64], u64)]| Visits {
            ways: ways.iter().map(|(way, count)| (way.to_vec(), *count)).collect(),
        };
        let same = visits(&[(&[4, 8], 40), (&[4, 12], 2), (&[99], 1)]);
        assert_eq!(same.of_the_rounds(), Some((vec![(&[4, 8][..], 40)], 40)));
        let two = visits(&[(&[4, 8], 20), (&[4, 12], 21), (&[99; 4], 1)]);
        assert_eq!(
            two.of_the_rounds().map(|(ways, rounds)| (ways.len(), rounds)),
            Some((2, 21))
        );
        let other = visits(&[(&[4, 8], 20), (&[4; 50], 1), (&[5; 50], 1), (&[6; 50], 1)]);
        assert_eq!(other.of_the_rounds(), None);
        assert_eq!(Visits::default().of_the_rounds(), None);
    }

    #[test]
    fn small_functions_are_shown_together() {
        let counts = [("a::b::large", 990), ("small", 6), ("smaller", 4)];
        let profile = Profile(counts.map(|(name, count)| (name.to_owned(), count)).into());
        assert_eq!(
            profile.lines(),
            [("b::large".to_owned(), 990), ("others".to_owned(), 10)]
        );
        assert_eq!((profile.total(), profile.of("small")), (1000, 10));
    }
}
