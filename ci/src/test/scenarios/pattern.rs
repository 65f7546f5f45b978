//! What a line has to say: its words, with `*` for anything between them.

use super::file::{Log, Said};
use serde::{Deserialize, Deserializer, de};
use std::fmt;

/// A pattern. It is looked for anywhere in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<String>);

impl Pattern {
    /// From its text.
    pub fn new(text: &str) -> Self {
        Self(text.split('*').map(str::to_owned).collect())
    }

    /// Whether it is in a line.
    pub fn is_in(&self, line: &str) -> bool {
        let mut rest = line;
        self.0.iter().all(|part| match rest.find(part.as_str()) {
            Some(at) => {
                rest = rest.get(at + part.len()..).unwrap_or_default();
                true
            }
            None => false,
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0.join("*"))
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.trim_matches(['*', ' ']).is_empty() {
            return Err(de::Error::custom(
                "an empty pattern is in every line; write what is to be said",
            ));
        }
        Ok(Self::new(&text))
    }
}

/// What was said in a run, as its logs have it.
#[derive(Debug, Default)]
pub struct Heard {
    /// The hypervisor's log, the partitions' consoles in it.
    pub hypervisor: String,
    /// The normal world's console.
    pub console: String,
}

impl Heard {
    /// The lines of one log, each as whoever wrote it did.
    fn lines<'a>(&'a self, log: &'a Log) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        match log {
            Log::NormalWorld => Box::new(self.console.lines()),
            Log::Hypervisor => Box::new(self.hypervisor.lines().filter_map(record)),
            Log::Partition(name) => {
                Box::new(self.hypervisor.lines().filter_map(move |line| spoken(line, name)))
            }
        }
    }

    /// Whether something was said at all.
    pub fn has(&self, said: &Said) -> bool {
        self.lines(&said.on).any(|line| said.says.is_in(line))
    }

    /// What was expected and not said in its order, and what was said and may not be.
    pub fn problems(&self, expected: &[Said], never: &[Said]) -> Vec<String> {
        let mut problems = Vec::new();
        let mut logs: Vec<&Log> = Vec::new();
        for said in expected {
            if !logs.contains(&&said.on) {
                logs.push(&said.on);
            }
        }
        for log in logs {
            let mut lines = self.lines(log);
            let mut before = None;
            for said in expected.iter().filter(|said| said.on == *log) {
                if !lines.any(|line| said.says.is_in(line)) {
                    let behind = before
                        .map(|before| format!(" behind `{before}`"))
                        .unwrap_or_default();
                    problems.push(format!("{log} does not say `{}`{behind}", said.says));
                    break;
                }
                before = Some(&said.says);
            }
        }
        for said in never {
            if let Some(line) = self.lines(&said.on).find(|line| said.says.is_in(line)) {
                problems.push(format!("{} says `{}`", said.on, line.trim()));
            }
        }
        problems
    }
}

/// The hypervisor's own record in a line of its log: `time level message`. A line of a partition's console has no level.
pub fn record(line: &str) -> Option<&str> {
    let (_, rest) = line.trim_start().split_once(' ')?;
    let (level, message) = rest.split_once(' ')?;
    let levels = ["trace", "debug", "info", "warn", "error"];
    levels.contains(&level).then(|| message.trim_start())
}

/// What a partition says in a line of the log.
fn spoken<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    if record(line).is_some() {
        return None;
    }
    let (_, rest) = line.trim_start().split_once(' ')?;
    rest.trim_start()
        .strip_prefix(name)?
        .strip_prefix('|')
        .map(str::trim_start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(on: &str, says: &str) -> Said {
        let on = match on {
            "hypervisor" => Log::Hypervisor,
            "normal-world" => Log::NormalWorld,
            name => Log::Partition(name.to_owned()),
        };
        let says = Pattern::new(says);
        Said { on, says }
    }

    fn heard() -> Heard {
        Heard {
            hypervisor: "    0.100000 info  a: ready\n    0.200000       a| 0.3 error b: failed on core 1\n    \
                         0.300000 error a: failed on core 0 by a load\n    0.400000 info  a: ready again 7 us after its failure\n"
                .into(),
            console: "NOTICE: BL1\nhello\n".into(),
        }
    }

    #[test]
    fn patterns_are_found_part_by_part() {
        let pattern = Pattern::new("a: failed * by a load");
        assert!(pattern.is_in("error a: failed on core 0 by a load: x"));
        assert!(!pattern.is_in("by a load a: failed"), "the other way round");
        assert!(!Pattern::new("aa*a").is_in("aa"), "no character counts twice");
        assert_eq!(pattern.to_string(), "a: failed * by a load");
    }

    #[test]
    fn order_counts_on_each_log() {
        let right = [
            said("hypervisor", "a: ready"),
            said("normal-world", "hello"),
            said("hypervisor", "a: failed"),
            said("a", "failed on core 1"),
            said("hypervisor", "a: ready again"),
        ];
        assert_eq!(heard().problems(&right, &[]), [""; 0]);
        let wrong = [
            said("hypervisor", "a: failed"),
            said("hypervisor", "info a: ready"),
        ];
        assert_eq!(
            heard().problems(&wrong, &[]),
            ["the hypervisor's log does not say `info a: ready` behind `a: failed`"]
        );
    }

    #[test]
    fn nobody_speaks_for_the_hypervisor() {
        assert!(!heard().has(&said("hypervisor", "b: failed")), "a wrote that");
        assert!(!heard().has(&said("b", "failed")));
        let never = [said("a", "error b"), said("hypervisor", "b: failed")];
        assert_eq!(
            heard().problems(&[], &never),
            ["a's console says `0.3 error b: failed on core 1`"]
        );
    }
}
