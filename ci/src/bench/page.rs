//! The book's page of what calls cost.

use super::Profiles;
use super::figures::{Figures, OPERATIONS, Operation};
use super::reference::Reference;
use super::table::number;
use std::fmt::Write as _;

/// The page and its picture, in the repository; `cargo xtask bench --bless` writes them.
pub const FILE: &str = "docs/benchmarks.md";
pub const PLOT: &str = "docs/benchmarks.svg";

/// Why a target is missed, and what would have to be given up for it.
const REASONS: &[(&str, &str)] = &[
    (
        "features",
        "The floor leaves 158 instructions. 36 of them are x0 to x17 on their way to EL3 and back, the rest the decoding of \
         the function, the look at who asks, and the answer. What is above the target is the one decoder for all calls and \
         the answer's way through a value that all calls share; a table of ready answers would save it, and be a second \
         place that says what is served.",
    ),
    (
        "version",
        "TF-A turns it into a framework message of its own. The version is kept behind the mailbox's lock, as it may not \
         change under a call that writes a descriptor; without the lock two cores of the normal world could see two versions.",
    ),
    (
        "info-get-regs",
        "The floor leaves 264 instructions. The list is made anew for each call: whom the caller may call by which kind of message, what \
         has stopped, and the format of its version, which lies behind the mailbox's lock. A list that is made once would have to be made \
         anew at each failure and restart.",
    ),
    (
        "partition-to-partition",
        "Four crossings of EL1 and EL2 with two switches of the EL1 registers, of stage 2 and of the interrupt controller's \
         interface are about 650 instructions. The registers x8 to x17, which the answer must not change, are kept in the \
         policy. To save more, a partition's EL1 state would have to stay on the core for another one to see.",
    ),
    (
        "boot-1",
        "A third is the board's device tree, against which the table is held before anything is built on it; the rest clears memory and \
         builds translation tables. Where the device tree is not looked at, an image starts on a board that it was not made for.",
    ),
    (
        "share-1",
        "Each descriptor is copied before it is looked at and each page of it mapped for the copy alone, so that nothing of \
         the normal world's or a partition's stays mapped at EL2: each copy costs two changes of a translation, with their \
         barriers. A standing map of the buffers would save them, and be a way to EL2's data that a bug could take.",
    ),
];

/// The page.
pub fn text(one: &Figures, eight: &Figures, then: &Reference, growth: &str, profiles: &Profiles) -> String {
    let mut text = INTRODUCTION.to_owned();
    text.push_str(
        "| operation | EL3's floor | at S-EL2 | Bulkhead | with 8 partitions | last release | Hafnium | target | |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for operation in &OPERATIONS {
        text.push_str(&row(operation, one, eight, then, profiles));
    }
    let _ = write!(
        text,
        "\n![figures beside their targets](benchmarks.svg)\n\n## Growth\n\n{GROWTH}\n```text\n{growth}```\n"
    );
    text.push_str("\n## Targets that are missed\n");
    for operation in OPERATIONS.iter().filter(|operation| missed(operation, one)) {
        let _ = write!(
            text,
            "\n### {}\n\n{} instructions, {} wanted. ",
            operation.title,
            number(one.get(operation.name)),
            number(operation.target)
        );
        let reason = REASONS.iter().find(|(name, _)| *name == operation.name);
        text.push_str(reason.map_or("", |(_, reason)| reason));
        text.push('\n');
        if let Some(profile) = profiles.get(operation.name) {
            let _ = write!(text, "\n```text\n{}```\n", profile.text());
        }
    }
    text
}

const INTRODUCTION: &str = "# What calls cost

`cargo xtask bench --bless` makes this page: instructions counted by QEMU (`-icount shift=0,sleep=off`, `-cpu max,sve=off,pauth-impdef=on`), seen
by the normal world at EL2 unless said, with the test partition, which does nothing but answer. The floor is EL3 with an SPMC that does nothing.
What is at S-EL2 is by QEMU's execution log, for one round of the operation, what is done between two measured ones included, and
nothing where each round goes another way; `cargo xtask bench --profile OPERATION` says for each what it is spent on. Hafnium is that of July 2026 as upstream builds it. An interrupt is late by what passes from the moment at which its owner's timer goes
off to the first step of the handler behind the vector; the owner drives a virtual GICv3.
What a start takes is the hypervisor's part alone, to the normal world's first instruction. Calls of stock Linux are on
[a page of their own](cost-linux.md).

";

const GROWTH: &str = "The direct path must not know how many partitions, cores and live shares there are; CI fails where it does. With one partition in the
table the compiler knows which one is meant, and leaves the search out. The board has four cores.
";

fn missed(operation: &Operation, figures: &Figures) -> bool {
    matches!((figures.get(operation.name), operation.target), (Some(figure), Some(target)) if figure > target)
}

fn row(
    operation: &Operation,
    one: &Figures,
    eight: &Figures,
    then: &Reference,
    profiles: &Profiles,
) -> String {
    let figure = one.get(operation.name);
    let verdict = match (figure, operation.target) {
        (Some(_), Some(_)) if missed(operation, one) => "missed",
        (Some(_), Some(_)) => "met",
        _ => "",
    };
    let inside = profiles.get(operation.name).map(|profile| profile.total());
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {verdict} |\n",
        operation.title,
        number(operation.floor),
        number(inside.filter(|total| *total != 0)),
        number(figure),
        number(eight.get(operation.name)),
        number(then.get(operation.name)),
        number(operation.hafnium),
        number(operation.target),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_has_a_reason_to_be_missed_or_is_met() {
        let names = REASONS.iter().map(|(name, _)| *name);
        for name in names {
            let operation = OPERATIONS.iter().find(|operation| operation.name == name);
            assert!(
                operation.is_some_and(|operation| operation.target.is_some()),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_missed_is_explained() {
        let mut one = Figures::default();
        one.note("partition-to-partition", 1_001);
        one.note("features", 1_500);
        let then = Reference::parse("operation,bulkhead,bulkhead-8\n").unwrap();
        let text = text(&one, &Figures::default(), &then, "", &Profiles::new());
        assert!(
            text.contains("### partition to partition and back\n\n1,001 instructions, 1,000 wanted. Four")
        );
        assert!(!text.contains("### FFA_FEATURES"));
        assert!(text.contains("| FFA_FEATURES | 1,342 |  | 1,500 |  |  | 3,037 | 1,500 | met |"));
    }
}
