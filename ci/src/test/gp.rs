//! GlobalPlatform clients that nobody changed, on every TEE: `cargo xtask test --gp`, and its page of results.

use super::again;
use super::figures;
use super::linux::{self, Done, Outcome, Run};
use super::sealed;
use super::sensors;
use super::tally::Tally;
use crate::cli::TestArgs;
use crate::paths::{Paths, write};
use crate::{build, parts};
use anyhow::Result;
use bulkhead_configs::Tee;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// The suites in their order, and the client of each.
const SUITES: [(&str, &str); 18] = [
    ("clients", OURS),
    ("info", "bulkhead-info"),
    ("parameters", OURS),
    ("names", OURS),
    ("applications", OURS),
    ("unnamed", "xtest, which names no TEE"),
    ("tokens", "OpenSC's pkcs11-tool with libckteec"),
    ("storage", "ours, on the storage application of OP-TEE's tests"),
    ("gp", XTEST),
    ("gp-both", XTEST),
    (NOTIFIED, OURS),
    (again::SUITE, "ours, while OP-TEEs crash"),
    ("load", OURS),
    (TIMED, OURS),
    ("killed", "ours, killed in its calls"),
    (SEALED, "ours, on two Rust TEEs of one image"),
    (sensors::SUITE, "ours, beside a core of a partition's own"),
    (INSTALLED, "ours, beside real systemd and udev"),
];
/// The suite that has machines of its own, with two Rust TEEs.
const SEALED: &str = "sealed";
/// The suite that has a machine of its own, with real systemd and udev: for the full form, or where it is named.
const INSTALLED: &str = "installed";
/// The suite of which time is the matter: for the full form, or where it is named.
const TIMED: &str = "latency";
/// The suite of notifications.
const NOTIFIED: &str = "notifications";
const OURS: &str = "ours";
const XTEST: &str = "xtest";
/// The suites of xtest that run on each OP-TEE.
const PARTS: [&str; 2] = ["regression", "pkcs11"];

/// systemd as the first process, which starts nothing but what udev, the table's rules and its unit ask for.
const WITH_SYSTEMD: Run<'static> = Run {
    name: INSTALLED,
    suites: INSTALLED,
    arguments: "rdinit=/usr/lib/systemd/systemd systemd.condition_needs_update=0 systemd.firstboot=no \
                systemd.show_status=no systemd.log_target=kmsg systemd.log_level=warning loglevel=1",
    sve: true,
    counting: false,
    limit: Duration::from_secs(8 * 60),
    quiet: Duration::from_secs(4 * 60),
};
/// How long each form may take. The short one takes less than 15 minutes on a machine that does nothing else.
const SHORT: Duration = Duration::from_secs(25 * 60);
const FULL: Duration = Duration::from_secs(3 * 60 * 60);
/// How long Linux may say nothing: longer than any single case takes.
const SHORT_QUIET: Duration = Duration::from_secs(6 * 60);
const FULL_QUIET: Duration = Duration::from_secs(20 * 60);

/// That suite once more where time is the number of instructions; there on one core, since cores that take turns would
/// be late by that.
const COUNTED: Run<'static> = Run {
    name: "gp-counted",
    suites: TIMED,
    arguments: "maxcpus=1 bulkhead.counted=yes",
    sve: false,
    counting: true,
    limit: Duration::from_secs(20 * 60),
    quiet: Duration::from_secs(10 * 60),
};

/// The suite of notifications once more with an OP-TEE that sends them.
const WATCHDOG: Run<'static> = Run {
    name: "gp-notifications",
    suites: "watchdog",
    arguments: "",
    sve: true,
    counting: false,
    limit: Duration::from_secs(6 * 60),
    quiet: Duration::from_secs(3 * 60),
};

