//! The checked system: names resolved, defaults filled, every number in its final form.

use std::path::PathBuf;

use crate::board::{Board, Device, Interrupt};
use crate::draft::{self, Action, Delivery, Failure, Message, Power, Profile, Rights, Signer, Tee};
use crate::emit::signed;
use crate::footprint::{Needs, estimate};
use crate::report::{Diagnostic, Report};
use crate::source::Span;
use crate::units::PAGE;

/// The SPMC's ID (DEN0077A 1.2, section 6.1).
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
    /// What the partition may do with it.
    pub rights: Rights,
    /// Whether the table left its base open.
    pub placed: bool,
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
    /// What holds of its package, where a vendor signs that.
    pub signed: Option<Signed>,
    /// The ELF file with the symbols of an image that is a file.
    pub symbols: Option<PathBuf>,
    /// Where it is entered, in bytes from its start.
    pub entry: u64,
    /// Settings of its build, `NAME=value`.
    pub settings: Vec<String>,
    /// The place in the table.
    pub(crate) span: Span,
}

/// What holds of a package that its vendor signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Whose key signs it.
    pub by: Signer,
    /// Packages of it in the FIP, 1 or 2.
    pub slots: u8,
    /// The version of what is built here.
    pub version: u32,
    /// Whether its version is counted.
    pub counted: bool,
}

/// Bytes of log in a second of a partition without a quota.
pub const LOG_RATE: u32 = 64 << 10;

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
    /// The interrupt waits, but no longer than this many microseconds (1 to 1,000,000).
    Queued {
        /// The bound in microseconds.
        limit_us: u32,
    },
}

/// What happens to a partition that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It stops; its callers get errors. Or the whole system stops.
    Word(Failure),
    /// It is started again from its pristine image.
    Restart {
        /// How often.
        limit: u32,
        /// Microseconds before the first restart.
        back_off_us: u32,
        /// Failures that are more microseconds apart are not counted together.
        within_us: Option<u32>,
        /// Also when the normal world starts anew.
        with_normal_world: bool,
        /// How the request of the normal world begins (w3) that each new instance is given again.
        repeats: Option<u32>,
        /// Linux closes its clients and binds its driver anew afterwards.
        rebind: bool,
    },
}

/// A write to a register of a device, when its owner fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiesce {
    /// The device's name.
    pub device: String,
    /// The register, in bytes from the device's first one.
    pub offset: u64,
    /// Where that is.
    pub address: u64,
    /// What is written.
    pub value: u32,
}

/// Further limits of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Ranges of addresses in the memory that it holds.
    pub ranges: Option<u32>,
    /// Bytes of log in a second.
    pub log: Option<u32>,
}

/// How GlobalPlatform clients find a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The TEE's name.
    pub name: String,
    /// Whether it is the one for clients that name none.
    pub default: bool,
    /// UUIDs of the trusted applications that it hosts.
    pub applications: Vec<[u8; 16]>,
}

