//! Where the hypervisor's image can panic: calls of the compiler's checks that are left in it, by source file.
//!
//! The compiler leaves out each check of which it sees that it cannot fail. Those that are left need a reason why no input
//! reaches them.

use crate::parts::host::CROSS;
use crate::tool::Tool;
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::Path;

/// How the functions begin that end in the panic handler.
const CHECKS: [&str; 4] = [
    "core::panicking::",
    "core::slice::index::",
    "core::option::",
    "core::result::",
];
/// What stands before the hypervisor's own files in its line table.
const OWN: &str = "/hypervisor/";
/// What the other files are counted under.
const DEPENDENCIES: &str = "dependencies";

/// How many such calls each file of the hypervisor has, the most first.
pub fn places(elf: &Path) -> Result<Vec<(String, usize)>> {
    let code = Tool::new(format!("{CROSS}objdump"))
        .args(["--disassemble", "--demangle", "--no-show-raw-insn"])
        .arg(elf)
        .output("disassembling the hypervisor")?;
    let calls: Vec<&str> = code.lines().filter_map(call_of_check).collect();
    let lines = Tool::new(format!("{CROSS}addr2line"))
        .args(["--addresses", "--inlines", "--exe"])
        .arg(elf)
        .args(calls.iter().map(|address| format!("0x{address}")))
        .output("looking up lines of the hypervisor")?;
    let mut files: Vec<_> = by_file(&lines).into_iter().collect();
    files.sort_by(|(a, many), (b, more)| more.cmp(many).then(a.cmp(b)));
    Ok(files)
}

/// The address of an instruction that calls such a function.
fn call_of_check(line: &str) -> Option<&str> {
    let (address, instruction) = line.split_once(":\t")?;
    let target = instruction.split_once('<')?.1;
    let calls = instruction.starts_with("bl\t") || instruction.starts_with("b\t");
    (calls && CHECKS.iter().any(|check| target.starts_with(check))).then_some(address.trim())
}

/// Counts places by the innermost file of the hypervisor's own: an address, then a line for each inlined call.
fn by_file(lines: &str) -> BTreeMap<String, usize> {
    let mut files = BTreeMap::new();
    let mut place: Option<Option<&str>> = None;
    let mut note = |place: Option<Option<&str>>| {
        if let Some(file) = place {
            *files.entry(file.unwrap_or(DEPENDENCIES).to_owned()).or_insert(0) += 1;
        }
    };
    for line in lines.lines() {
        if line.starts_with("0x") {
            note(place.replace(None));
        } else if place == Some(None)
            && let Some((_, own)) = line.split_once(OWN)
        {
            place = Some(own.split(':').next());
        }
    }
    note(place);
    files
}

#[cfg(test)]
mod tests {
    use super::{by_file, call_of_check};

    #[test]
    fn calls_of_checks_are_seen() {
        let call = "  e1003c4:\tbl\te12a000 <core::panicking::panic_bounds_check>";
        assert_eq!(call_of_check(call), Some("e1003c4"));
        let tail = "  e1003c8:\tb\te12a000 <core::option::unwrap_failed>";
        assert_eq!(call_of_check(tail), Some("e1003c8"));
        for other in [
            "  e1003c4:\tbl\te12a000 <bulkhead::boot::serve>",
            "  e1003c4:\tadrp\tx0, e12a000 <core::panicking::panic>",
            "000000000e12a000 <core::panicking::panic>:",
        ] {
            assert_eq!(call_of_check(other), None, "{other}");
        }
    }

    #[test]
    fn the_innermost_own_file_counts() {
        let lines = "0x000000000e100000\n/lib/core/src/slice.rs:7\n/w/hypervisor/core/src/run.rs:5 (discriminator 2)\n\
                     /w/hypervisor/src/boot.rs:3\n0x000000000e100004\n/lib/fdt/src/lib.rs:9\n\
                     0x000000000e100008\n/w/hypervisor/core/src/run.rs:9\n";
        let files = by_file(lines);
        assert_eq!(files.get("core/src/run.rs"), Some(&2));
        assert_eq!(files.get("dependencies"), Some(&1));
        assert_eq!(files.len(), 2);
    }
}
