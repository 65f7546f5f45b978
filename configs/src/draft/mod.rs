//! A table as it was written: typed, placed, not yet checked. What is missing or ill-formed is `None`.

mod caller;
mod partition;
mod quiesce;
mod read;
mod words;

use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::{At, Span};

pub use caller::Caller;
pub use partition::{Cores, OnFailure, Partition, Quotas};
pub use quiesce::Quiesce;
pub use read::read;
pub use words::*;

/// The whole file.
#[derive(Debug, Default)]
pub struct Draft {
    /// Name of the system.
    pub name: Option<At<String>>,
    /// Name of the board.
    pub board: Option<At<String>>,
    /// The hypervisor's memory in bytes.
    pub hypervisor: Option<At<u64>>,
    /// Where the hypervisor's log leaves.
    pub log: Option<At<String>>,
    /// What the table is for.
    pub profile: Option<At<Profile>>,
    /// Whether firmware checks the hypervisor.
    pub trusted_boot: Option<At<bool>>,
    /// Whether secure memory that nothing protects may be used.
    pub allow_unprotected: bool,
    /// The partitions in the order of the file.
    pub partitions: Vec<Partition>,
    /// Virtual machines of the normal world.
    pub machines: Vec<Machine>,
}

/// One `[[virtual-machine]]`.
#[derive(Debug)]
pub struct Machine {
    /// `name`
    pub name: Option<At<String>>,
    /// `id`
    pub id: Option<At<u64>>,
    /// `contexts`
    pub contexts: Option<At<u64>>,
}

impl Draft {
    /// Whether the normal world, or one of its virtual machines, has this name among callers.
    #[must_use]
    pub fn is_normal(&self, name: &str) -> bool {
        let mut machines = self.machines.iter().filter_map(|machine| machine.name.as_ref());
        name == "normal-world" || machines.any(|machine| machine.value == name)
    }

    /// The partition with this name, the first of several.
    #[must_use]
    pub fn partition(&self, name: &str) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.is_called(name))
    }
}

/// One region of `memory`.
#[derive(Debug)]
pub struct Region {
    /// Where it stands.
    pub span: Span,
    /// First address.
    pub base: Option<At<u64>>,
    /// Whether `base` was left out, and found by [`crate::place`].
    pub placed: bool,
    /// Length in bytes.
    pub size: Option<At<u64>>,
    /// What the partition may do with it, if that is said.
    pub rights: Option<At<Rights>>,
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
    /// What holds of its package, where a vendor signs that.
    pub signed: Option<Signed>,
    /// The ELF file with its symbols.
    pub symbols: Option<At<String>>,
    /// Where it is entered, in bytes from its start.
    pub entry: Option<At<u64>>,
    /// Settings of its build.
    pub settings: Vec<At<String>>,
}

/// `signed`
#[derive(Debug)]
pub struct Signed {
    /// Where it stands.
    pub span: Span,
    /// `by`
    pub by: Option<At<Signer>>,
    /// `slots`
    pub slots: Option<At<u64>>,
    /// `version`
    pub version: Option<At<u64>>,
    /// `counted`
    pub counted: Option<At<bool>>,
}

/// Whose key signs a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The one that everybody knows.
    Test,
    /// The vendor's, whose public one this is.
    Key([u8; 32]),
}

/// `preemption`
#[derive(Debug)]
pub enum Preemption {
    /// `"at-once"`
    AtOnce,
    /// `{ managed-exit = … }` in microseconds
    ManagedExit(At<u64>),
    /// `{ queued = … }` in microseconds
    Queued(At<u64>),
}

/// `client`
#[derive(Debug)]
pub struct Client {
    /// Where it stands.
    pub span: Span,
    /// The name that clients use.
    pub name: Option<At<String>>,
    /// Whether clients without a name get this TEE, and where that is said.
    pub default: Option<At<bool>>,
    /// Trusted applications that it hosts.
    pub applications: Vec<At<[u8; 16]>>,
}

/// Two keys of which exactly one has to be there.
fn either(span: &Span, what: &str, one: &str, other: &str) -> Diagnostic {
    Diagnostic::new(
        Rule::OneOf,
        format!("{what} needs one of {one} and {other}, and not both"),
    )
    .at(span, "this table")
    .help(format!("write {one} alone"))
}
