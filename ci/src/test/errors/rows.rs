//! What each line of the hypervisor's log means, and what to do.

/// A line of the log.
pub struct Row {
    /// Its level.
    pub level: &'static str,
    /// The line, with `{}` where something is filled in.
    pub says: &'static str,
    /// What has happened.
    pub means: &'static str,
    /// What to do about it.
    pub todo: &'static str,
}

impl Row {
    /// The line as the page shows it.
    pub fn line(&self) -> String {
        let named = match self.says.strip_prefix("{}: ") {
            Some(rest) => format!("NAME: {rest}"),
            None => self.says.to_owned(),
        };
        format!("`{}`", named.replace("{}", "…"))
    }
}

const fn info(says: &'static str, means: &'static str, todo: &'static str) -> Row {
    row("info", says, means, todo)
}

const fn warn(says: &'static str, means: &'static str, todo: &'static str) -> Row {
    row("warn", says, means, todo)
}

const fn error(says: &'static str, means: &'static str, todo: &'static str) -> Row {
    row("error", says, means, todo)
}

const fn row(level: &'static str, says: &'static str, means: &'static str, todo: &'static str) -> Row {
    Row {
        level,
        says,
        means,
        todo,
    }
}

const RECORD: &str =
    "Read its record in `failures.log`: registers, the place in its program, its last calls.";
const REBUILD: &str =
    "Build the image for this machine: compare the board's file with the machine's device tree.";

