//! A board's file, key by key.

use super::{Board, Core, Device, Firmware, Gic, Interrupt, Kind, Memory, Owner};
use crate::model::Range;
use crate::reader::{Faults, Fields, Item};
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::{At, Span};
use crate::units::PAGE;

/// Something named, and where.
struct Named<T> {
    name: At<String>,
    item: T,
}

/// Reads a board's file.
pub fn board(mut file: Fields<'_>, faults: &mut Faults) -> Option<Board> {
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
    refuse_repeats(&cores, "core", faults);
    refuse_repeats(&memory, "memory", faults);
    refuse_repeats(&devices, "device", faults);
    refuse_repeats(&interrupts, "interrupt", faults);
    refuse_overlaps(&memory, faults);
    let boot_core = find_name(&cores, &boot_core, "core", faults);
    let log = find_name(&devices, &own.log, "device", faults);
    let timer = find_name(&interrupts, &own.timer, "interrupt", faults);
    let (boot_core, log, timer) = (boot_core?, log?, timer?);
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
        cores: items(cores),
        memory: items(memory),
        devices: items(devices),
        interrupts: items(interrupts),
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
    let fields_span = fields.span.clone();
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
    let (load, window, sgi) = (aligned(&load?, faults)?, aligned(&window?, faults)?, sgi?);
    let device_tree = aligned(&tree?, faults)?;
    if !window.is_multiple_of(1 << 30) || window > 3 << 30 {
        faults.push(wrong(
            "windows start at 0, 1, 2 or 3 GiB",
            &fields_span,
            "this table",
        ));
    }
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
        distributor: aligned(&distributor?, faults)?,
        redistributor: aligned(&redistributor?, faults)?,
        stride: aligned(&stride?, faults)?,
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
        base: aligned(&base, faults)?,
        size: aligned(&size, faults)?,
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

/// Takes the names off.
fn items<T>(all: Vec<Named<T>>) -> Vec<T> {
    all.into_iter().map(|named| named.item).collect()
}

fn refuse_repeats<T>(all: &[Named<T>], what: &str, faults: &mut Faults) {
    for (index, named) in all.iter().enumerate() {
        if let Some(first) = all[..index]
            .iter()
            .find(|other| other.name.value == named.name.value)
        {
            let title = format!("the {what} `{}` is described twice", named.name.value);
            faults.push(wrong(&title, &named.name.span, "again here").at(&first.name.span, "first here"));
        }
    }
}

fn refuse_overlaps(all: &[Named<Memory>], faults: &mut Faults) {
    for (index, named) in all.iter().enumerate() {
        if let Some(first) = all[..index]
            .iter()
            .find(|other| other.item.range.overlaps(&named.item.range))
        {
            let title = format!(
                "the memory `{}` overlaps the memory `{}`",
                named.name.value, first.name.value
            );
            faults.push(wrong(&title, &named.name.span, "this memory").at(&first.name.span, "and this one"));
        }
    }
}

fn aligned(value: &At<u64>, faults: &mut Faults) -> Option<u64> {
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
    Diagnostic::new(Rule::Board, title)
        .at(span, label)
        .help("mend the board file")
}
