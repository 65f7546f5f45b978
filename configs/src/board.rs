//! Boards: what the machine has, by name.

use std::path::{Path, PathBuf};

use crate::model::Range;
use crate::reader::{self, Faults, Fields, Item, list, nearest};
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::{At, Span};
use crate::units::PAGE;

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

/// Finds the folder `boards`: above the table, else in the repository that this crate was built from.
fn boards_folder(table: &Path) -> PathBuf {
    let table = std::path::absolute(table).unwrap_or_else(|_| table.to_owned());
    let above = table
        .ancestors()
        .map(|folder| folder.join("boards"))
        .find(|folder| folder.is_dir());
    above.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../boards"))
}

/// Reads the board that a table names. Its place in messages is where the table names it.
pub fn find(table: &Path, name: &At<String>, faults: &mut Faults) -> Option<Board> {
    let folder = boards_folder(table);
    let path = folder.join(&name.value).join("board.toml");
    if !path.is_file() {
        let boards = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = boards
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let fault = Diagnostic::new(Rule::UnknownBoard, format!("there is no board `{}`", name.value));
        let fault = fault.at(&name.span, "this board has no folder");
        faults.push(match nearest(&name.value, names.iter().map(String::as_str)) {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault.help(format!("the boards are: {}", list(&names))),
        });
        return None;
    }
    let mut own = Faults::new();
    let board = reader::read_source(&path, &mut own).and_then(|source| {
        let fields = reader::parse(&source, &mut own)?;
        read(fields, &mut own)
    });
    let good = own.is_empty();
    faults.append(&mut own);
    board.filter(|_| good)
}

/// Something named, and where.
struct Named<T> {
    name: At<String>,
    item: T,
}

fn read(mut file: Fields<'_>, faults: &mut Faults) -> Option<Board> {
    let head = file
        .required("board", faults)
        .and_then(|item| item.table("`[board]`", faults));
    let cores = read_list(&mut file, "core", faults, read_core);
    let memory = read_list(&mut file, "memory", faults, read_memory);
    let devices = read_list(&mut file, "device", faults, read_device);
    let interrupts = read_list(&mut file, "interrupt", faults, read_interrupt);
    let gic = file
        .required("gic", faults)
        .and_then(|item| read_gic(item, faults));
    let firmware = file
        .required("firmware", faults)
        .and_then(|item| read_firmware(item, faults));
    let own = file
        .required("hypervisor", faults)
        .and_then(|item| read_own(item, faults));
    let optee_platform = file.optional("optee").and_then(|item| read_optee(item, faults));
    let (name, compatible, boot_core) = head.and_then(|fields| read_head(fields, faults))?;
    let (gic, firmware, own) = (gic?, firmware?, own?);
    file.finish(faults);
    let boot_core = find_name(&cores, &boot_core, "core", faults)?;
    let log = find_name(&devices, &own.log, "device", faults)?;
    let timer = find_name(&interrupts, &own.timer, "interrupt", faults)?;
    let mut board = Board {
        name,
        compatible,
        boot_core,
        device_tree: own.device_tree,
        hypervisor_load: own.load,
        log_uart: devices[log].item.range.base,
        timer_intid: interrupts[timer].item.intid,
        schedule_receiver: own.schedule_receiver,
        window_base: own.window,
        cores: unique(cores, "core", faults),
        memory: unique(memory, "memory", faults),
        devices: unique(devices, "device", faults),
        interrupts: unique(interrupts, "interrupt", faults),
        gic,
        firmware,
        optee_platform,
    };
    board.devices[log].owner = Owner::Hypervisor;
    board.interrupts[timer].owner = Owner::Hypervisor;
    for name in board.devices[log].interrupts.clone() {
        board
            .interrupts
            .iter_mut()
            .filter(|known| known.name == name)
            .for_each(|known| known.owner = Owner::Hypervisor);
    }
    Some(board)
}

fn read_head(mut fields: Fields<'_>, faults: &mut Faults) -> Option<(String, String, At<String>)> {
    let name = fields.required("name", faults).and_then(|item| item.name(faults));
    let compatible = fields
        .required("compatible", faults)
        .and_then(|item| item.string(faults));
    let boot_core = fields
        .required("boot-core", faults)
        .and_then(|item| item.name(faults));
    fields.finish(faults);
    Some((name?.value, compatible?.value, boot_core?))
}

