//! Where the hypervisor's image can end in the fatal stop: calls of the compiler's checks that are left in it, and of
//! the one that our own invariants lead to.
//!
//! The compiler leaves out each check of which it sees that it cannot fail. Those that are left need a reason why no
//! input reaches them: `ci/checks.toml` has it, and nothing that is not left.

use crate::parts::host::CROSS;
use crate::paths::{Paths, read};
use crate::tool::Tool;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How the functions begin that end in the panic handler.
const CHECKS: [&str; 7] = [
    "core::panicking::",
    "core::slice::index::",
    "core::slice::copy_from_slice_impl::",
    "core::option::",
    "core::result::",
    "core::cell::",
    "core::str::slice_error",
];
/// The one that our own invariants lead to.
const BROKEN: &str = "bulkhead_core::sure::broken";
/// What stands before the hypervisor's own files in its line table.
const OWN: &str = "/hypervisor/";

/// One check that is left: where, and what it looks at.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
pub struct Check {
    /// A file of the hypervisor's own, or the dependency's name.
    pub place: String,
    /// The last part of the function's name that is called where it fails.
    pub kind: String,
}

/// A check with its reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reasoned {
    place: String,
    kind: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    check: Vec<Reasoned>,
}

/// What the image has.
pub struct Found {
    /// The compiler's checks, and how often each is there.
    pub checks: BTreeMap<Check, usize>,
    /// Calls that our own invariants guard.
    pub sure: usize,
    /// Functions that format text for a panic.
    pub formatting: Vec<String>,
}

/// Looks through the image.
pub fn find(elf: &Path) -> Result<Found> {
    let code = Tool::new(format!("{CROSS}objdump"))
        .args(["--disassemble", "--demangle", "--no-show-raw-insn"])
        .arg(elf)
        .output("disassembling the hypervisor")?;
    let calls = calls(&code);
    let (sure, calls): (Vec<_>, Vec<_>) = calls
        .into_iter()
        .partition(|(_, target)| target.starts_with(BROKEN));
    let mut checks = BTreeMap::new();
    if !calls.is_empty() {
        let lines = Tool::new(format!("{CROSS}addr2line"))
            .args(["--addresses", "--inlines", "--exe"])
            .arg(elf)
            .args(calls.iter().map(|(address, _)| format!("0x{address}")))
            .output("looking up lines of the hypervisor")?;
        for (place, (_, target)) in places(&lines).into_iter().zip(&calls) {
            let kind = kind(target).to_owned();
            *checks.entry(Check { place, kind }).or_insert(0) += 1;
        }
    }
    let formatting = code
        .lines()
        .filter_map(function)
        .filter(|name| name.contains("core::fmt::"));
    Ok(Found {
        checks,
        sure: sure.len(),
        formatting: formatting.map(str::to_owned).collect(),
    })
}

/// The reasons that are written down.
pub fn reasons(paths: &Paths) -> Result<Vec<Reasoned>> {
    let file = paths.root.join("ci/checks.toml");
    let text = String::from_utf8(read(&file)?).context("ci/checks.toml is no text")?;
    let File { check } = toml::from_str(&text).context("ci/checks.toml is not in order")?;
    Ok(check)
}

/// What is wrong with the checks that are left: a sentence each.
pub fn faults(found: &Found, reasons: &[Reasoned]) -> Vec<String> {
    let known = |reason: &Reasoned| Check {
        place: reason.place.clone(),
        kind: reason.kind.clone(),
    };
    let listed: BTreeSet<_> = reasons.iter().map(known).collect();
    let there = |check: &Check| found.checks.contains_key(check);
    let new = found.checks.keys().filter(|check| !listed.contains(check));
    let new = new.map(|Check { place, kind }| {
        format!("{place} has a check ({kind}) without a reason: write what cannot fail, or say why it does not in ci/checks.toml")
    });
    let gone = listed.iter().filter(|check| !there(check));
    let gone = gone.map(|Check { place, kind }| {
        format!("ci/checks.toml names a check of {place} ({kind}) that is not in the image")
    });
    let mute = reasons.iter().filter(|reason| reason.reason.trim().is_empty());
    let mute = mute
        .map(|Reasoned { place, kind, .. }| format!("ci/checks.toml gives no reason for {place} ({kind})"));
    let text = found.formatting.iter();
    let text = text.map(|name| format!("the image formats text for panics: {name}"));
    new.chain(gone).chain(mute).chain(text).collect()
}

/// The calls of such functions that others make.
fn calls(code: &str) -> Vec<(&str, &str)> {
    let mut within = false;
    let mut calls = Vec::new();
    for line in code.lines() {
        if let Some(name) = function(line) {
            within = fails(name);
        }
        calls.extend(call(line).filter(|_| !within));
    }
    calls
}

/// Whether a function ends in the panic handler.
fn fails(name: &str) -> bool {
    CHECKS.iter().any(|check| name.starts_with(check))
}

/// The address of an instruction that calls such a function, and that function.
fn call(line: &str) -> Option<(&str, &str)> {
    let (address, instruction) = line.split_once(":\t")?;
    let target = instruction.split_once('<')?.1.strip_suffix('>')?;
    let calls = instruction.starts_with("bl\t") || instruction.starts_with("b\t");
    // A jump within such a function is none of ours.
    let begins = !target.contains("+0x");
    (calls && begins && (target == BROKEN || fails(target))).then_some((address.trim(), target))
}

