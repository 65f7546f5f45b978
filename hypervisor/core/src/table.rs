//! The static partition table: the types that the compiled table fills. Const data, no parser.
//!
//! `configs` reads and checks a TOML table and emits one `static TABLE: Table`. Nothing here is
//! read from the machine; all that varies between two products stands in these values.

/// Where the hypervisor writes the FF-A boot information: bytes from the base of a partition's first region.
pub const BOOT_INFO_OFFSET: u64 = 0;
/// Where the hypervisor writes the manifest: bytes from the base of a partition's first region. Boot
/// information and manifest lie below the image because OP-TEE 4.10 takes all from the manifest to its own
/// first byte as the manifest's memory, and asserts that there is some.
pub const MANIFEST_OFFSET: u64 = 0x1000;
/// Where the image goes: bytes from the base of a partition's first region ([`Image::load`]).
pub const IMAGE_OFFSET: u64 = 0x4000;
/// Where the image starts in its package: bytes from [`Image::package`]'s base, as TF-A's sptool places it.
pub const PAYLOAD_OFFSET: u64 = 0x4000;

/// A range of addresses in bytes; both values are multiples of 4 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First address.
    pub base: u64,
    /// Length in bytes.
    pub size: u64,
}

impl Range {
    /// First address behind the range. The table's checks see to it that there is one.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.base.saturating_add(self.size)
    }

    /// Whether `[base, base + size)` lies within this range; false where it would overflow.
    #[must_use]
    pub const fn contains(&self, base: u64, size: u64) -> bool {
        match base.checked_add(size) {
            Some(end) => base >= self.base && end <= self.end(),
            None => false,
        }
    }

    /// The gigabytes in which the range has an address, a bit each. It is not empty, and ends below 64 GiB.
    #[must_use]
    pub const fn gigabytes(&self) -> u64 {
        let (first, last) = (self.base >> 30, self.end().saturating_sub(1) >> 30);
        u64::MAX >> 63_u64.saturating_sub(last) & u64::MAX << first
    }

    /// How many blocks of `size` bytes have an address of the range, which is not empty.
    #[must_use]
    pub const fn blocks(&self, size: u64) -> u64 {
        let last = self.end().saturating_sub(1) / size;
        last.saturating_sub(self.base / size).saturating_add(1)
    }

    /// Whether the two ranges share an address.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.base < other.end() && other.base < self.end()
    }
}

/// Where the policy has its table from: a reference, or a type that stands for one table, which takes no memory and
/// lets the compiler see what the table says.
pub trait Source: Copy + core::ops::Deref<Target = Table> {
    /// The table.
    fn table(self) -> &'static Table;
}

impl Source for &'static Table {
    fn table(self) -> &'static Table {
        self
    }
}

/// A UUID in the byte order of RFC 4122 (the order in which it is written). Where words are: they are read as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(8))]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// Its bytes as two little-endian words, as FF-A's registers have them.
    #[must_use]
    #[inline]
    pub(crate) fn words(&self) -> [u64; 2] {
        let (words, _) = self.0.as_chunks();
        match words {
            [low, high] => [low, high].map(|word| u64::from_le_bytes(*word)),
            _ => [0; 2],
        }
    }
}

/// Physical interrupts that one partition can own.
pub const MAX_INTERRUPTS: usize = 48;

/// Index of a core: its place in [`Board::cores`], and the bit of a core mask.
pub type Core = u8;

/// What only this device knows, and the hypervisor can read.
#[derive(Clone, Copy, Debug)]
pub enum RootSecret {
    /// Nothing: there are no keys, and no random numbers.
    None,
    /// A value that everybody can read, for machines that have none: keys made from it protect nothing.
    Test(&'static [u8; 32]),
}

/// Where the log's frames leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// Nowhere.
    None,
    /// On the PL011 with this base, which nobody else uses.
    Own(u64),
    /// On the PL011 with this base, to which the normal world writes text.
    Shared(u64),
}

impl Log {
    /// The base of its device.
    #[must_use]
    pub const fn base(&self) -> Option<u64> {
        match *self {
            Self::None => None,
            Self::Own(base) | Self::Shared(base) => Some(base),
        }
    }
}

