//! The same scenario on other machines: QEMU's versions, kinds of time, cores, firmware; and several times each.

use super::file::{Scenario, Time};
use super::job::Verdict;
use super::own::Own;
use super::prepare::Variant;
use crate::build::jobs;
use crate::parts::host::QEMU;
use crate::tool::{Tool, find_all};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// A QEMU of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emulator {
    pub path: PathBuf,
    /// As it says itself: `10.0.2`.
    pub version: String,
}

/// Every QEMU that is found: in the folders of programs, and those that are named. One of each version.
pub fn emulators(named: &[PathBuf]) -> Result<Vec<Emulator>> {
    let mut all: Vec<Emulator> = Vec::new();
    for path in named {
        let version = version(path)
            .with_context(|| format!("{} is no QEMU; name a `{QEMU}` by `--qemu`", path.display()))?;
        all.push(Emulator {
            path: path.clone(),
            version,
        });
    }
    for path in find_all(QEMU) {
        all.extend(version(&path).map(|version| Emulator { path, version }));
    }
    let mut one: Vec<Emulator> = Vec::new();
    for emulator in all {
        if !one.iter().any(|other| other.version == emulator.version) {
            one.push(emulator);
        }
    }
    one.sort_by(|a, b| a.version.cmp(&b.version));
    Ok(one)
}

fn version(path: &Path) -> Option<String> {
    let said = Tool::new(path)
        .arg("--version")
        .output("asking QEMU for its version")
        .ok()?;
    let version = said.strip_prefix("QEMU emulator version ")?;
    version.split_whitespace().next().map(str::to_owned)
}

/// All variants of a scenario.
pub fn variants(scenario: &Scenario, emulators: &[Emulator], own: &Own) -> Vec<Variant> {
    let mut firmware = vec![(String::new(), None)];
    for (number, tfa) in (1..).zip(&own.tfa) {
        let name = format!("own-tf-a-{number}");
        firmware.push((name.clone(), Some((name, tfa.clone()))));
    }
    // A machine with other cores than its board's starts nothing; Linux may leave some alone.
    let cores: &[Option<usize>] = if scenario.normal_world.linux.is_empty() {
        &[None]
    } else {
        &[None, Some(1), Some(2)]
    };
    let mut all = Vec::new();
    for emulator in emulators {
        for time in [Time::Free, Time::Counted] {
            for cores in cores {
                for (word, tfa) in &firmware {
                    let mut name = format!("qemu-{} {}", emulator.version, time.word());
                    name += &cores.map(|cores| format!(" cores-{cores}")).unwrap_or_default();
                    if tfa.is_some() {
                        name += &format!(" {word}");
                    }
                    all.push(Variant {
                        name,
                        time: Some(time),
                        cores: *cores,
                        emulator: Some(emulator.path.clone()),
                        tfa: tfa.clone(),
                    });
                }
            }
        }
    }
    all
}

/// What came of several runs of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub passed: usize,
    pub all: usize,
}

impl Count {
    /// Of these runs.
    pub fn of(verdicts: &[Verdict]) -> Self {
        let passed = verdicts.iter().filter(|verdict| verdict.problems.is_empty());
        Self {
            passed: passed.count(),
            all: verdicts.len(),
        }
    }

    /// How often it passed, before what else there is to say; nothing of a single run.
    pub fn words(self) -> String {
        let Self { passed, all } = self;
        match passed {
            _ if all == 1 => String::new(),
            _ if self.is_flaky() => format!("flaky: {passed} of {all} runs passed; "),
            0 => format!("none of {all} runs passed; "),
            _ => format!("{passed} of {all} runs passed; "),
        }
    }

    /// Whether it passed sometimes, and sometimes not.
    pub const fn is_flaky(self) -> bool {
        self.passed > 0 && self.passed < self.all
    }
}

/// What is said at the start of a matrix.
pub fn introduction(emulators: &[Emulator], runs: usize) -> String {
    let versions: Vec<_> = emulators
        .iter()
        .map(|emulator| format!("{} ({})", emulator.version, emulator.path.display()))
        .collect();
    format!("{runs} runs on {} cores; QEMU {}", jobs(), versions.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn emulator(version: &str) -> Emulator {
        Emulator {
            path: version.into(),
            version: version.into(),
        }
    }

    #[test]
    fn every_combination_is_there_once() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read =
            |name: &str| super::super::file::read(&root.join(format!("scenarios/{name}.toml"))).unwrap();
        let two = [emulator("10.0.2"), emulator("11.1.3")];
        let bare = variants(&read("crash"), &two, &Own::default());
        let names: Vec<_> = bare.iter().map(|variant| variant.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "qemu-10.0.2 free",
                "qemu-10.0.2 counted",
                "qemu-11.1.3 free",
                "qemu-11.1.3 counted"
            ]
        );
        let linux = variants(&read("no-sve"), &two[..1], &Own::default());
        assert_eq!(linux.len(), 6);
        assert!(
            linux
                .iter()
                .any(|variant| variant.name == "qemu-10.0.2 counted cores-1")
        );
    }

    #[test]
    fn what_passes_sometimes_is_flaky_and_told_as_such() {
        let run = |ok: bool| Verdict {
            problems: if ok { vec![] } else { vec!["it is late".into()] },
            injured: vec![],
            cases: 1,
            took: Duration::ZERO,
            guest: Duration::ZERO,
        };
        for (runs, flaky, words) in [
            ([false, false, false].as_slice(), false, "none of 3 runs passed; "),
            (&[true, false, true], true, "flaky: 2 of 3 runs passed; "),
            (&[false, true], true, "flaky: 1 of 2 runs passed; "),
            (&[true, true, true], false, "3 of 3 runs passed; "),
            (&[true], false, ""),
            (&[false], false, ""),
        ] {
            let verdicts: Vec<_> = runs.iter().map(|ok| run(*ok)).collect();
            let count = Count::of(&verdicts);
            assert_eq!((count.is_flaky(), count.words().as_str()), (flaky, words));
        }
    }

    #[test]
    fn what_is_no_qemu_is_refused() {
        let said = format!("{:#}", emulators(&["/bin/true".into()]).unwrap_err());
        assert!(said.contains("/bin/true is no QEMU"), "{said}");
    }
}