/// Runs the suites; the page goes to the system's folder, and that of a whole run of the full form to the book, too.
pub fn test(paths: &Paths, args: &TestArgs, tally: &mut Tally) -> Result<()> {
    let parts = parts::provide(paths, &parts::ALL)?;
    let table = paths.root.join("configs/phone.toml");
    let mut built = build::build_with(paths, &parts, build::load(&table)?, &table)?;
    let start = Instant::now();
    let all: Vec<&str> = (SUITES.iter().map(|(suite, _)| *suite))
        .filter(|suite| args.full || ![INSTALLED, TIMED].contains(suite))
        .collect();
    let all = all.join(",");
    let wanted: Vec<&str> = args.suites.as_deref().unwrap_or(&all).split(',').collect();
    let suites: Vec<&str> = (wanted.iter().copied())
        .filter(|suite| ![SEALED, INSTALLED, sensors::SUITE, again::SUITE].contains(suite))
        .collect();
    let suites = suites.join(",");
    let form = if args.full { "full" } else { "short" };
    let run = Run {
        name: "gp",
        suites: &suites,
        arguments: &format!("bulkhead.gp={form} {}", linux::seed(args)),
        sve: true,
        counting: false,
        limit: if args.full { FULL } else { SHORT },
        quiet: if args.full { FULL_QUIET } else { SHORT_QUIET },
    };
    let mut outcome = if suites.is_empty() {
        Outcome::default()
    } else {
        linux::boot(&built, &run, tally)
    };
    let mut more = Vec::new();
    if wanted.contains(&SEALED) {
        more.push(sealed::test(paths, &parts, tally)?);
    }
    if wanted.contains(&sensors::SUITE) {
        more.push(sensors::test(paths, &parts, args.full, tally)?);
    }
    if wanted.contains(&INSTALLED) {
        built.normal = build::installed(paths, &parts, &built.firmware, &built.normal)?;
        more.push(linux::boot(&built, &WITH_SYSTEMD, tally));
    }
    if wanted.contains(&TIMED) {
        more.push(linux::boot(&built, &COUNTED, tally));
    }
    if wanted.contains(&NOTIFIED) || wanted.contains(&again::SUITE) {
        let table = paths.root.join("configs/notifications.toml");
        let built = build::build_with(paths, &parts, build::load(&table)?, &table)?;
        if wanted.contains(&NOTIFIED) {
            more.push(linux::boot(&built, &WATCHDOG, tally));
        }
        if wanted.contains(&again::SUITE) {
            more.push(again::test(&built, tally)?);
        }
    }
    for more in more {
        outcome.add(more);
    }
    let optees = built.firmware.system.partitions.iter();
    let optees: Vec<&str> = optees
        .filter(|partition| partition.client.is_some() && partition.tee == Tee::Optee)
        .map(|partition| partition.name.as_str())
        .collect();
    for (suite, _) in SUITES.iter().filter(|(_, client)| *client == XTEST) {
        if suites.split(',').any(|wanted| wanted == *suite) {
            for tee in &optees {
                let lack = lack(&outcome.cases, suite, tee);
                let detail = lack.clone().unwrap_or_default();
                tally.note(&format!("gp: {suite} {tee} is whole"), lack.is_none(), &detail);
            }
        }
    }
    let text = page(&outcome, args.full, start.elapsed());
    write(&built.firmware.folder.join("gp/results.md"), text.as_bytes())?;
    if args.full && args.suites.is_none() {
        write(&paths.root.join("docs/gp-results.md"), text.as_bytes())?;
    }
    Ok(())
}

/// What is missing of xtest's cases on a TEE: a suite that did not end, or cases whose reports were lost on the way.
fn lack(done: &[Done], suite: &str, tee: &str) -> Option<String> {
    let of = || done.iter().filter(|case| case.suite == suite && case.tee == tee);
    for part in PARTS {
        let ended = |case: &&Done| case.name.starts_with(&format!("{part}_"));
        let seen = of().filter(ended).count();
        let sum = format!("{SUM} of {part}");
        let Some(sum) = of().find(|case| case.name == sum) else {
            return Some(format!(
                "{part} did not come to its end, {seen} cases did; see console.log and hypervisor.log in the system's \
                 folder gp, and run it alone with --suites {suite}"
            ));
        };
        let said = sum
            .detail
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok());
        if said != Some(seen) || seen == 0 {
            return Some(format!(
                "{seen} cases of {part} were reported, and xtest says: {}; reports were lost, so run it again",
                sum.detail
            ));
        }
    }
    None
}