/// The machine that the table was made for.
#[derive(Debug)]
pub struct Board {
    /// The board's name (`boards/<name>`).
    pub name: &'static str,
    /// The root `compatible` string that the firmware's device tree must carry.
    pub compatible: &'static str,
    /// Where firmware leaves its device tree, in non-secure memory.
    pub device_tree: u64,
    /// MPIDR_EL1 affinity (Aff3..Aff0, other bits zero) of each core.
    pub cores: &'static [u64],
    /// The core (an index into `cores`) on which firmware enters first.
    pub boot_core: Core,
    /// Secure memory left to the hypervisor and the partitions.
    pub secure: &'static [Range],
    /// Memory with the pristine packages (a FIP), which nobody can write; empty where there is none.
    pub store: &'static [Range],
    /// Memory with the counters of versions, NOR flash with Intel's command set and two chips of 16 bits side by side;
    /// none where the board has none.
    pub counters: Option<Range>,
    /// Memory that the normal world owns and may share.
    pub normal: &'static [Range],
    /// Base of the GICv3 distributor.
    pub gicd: u64,
    /// Base of the first GICv3 redistributor.
    pub gicr: u64,
    /// Distance in bytes between two cores' redistributors, in the order of `cores`.
    pub gicr_stride: u64,
    /// Where the log's frames leave.
    pub log: Log,
    /// INTID of the secure EL2 physical timer (a PPI).
    pub timer_intid: u32,
    /// Accesses of secure EL1 to the GIC's CPU interface trap to secure EL2. Where they do not, those of a
    /// partition with a virtual GIC are replaced in its image (`vgic::rewrite`).
    pub interface_traps: bool,
    /// From what partitions' keys are derived.
    pub root_secret: RootSecret,
    /// SGI that tells the normal world to schedule a receiver (DEN0077A 1.2, section 10.4.1).
    pub schedule_receiver_intid: u32,
}

/// Rights of a partition to a region of its own memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Read, write and execute: stage 2 leaves the split to the partition's stage 1.
    ReadWriteExecute,
    /// Read and write.
    ReadWrite,
    /// Read only: never of a region in the table, only of what another partition lends.
    Read,
}

/// A region of secure memory that a partition owns.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// Where it is, physical and intermediate physical address alike.
    pub range: Range,
    /// What the partition may do with it.
    pub rights: Rights,
}

/// A device that is passed through to its one owner.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// The board's name of it.
    pub name: &'static str,
    /// Its registers.
    pub range: Range,
}

/// A write to a register of a device, when its owner fails.
#[derive(Clone, Copy, Debug)]
pub struct RegisterWrite {
    /// The register's address, a multiple of 4.
    pub address: u64,
    /// What is written, as one 32-bit access.
    pub value: u32,
}

/// A secure interrupt and the core it is routed to.
#[derive(Clone, Copy, Debug)]
pub struct Interrupt {
    /// The GIC's number of it (a PPI or SPI).
    pub intid: u32,
    /// Edge-triggered (else level-sensitive).
    pub edge: bool,
    /// The core that an SPI goes to.
    pub core: Core,
}

/// What happens to a partition that a normal-world interrupt preempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preemption {
    /// The core goes back to the normal world at once; the call goes on with FFA_RUN.
    AtOnce,
    /// Managed exit (DEN0077A 1.2, section 9.3.1): the partition is told by a virtual interrupt and
    /// has this many microseconds to answer; after that, as `AtOnce`.
    ManagedExit {
        /// The bound in microseconds; 1 to 1,000,000.
        limit_us: u32,
    },
    /// The interrupt is queued (DEN0077A 1.2, section 9.3.1): it stays pending for this many microseconds at most,
    /// and the partition is not told; after that, as `AtOnce`.
    Queued {
        /// The bound in microseconds; 1 to 1,000,000.
        limit_us: u32,
    },
}

/// What happens when a partition fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It is stopped for good; who calls it is told so.
    Stop,
    /// All of the machine stops.
    Halt,
    /// It is started anew from its pristine image.
    Restart {
        /// So often; then it is stopped. 1 to 1,000.
        limit: u32,
        /// How long it rests before the first restart, in microseconds; twice as long before each next one.
        back_off_us: u32,
        /// Counting and resting begin anew at a failure that comes later than this many microseconds after the one
        /// before; 0: never.
        within_us: u32,
        /// Also when the normal world starts anew without having given anything back: it does not count as a failure.
        with_normal_world: bool,
    },
}