/// Lines after which the system goes on.
pub const LOG: &[Row] = &[
    info(
        "Bulkhead {} for {}: table {}",
        "It has started: version, board, table.",
        "Nothing.",
    ),
    info(
        "{}: {} accesses to the GIC's CPU interface replaced by hypervisor calls",
        "The board does not trap these accesses, so the copy of its image that was measured has calls in their place.",
        "Nothing.",
    ),
    info(
        "{}: ready",
        "The partition has finished its start and takes calls.",
        "Nothing.",
    ),
    info(
        "{}: cleared, restored and measured in {} slices of {} us together, the longest {} us, {} us after its failure",
        "Its memory is as at the first start; it is entered next.",
        "Nothing.",
    ),
    info(
        "{}: ready again {} us after its failure",
        "It takes calls again.",
        "Nothing.",
    ),
    warn(
        "{}: restarted in {} us",
        "It has failed, and rests (`back-off`).",
        RECORD,
    ),
    warn(
        "{}: restarted with the normal world",
        "A new kernel has begun without the old one's giving anything back (`with-normal-world`).",
        "Find out why the old kernel crashed.",
    ),
    warn(
        "{}: did not answer a power message in time",
        "Its core went off or came back while it was still at work on the message.",
        "Answer within the managed exit's time, or leave `power` out of its table.",
    ),
    warn(
        "{}: leaves its managed exits unfinished: it is preempted at once from now on",
        "It was told often that the normal world has an interrupt, and never left in time.",
        "Enable virtual interrupt 4 and leave when it comes, or say `preemption = \"at-once\"`.",
    ),
    warn(
        "{}: {} bytes of its log were dropped: more than its quota",
        "It logs more than the table allows.",
        "Log less, or raise its quota.",
    ),
    warn(
        "interrupt {} has no owner: it is disabled",
        "A secure interrupt came that the table gives to nobody.",
        "Give it to a partition (`interrupts`), or have its device be quiet.",
    ),
    warn(
        "{}: interrupt {} comes too often, and was held back: {} times by now",
        "Its handler has used up its time: the line rests, so that others have the core.",
        "Have the device interrupt less often, or the handler be shorter.",
    ),
    warn(
        "{}: its SGIs and timers come too often, and were held back: {} times by now",
        "As for an interrupt's line, for those that the partition raises itself.",
        "Raise fewer, or a longer period of its timer.",
    ),
    error(
        "{}: failed on core {} by {}: syndrome {} pc {} address {} ipa {}",
        "It did what it must not: an access outside its memory, a trapped instruction, a system error.",
        RECORD,
    ),
    error(
        "{}: gave itself up on core {} with code {}",
        "FFA_ABORT: the partition's own panic.",
        RECORD,
    ),
    error(
        "{}: turned itself off on core {} by PSCI {}",
        "Its kernel called SYSTEM_OFF or SYSTEM_RESET: it has ended, and the machine has not.",
        "Look at its console: it knows why.",
    ),
    error(
        "{}: failed on core {}: a call took longer than its budget",
        "It hangs, or `budget` is too short for what is asked of it.",
        "Look at the place in its record, and raise `budget` if it works there.",
    ),
    error(
        "{}: did not start in time on core {}",
        "No FFA_MSG_WAIT within five seconds.",
        "Look at its console, and at the place in its record.",
    ),
    error(
        "{}: failed to start on core {}",
        "It said FFA_ERROR while it started.",
        "Look at its console: it knows why.",
    ),
    error(
        "{}: has failed more often than it is restarted; it stays stopped",
        "`on-failure` allows no further restart in this time. Calls to it are ABORTED.",
        RECORD,
    ),
    error(
        "{}: the stored image's SHA-256 is not the table's; it stays stopped",
        "The store was changed since the build: it is not started again.",
        "Write the flash anew, and find out who wrote to it.",
    ),
    error(
        "{}: {}; it stays stopped",
        "It was not started, for the reason in the line; the others are.",
        "See the reason: these are the next lines.",
    ),
    error(
        "the image's SHA-256 is not the table's",
        "The package in the FIP holds another image than the one for which the table was built.",
        "Build the flash again, from the table and the image that belong together.",
    ),
    error(
        "no package of it is taken",
        "None of its signed packages is: the lines before say why for each slot.",
        "See those lines, and [packages that are signed](signed.md).",
    ),
    error(
        "the store has no package of it",
        "With trusted boot the hypervisor reads each package from the FIP, and this one is not there.",
        "Build the flash again; where another tool packs the FIP, give it each package with its UUID.",
    ),
    info(
        "{}: slot {}, version {}",
        "A signed package was taken: from this slot, of this version.",
        "Nothing.",
    ),
    error(
        "{}: slot {} is refused: version {} is below its counter, {}",
        "A newer version has run on this machine; the other slot is tried where there is one.",
        "Sign the package with a higher version. The counter cannot be lowered.",
    ),
    error(
        "{}: slot {} is refused: {}",
        "A signed package is not taken, for the reason in the line; the other slot is tried where there is one.",
        "Write the slot anew with what its vendor signed for this partition, and find out who wrote to it.",
    ),
    error(
        "{}: its counter cannot be raised",
        "The flash with the counters is full or broken: an older version of this partition could start again.",
        "Look at the board's memory of the kind `counters`.",
    ),
    error(
        "{} has failed",
        "The table says `on-failure = \"halt\"`: the machine stops next.",
        RECORD,
    ),
];

