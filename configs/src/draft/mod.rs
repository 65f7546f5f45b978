//! A table as it was written: typed, placed, not yet checked. What is missing or ill-formed is `None`.

mod read;

use crate::source::{At, Span};

pub use read::read;

/// The whole file.
#[derive(Debug, Default)]
pub struct Draft {
    /// Name of the system.
    pub name: Option<At<String>>,
    /// Name of the board.
    pub board: Option<At<String>>,
    /// The hypervisor's memory in bytes.
    pub hypervisor: Option<At<u64>>,
    /// The partitions in the order of the file.
    pub partitions: Vec<Partition>,
}

/// Known kinds of trusted execution environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tee {
    /// OP-TEE OS with its S-EL2 configuration.
    Optee,
    /// Bulkhead's own Rust TEE.
    Rust,
    /// Bulkhead's S-EL1 test partition.
    Test,
}

/// What `tee` may say.
pub const TEES: &[(&str, Tee)] = &[("optee", Tee::Optee), ("rust", Tee::Rust), ("test", Tee::Test)];

/// One `[[partition]]`.
#[derive(Debug)]
pub struct Partition {
    /// Where it starts.
    pub span: Span,
    /// `name`
    pub name: Option<At<String>>,
    /// `id`
    pub id: Option<At<u64>>,
    /// `tee`
    pub tee: Option<At<Tee>>,
    /// `image`
    pub image: Option<Image>,
    /// `uuid`
    pub uuid: Option<At<[u8; 16]>>,
    /// `memory`
    pub memory: Vec<Region>,
    /// `cores`; `None` stands for all.
    pub cores: Option<Vec<At<String>>>,
    /// Where `cores` is, or the partition's start.
    pub cores_span: Span,
    /// `window` in bytes
    pub window: Option<At<u64>>,
    /// `shares`
    pub shares: Option<At<u64>>,
    /// `preemption`
    pub preemption: Option<Preemption>,
    /// `callers`
    pub callers: Option<Vec<At<String>>>,
    /// `boot-order`
    pub boot_order: Option<At<u64>>,
    /// `devices`
    pub devices: Vec<At<String>>,
    /// `interrupts`
    pub interrupts: Vec<At<String>>,
    /// `client`
    pub client: Option<Client>,
}

impl Partition {
    /// The place that stands for the partition in messages: its name, or its start.
    #[must_use]
    pub fn place(&self) -> &Span {
        self.name.as_ref().map_or(&self.span, |name| &name.span)
    }

    /// The name in messages.
    #[must_use]
    pub fn title(&self) -> String {
        self.name.as_ref().map_or_else(
            || "a partition".to_owned(),
            |name| format!("partition `{}`", name.value),
        )
    }
}

/// One region of `memory`.
#[derive(Debug)]
pub struct Region {
    /// Where it stands.
    pub span: Span,
    /// First address.
    pub base: Option<At<u64>>,
    /// Length in bytes.
    pub size: Option<At<u64>>,
    /// Whether it may be executed.
    pub execute: bool,
}

/// `image`: exactly one of `build` and `file`.
#[derive(Debug)]
pub struct Image {
    /// Where it stands.
    pub span: Span,
    /// What is built for it.
    pub build: Option<At<Tee>>,
    /// A file that holds it.
    pub file: Option<At<String>>,
    /// The digest that it must have.
    pub sha256: Option<At<[u8; 32]>>,
    /// Whether a digest is written at all, well-formed or not.
    pub has_digest: bool,
}

/// `preemption`
#[derive(Debug)]
pub enum Preemption {
    /// `"at-once"`
    AtOnce,
    /// `{ managed-exit = … }` in microseconds
    ManagedExit(At<u64>),
}

/// `client`
#[derive(Debug)]
pub struct Client {
    /// The name that clients use.
    pub name: Option<At<String>>,
    /// Whether clients without a name get this TEE, and where that is said.
    pub default: Option<At<bool>>,
}
