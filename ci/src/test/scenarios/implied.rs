//! Scenarios that need no file: the boot stage's cases for a table of `configs/cases`, `table:NAME`, and a suite of Linux on the
//! table that it is for, `suite:NAME`.

use super::file::{End, FirmwareWish, Limit, MachineWish, NormalWorldWish, Scenario, Time, nearest};
use crate::paths::Paths;
use crate::test::bare;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;

const TABLE: &str = "table:";
const SUITE: &str = "suite:";

const CASES: &str = "configs/cases";
const SUITES: &str = "partitions/linux/initramfs/root/usr/lib/bulkhead/suites";

/// Tables of which more than a machine is made: `--tables` runs them.
const PREPARED: [&str; 1] = ["signed"];
/// Suites that want another table than the default one.
const TABLES: [(&str, &str); 3] = [
    ("sealed", "two-rust"),
    ("sensors", "dedicated-core"),
    ("watchdog", "notifications"),
];
/// Suites that want something done from outside, or another start before: `--gp`, `--faults`, `--only linux` and `bench --linux`
/// run them.
const HELPED: [&str; 6] = ["again", "cost", "faults", "kernels", "overrun", "sealed-again"];

/// How long the machine may run, in its own time.
const CASES_LIMIT: Duration = Duration::from_secs(180);
const SUITE_LIMIT: Duration = Duration::from_secs(25 * 60);

/// The scenario of this name; none where the name is of no such kind.
///
/// # Errors
/// Nobody has that table or suite, or it does not run by itself.
pub fn named(paths: &Paths, name: &str) -> Result<Option<Scenario>> {
    if let Some(table) = name.strip_prefix(TABLE) {
        known(table, &tables(paths)?, &PREPARED, "table of cases")?;
        return Ok(Some(cases(paths, name, table)));
    }
    if let Some(suite) = name.strip_prefix(SUITE) {
        known(suite, &suites(paths)?, &HELPED, "suite")?;
        return Ok(Some(linux(paths, name, suite)));
    }
    Ok(None)
}

/// Their names, as `--list` shows them.
pub fn list(paths: &Paths) -> Result<String> {
    let line = |kind: &str, names: Vec<String>| format!("  {kind}NAME  {}", names.join(", "));
    Ok(format!(
        "{}\n{}",
        line(TABLE, tables(paths)?),
        line(SUITE, suites(paths)?)
    ))
}

/// Refuses a name that is not there, or whose run wants more than a machine.
fn known(name: &str, names: &[String], others: &[&str], what: &str) -> Result<()> {
    if others.contains(&name) {
        bail!(
            "the {what} `{name}` wants more than a machine that is started; `--tables`, `--gp`, `--faults`, `--only linux` or `bench --linux` runs it"
        );
    }
    let all = || names.iter().map(String::as_str);
    let near = nearest(name, all()).map(|near| format!("; did you mean `{near}`?"));
    ensure!(
        all().any(|known| known == name),
        "there is no {what} `{name}`{}; there are {}",
        near.unwrap_or_default(),
        names.join(", ")
    );
    Ok(())
}

fn cases(paths: &Paths, name: &str, table: &str) -> Scenario {
    let time = if bare::is_counted(table) {
        Time::Counted
    } else {
        Time::Free
    };
    let spoil = (table == bare::SPOILT).then(|| table.to_owned());
    Scenario {
        firmware: FirmwareWish {
            spoil,
            ..FirmwareWish::default()
        },
        machine: MachineWish {
            time,
            ..MachineWish::default()
        },
        ..plain(
            name,
            "the boot stage's cases",
            paths.root.join(CASES).join(format!("{table}.toml")),
            CASES_LIMIT,
        )
    }
}

fn linux(paths: &Paths, name: &str, suite: &str) -> Scenario {
    let own = TABLES.iter().find(|(of, _)| *of == suite);
    let table = own.map_or("phone", |(_, table)| table);
    Scenario {
        normal_world: NormalWorldWish {
            cases: false,
            linux: vec![suite.to_owned()],
            arguments: String::new(),
        },
        ..plain(
            name,
            "a suite of Linux",
            paths.root.join(format!("configs/{table}.toml")),
            SUITE_LIMIT,
        )
    }
}

/// A scenario of a table's cases in which nothing is done to anybody.
fn plain(name: &str, about: &str, table: PathBuf, guest: Duration) -> Scenario {
    Scenario {
        name: name.to_owned(),
        call: name.to_owned(),
        about: about.to_owned(),
        table,
        always: false,
        machine: MachineWish::default(),
        firmware: FirmwareWish::default(),
        normal_world: NormalWorldWish {
            cases: true,
            linux: Vec::new(),
            arguments: String::new(),
        },
        inject: Vec::new(),
        expect: Vec::new(),
        never: Vec::new(),
        fails: Vec::new(),
        ends: End::Done,
        limit: Limit { guest },
    }
}

fn tables(paths: &Paths) -> Result<Vec<String>> {
    stems(&paths.root.join(CASES), "toml", &PREPARED)
}

fn suites(paths: &Paths) -> Result<Vec<String>> {
    stems(&paths.root.join(SUITES), "sh", &HELPED)
}

/// The names of a folder's files with this ending, but these.
fn stems(folder: &Path, end: &str, but: &[&str]) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("{} is missing", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut names: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|found| found == end))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .filter(|name| !but.contains(&name.as_str()))
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_suites_are_scenarios() {
        let paths = Paths::find().unwrap();
        let one = |name: &str| named(&paths, name).unwrap().unwrap();
        let vgic = one("table:vgic");
        assert!(vgic.normal_world.cases && vgic.machine.time == Time::Free);
        assert_eq!(one("table:own-core").machine.time, Time::Counted);
        assert_eq!(one("table:spoilt").firmware.spoil.as_deref(), Some("spoilt"));
        assert_eq!(one("suite:names").normal_world.linux, ["names"]);
        assert!(one("suite:sealed").table.ends_with("two-rust.toml"));
        assert!(named(&paths, "crash").unwrap().is_none());
        for name in tables(&paths).unwrap() {
            assert!(one(&format!("table:{name}")).table.is_file());
        }
        for name in suites(&paths).unwrap() {
            assert!(one(&format!("suite:{name}")).table.is_file());
        }
        for name in HELPED {
            assert!(
                paths.root.join(SUITES).join(format!("{name}.sh")).is_file(),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_none_is_told() {
        let paths = Paths::find().unwrap();
        for (name, wanted) in [
            (
                "table:vgik",
                "there is no table of cases `vgik`; did you mean `vgic`?",
            ),
            ("suite:name", "did you mean `names`?"),
            ("suite:faults", "wants more than a machine"),
            ("table:signed", "wants more than a machine"),
        ] {
            let said = named(&paths, name).unwrap_err().to_string();
            assert!(said.contains(wanted), "{said}");
        }
    }
}