/// The last part of a function's name, without the words that they all have.
fn kind(target: &str) -> &str {
    let name = target.rsplit("::").next().unwrap_or(target);
    name.strip_prefix("panic_const_").unwrap_or(name)
}

/// The name of the function that a line of a disassembly begins.
fn function(line: &str) -> Option<&str> {
    line.strip_suffix(">:")?.split_once(" <").map(|(_, name)| name)
}

/// For each address the innermost file that is ours, or the dependency that it is in: an address, then a line for each
/// inlined call.
fn places(lines: &str) -> Vec<String> {
    let mut places: Vec<Option<String>> = Vec::new();
    for line in lines.lines() {
        if line.starts_with("0x") {
            places.push(None);
        } else if let Some(place @ None) = places.last_mut() {
            *place = place_of(line);
        }
    }
    places
        .into_iter()
        .map(|place| place.unwrap_or_else(|| "core".to_owned()))
        .collect()
}

/// The place of a file; none of the standard library's, which is inlined everywhere.
fn place_of(line: &str) -> Option<String> {
    let file = line.split(':').next()?;
    if let Some((_, own)) = file.split_once(OWN) {
        return Some(own.to_owned());
    }
    let (before, _) = file.rsplit_once("/src/")?;
    let folder = before.rsplit('/').next()?;
    let (name, version) = folder.rsplit_once('-')?;
    version
        .starts_with(|first: char| first.is_ascii_digit())
        .then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Check, Found, Reasoned, call, faults, kind, places};
    use std::collections::BTreeMap;

    #[test]
    fn calls_of_checks_are_seen() {
        let call_of = "  e1003c4:\tbl\te12a000 <core::panicking::panic_const::panic_const_add_overflow>";
        let target = "core::panicking::panic_const::panic_const_add_overflow";
        assert_eq!(call(call_of), Some(("e1003c4", target)));
        assert_eq!(kind(target), "add_overflow");
        let tail = "  e1003c8:\tb\te12a000 <core::option::unwrap_failed>";
        assert_eq!(call(tail), Some(("e1003c8", "core::option::unwrap_failed")));
        let broken = "  e1003c8:\tbl\te12a000 <bulkhead_core::sure::broken>";
        assert_eq!(call(broken), Some(("e1003c8", "bulkhead_core::sure::broken")));
        for other in [
            "  e1003c4:\tbl\te12a000 <bulkhead::boot::serve>",
            "  e1003c4:\tadrp\tx0, e12a000 <core::panicking::panic>",
            "  e1003c4:\tb\te12a00c <core::panicking::panic_fmt+0xc>",
            "000000000e12a000 <core::panicking::panic>:",
        ] {
            assert_eq!(call(other), None, "{other}");
        }
    }

    #[test]
    fn what_they_call_themselves_is_not() {
        let code = "000000000e100000 <core::panicking::panic>:\n  e100004:\tbl\te12a000 <core::panicking::panic_fmt>\n\
                    000000000e100100 <bulkhead::boot::serve>:\n  e100104:\tbl\te12a000 <core::panicking::panic_fmt>\n";
        assert_eq!(super::calls(code), [("e100104", "core::panicking::panic_fmt")]);
    }

    #[test]
    fn the_innermost_place_counts() {
        let lines = "0x000000000e100000\n/lib/library/core/src/slice.rs:7\n/w/hypervisor/core/src/run.rs:5 (discriminator 2)\n\
                     /w/hypervisor/src/boot.rs:3\n0x000000000e100004\n/r/src/index/sha2-0.10.9/src/lib.rs:9\n/w/hypervisor/src/boot.rs:3\n\
                     0x000000000e100008\n/lib/library/core/src/slice.rs:7\n";
        assert_eq!(places(lines), ["core/src/run.rs", "sha2", "core"]);
    }

    #[test]
    fn each_needs_a_reason_and_each_reason_a_check() {
        let check = |place: &str| Check {
            place: place.to_owned(),
            kind: "add_overflow".to_owned(),
        };
        let reasoned = |place: &str, reason: &str| Reasoned {
            place: place.to_owned(),
            kind: "add_overflow".to_owned(),
            reason: reason.to_owned(),
        };
        let mut found = Found {
            checks: BTreeMap::from([(check("sha2"), 2)]),
            sure: 0,
            formatting: Vec::new(),
        };
        assert_eq!(faults(&found, &[reasoned("sha2", "why")]), [""; 0]);
        assert!(faults(&found, &[])[0].contains("without a reason"));
        assert!(faults(&found, &[reasoned("sha2", " ")])[0].contains("gives no reason"));
        let gone = faults(
            &found,
            &[reasoned("sha2", "why"), reasoned("core/src/run.rs", "why")],
        );
        assert!(gone[0].contains("core/src/run.rs") && gone.len() == 1, "{gone:?}");
        found.formatting.push("core::fmt::Formatter::pad".to_owned());
        assert!(faults(&found, &[reasoned("sha2", "why")])[0].contains("formats text"));
    }
}
