//! Boards: what the machine has, by name.

mod find;
mod read;

use crate::model::Range;

pub use find::find;

/// A core.
#[derive(Clone, Debug)]
pub struct Core {
    /// Its name.
    pub name: String,
    /// MPIDR_EL1 affinity (Aff3..Aff0).
    pub mpidr: u64,
}

/// Whose a range of memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Firmware's at EL3.
    Firmware,
    /// Secure memory that is left to the hypervisor and the partitions.
    Secure,
    /// The normal world's.
    Normal,
}

/// A range of memory.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub range: Range,
    /// Whose it is.
    pub kind: Kind,
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
    /// Where firmware loads and enters the hypervisor.
    pub hypervisor_load: u64,
    /// Base of the UART that carries the hypervisor's log.
    pub log_uart: u64,
    /// INTID of the secure EL2 physical timer.
    pub timer_intid: u32,
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
    /// The ranges of one kind of memory.
    pub fn ranges(&self, kind: Kind) -> impl Iterator<Item = Range> {
        self.memory
            .iter()
            .filter(move |memory| memory.kind == kind)
            .map(|memory| memory.range)
    }

    /// Names of the cores.
    #[must_use]
    pub fn core_names(&self) -> Vec<&str> {
        self.cores.iter().map(|core| core.name.as_str()).collect()
    }
}
