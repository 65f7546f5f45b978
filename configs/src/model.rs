//! The checked system: names resolved, defaults filled, every number in its final form.

use std::path::PathBuf;

use crate::board::{Board, Device, Interrupt};
use crate::draft::Tee;
use crate::source::Span;
use crate::units::PAGE;

/// The SPMC's ID (DEN0077A, section 6.1).
pub const SPMC_ID: u16 = 0x8000;

/// The normal world's ID: the hypervisor or kernel that calls without a virtual machine.
pub const NORMAL_WORLD_ID: u16 = 0;

/// Bytes below the image in a partition's first region: boot information and manifest.
pub const IMAGE_OFFSET: u64 = 0x4000;

/// A range of addresses in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// First address.
    pub base: u64,
    /// Length in bytes.
    pub size: u64,
}

impl Range {
    /// First address behind the range. Ranges are checked to end below 2^48 before they are made.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.base + self.size
    }

    /// Whether the two share an address.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.base < other.end() && other.base < self.end()
    }

    /// Whether `other` lies within this range.
    #[must_use]
    pub const fn contains(&self, other: &Self) -> bool {
        other.base >= self.base && other.end() <= self.end()
    }

    /// Whole pages in the range.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        self.size / PAGE
    }
}

/// A region of a partition's memory.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// Where it is.
    pub range: Range,
    /// Whether the partition may execute it (it may always read and write).
    pub execute: bool,
}

/// Where a partition's image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is built here, by the recipe of this kind of TEE.
    Build(Tee),
    /// It is the file at this path, whose content has the digest that the table names.
    File(PathBuf),
}

/// A partition's image as the table names it.
#[derive(Clone, Debug)]
pub struct Image {
    /// Where it comes from.
    pub origin: Origin,
    /// The SHA-256 that it must have, if the table says so.
    pub sha256: Option<[u8; 32]>,
    /// The place in the table.
    pub(crate) span: Span,
}

/// What happens to a partition that a normal-world interrupt preempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preemption {
    /// The core goes to the normal world at once.
    AtOnce,
    /// The partition is told and has this many microseconds (1 to 1,000,000).
    ManagedExit {
        /// The bound in microseconds.
        limit_us: u32,
    },
}

/// How GlobalPlatform clients find a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The TEE's name.
    pub name: String,
    /// Whether it is the one for clients that name none.
    pub default: bool,
}

/// One partition.
#[derive(Clone, Debug)]
pub struct Partition {
    /// Name, unique.
    pub name: String,
    /// FF-A endpoint ID, 0x8001 to 0x80ff.
    pub id: u16,
    /// The kind of TEE.
    pub tee: Tee,
    /// The image.
    pub image: Image,
    /// UUID of the package in the FIP, in the order in which it is written.
    pub package_uuid: [u8; 16],
    /// Protocol UUIDs that discovery reports, in the order in which they are written.
    pub uuids: Vec<[u8; 16]>,
    /// Partition properties for discovery from the normal world (DEN0077A, table 13.39).
    pub properties: u32,
    /// The manifest's messaging method: bit 0 receives direct requests, bit 1 sends them.
    pub messaging: u32,
    /// Whether it receives notifications.
    pub notifications: bool,
    /// Memory in the order of the table; the first region holds the image.
    pub memory: Vec<Region>,
    /// Indices into the board's cores, ascending.
    pub cores: Vec<usize>,
    /// Devices passed through.
    pub devices: Vec<Device>,
    /// Interrupts that it owns.
    pub interrupts: Vec<Interrupt>,
    /// The non-secure IPA window for borrowed memory.
    pub window: Range,
    /// Shares that it may hold at once, 1 to 256.
    pub shares: u16,
    /// What preempts it.
    pub preemption: Preemption,
    /// IDs of who may send it direct requests, ascending.
    pub callers: Vec<u16>,
    /// How clients find it.
    pub client: Option<Client>,
    /// The value of OP-TEE's make variable `PLATFORM` for the board.
    pub optee_platform: Option<String>,
    /// The name's place in the table.
    pub(crate) span: Span,
}

impl Partition {
    /// The region that holds boot information, manifest, image and package.
    #[must_use]
    pub fn home(&self) -> Range {
        self.memory[0].range
    }

    /// Where the image goes.
    #[must_use]
    pub fn load(&self) -> u64 {
        self.home().base + IMAGE_OFFSET
    }

    /// Execution contexts: one for each core.
    #[must_use]
    pub fn contexts(&self) -> usize {
        self.cores.len()
    }

    /// The package's UUID as it is written.
    #[must_use]
    pub fn package_uuid_text(&self) -> String {
        uuid::Uuid::from_bytes(self.package_uuid).to_string()
    }

    /// The package's path among the artefacts.
    #[must_use]
    pub fn package_path(&self) -> String {
        format!("sp/{}.pkg", self.name)
    }
}

/// The whole system.
#[derive(Clone, Debug)]
pub struct System {
    /// Name of the system.
    pub name: String,
    /// The table that it was read from, as given.
    pub table: PathBuf,
    /// The board.
    pub board: Board,
    /// The hypervisor's memory.
    pub hypervisor: Range,
    /// Partitions by ascending ID.
    pub partitions: Vec<Partition>,
    /// Indices into `partitions` in the order of their start.
    pub boot_order: Vec<usize>,
}

impl System {
    /// The partition with this name.
    #[must_use]
    pub fn partition(&self, name: &str) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.name == name)
    }

    /// Name of a caller: a partition, or the normal world.
    #[must_use]
    pub fn endpoint_name(&self, id: u16) -> &str {
        let found = self.partitions.iter().find(|partition| partition.id == id);
        found.map_or("normal-world", |partition| &partition.name)
    }

    /// 4 KiB pages of all windows together.
    #[must_use]
    pub fn window_pages(&self) -> u64 {
        self.partitions
            .iter()
            .map(|partition| partition.window.pages())
            .sum()
    }

    /// Shares of all partitions together.
    #[must_use]
    pub fn shares(&self) -> usize {
        self.partitions
            .iter()
            .map(|partition| usize::from(partition.shares))
            .sum()
    }
}
