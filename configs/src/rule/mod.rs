//! The rules that a table must keep. A rule's code never changes its meaning.

mod example;
mod page;

pub use example::{Example, Explained, explain};
pub use page::{index, page};

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $why:literal;)+) => {
        /// A rule of the language, with a stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $($(#[doc = $doc])+ $name,)+ }

        impl Rule {
            /// Every rule, in the order of the codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable code, `BH` and three digits.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The rule with this code, in any case.
            #[must_use]
            pub fn find(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|rule| rule.code().eq_ignore_ascii_case(code))
            }

            /// What the rule demands, in one sentence.
            #[must_use]
            pub const fn demand(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+),)+ }
            }

            /// Why the rule is there, in one or two sentences.
            #[must_use]
            pub const fn why(self) -> &'static str {
                match self { $(Self::$name => $why,)+ }
            }
        }
    };
}

rules! {
    /// The text is TOML.
    Syntax = "BH001", "a table is written in TOML 1.1";
    /// Every key is known.
    UnknownKey = "BH002", "a key that is not known would have no effect, so it is refused";
    /// Every key that has no default is there.
    MissingKey = "BH003", "this key has no default";
    /// Each value has its key's type.
    WrongType = "BH004", "each key takes values of one type";
    /// Each value has its key's form.
    BadValue = "BH005", "each key takes values of one form";
    /// Integers fit their range.
    TooLarge = "BH006", "integers are not cut to fit";
    /// Files can be read.
    Unreadable = "BH007", "a table is a UTF-8 file of at most 1 MiB";
    /// The board has a folder.
    UnknownBoard = "BH008", "a board is described by `boards/NAME/board.toml`";
    /// The board's description is consistent.
    Board = "BH009", "the tables are made from what the board file says";

    /// No two owners share memory.
    Overlap = "BH010", "memory with two owners would join two compartments into one";
    /// Partitions' memory is secure.
    OutsideSecure = "BH011", "only secure memory is protected from the normal world";
    /// Ranges are made of pages.
    Alignment = "BH012", "stage 2 maps whole pages of 4 KiB";
    /// Ranges end within the address space.
    AddressOverflow = "BH013", "an address has at most 48 bits here";
    /// Ranges have a size.
    EmptyRange = "BH014", "a range without a page protects nothing";
    /// The hypervisor has enough memory, and not more than there is.
    HypervisorMemory = "BH015", "the hypervisor's image, stacks and tables live in this memory";
    /// A window is within its limits.
    WindowSize = "BH016", "a window is an address range for borrowed memory, of 2 MiB to 512 MiB in steps of 2 MiB";
    /// The hypervisor has the memory that the partitions need of it.
    Means = "BH017", "code, stacks, and tables for windows, regions, contexts and shares live in the hypervisor's memory";
    /// A window is apart from a partition's own addresses.
    WindowOverlap = "BH018", "borrowed and own memory need different addresses within a partition";
    /// Memory is where stage 2 and the boot loader reach.
    Reach = "BH019", "stage 2 has tables for the first 4 GiB of secure addresses, and the boot loader takes 32 bits";
    /// The first region can be executed.
    FirstRegion = "BH020", "a partition's first region holds its image";
    /// Only the first region is both writable and executable.
    WriteExecute = "BH021", "a region that can be written and executed lets data become code; the first region holds the image, and its TEE makes the split";
    /// There is room for memory without a base.
    NoRoom = "BH022", "a region without a base is placed in free secure memory, in one piece";
    /// Partitions' memory is really protected.
    Unprotected = "BH023", "secure memory that the board's hardware does not protect can be read by the normal world's devices";
    /// A partition has 1 to 8 regions.
    Regions = "BH024", "the hypervisor keeps two tables of stage 2 for each region, and the first one holds the image";

    /// Names are used once.
    DuplicateName = "BH030", "a partition is known by its name in files, routes and the log";
    /// IDs are used once.
    DuplicateId = "BH031", "FF-A messages are addressed by ID";
    /// IDs are those of secure partitions, or of virtual machines.
    IdRange = "BH032", "secure partitions have IDs 0x8001 to 0x80ff here, virtual machines 0x0001 to 0x7fff; 0x8000 is the hypervisor's own";
    /// Package UUIDs are used once.
    DuplicateUuid = "BH033", "the boot loader finds a package in the FIP by its UUID";
    /// Client names are used once.
    DuplicateClient = "BH034", "a client chooses its TEE by this name";
    /// There is one default.
    TwoDefaults = "BH035", "a client that names no TEE gets the default one";
    /// There are no more partitions than the boot loader takes.
    TooMany = "BH036", "the board's boot loader loads each partition's image as one package";
    /// There is a partition.
    NoPartition = "BH037", "a system without a partition has nothing to protect";
    /// UUIDs are not nil.
    NilUuid = "BH038", "the nil UUID stands for \"any\" in FF-A's discovery";
    /// A partition speaks 1 to 8 protocols.
    Protocols = "BH039", "the normal world finds a partition by the UUIDs of its protocols";

    /// Cores are the board's.
    UnknownCore = "BH040", "cores are named as in the board file";
    /// A core is listed once.
    DuplicateCore = "BH041", "a partition has one execution context for each core that it lists";
    /// There is a core.
    NoCore = "BH042", "a partition without a core never runs";
    /// The boot core is listed.
    BootCore = "BH043", "a partition's first context starts on the core on which firmware starts";
    /// A TEE of Linux's clients can be called from every core.
    CallableEverywhere = "BH044", "Linux calls from any core and takes every refusal as final";
    /// There is a context for each core, or a single one.
    Contexts = "BH045", "an execution context is pinned to its core; only a single one may travel";
    /// A dedicated core belongs to one partition.
    DedicatedCore = "BH046", "a dedicated core never leaves its partition";
    /// The boot core is not dedicated.
    DedicatedBoot = "BH047", "the normal world starts on the boot core and stays there";
    /// A partition with dedicated cores is reached by notifications.
    DedicatedCalls = "BH048", "nobody can lend a core to a partition that has its own, so no direct request reaches it";
    /// Forwarding has something to forward.
    Forward = "BH049", "a key that has no effect would mislead its reader";

    /// Devices are the board's.
    UnknownDevice = "BH050", "devices are named as in the board file";
    /// A device has one owner.
    DeviceOwner = "BH051", "a device with two owners would join two compartments into one";
    /// Interrupts are the board's.
    UnknownInterrupt = "BH052", "interrupts are named as in the board file";
    /// An interrupt has one owner.
    InterruptOwner = "BH053", "an interrupt is delivered to one partition";
    /// An interrupt can go to a partition.
    InterruptKind = "BH054", "a partition owns peripheral interrupts (16 to 1019), private ones on the cores that it has; those of timers (19, 20, 26 to 30) and of the GIC (25) belong to nobody, since the worlds share them or the hypervisor has them";
    /// Devices are where stage 2 reaches.
    DeviceReach = "BH055", "stage 2 has one table for each device: it lies in the first 4 GiB, within one 2 MiB block";
    /// Devices that read and write memory are kept to their partition's.
    Dma = "BH056", "a device that can reach all memory joins all compartments, unless an SMMU checks its accesses by their stream IDs";
    /// A device's pages hold no other device.
    SharedPage = "BH057", "stage 2 gives whole pages of 4 KiB, and whoever has the page has both devices";
    /// A device's interrupts go where the device goes.
    DeviceInterrupt = "BH058", "an interrupt can only be handled by who can reach its device";

    /// Callers exist.
    UnknownCaller = "BH060", "a caller is \"normal-world\" or the name of a partition or a virtual machine";
    /// Callers are listed once and are others.
    BadCaller = "BH061", "a list of callers names each of the others at most once";
    /// Managed exit has a sensible bound.
    ManagedExit = "BH062", "a preempted partition gets 1 us to 1 s to leave by itself";
    /// Shares are within their limits.
    Shares = "BH063", "the hypervisor keeps 1 to 256 shares for each partition";
    /// Partitions start in one order.
    BootOrder = "BH064", "partitions start one after the other, by numbers from 0 to 65535";
    /// Nobody calls himself through others.
    CallCycle = "BH065", "partitions that wait for each other in a circle wait for ever";
    /// A notification has a receiver.
    Receiver = "BH066", "a notification reaches a partition that takes notifications and lists the sender among its callers";
    /// A budget is sensible.
    Budget = "BH067", "a call gets 1 ms to 60 s, and more than the partition may take to leave when it is preempted";
    /// Clients' TEEs take direct requests from the normal world.
    ClientCalls = "BH068", "a GlobalPlatform call is a direct request from the normal world";
    /// Quotas are within their limits.
    Quotas = "BH069", "the hypervisor sets quotas aside when it is built";

    /// Images are there.
    ImageMissing = "BH070", "a partition starts from its image";
    /// Images are the ones that were meant.
    ImageDigest = "BH071", "a table that names a digest accepts no other image";
    /// Packages are no larger than the boot loader takes.
    PackageSize = "BH072", "the boot loader takes packages up to a limit";
    /// Images and their packages fit the partition's memory.
    ImageFit = "BH073", "the package is loaded at the top of the partition's first region and its image is moved to the base";
    /// An image has one origin.
    ImageOrigin = "BH074", "an image is either built here (build) or taken from a file (file, with its sha256)";
    /// Images have content.
    ImageEmpty = "BH075", "an empty image cannot be entered";
    /// Device trees fit the pages that firmware has for them.
    TreeSize = "BH076", "firmware keeps each of these device trees in memory of a fixed size";
    /// Images belong to partitions.
    StrayImage = "BH077", "each image that is handed in belongs to one partition";
    /// An image is entered at an instruction of it.
    ImageEntry = "BH078", "instructions are four bytes long, and the first one has to lie within the image";
    /// All quotas together are within the hypervisor's means.
    QuotaSum = "BH079", "the hypervisor keeps 4096 ranges of lent memory for all partitions together";

    /// A trusted application is hosted once.
    ApplicationTwice = "BH080", "a client that names a trusted application alone has to reach one TEE";
    /// Restarts are bounded.
    Restart = "BH081", "a TEE that fails again and again has to stop in the end: 1 to 1000 restarts, with rests of 1 ms to 60 s";
    /// Restarts have a pristine image.
    RestartStore = "BH082", "a partition is restarted from an image that no partition could have written";
    /// Keys come from a secret.
    KeySecret = "BH083", "a partition's key, and the one that signs what was measured, are made from the board's root secret";
    /// OP-TEE has the memory that it needs.
    OpteeMemory = "BH084", "3.5 MiB is the least with which the OP-TEE that is built here was seen to pass its own tests";
    /// OP-TEE and the Rust TEE get their interrupts by hypervisor calls.
    CallsOnly = "BH085", "the OP-TEE and the Rust TEE that are built here have a driver for hypervisor calls, and none for a GIC";
    /// Linux knows the protocol of its clients' TEEs.
    ClientProtocol = "BH086", "Linux's driver binds to the UUID of OP-TEE's protocol and to no other";
    /// seL4 has one core.
    Sel4Cores = "BH087", "seL4 runs here as one node, with one execution context";
    /// seL4 drives a virtual GIC.
    Sel4Interrupts = "BH088", "seL4's kernel drives a GICv3 and knows no hypervisor calls";
    /// Some TEEs are not built here.
    NoRecipe = "BH089", "there is a recipe for OP-TEE, the Rust TEE and the test partition only";

    /// The hypervisor does what the table asks.
    NotBuilt = "BH090", "a table can ask for more than the hypervisor does today; it is checked and drawn, but nothing is built from it";
    /// Of keys that exclude each other, one is there.
    OneOf = "BH091", "these keys say different things about the same";

    /// Callers may send what the partition takes.
    CallerMessages = "BH092", "a kind of message that a partition does not take reaches it from nobody, and a caller that may do nothing is none";
    /// Callers share no more than there is.
    CallerPages = "BH093", "what the normal world shares appears in the partition's window; a partition shares its own memory";
    /// Power messages have a context that they reach.
    PowerMessages = "BH094", "a message about a core's power goes to the context that is pinned to this core";
    /// Who is to hear of virtual machines can.
    MachineMessages = "BH095", "the normal world's hypervisor tells a partition of its virtual machines by direct requests";
    /// A TEE knows what the framework tells it.
    FrameworkMessages = "BH096", "the OP-TEE and the Rust TEE that are built here know no messages about cores' power or about virtual machines";
    /// A virtual machine has 1 to 64 contexts.
    MachineContexts = "BH097", "the hypervisor keeps notifications for each context of a virtual machine";
    /// A partition can be called from the cores of its callers.
    CallerCores = "BH098", "a call from a core that the partition does not list is DENIED, unless the normal world makes it and the partition forwards it; stock Linux calls from any core";
    /// Everybody reaches somebody.
    Unreached = "BH099", "a partition that nobody may call and a virtual machine that may call nobody do nothing";
    /// A partition for virtual machines can be found.
    Hidden = "BH100", "discovery shows the normal world's hypervisor what has it as a caller, and it tells its virtual machines";
    /// Who queues its interrupts has others to queue them behind.
    InterruptsAction = "BH103", "interrupts are queued until another partition leaves the core, and a core of a partition's own has no other";
    /// Settings of a build are OP-TEE's, and not the table's own.
    ImageSettings = "BH104", "a setting is a make variable of the OP-TEE that is built here, beside those that the table decides itself";
    /// What is written to devices of a partition that fails is to its own.
    Quiesce = "BH110", "what is written when a partition fails is a 32-bit value to a register of a device that it owns";
    /// The log leaves by a device that it can have.
    Log = "BH111", "the log leaves by the board's device for it, by another PL011 that the board names, or not at all";
    /// A package that its vendor signs is the vendor's.
    Signed = "BH120", "a signed package is read by the hypervisor from the board's store, its version is counted in the board's counters, and it is either a file that the vendor signed with the key that the table names, or built here and signed with a key that everybody knows";
    /// Nothing of a product is open.
    Production = "BH121", "a table with `profile = \"production\"` promises that its root secret and keys are nobody else's, that nothing is logged, and that each image is fixed by a digest, or by its vendor's key and a counted version";
    /// Where firmware checks the hypervisor, the hypervisor checks everything else.
    TrustedBoot = "BH122", "firmware's chain of trust ends with the hypervisor and its table, so that the hypervisor reads each package from the board's store and checks it";
    /// Times are promised by who can keep them.
    Timer = "BH112", "limits, budgets, restarts, EL1 timers of partitions and cores of their own are kept by the secure EL2 timer, which not every board has";
}
