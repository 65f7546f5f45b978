//! Boards: what the machine has, by name.

mod consistent;
mod find;
mod parts;
mod read;

use crate::model::Range;

pub use find::{boards, find};

/// A core.
#[derive(Clone, Debug)]
pub struct Core {
    /// Its name.
    pub name: String,
    /// MPIDR_EL1 affinity (Aff3..Aff0).
    pub mpidr: u64,
    /// The cluster that it is in, where the board has several.
    pub cluster: Option<String>,
}

/// Whose a range of memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Firmware's at EL3.
    Firmware,
    /// Secure memory that is left to the hypervisor and the partitions.
    Secure,
    /// Where the pristine images stay; no partition can write it.
    Store,
    /// NOR flash with the counters of versions; no partition can write it.
    Counters,
    /// The normal world's.
    Normal,
}

/// What a memory's `kind` may say.
pub const KINDS: &[(&str, Kind)] = &[
    ("firmware", Kind::Firmware),
    ("secure", Kind::Secure),
    ("store", Kind::Store),
    ("counters", Kind::Counters),
    ("normal", Kind::Normal),
];

/// A range of memory.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub range: Range,
    /// Whose it is.
    pub kind: Kind,
    /// What keeps the normal world and its devices out of it, in words; `None` if nothing does.
    pub protected_by: Option<String>,
}

/// Who has a device or an interrupt by the board's own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Nobody yet: a partition may claim it.
    Free,
    /// The hypervisor.
    Hypervisor,
    /// The normal world.
    NormalWorld,
}

/// What `owner` may say.
pub const OWNERS: &[(&str, Owner)] = &[
    ("hypervisor", Owner::Hypervisor),
    ("normal-world", Owner::NormalWorld),
];

/// What `trigger` may say: whether the interrupt is an edge.
pub const TRIGGERS: &[(&str, bool)] = &[("level", false), ("edge", true)];

/// Where partitions' keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The board has no secret that the hypervisor can read.
    None,
    /// A documented value that everybody knows, for tests.
    Test,
    /// A secret of the device.
    Hardware,
}

/// The root secret of boards that have none (`root-secret = "test"`): 32 bytes that everybody can read.
pub const TEST_SECRET: &str = "bulkhead: a test secret, public!";

/// What `root-secret` may say.
pub const SECRETS: &[(&str, Secret)] = &[
    ("none", Secret::None),
    ("test", Secret::Test),
    ("hardware", Secret::Hardware),
];

/// A device.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its registers.
    pub range: Range,
    /// Who has it.
    pub owner: Owner,
    /// Names of its interrupts.
    pub interrupts: Vec<String>,
    /// Whether it reads or writes memory by itself.
    pub dma: bool,
    /// Stream IDs of its accesses.
    pub streams: Vec<u32>,
}

/// An interrupt.
#[derive(Clone, Debug)]
pub struct Interrupt {
    /// Its name.
    pub name: String,
    /// The GIC's number of it.
    pub intid: u32,
    /// Edge-triggered, else level-sensitive.
    pub edge: bool,
    /// Who has it.
    pub owner: Owner,
}

/// The interrupt controller, a GICv3.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gic {
    /// Base of the distributor.
    pub distributor: u64,
    /// Base of the first redistributor.
    pub redistributor: u64,
    /// Bytes from one core's redistributor to the next.
    pub stride: u64,
    /// Secure EL1's accesses to the CPU interface trap to secure EL2.
    pub interface_traps: bool,
}

/// Limits of the boot loader.
#[derive(Clone, Copy, Debug, Default)]
pub struct Firmware {
    /// Packages that it loads.
    pub packages: usize,
    /// Bytes of one package.
    pub package_size: u64,
    /// Bytes of one configuration tree.
    pub config_size: u64,
}

/// A board.
#[derive(Clone, Debug)]
pub struct Board {
    /// Its name, the folder's.
    pub name: String,
    /// The root `compatible` string of its device tree.
    pub compatible: String,
    /// Where firmware leaves its device tree, in non-secure memory.
    pub device_tree: u64,
    /// Its cores.
    pub cores: Vec<Core>,
    /// Index of the core on which firmware starts.
    pub boot_core: usize,
    /// Its memory.
    pub memory: Vec<Memory>,
    /// Its devices.
    pub devices: Vec<Device>,
    /// Its interrupts.
    pub interrupts: Vec<Interrupt>,
    /// Its interrupt controller.
    pub gic: Gic,
    /// Base of the SMMUv3 that checks devices' accesses, where there is one.
    pub smmu: Option<u64>,
    /// Where partitions' keys come from.
    pub secret: Secret,
    /// Where firmware loads and enters the hypervisor.
    pub hypervisor_load: u64,
    /// Where the hypervisor's log leaves: a place in `devices`.
    pub log: Option<usize>,
    /// Where a table may have it, instead.
    pub other_logs: Vec<usize>,
    /// INTID of the secure EL2 physical timer.
    pub timer_intid: Option<u32>,
    /// The SGI that tells the normal world to schedule a receiver.
    pub schedule_receiver: u32,
    /// Where each partition's window starts (non-secure IPA).
    pub window_base: u64,
    /// The boot loader's limits.
    pub firmware: Firmware,
    /// The value of OP-TEE's make variable `PLATFORM`, where OP-TEE knows the board.
    pub optee_platform: Option<String>,
}

impl Board {
    /// Has the hypervisor's log leave by a device (a place in `devices`), or not at all. The one that it left by before
    /// is free; one of the normal world's stays its own, too.
    pub fn give_log(&mut self, log: Option<usize>) {
        if let Some(before) = core::mem::replace(&mut self.log, log) {
            self.pass_log(before, Owner::Hypervisor, Owner::Free);
        }
        if let Some(log) = log {
            self.pass_log(log, Owner::Free, Owner::Hypervisor);
        }
    }

    /// Gives a device and its interrupts from one owner to another, where the first has it.
    fn pass_log(&mut self, device: usize, from: Owner, to: Owner) {
        let Some(device) = self.devices.get_mut(device).filter(|device| device.owner == from) else {
            return;
        };
        device.owner = to;
        let own = self.interrupts.iter_mut();
        own.filter(|known| device.interrupts.contains(&known.name))
            .for_each(|known| known.owner = to);
    }

    /// The device by which the hypervisor's log leaves, and whether the normal world writes to it, too.
    #[must_use]
    pub fn log(&self) -> Option<(&Device, bool)> {
        let device = self.devices.get(self.log?)?;
        Some((device, device.owner == Owner::NormalWorld))
    }

    /// The ranges of one kind of memory.
    pub fn ranges(&self, kind: Kind) -> impl Iterator<Item = Range> {
        self.memory
            .iter()
            .filter(move |memory| memory.kind == kind)
            .map(|memory| memory.range)
    }

    /// Whether the board keeps pristine images where no partition can write them.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.memory.iter().any(|memory| memory.kind == Kind::Store)
    }

    /// Where the board keeps the counters of versions.
    #[must_use]
    pub fn counters(&self) -> Option<Range> {
        self.ranges(Kind::Counters).next()
    }

    /// Names of the cores.
    #[must_use]
    pub fn core_names(&self) -> Vec<&str> {
        self.cores.iter().map(|core| core.name.as_str()).collect()
    }
}