/// An endpoint that may deal with a partition, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its ID.
    pub id: u16,
    /// What it may send, in the order of the language.
    pub messages: Vec<Message>,
    /// 4 KiB pages that it may have given to the partition at any time; none where nothing but the partition's
    /// window and shares limits them.
    pub pages: Option<u32>,
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
    /// The kinds of message that it takes.
    pub receives: Vec<Message>,
    /// Whether its manifest says that it sends direct requests.
    pub sends: bool,
    /// Memory in the order of the table; the first region holds the image.
    pub memory: Vec<Region>,
    /// Indices into the board's cores, ascending.
    pub cores: Vec<usize>,
    /// Whether these cores belong to it alone.
    pub dedicated: bool,
    /// Whether calls from other cores are carried to one of these.
    pub forward: bool,
    /// Execution contexts: one for each core, or a single one.
    pub contexts: usize,
    /// Devices passed through.
    pub devices: Vec<Device>,
    /// Interrupts that it owns.
    pub interrupts: Vec<Interrupt>,
    /// The non-secure IPA window for borrowed memory.
    pub window: Range,
    /// Shares that it may hold at once, 1 to 256.
    pub shares: u16,
    /// Further limits.
    pub quotas: Quotas,
    /// What preempts it.
    pub preemption: Preemption,
    /// Microseconds that one call may take.
    pub budget_us: Option<u32>,
    /// What its interrupts do to other partitions.
    pub action: Action,
    /// How interrupts reach it.
    pub delivery: Delivery,
    /// What is written to its devices when it fails.
    pub quiesce: Vec<Quiesce>,
    /// What happens when it fails.
    pub on_failure: OnFailure,
    /// Whether it is given a key of its own.
    pub key: bool,
    /// Whether it may ask what runs here.
    pub inspects: bool,
    /// Whether it may have what was measured at the start signed.
    pub quotes: bool,
    /// The hypervisor copies between its window and its own memory when it asks.
    pub copies: bool,
    /// Who may deal with it, by ascending ID.
    pub callers: Vec<Caller>,
    /// The changes of its cores' power of which it is told, in the order of the language.
    pub power: Vec<Power>,
    /// IDs of the partitions to which it sends notifications, ascending.
    pub notifies: Vec<u16>,
    /// Its place in the order of starts, if the table gives one.
    pub boot_order: Option<u16>,
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

    /// Where the first context is entered.
    #[must_use]
    pub fn entry(&self) -> u64 {
        self.load() + self.image.entry
    }

    /// Execution contexts: one for each core, or a single one.
    #[must_use]
    pub fn contexts(&self) -> usize {
        self.contexts
    }

    /// Whether it takes this kind of message.
    #[must_use]
    pub fn takes(&self, message: Message) -> bool {
        self.receives.contains(&message)
    }

    /// What holds for an endpoint as its caller; none of one that may not call.
    #[must_use]
    pub fn caller(&self, id: u16) -> Option<&Caller> {
        self.callers.iter().find(|caller| caller.id == id)
    }

    /// Whether a caller may send all that the partition takes.
    #[must_use]
    pub fn takes_all_from(&self, caller: &Caller) -> bool {
        self.kinds().iter().all(|kind| caller.messages.contains(kind))
    }

    /// The kinds of message that callers can be allowed.
    #[must_use]
    pub fn kinds(&self) -> Vec<Message> {
        let kinds = draft::KINDS.iter().map(|(_, kind)| *kind);
        kinds.filter(|kind| self.takes(*kind)).collect()
    }

    /// Partition properties for discovery from the normal world (DEN0077A 1.2, table 6.2).
    #[must_use]
    pub fn properties(&self) -> u32 {
        const AARCH64: u32 = 1 << 8;
        let bit = |message: &Message| match message {
            Message::Direct => 1 << 0,
            Message::Indirect => 1 << 2,
            Message::Notifications => 1 << 3,
            Message::VmCreated => 1 << 6,
            Message::VmDestroyed => 1 << 7,
            Message::Direct2 => 1 << 9,
        };
        self.receives.iter().map(bit).fold(AARCH64, |all, bit| all | bit)
    }

    /// The power messages that it wants, as bits of its manifest's `power-management-messages`.
    #[must_use]
    pub fn power_bits(&self) -> u32 {
        let bit = |message: &Power| match message {
            Power::CpuOff => 1 << 0,
            Power::CpuSuspend => 1 << 1,
            Power::CpuResume => 1 << 2,
            Power::CpuOn => 1 << 3,
        };
        self.power.iter().map(bit).fold(0, |all, bit| all | bit)
    }

    /// The package's UUID as it is written.
    #[must_use]
    pub fn package_uuid_text(&self) -> String {
        uuid::Uuid::from_bytes(self.package_uuid).to_string()
    }

    /// The public key that its package is signed with.
    #[must_use]
    pub fn signing_key(&self) -> Option<[u8; 32]> {
        Some(match self.image.signed?.by {
            Signer::Test => signed::public(&signed::test_seed(&self.name)),
            Signer::Key(key) => key,
        })
    }

    /// UUID of its second slot's package.
    #[must_use]
    pub fn second_slot(&self) -> Option<[u8; 16]> {
        let two = self.image.signed.is_some_and(|signed| signed.slots == 2);
        two.then(|| signed::second_slot(&self.package_uuid))
    }

    /// UUIDs of all its packages in the FIP, as they are written.
    #[must_use]
    pub fn package_uuids(&self) -> Vec<String> {
        let second = self
            .second_slot()
            .map(|uuid| uuid::Uuid::from_bytes(uuid).to_string());
        [self.package_uuid_text()].into_iter().chain(second).collect()
    }

    /// The package's path among the artefacts.
    #[must_use]
    pub fn package_path(&self) -> String {
        format!("sp/{}.pkg", self.name)
    }
}