/// What the hypervisor takes of the board.
struct Own {
    load: u64,
    log: At<String>,
    timer: At<String>,
    schedule_receiver: u32,
    window: u64,
    device_tree: u64,
}

fn read_own(item: Item<'_>, faults: &mut Faults) -> Option<Own> {
    let mut fields = item.table("`[hypervisor]`", faults)?;
    let load = fields
        .required("load", faults)
        .and_then(|item| item.integer(faults));
    let log = fields.required("log", faults).and_then(|item| item.name(faults));
    let timer = fields
        .required("timer", faults)
        .and_then(|item| item.name(faults));
    let sgi = fields
        .required("schedule-receiver", faults)
        .and_then(|item| item.integer32(faults));
    let window = fields
        .required("window", faults)
        .and_then(|item| item.integer(faults));
    let tree = fields
        .required("device-tree", faults)
        .and_then(|item| item.integer(faults));
    fields.finish(faults);
    let (load, window, sgi) = (aligned(load?, faults)?, aligned(window?, faults)?, sgi?);
    let device_tree = aligned(tree?, faults)?;
    if sgi.value > 15 {
        faults.push(wrong(
            "an SGI has a number from 0 to 15",
            &sgi.span,
            "this number",
        ));
    }
    Some(Own {
        load,
        log: log?,
        timer: timer?,
        schedule_receiver: sgi.value,
        window,
        device_tree,
    })
}

fn read_optee(item: Item<'_>, faults: &mut Faults) -> Option<String> {
    let mut fields = item.table("`[optee]`", faults)?;
    let platform = fields
        .required("platform", faults)
        .and_then(|item| item.string(faults));
    fields.finish(faults);
    Some(platform?.value)
}

fn read_gic(item: Item<'_>, faults: &mut Faults) -> Option<Gic> {
    let mut fields = item.table("`[gic]`", faults)?;
    let distributor = fields
        .required("distributor", faults)
        .and_then(|item| item.integer(faults));
    let redistributor = fields
        .required("redistributor", faults)
        .and_then(|item| item.integer(faults));
    let stride = fields
        .required("redistributor-stride", faults)
        .and_then(|item| item.size(faults));
    fields.finish(faults);
    Some(Gic {
        distributor: aligned(distributor?, faults)?,
        redistributor: aligned(redistributor?, faults)?,
        stride: aligned(stride?, faults)?,
    })
}

fn read_firmware(item: Item<'_>, faults: &mut Faults) -> Option<Firmware> {
    let mut fields = item.table("`[firmware]`", faults)?;
    let packages = fields
        .required("packages", faults)
        .and_then(|item| item.integer32(faults));
    let package_size = fields
        .required("package-size", faults)
        .and_then(|item| item.size(faults));
    let config_size = fields
        .required("config-size", faults)
        .and_then(|item| item.size(faults));
    fields.finish(faults);
    Some(Firmware {
        packages: usize::try_from(packages?.value).ok()?,
        package_size: package_size?.value,
        config_size: config_size?.value,
    })
}

fn read_core(fields: &mut Fields<'_>, name: &str, faults: &mut Faults) -> Option<Core> {
    let mpidr = fields
        .required("mpidr", faults)
        .and_then(|item| item.integer(faults))?;
    if mpidr.value & !0xff_00ff_ffff != 0 {
        faults.push(wrong(
            "MPIDR_EL1 has affinity in bits 0-23 and 32-39 only",
            &mpidr.span,
            "this number",
        ));
    }
    Some(Core {
        name: name.to_owned(),
        mpidr: mpidr.value,
    })
}

fn read_memory(fields: &mut Fields<'_>, name: &str, faults: &mut Faults) -> Option<Memory> {
    let range = read_range(fields, faults);
    let kinds = [
        ("firmware", Kind::Firmware),
        ("secure", Kind::Secure),
        ("normal", Kind::Normal),
    ];
    let kind = fields
        .required("kind", faults)
        .and_then(|item| item.word(&kinds, faults));
    Some(Memory {
        name: name.to_owned(),
        range: range?,
        kind: kind?.value,
    })
}