/// The page of results.
fn page(outcome: &Outcome, full: bool, took: Duration) -> String {
    let done = &outcome.cases;
    let form = if full { "full" } else { "short" };
    let command = if full { " --full" } else { "" };
    let failed = done.iter().filter(|case| !case.ok).count();
    let mut text = format!(
        "# GlobalPlatform clients: results\n\n\
         Made by `cargo xtask test --gp{command}`, the {form} form: {} cases, {failed} failed, in {} on an emulated \
         machine with four cores. `gp` is xtest on one OP-TEE after the other, `gp-both` on all at the same time. \
         Times are seconds in Linux on that machine.\n\n",
        done.iter().filter(|case| !is_sum(case)).count(),
        minutes(took),
    );
    text += "## Suites\n\n| suite | client | TEE | cases | failed | time |\n|---|---|---|---|---|---|\n";
    for suite in order(done) {
        for (tee, cases) in by_tee(done, suite) {
            let bad = cases.iter().filter(|case| !case.ok).count();
            let time: u64 = cases.iter().map(|case| case.ms).sum();
            let client = SUITES.iter().find(|(name, _)| *name == suite);
            let client = client.map_or(OURS, |(_, client)| client);
            let count = counted(&cases);
            let time = seconds(time);
            let _ = writeln!(text, "| {suite} | {client} | {tee} | {count} | {bad} | {time} |");
        }
    }
    if failed > 0 {
        text += "\n## Failed\n\n";
        for case in done.iter().filter(|case| !case.ok) {
            let detail = case.detail.replace('|', "\\|");
            let _ = writeln!(text, "- {} {} `{}`: {detail}", case.suite, case.tee, case.name);
        }
    }
    if !outcome.notes.is_empty() {
        text += "\n## Said by the suites\n\n";
        for note in &outcome.notes {
            let _ = writeln!(text, "- {note}");
        }
    }
    text += &figures::section(&outcome.figures);
    text += "\n## Cases\n";
    for suite in order(done) {
        cases(&mut text, suite, done);
    }
    text
}

/// How many cases these are, and of which suites of xtest.
fn counted(cases: &[&Done]) -> String {
    let of = |part| cases.iter().filter(|case| case.name.starts_with(part)).count();
    let parts: Vec<String> = PARTS
        .iter()
        .map(|part| (part, of(*part)))
        .filter(|(_, count)| *count > 0)
        .map(|(part, count)| format!("{count} {part}"))
        .collect();
    if parts.len() < 2 {
        return cases.len().to_string();
    }
    format!("{}: {}", cases.len(), parts.join(", "))
}

/// How `bulkhead-xtest` begins the line about all cases of a suite of xtest.
const SUM: &str = "all cases";

fn is_sum(case: &Done) -> bool {
    case.name.starts_with(SUM)
}

/// The cases of a suite, a column for each TEE.
fn cases(text: &mut String, suite: &str, done: &[Done]) {
    let of: Vec<&Done> = done
        .iter()
        .filter(|case| case.suite == suite && !is_sum(case))
        .collect();
    let tees: BTreeSet<&str> = of.iter().map(|case| case.tee.as_str()).collect();
    let _ = write!(text, "\n### {suite}\n\n| case |");
    for tee in &tees {
        let _ = write!(text, " {tee} |");
    }
    let _ = write!(text, "\n|---|{}\n", "---|".repeat(tees.len()));
    let mut names: Vec<&str> = Vec::new();
    for case in &of {
        if !names.contains(&case.name.as_str()) {
            names.push(&case.name);
        }
    }
    for name in names {
        let _ = write!(text, "| {name} |");
        for tee in &tees {
            match of.iter().find(|case| case.name == name && case.tee == **tee) {
                Some(case) if case.ok => {
                    let _ = write!(text, " {} |", seconds(case.ms));
                }
                Some(_) => *text += " **failed** |",
                None => *text += " |",
            }
        }
        text.push('\n');
    }
}

/// The suites as they came.
fn order(done: &[Done]) -> Vec<&str> {
    let mut suites: Vec<&str> = Vec::new();
    for case in done {
        if !suites.contains(&case.suite.as_str()) {
            suites.push(&case.suite);
        }
    }
    suites
}