/// A virtual machine of the normal world that is a caller of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Name, unique.
    pub name: String,
    /// FF-A endpoint ID, 0x0001 to 0x7fff.
    pub id: u16,
    /// Most execution contexts, 1 to 64.
    pub contexts: u16,
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
    /// Virtual machines of the normal world by ascending ID.
    pub machines: Vec<Machine>,
    /// Indices into `partitions` in the order of their start.
    pub boot_order: Vec<usize>,
    /// What the table is for.
    pub profile: Profile,
    /// Whether firmware checks the hypervisor, which reads every package itself then.
    pub trusted_boot: bool,
    /// Whether secure memory that nothing protects may be used.
    pub allow_unprotected: bool,
    /// What the table asks for and the hypervisor does not do yet.
    pub not_built: Vec<Diagnostic>,
    /// What is allowed and hardly meant.
    pub doubts: Vec<Diagnostic>,
}

impl System {
    /// Whether the hypervisor does all that the table asks for.
    ///
    /// # Errors
    /// What it does not do yet.
    pub fn buildable(&self) -> Result<(), Report> {
        Report::of(self.not_built.clone()).map_or(Ok(()), Err)
    }

    /// Whether the hypervisor reads a partition's package itself, so that the boot loader does not: BL2 of TF-A's QEMU
    /// platform has no place for packages in its chain of trust.
    #[must_use]
    pub fn takes_itself(&self, partition: &Partition) -> bool {
        self.trusted_boot || partition.image.signed.is_some()
    }

    /// What a person should know of a good table: what is not done yet, and what is hardly meant.
    #[must_use]
    pub fn warnings(&self) -> Option<Report> {
        Report::of(self.not_built.iter().chain(&self.doubts).cloned().collect())
    }

    /// The partition with this name.
    #[must_use]
    pub fn partition(&self, name: &str) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.name == name)
    }

    /// Name of a caller: a partition, a virtual machine, or the normal world.
    #[must_use]
    pub fn endpoint_name(&self, id: u16) -> &str {
        let partitions = self
            .partitions
            .iter()
            .map(|partition| (partition.id, &partition.name));
        let machines = self.machines.iter().map(|machine| (machine.id, &machine.name));
        let found = partitions.chain(machines).find(|(own, _)| *own == id);
        found.map_or("normal-world", |(_, name)| name)
    }

    /// Bytes of memory that the hypervisor needs for this system, about.
    #[must_use]
    pub fn footprint(&self) -> u64 {
        let needs: Vec<Needs> = self.partitions.iter().map(|each| self.needs(each)).collect();
        estimate(self.board.cores.len(), self.machines.len(), &needs)
    }

    fn needs(&self, partition: &Partition) -> Needs {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let callers = partition.callers.iter();
        let lends = callers.clone().filter(|caller| caller.pages != Some(0));
        let place = |id: u16| self.partitions.iter().position(|other| other.id == id);
        Needs {
            memory: partition.memory.iter().map(|region| region.range).collect(),
            devices: count(partition.devices.len()),
            window: partition.window.size,
            shares: partition.shares.into(),
            limits: callers.filter_map(|caller| caller.pages.map(u64::from)).collect(),
            lenders: lends.filter_map(|caller| place(caller.id)).collect(),
        }
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
