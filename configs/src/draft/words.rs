//! Words that values can be, with their meanings.

/// Known kinds of trusted execution environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tee {
    /// OP-TEE OS with its S-EL2 configuration.
    Optee,
    /// Bulkhead's own Rust TEE.
    Rust,
    /// Bulkhead's S-EL1 test partition.
    Test,
    /// Bulkhead's partition that keeps a period on a core of its own.
    Sensors,
    /// seL4 with a root task that answers FF-A calls.
    Sel4,
    /// Any other S-EL1 trusted OS; the table says what it speaks.
    Other,
}

/// What `tee` may say.
pub const TEES: &[(&str, Tee)] = &[
    ("optee", Tee::Optee),
    ("rust", Tee::Rust),
    ("test", Tee::Test),
    ("sensors", Tee::Sensors),
    ("sel4", Tee::Sel4),
    ("other", Tee::Other),
];

impl Tee {
    /// The kind with this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        TEES.iter().find(|(known, _)| *known == word).map(|(_, tee)| *tee)
    }

    /// The word of it in tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        word(TEES, self)
    }

    /// The name of it for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Optee => "OP-TEE",
            Self::Rust => "Rust TEE",
            Self::Test => "test partition",
            Self::Sensors => "partition of sensors",
            Self::Sel4 => "seL4",
            Self::Other => "other TEE",
        }
    }
}

/// What a partition may do with a region, as stage 2 sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Read.
    Read,
    /// Read and write.
    ReadWrite,
    /// Read and execute.
    ReadExecute,
    /// All; stage 1 of the partition makes the split.
    All,
}

/// What `rights` may say.
pub const RIGHTS: &[(&str, Rights)] = &[
    ("rwx", Rights::All),
    ("rw", Rights::ReadWrite),
    ("rx", Rights::ReadExecute),
    ("r", Rights::Read),
];

/// How interrupts reach a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// By hypervisor calls, as OP-TEE's driver does.
    Paravirtual,
    /// By a virtual GICv3.
    Vgic,
}

/// What `interrupt-interface` may say.
pub const DELIVERIES: &[(&str, Delivery)] =
    &[("paravirtual", Delivery::Paravirtual), ("vgic", Delivery::Vgic)];

/// What a secure interrupt of a partition's does to other partitions: FF-A's actions of "other S-Int".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It takes the core at once.
    Signaled,
    /// It waits until they leave.
    Queued,
}

/// What `s-interrupts-action` may say.
pub const ACTIONS: &[(&str, Action)] = &[("signaled", Action::Signaled), ("queued", Action::Queued)];

/// A kind of message that a partition takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// FFA_MSG_SEND_DIRECT_REQ.
    Direct,
    /// FFA_MSG_SEND_DIRECT_REQ2.
    Direct2,
    /// FFA_MSG_SEND2.
    Indirect,
    /// Notifications.
    Notifications,
    /// The normal world's hypervisor tells it of virtual machines that were created.
    VmCreated,
    /// The same of virtual machines that were destroyed.
    VmDestroyed,
}

/// What `receives` may say.
pub const MESSAGES: &[(&str, Message)] = &[
    ("direct", Message::Direct),
    ("direct2", Message::Direct2),
    ("indirect", Message::Indirect),
    ("notifications", Message::Notifications),
    ("vm-created", Message::VmCreated),
    ("vm-destroyed", Message::VmDestroyed),
];

/// What `messages` of a caller may say.
pub const KINDS: &[(&str, Message)] = &[
    ("direct", Message::Direct),
    ("direct2", Message::Direct2),
    ("indirect", Message::Indirect),
    ("notifications", Message::Notifications),
];

/// A change of a core's power of which a partition is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// PSCI CPU_OFF.
    CpuOff,
    /// PSCI CPU_SUSPEND.
    CpuSuspend,
    /// A core that comes back from CPU_SUSPEND.
    CpuResume,
    /// PSCI CPU_ON.
    CpuOn,
}

/// What `power-messages` may say.
pub const POWER: &[(&str, Power)] = &[
    ("cpu-off", Power::CpuOff),
    ("cpu-suspend", Power::CpuSuspend),
    ("cpu-resume", Power::CpuResume),
    ("cpu-on", Power::CpuOn),
];

/// What happens to a partition that fails, where it is a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It stops; its callers get errors.
    Stop,
    /// The whole system stops.
    Halt,
}

/// What `on-failure` may say.
pub const FAILURES: &[(&str, Failure)] = &[("stop", Failure::Stop), ("halt", Failure::Halt)];

/// What `preemption` may say as a word.
pub const AT_ONCE: &[(&str, ())] = &[("at-once", ())];

/// What a table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Trying out and testing.
    Development,
    /// What is sold.
    Production,
}

/// What `profile` may say.
pub const PROFILES: &[(&str, Profile)] = &[
    ("development", Profile::Development),
    ("production", Profile::Production),
];

/// What `by` of a signed package says for the key that everybody knows.
pub const TEST_KEY: &str = "test";

/// What `cores` may say as a word.
pub const ALL_CORES: &[(&str, ())] = &[("all", ())];

/// The word that means `value`.
pub fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words
        .iter()
        .find(|(_, known)| *known == value)
        .map_or("", |(word, _)| word)
}
