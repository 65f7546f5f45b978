//! The rules that a table must keep. A rule's code never changes its meaning.

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
    /// All windows together are within the hypervisor's means.
    WindowTables = "BH017", "the hypervisor sets aside 8 bytes of its memory for each 4 KiB of a window, and at most half of it";
    /// A window is apart from a partition's own addresses.
    WindowOverlap = "BH018", "borrowed and own memory need different addresses within a partition";
    /// Memory is where stage 2 and the boot loader reach.
    Reach = "BH019", "stage 2 has tables for the first GiB of secure addresses, and the boot loader takes 32 bits";
    /// The first region can be executed.
    FirstRegion = "BH020", "a partition's first region holds its image";

    /// Names are used once.
    DuplicateName = "BH030", "a partition is known by its name in files, routes and the log";
    /// IDs are used once.
    DuplicateId = "BH031", "FF-A messages are addressed by ID";
    /// IDs are those of secure partitions.
    IdRange = "BH032", "secure partitions have IDs 0x8001 to 0x80ff here; 0x8000 is the hypervisor's own";
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

    /// Cores are the board's.
    UnknownCore = "BH040", "cores are named as in the board file";
    /// A core is listed once.
    DuplicateCore = "BH041", "a partition has one execution context for each core that it lists";
    /// There is a core.
    NoCore = "BH042", "a partition without a core never runs";
    /// The boot core is listed.
    BootCore = "BH043", "a partition's first context starts on the core on which firmware starts";

    /// Devices are the board's.
    UnknownDevice = "BH050", "devices are named as in the board file";
    /// A device has one owner.
    DeviceOwner = "BH051", "a device with two owners would join two compartments into one";
    /// Interrupts are the board's.
    UnknownInterrupt = "BH052", "interrupts are named as in the board file";
    /// An interrupt has one owner.
    InterruptOwner = "BH053", "an interrupt is delivered to one partition";
    /// An interrupt can go to a partition.
    InterruptKind = "BH054", "only shared peripheral interrupts (32 to 1019) can be routed to a partition";
    /// Devices are where stage 2 reaches.
    DeviceReach = "BH055", "stage 2 has one table for each device: it lies in the first GiB, within one 2 MiB block";

    /// Callers exist.
    UnknownCaller = "BH060", "a caller is \"normal-world\" or the name of a partition";
    /// Callers are listed once and are others.
    BadCaller = "BH061", "a list of callers names each of the others at most once";
    /// Managed exit has a sensible bound.
    ManagedExit = "BH062", "a preempted partition gets 1 us to 1 s to leave by itself";
    /// Shares are within their limits.
    Shares = "BH063", "the hypervisor keeps 1 to 256 shares for each partition";
    /// Partitions start in one order.
    BootOrder = "BH064", "partitions start one after the other, by numbers from 0 to 65535";

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
}