/// Where the boot loader left a partition's package and what its image must be.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// UUID of the package in the FIP.
    pub package_uuid: Uuid,
    /// Where the boot loader puts the package: at the top of the partition's first region, behind the
    /// image's final place. The image starts [`PAYLOAD_OFFSET`] bytes into it.
    pub package: Range,
    /// SHA-256 of the image (the package's payload without header, manifest and padding).
    pub sha256: [u8; 32],
    /// The image's size in bytes.
    pub size: u64,
    /// Where the image goes: [`IMAGE_OFFSET`] bytes above the base of the partition's first region.
    pub load: u64,
    /// Entry point of the first context.
    pub entry: u64,
    /// The package is signed by its vendor: `sha256` is all zeros then, `size` the room that the image has, and `package`
    /// empty, since the boot loader leaves it in the store.
    pub signed: Option<Signed>,
}

/// What holds of a package that its vendor signs.
#[derive(Clone, Copy, Debug)]
pub struct Signed {
    /// The vendor's public key (Ed25519).
    pub key: [u8; 32],
    /// UUID of the second slot's package, where there is one.
    pub second: Option<Uuid>,
    /// Its version is counted, and a lower one refused.
    pub counted: bool,
}

/// A set of kinds of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages(u8);

impl Messages {
    /// None.
    pub const NONE: Self = Self(0);
    /// FFA_MSG_SEND_DIRECT_REQ (DEN0077A 1.2, section 15.2).
    pub const DIRECT: Self = Self(1 << 0);
    /// FFA_MSG_SEND_DIRECT_REQ2 (DEN0077A 1.2, section 15.4).
    pub const DIRECT2: Self = Self(1 << 1);
    /// FFA_MSG_SEND2 (DEN0077A 1.2, section 15.1).
    pub const INDIRECT: Self = Self(1 << 2);
    /// FFA_NOTIFICATION_SET (DEN0077A 1.2, section 16.5).
    pub const NOTIFICATIONS: Self = Self(1 << 3);
    /// All of them.
    pub const ALL: Self = Self(0b1111);

    /// What is in either of two sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of another set is in this one.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// An endpoint that may deal with a partition, and how. One that stands in no list of a partition's is
/// answered as if there were no such partition.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Its endpoint ID: 0 is the normal world's operating system or hypervisor, up to 0x7fff are its
    /// virtual machines, the others are partitions.
    pub id: u16,
    /// What it may send. What the partition takes at all stands in [`Partition::properties`].
    pub messages: Messages,
    /// 4 KiB pages that it may have shared with, lent or donated to the partition at any time: what it donated
    /// counts until it is back where the table puts it, or with another partition. Zero: it may offer it none.
    /// [`u32::MAX`]: no limit of its own; any other value also gives it room of its own (`memory::quota`).
    pub pages: u32,
}

impl Caller {
    /// One that may send everything, and share as much as the partition's window holds.
    #[must_use]
    pub const fn unlimited(id: u16) -> Self {
        Self {
            id,
            messages: Messages::ALL,
            pages: u32::MAX,
        }
    }
}

/// A virtual machine of the normal world, for which a hypervisor there relays calls.
#[derive(Clone, Copy, Debug)]
pub struct VirtualMachine {
    /// Its name in the table, unique.
    pub name: &'static str,
    /// Its FF-A endpoint ID, 1 to 0x7fff.
    pub id: u16,
    /// Most execution contexts (vCPUs) that it may have; 1 to 64.
    pub contexts: u16,
}