/// The cases of a suite, by TEE.
fn by_tee<'a>(done: &'a [Done], suite: &str) -> BTreeMap<&'a str, Vec<&'a Done>> {
    let mut groups: BTreeMap<_, Vec<&Done>> = BTreeMap::new();
    for case in done.iter().filter(|case| case.suite == suite && !is_sum(case)) {
        groups.entry(case.tee.as_str()).or_default().push(case);
    }
    groups
}

fn seconds(ms: u64) -> String {
    format!("{}.{}", ms / 1000, ms % 1000 / 100)
}

fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{} min {} s", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::super::linux::Figure;
    use super::*;

    fn case(suite: &str, tee: &str, name: &str, ok: bool, ms: u64) -> Done {
        Done {
            suite: suite.into(),
            tee: tee.into(),
            name: name.into(),
            ok,
            ms,
            detail: if ok { String::new() } else { "it is | wrong".into() },
        }
    }

    fn outcome(cases: &[Done]) -> Outcome {
        Outcome {
            cases: cases.to_vec(),
            notes: vec!["the supplicant was started 2 times".into()],
            figures: vec![Figure {
                suite: "load".into(),
                tee: "vendor-a".into(),
                name: "calls".into(),
                value: "12".into(),
            }],
        }
    }

    #[test]
    fn the_page_has_every_case_and_names_what_failed() {
        let done = outcome(&[
            case("tokens", "vendor-b", "a token is made", true, 90),
            case("gp", "vendor-a", "regression_1001", true, 1250),
            case("gp", "vendor-a", "pkcs11_1000", true, 50),
            case("gp", "vendor-a", "all cases of regression", true, 9000),
            case("gp", "vendor-b", "regression_1001", false, 2000),
            case("gp", "vendor-b", "regression_1002", true, 40),
        ]);
        let page = page(&done, true, Duration::from_secs(61));
        for text in [
            "`cargo xtask test --gp --full`",
            "5 cases, 1 failed, in 1 min 1 s",
            "| tokens | OpenSC's pkcs11-tool with libckteec | vendor-b | 1 | 0 | 0.0 |\n| gp | xtest | vendor-a",
            "| gp | xtest | vendor-a | 2: 1 regression, 1 pkcs11 | 0 | 1.3 |",
            "| gp | xtest | vendor-b | 2 | 1 | 2.0 |",
            "- gp vendor-b `regression_1001`: it is \\| wrong",
            "| case | vendor-a | vendor-b |\n|---|---|---|\n| regression_1001 | 1.2 | **failed** |\n| pkcs11_1000 | 0.0 | |\n",
            "### load\n\n| figure | vendor-a |\n|---|---|\n| calls | 12 |\n",
            "### tokens\n\n| case | vendor-b |",
            "- the supplicant was started 2 times",
        ] {
            assert!(page.contains(text), "{text:?} is not in:\n{page}");
        }
    }

    #[test]
    fn a_page_without_failures_has_no_list_of_them() {
        let page = page(
            &outcome(&[case("gp", "a", "b", true, 1)]),
            false,
            Duration::from_secs(1),
        );
        assert!(!page.contains("## Failed") && page.contains("the short form"));
    }

    #[test]
    fn lost_reports_and_suites_that_did_not_end_are_told() {
        let sum = |part: &str, detail: &str| Done {
            detail: detail.into(),
            ..case("gp", "a", &format!("all cases of {part}"), true, 1)
        };
        let mut done = vec![
            case("gp", "a", "pkcs11_1000", true, 1),
            sum("pkcs11", "1 cases, 0 failed; exit status: 0"),
            case("gp", "a", "regression_1001", true, 1),
        ];
        let said = lack(&done, "gp", "a").expect("no sum");
        assert!(
            said.contains("regression did not come to its end, 1 cases did"),
            "{said}"
        );
        done.push(sum("regression", "2 cases, 0 failed; exit status: 0"));
        let said = lack(&done, "gp", "a").expect("one is lost");
        assert!(
            said.contains("1 cases of regression were reported") && said.contains("run it again"),
            "{said}"
        );
        done.push(case("gp", "a", "regression_1002", true, 1));
        assert_eq!(lack(&done, "gp", "a"), None);
        assert!(lack(&done, "gp", "b").is_some(), "nothing came of it at all");
        assert!(lack(&done, "gp-both", "a").is_some());
    }
}