fn read_device(fields: &mut Fields<'_>, name: &str, faults: &mut Faults) -> Option<Device> {
    let range = read_range(fields, faults);
    let owner = read_owner(fields, faults);
    let interrupts = fields
        .optional("interrupts")
        .and_then(|item| item.strings(faults))
        .unwrap_or_default();
    let interrupts = interrupts.into_iter().map(|name| name.value).collect();
    Some(Device {
        name: name.to_owned(),
        range: range?,
        owner,
        interrupts,
    })
}

fn read_interrupt(fields: &mut Fields<'_>, name: &str, faults: &mut Faults) -> Option<Interrupt> {
    let intid = fields
        .required("intid", faults)
        .and_then(|item| item.integer32(faults));
    let trigger = fields.required("trigger", faults);
    let edge = trigger.and_then(|item| item.word(&[("level", false), ("edge", true)], faults));
    let owner = read_owner(fields, faults);
    let intid = intid?;
    if intid.value > 1019 {
        faults.push(wrong(
            "a GICv3 interrupt has a number from 0 to 1019",
            &intid.span,
            "this number",
        ));
    }
    Some(Interrupt {
        name: name.to_owned(),
        intid: intid.value,
        edge: edge?.value,
        owner,
    })
}

fn read_owner(fields: &mut Fields<'_>, faults: &mut Faults) -> Owner {
    let words = [
        ("hypervisor", Owner::Hypervisor),
        ("normal-world", Owner::NormalWorld),
    ];
    let owner = fields
        .optional("owner")
        .and_then(|item| item.word(&words, faults));
    owner.map_or(Owner::Free, |owner| owner.value)
}

fn read_range(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<Range> {
    let base = fields
        .required("base", faults)
        .and_then(|item| item.integer(faults));
    let size = fields.required("size", faults).and_then(|item| item.size(faults));
    let (base, size) = (base?, size?);
    let range = Range {
        base: aligned(base.with(base.value), faults)?,
        size: aligned(size, faults)?,
    };
    let end = range.base.checked_add(range.size);
    if range.size == 0 || end.is_none_or(|end| end > 1 << 48) {
        faults.push(wrong(
            "the range is empty or ends above 2^48",
            &base.span,
            "it starts here",
        ));
        return None;
    }
    Some(range)
}

/// The named tables of an array of tables, with their own fields read by `read`.
fn read_list<T>(
    file: &mut Fields<'_>,
    key: &'static str,
    faults: &mut Faults,
    read: fn(&mut Fields<'_>, &str, &mut Faults) -> Option<T>,
) -> Vec<Named<T>> {
    let items = file
        .required(key, faults)
        .and_then(|item| item.array(faults))
        .unwrap_or_default();
    let mut out = Vec::new();
    for item in items {
        let Some(mut fields) = item.table(&format!("`[[{key}]]`"), faults) else {
            continue;
        };
        let name = fields.required("name", faults).and_then(|item| item.name(faults));
        let item = read(&mut fields, name.as_ref().map_or("", |name| &name.value), faults);
        fields.finish(faults);
        out.extend(name.zip(item).map(|(name, item)| Named { name, item }));
    }
    out
}

fn find_name<T>(all: &[Named<T>], name: &At<String>, what: &str, faults: &mut Faults) -> Option<usize> {
    let found = all.iter().position(|named| named.name.value == name.value);
    if found.is_none() {
        faults.push(wrong(
            &format!("there is no {what} `{}`", name.value),
            &name.span,
            "this name",
        ));
    }
    found
}

/// Takes the names off, refusing those that are used twice.
fn unique<T>(all: Vec<Named<T>>, what: &str, faults: &mut Faults) -> Vec<T> {
    for (index, named) in all.iter().enumerate() {
        if let Some(first) = all[..index]
            .iter()
            .find(|other| other.name.value == named.name.value)
        {
            let title = format!("the {what} `{}` is described twice", named.name.value);
            faults.push(wrong(&title, &named.name.span, "again here").at(&first.name.span, "first here"));
        }
    }
    all.into_iter().map(|named| named.item).collect()
}

fn aligned(value: At<u64>, faults: &mut Faults) -> Option<u64> {
    if value.value.is_multiple_of(PAGE) {
        return Some(value.value);
    }
    faults.push(wrong(
        "addresses and sizes of a board are multiples of 4 KiB",
        &value.span,
        "this number",
    ));
    None
}

fn wrong(title: &str, span: &Span, label: &str) -> Diagnostic {
    Diagnostic::new(Rule::Board, title).at(span, label)
}
