//! The estimate of the hypervisor's memory follows the sizes of what the policy really keeps.

use std::path::Path;

use bulkhead_configs::load_text;
use bulkhead_core::spmc::Spmc;

const GOOD: &str = include_str!("rules/good.toml");
/// What the estimate is rounded to, in bytes.
const STEP: u64 = 4096;

fn footprint(changes: &[(&str, &str)]) -> u64 {
    let text = changes.iter().fold(GOOD.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the good table has no `{from}`");
        text.replacen(from, to, 1)
    });
    let system = load_text(Path::new("tests/rules/good.toml"), &text);
    system.unwrap_or_else(|report| panic!("{report}")).footprint()
}

/// How much the estimate grows by a change.
fn growth(changes: &[(&str, &str)]) -> u64 {
    footprint(changes) - footprint(&[])
}

/// The estimate is no less than what is needed, and not twice as much.
fn covers(growth: u64, needed: u64) {
    assert!(
        growth + STEP > needed && growth < 2 * needed + STEP,
        "{growth} for {needed}"
    );
}

const fn policy<const SHARES: usize, const RANGES: usize, const MACHINES: usize>() -> u64 {
    size_of::<Spmc<2, 4, SHARES, RANGES, MACHINES>>() as u64
}

#[test]
fn more_shares() {
    let needed = policy::<272, 4096, 0>() - policy::<144, 4096, 0>();
    let growth = growth(&[("shares = 128", "shares = 256")]);
    covers(growth, needed);
}

/// A caller with a limit of pages has as many shares as all others together, and 1024 ranges, to itself.
#[test]
fn a_limited_caller() {
    let needed = policy::<272, 5120, 0>() - policy::<144, 4096, 0>();
    let growth = growth(&[(
        "callers = [\"normal-world\"]",
        "callers = [{ from = \"normal-world\", pages = 8192 }]",
    )]);
    covers(growth, needed);
}

#[test]
fn a_virtual_machine() {
    let needed = policy::<144, 4096, 1>() - policy::<144, 4096, 0>();
    let machine = "\n[[virtual-machine]]\nname = \"android\"\nid = 1\n\n[[partition]]";
    let growth = growth(&[("\n[[partition]]", machine)]);
    covers(growth, needed);
}

/// `alpha` lends: its 6 MiB are mapped by pages in its own tables, which had two for the ends, and in those of `beta`.
#[test]
fn memory_that_changes_hands() {
    let to_beta = "callers = [\"normal-world\", { from = \"alpha\", pages = 1 }]";
    let growth = growth(&[("boot-order = 2", to_beta)]);
    assert!((4 * STEP..=5 * STEP).contains(&growth), "{growth}");
}
