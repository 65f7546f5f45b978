//! The black box: each failure of a partition in a run's log has its record, whole, with the place in its program.

use crate::paths::read;
use crate::run::log;
use anyhow::Result;
use std::path::Path;

/// What is missing in the records of the run in `folder`; none where it has no failures.
pub fn check(folder: &Path) -> Result<Option<Result<(), String>>> {
    let text = |name: &str| {
        let bytes = read(&folder.join(name));
        bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(compare(&text("hypervisor.log")?, &text("failures.log")?))
}

fn compare(log: &str, records: &str) -> Option<Result<(), String>> {
    let failures = log::parse(log).failures.len();
    if failures == 0 {
        return None;
    }
    let whole = records.split("\n\n").filter(|record| is_whole(record)).count();
    let placed = records
        .lines()
        .any(|line| line.starts_with("  pc ") && line.contains("::"));
    Some(match (whole == failures, placed) {
        (false, _) => Err(format!("{failures} failures have {whole} whole records")),
        (_, false) => Err("no record names a place in its partition's program".to_owned()),
        _ => Ok(()),
    })
}

fn is_whole(record: &str) -> bool {
    ["  pc ", "  pstate ", "  x0 ", "  x28 ", "  EL1 "]
        .iter()
        .all(|part| record.lines().any(|line| line.starts_with(part)))
}

#[cfg(test)]
mod tests {
    use super::compare;

    const LOG: &str = "\
        \x20   0.1 info  a: ready\n    0.2       a| 0.2 error a: failed on core 0\n    \
        0.3 error a: failed on core 0 by a load\n";

    #[test]
    fn a_failure_without_its_record_is_told() {
        let record = "0.3 a: failed\n  pc  0x1 a::b+0x4\n  pstate 0x5\n  x0 1\n  x28 0\n  EL1 x\n";
        assert_eq!(compare("    0.1 info  a: ready\n", ""), None);
        assert_eq!(compare(LOG, &format!("{record}\n")), Some(Ok(())));
        for (from, to) in [("x28", "x29"), ("::", ""), ("  EL1 x\n", "")] {
            let cut = record.replace(from, to);
            assert!(matches!(compare(LOG, &cut), Some(Err(_))), "{cut}");
        }
    }
}
