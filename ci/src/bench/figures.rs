//! What is measured, and what it is compared with.

use std::collections::BTreeMap;

/// The figures of one system.
#[derive(Default)]
pub struct Figures {
    instructions: BTreeMap<String, u64>,
    /// Why something could not be measured.
    pub failures: Vec<String>,
}

impl Figures {
    /// Notes an operation's figure.
    pub fn note(&mut self, operation: &str, instructions: u64) {
        self.instructions.insert(operation.to_owned(), instructions);
    }

    /// Takes what was measured on another system alone.
    pub fn complete(&mut self, other: &Self) {
        for (operation, instructions) in &other.instructions {
            self.instructions
                .entry(operation.clone())
                .or_insert(*instructions);
        }
        self.failures.extend(other.failures.iter().cloned());
    }

    /// An operation's figure.
    pub fn get(&self, operation: &str) -> Option<u64> {
        self.instructions.get(operation).copied()
    }

    /// All of them, by operation.
    pub fn all(&self) -> impl Iterator<Item = (&str, u64)> {
        self.instructions
            .iter()
            .map(|(operation, instructions)| (operation.as_str(), *instructions))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.instructions.len()
    }
}

/// An operation and its reference figures, in instructions.
pub struct Operation {
    /// The boot stage's name of it.
    pub name: &'static str,
    /// In words.
    pub title: &'static str,
    /// EL3 with an SPMC that does nothing.
    pub floor: Option<u64>,
    /// Hafnium of July 2026, as upstream builds it.
    pub hafnium: Option<u64>,
    /// What Bulkhead is to stay below.
    pub target: Option<u64>,
}

const fn operation(
    name: &'static str,
    title: &'static str,
    floor: u64,
    hafnium: u64,
    target: u64,
) -> Operation {
    const fn known(figure: u64) -> Option<u64> {
        if figure == 0 { None } else { Some(figure) }
    }
    Operation {
        name,
        title,
        floor: known(floor),
        hafnium: known(hafnium),
        target: known(target),
    }
}

/// The longest time that a restart keeps the core: as the hypervisor's log says, which counts microseconds.
pub const LONGEST_SLICE: &str = "restart:longest-slice";

/// All of them; 0 stands for a figure that is not known. Floor and Hafnium were measured on QEMU 10.0.2 with TF-A
/// 2.12.1, `-cpu max,sve=off,pauth-impdef=on`, `-icount shift=0,sleep=off` and one core.
pub const OPERATIONS: [Operation; 46] = [
    operation("psci-version", "PSCI_VERSION (EL3 alone)", 238, 238, 0),
    operation("features", "FFA_FEATURES", 1342, 3037, 1500),
    operation("version", "FFA_VERSION", 1544, 4068, 1700),
    operation("id-get", "FFA_ID_GET", 0, 0, 0),
    operation("info-get-regs", "PARTITION_INFO_GET_REGS", 1336, 19_248, 1600),
    operation("direct-64", "direct request, 64-bit", 1342, 8252, 2000),
    operation("direct-32", "direct request, 32-bit", 1342, 8564, 2000),
    operation("direct-2", "direct request 2", 1342, 0, 0),
    operation("direct-64:shares", "direct request, 15 live shares", 1342, 0, 0),
    operation("preempt", "direct request, preempted at once", 1342, 0, 0),
    operation("resume-preempt", "FFA_RUN, preempted at once", 1342, 0, 0),
    operation("notification-set", "notification set", 0, 0, 0),
    operation("notification-get", "notification get", 0, 0, 0),
    operation(
        "notification-info-get",
        "notification info get, none pending",
        0,
        0,
        0,
    ),
    operation("partition-id-get", "FFA_ID_GET by a partition", 0, 771, 250),
    operation(
        "partition-notification-set",
        "notification set by a partition",
        0,
        3023,
        700,
    ),
    operation(
        "partition-to-partition",
        "partition to partition and back",
        0,
        7486,
        1000,
    ),
    operation("interrupt-owner", "interrupt to its handler: owner runs", 0, 0, 0),
    operation(
        "interrupt-peer",
        "interrupt to its handler: another runs",
        0,
        0,
        0,
    ),
    operation(
        "interrupt-normal",
        "interrupt to its handler: normal world runs",
        0,
        0,
        0,
    ),
    operation("interrupt-idle", "interrupt to its handler: core sleeps", 0, 0, 0),
    operation(
        "boot-1",
        "start at S-EL2, one TEE, no hashing",
        0,
        1_759_526,
        400_000,
    ),
    operation("boot-2", "start at S-EL2, two TEEs, no hashing", 0, 0, 0),
    operation("boot-3", "start at S-EL2, three TEEs, no hashing", 0, 0, 0),
    operation("boot-1:hash", "hashing of one image", 0, 0, 0),
    operation("window-copy-4096", "copy of a window, a page", 0, 0, 0),
    operation("window-copy-64", "copy of a window, 64 bytes", 0, 0, 0),
    operation("share-1", "share and back, 1 page", 0, 821_892, 10_000),
    operation("share-16", "16 pages in one range", 0, 0, 0),
    operation("share-16-scattered", "16 pages in 16 ranges", 0, 0, 0),
    operation("share-256", "256 pages in one range", 0, 0, 0),
    operation("share-256-scattered", "256 pages in 256 ranges", 0, 0, 0),
    operation("share-512", "512 pages in one range", 0, 672_274, 20_000),
    operation(
        "share-512-scattered",
        "512 pages in 512 ranges",
        0,
        11_142_064,
        300_000,
    ),
    operation("share-1:share", "of 1 page: share", 0, 0, 0),
    operation("share-1:borrow", "of 1 page: retrieve, relinquish", 0, 0, 0),
    operation("share-512:share", "of 512 pages in one range: share", 0, 0, 0),
    operation(
        "share-512:borrow",
        "of 512 pages in one range: retrieve, relinquish",
        0,
        0,
        0,
    ),
    operation("share-512:reclaim", "of 512 pages in one range: reclaim", 0, 0, 0),
    operation("share-512-scattered:share", "of 512 ranges: share", 0, 0, 0),
    operation(
        "share-512-scattered:borrow",
        "of 512 ranges: retrieve, relinquish",
        0,
        0,
        0,
    ),
    operation("share-512-scattered:reclaim", "of 512 ranges: reclaim", 0, 0, 0),
    operation("failure-told", "a fault, until its caller is told", 0, 0, 0),
    operation(
        "failure-good-call",
        "a fault, until the next good answer (1 ms of it is a rest)",
        0,
        0,
        0,
    ),
    operation("restart", "restart, from the first call that is kept", 0, 0, 0),
    operation(LONGEST_SLICE, "longest slice of it", 0, 0, 0),
];