/// Lines after which nothing goes on.
pub const FATAL: &[Row] = &[
    error(
        "board mismatch: {}",
        "The machine is not the board of the table, for one of the next reasons.",
        REBUILD,
    ),
    error(
        "no readable device tree is where the board file says",
        "Firmware left none at `device-tree`, or a damaged one.",
        REBUILD,
    ),
    error(
        "the machine's `compatible` is not the board file's",
        "It is another kind of machine.",
        REBUILD,
    ),
    error(
        "the machine's cores are not the board file's",
        "More or fewer cores, or others.",
        "On QEMU: `-smp`. Else the board's `[[core]]` entries.",
    ),
    error(
        "the machine's GICv3 is not where the board file says",
        "The distributor or the redistributors are elsewhere.",
        REBUILD,
    ),
    error(
        "the machine has less memory than the board file gives to the normal world",
        "`[[memory]]` of the board is more than the machine has.",
        "On QEMU: `-m`. Else the board's file.",
    ),
    error(
        "the log's UART is not in the machine's device tree",
        "`[hypervisor] log` names a device that is not there.",
        REBUILD,
    ),
    error("fatal: {}", "The reason is one of the next lines.", "See there."),
    error(
        "this image was built for another machine",
        "The line before says what is different.",
        REBUILD,
    ),
    error(
        "EL3 refused the entry for secondary cores",
        "TF-A's SPMD does not take this SPMC.",
        "Build TF-A with SPD=spmd SPMD_SPM_AT_SEL2=1.",
    ),
    error(
        "this core lacks FEAT_ECV, without which partitions could use the normal world's timer",
        "An older core than Armv8.6.",
        "Another core: on QEMU `-cpu max`.",
    ),
    error(
        "the table says that the machine halts then",
        "A partition with `on-failure = \"halt\"` has failed.",
        RECORD,
    ),
    error(
        "fatal exception at EL2: vector {} syndrome {} pc {} address {}",
        "A fault of the hypervisor's own, or of the machine.",
        "Report it with the log: `addr2line` on the system's `hypervisor` has the place.",
    ),
    error(
        "fatal: panic at {}:{}",
        "An invariant of the hypervisor's own does not hold; the place in its source has it in words.",
        "Report it with the log.",
    ),
];

/// By what a partition has failed, as the line of its failure says it.
pub const FAULTS: &[(&str, &str, &str)] = &[
    (
        "an undefined instruction or a system error",
        "An instruction that this core, or EL1, does not have; or memory or a device answered with an error.",
        "A wrong branch, or code for another core: see `pc`.",
    ),
    (
        "waiting for an interrupt or event",
        "WFI or WFE where they trap.",
        "Give the core back with FFA_MSG_WAIT or FFA_YIELD.",
    ),
    (
        "a vector or matrix instruction",
        "SVE, SME, or FP and SIMD where they are not its own.",
        "Build without them: the ID registers say that they are not there.",
    ),
    (
        "pointer authentication",
        "Its keys are the normal world's.",
        "Build without it, as the ID registers say.",
    ),
    (
        "a trapped system register or cache instruction",
        "Debug and performance registers, timers, the GIC's CPU interface, set/way maintenance, and others that are shared.",
        "The record names the register; the page on internals lists what is trapped.",
    ),
    (
        "fetching an instruction",
        "A jump to where it has no code.",
        "See `address`, `lr`, and what stage 2 has there.",
    ),
    (
        "a store",
        "To memory that it does not have, or may only read.",
        "See `address`: a buffer that was given back, a region without `w`, or somebody else's memory.",
    ),
    (
        "a load",
        "From memory that it does not have.",
        "See `address`: a buffer that was given back, or somebody else's memory.",
    ),
    (
        "a system error",
        "Memory or a device answered with an error.",
        "A device's register that does not exist; else the machine.",
    ),
    (
        "a trapped exception",
        "None of the others.",
        "Look its class up in DDI0487, ESR_EL2.",
    ),
];

/// The lines of a record in `failures.log`.
pub const RECORD_LINES: &[(&str, &str)] = &[
    (
        "pc",
        "Where it was, and the function, where the program is known (`symbols`).",
    ),
    ("lr", "Where it was called from."),
    ("pstate", "Its Exception level, and which exceptions were masked."),
    (
        "EL1",
        "Its own exception and translation registers: what its kernel was about.",
    ),
    ("fault", "The exception class in words."),
    (
        "address",
        "The address that it used, and what its own tables made of it.",
    ),
    (
        "secure",
        "What stage 2 has there in its own memory, level by level.",
    ),
    (
        "window",
        "What stage 2 has there in its window of borrowed memory.",
    ),
    ("calls", "Its last eight calls, the oldest first."),
];