/// One partition.
#[derive(Debug)]
pub struct Partition {
    /// Name in the table, unique.
    pub name: &'static str,
    /// FF-A endpoint ID, 0x8001 to 0x80ff here.
    pub id: u16,
    /// The protocol UUIDs that discovery reports for it (DEN0077A 1.2, section 6.2).
    pub uuids: &'static [Uuid],
    /// Partition properties as PARTITION_INFO_GET reports them to the normal world (DEN0077A 1.2,
    /// table 6.2), AArch64 bit included.
    pub properties: u32,
    /// The image.
    pub image: Image,
    /// Its FF-A manifest as a flattened device tree, handed over by the boot information.
    pub manifest: &'static [u8],
    /// Secure memory that it owns. The first region holds the image.
    pub memory: &'static [Region],
    /// The cores on which it has an execution context (bit n: core n). Context n is pinned to the
    /// n-th core of the mask; it includes the boot core, unless they are dedicated.
    pub cores: u64,
    /// Whether these cores are its own: the normal world's boot stage starts each and hands it over, for good.
    pub dedicated: bool,
    /// Devices passed through.
    pub devices: &'static [Device],
    /// Interrupts it owns.
    pub interrupts: &'static [Interrupt],
    /// The non-secure IPA window in which borrowed memory appears.
    pub window: Range,
    /// Live transactions that name it: so many of each caller with a limit of pages, and so many of all others
    /// together; 1 to 256.
    pub shares: u16,
    /// How a normal-world interrupt preempts it.
    pub preemption: Preemption,
    /// Who may call it, in the order of their IDs.
    pub callers: &'static [Caller],
    /// Power management messages that it wants (DEN0077A 1.2, section 18.2), as bits of its manifest's
    /// `power-management-messages`: bit 0 CPU_OFF, bit 1 CPU_SUSPEND, bit 2 the warm boot of a core that
    /// comes back from CPU_SUSPEND, bit 3 CPU_ON.
    pub power_messages: u32,
    /// It is given a key of its own, derived from [`Board::root_secret`], its name and its image's digest.
    pub key: bool,
    /// It may ask what runs here, its peers included (`inspect`).
    pub inspects: bool,
    /// It may have what was measured at the start signed for somebody outside (`quote`).
    pub quotes: bool,
    /// It has memory copied between its own and its window (`copy`).
    pub copies: bool,
    /// The time on cores that one call of the normal world may take, in microseconds; 0: as long as it wants.
    pub budget_us: u32,
    /// Bytes of log that it may have in a second, and at once.
    pub log_rate: u32,
    /// What is written to its devices when it fails, in this order.
    pub quiesce: &'static [RegisterWrite],
    /// What happens when it fails.
    pub on_failure: OnFailure,
    /// The first word (w3) of a request of the normal world that each new instance is given as the last one was: what
    /// a driver says once.
    pub repeats: Option<u32>,
    /// How a request of the normal world begins (w3) that goes on with an earlier one, of which the answer named (w7, below
    /// 2^16) what is left to do.
    pub continues: Option<u32>,
    /// A call from a core that it does not list is carried to one that it lists; else it is DENIED.
    pub forwards: bool,
    /// Its interrupts reach it by a virtual GICv3, else by hypervisor calls.
    pub vgic: bool,
    /// Its interrupts are queued while another partition has the core, until that one leaves (DEN0077A 1.2, section
    /// 9.3.2); else they are signaled, and take the core from it at once. The normal world loses it at once either way.
    pub interrupts_queued: bool,
}

impl Partition {
    /// The cores on which it has an execution context, in the order of the contexts' numbers.
    pub fn homes(&self) -> impl Iterator<Item = Core> + use<> {
        let cores = self.cores;
        (0..64).filter(move |core: &Core| cores.wrapping_shr(u32::from(*core)) & 1 == 1)
    }

    /// How many execution contexts it has: one for each core.
    #[must_use]
    pub const fn contexts(&self) -> u16 {
        self.cores.count_ones() as u16
    }

    /// Its interrupts, as many as a partition can have.
    #[must_use]
    pub fn lines(&self) -> &'static [Interrupt] {
        self.interrupts.get(..MAX_INTERRUPTS).unwrap_or(self.interrupts)
    }

    /// The place of an interrupt among them.
    #[must_use]
    pub fn place(&self, intid: u32) -> Option<usize> {
        self.lines().iter().position(|interrupt| interrupt.intid == intid)
    }

    /// What the table says of an endpoint as a caller of this partition; none of one that may not call.
    #[must_use]
    pub fn caller(&self, id: u16) -> Option<&'static Caller> {
        self.callers.iter().find(|caller| caller.id == id)
    }
}

/// The whole table.
#[derive(Debug)]
pub struct Table {
    /// Name of the configuration.
    pub name: &'static str,
    /// SHA-256 of what the compiler emitted for it, all but this digest: two tables with the same one are the same.
    pub digest: [u8; 32],
    /// The machine.
    pub board: Board,
    /// The hypervisor's own memory, the image included.
    pub hypervisor: Range,
    /// ID of the SPMC (0x8000).
    pub spmc_id: u16,
    /// The partitions in the order of their IDs.
    pub partitions: &'static [Partition],
    /// The normal world's virtual machines in the order of their IDs; its operating system or
    /// hypervisor (ID 0) is none of them.
    pub virtual_machines: &'static [VirtualMachine],
    /// Indices into `partitions` in the order in which they start.
    pub boot_order: &'static [u8],
}
