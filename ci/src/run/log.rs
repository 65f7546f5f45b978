//! What the hypervisor's log says about each partition, read back after a run.

use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Preemption figures of one partition: the last ones that the hypervisor gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preemptions {
    /// Interrupts of the normal world that came while it ran.
    pub total: u64,
    /// Those answered by a managed exit in time.
    pub managed: u64,
    /// Those after which the context was left where it was.
    pub forced: u64,
    /// Contexts that went on with another core.
    pub migrated: u64,
}

/// What a run's log says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Partitions that finished their start.
    pub ready: BTreeSet<String>,
    /// Preemptions by partition.
    pub preemptions: BTreeMap<String, Preemptions>,
    /// Failures of partitions, in their order.
    pub failures: Vec<Failure>,
    /// Microseconds from each failure until its partition was ready again.
    pub back_after: Vec<u64>,
    /// What each restart's clearing, copying and measuring took together, and the longest of its slices, in microseconds.
    pub restored: Vec<[u64; 2]>,
}

/// A failure of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The partition's name.
    pub partition: String,
    /// Why, in the hypervisor's words.
    pub why: String,
    /// Its general registers, from x0 on, once they are told.
    pub registers: Vec<u64>,
}

/// How the hypervisor's lines of failures begin, behind the partition's name.
const FAILURES: [&str; 5] = [
    "failed on core",
    "gave itself up",
    "turned itself off",
    "did not start",
    "failed to start",
];

/// Reads the log of the run in `folder`.
pub fn read(folder: &Path) -> Result<Log> {
    let bytes = crate::paths::read(&folder.join("hypervisor.log"))?;
    Ok(parse(&String::from_utf8_lossy(&bytes)))
}

/// What these lines of a log say.
pub fn parse(text: &str) -> Log {
    let mut log = Log::default();
    for line in text.lines() {
        // time, level, partition with a colon, what happened; a partition's own console has no level
        // and a bar behind its name, so it can say nothing that counts here.
        let mut words = line.split_whitespace();
        let (Some(_), Some(level), Some(name)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let Some(name) = name.strip_suffix(':') else {
            continue;
        };
        let rest: Vec<&str> = words.collect();
        match (level, rest.as_slice()) {
            ("info", ["ready"]) => drop(log.ready.insert(name.to_owned())),
            ("info", ["ready", "again", micros, ..]) => log.back_after.extend(micros.parse::<u64>()),
            ("info", ["cleared,", ..]) => log.restored.extend(restored(&rest)),
            ("error", what) if is_failure(what) => log.failures.push(Failure {
                partition: name.to_owned(),
                why: what.join(" "),
                registers: Vec::new(),
            }),
            ("debug", ["record", "x", list @ ..]) => {
                let mut failures = log.failures.iter_mut().rev();
                if let Some(failure) = failures.find(|failure| failure.partition == name) {
                    failure.registers = registers(&list.join(" "));
                }
            }
            (
                "debug",
                [
                    "preempted",
                    total,
                    "managed",
                    managed,
                    "forced",
                    forced,
                    "migrated",
                    migrated,
                ],
            ) => {
                let number = |word: &str| word.parse().unwrap_or(0);
                let figures = Preemptions {
                    total: number(total),
                    managed: number(managed),
                    forced: number(forced),
                    migrated: number(migrated),
                };
                log.preemptions.insert(name.to_owned(), figures);
            }
            _ => {}
        }
    }
    log
}

/// All slices of a restart together, and the longest one: the numbers behind `slices of` and `longest`.
fn restored(words: &[&str]) -> Option<[u64; 2]> {
    let behind = |mark: &[&str]| {
        let at = words.windows(mark.len()).position(|some| some == mark)?;
        words.get(at + mark.len())?.parse().ok()
    };
    Some([behind(&["slices", "of"])?, behind(&["longest"])?])
}

/// A list of registers; empty where it is torn.
fn registers(list: &str) -> Vec<u64> {
    let inner = list.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let word = |word: &str| u64::from_str_radix(word.trim().strip_prefix("0x")?, 16).ok();
    inner
        .and_then(|inner| inner.split(',').map(word).collect())
        .unwrap_or_default()
}

/// Whether these words, behind a partition's name, tell of its failure.
fn is_failure(words: &[&str]) -> bool {
    let what = words.join(" ");
    FAILURES.iter().any(|failure| what.starts_with(failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_and_returns_are_read() {
        let log = parse(
            "    0.1 info  a: ready\n\
                 0.2       a| 0.2 error a: failed on core 0\n\
                 0.3 error a: failed on core 0 by a load\n\
                 1.2 info  a: cleared, restored and measured in 9 slices of 8000 us together, the longest 990 us, 1400 us after its failure\n\
                 1.2 info  a: ready again 1500 us after its failure\n\
                 1.3       b| c: ready again 7 us after its failure\n",
        );
        assert_eq!(log.restored, [[8000, 990]]);
        assert_eq!(log.back_after, [1500]);
        let failures: Vec<_> = log.failures.iter().map(|failure| failure.why.as_str()).collect();
        assert_eq!(failures, ["failed on core 0 by a load"]);
    }

    #[test]
    fn each_failure_has_its_registers() {
        let log = parse(
            "0.3 error a: failed on core 0 by a load\n\
             0.3 error b: gave itself up on core 1 with code 0x0\n\
             0.3 debug a: record x [0x1, 0xff]\n\
             0.3 debug b: record x [0x2, 0\n\
             0.3       b| debug b: record x [0x3]\n\
             0.4 debug c: record x [0x4]\n",
        );
        let seen: Vec<_> = log
            .failures
            .iter()
            .map(|f| (f.partition.as_str(), f.registers.clone()))
            .collect();
        assert_eq!(seen, [("a", vec![1, 255]), ("b", vec![])]);
    }

    #[test]
    fn figures_and_starts_are_read() {
        let log = parse(
            "    0.1 info  vendor-a: ready\n\
                 0.2       vendor-b| 0.3 info vendor-b: ready\n\
                 1.5 debug vendor-a: preempted 4 managed 3 forced 1 migrated 0\n\
                 2.5 debug vendor-a: preempted 256 managed 250 forced 5 migrated 2\n",
        );
        assert_eq!(log.ready, BTreeSet::from(["vendor-a".to_owned()]));
        let last = Preemptions {
            total: 256,
            managed: 250,
            forced: 5,
            migrated: 2,
        };
        assert_eq!(log.preemptions, BTreeMap::from([("vendor-a".to_owned(), last)]));
    }
}
