//! A board's file, key by key.

use super::consistent::{aligned, find_name, refuse_overlaps, refuse_repeats, refuse_unknown, wrong};
use super::parts::{items, read_core, read_device, read_interrupt, read_list, read_memory};
use super::{Board, Firmware, Gic, Owner, SECRETS, Secret};
use crate::language::board as keys;
use crate::reader::{Faults, Fields, Item};
use crate::source::At;

/// Reads a board's file.
pub fn board(mut file: Fields<'_>, faults: &mut Faults) -> Option<Board> {
    let head = file
        .required("board", faults)
        .and_then(|item| item.table(&keys::HEAD, faults));
    let cores = read_list(&mut file, "core", &keys::CORE, faults, read_core);
    let memory = read_list(&mut file, "memory", &keys::MEMORY, faults, read_memory);
    let devices = read_list(&mut file, "device", &keys::DEVICE, faults, read_device);
    let interrupts = read_list(&mut file, "interrupt", &keys::INTERRUPT, faults, read_interrupt);
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
    let smmu = file.optional("smmu").and_then(|item| read_smmu(item, faults));
    let (name, compatible, boot_core, secret) = head.and_then(|fields| read_head(fields, faults))?;
    let (gic, firmware, own) = (gic?, firmware?, own?);
    file.finish(faults);
    refuse_repeats(&cores, "core", faults);
    refuse_repeats(&memory, "memory", faults);
    refuse_repeats(&devices, "device", faults);
    refuse_repeats(&interrupts, "interrupt", faults);
    refuse_overlaps(&memory, faults);
    refuse_unknown(&devices, &interrupts, faults);
    let boot_core = find_name(&cores, &boot_core, "core", faults);
    let log = find_name(&devices, &own.log, "device", faults);
    let timer = own.timer.as_ref();
    let timer = timer.and_then(|timer| find_name(&interrupts, timer, "interrupt", faults));
    let other_logs = own.other_logs.iter();
    let other_logs = other_logs.filter_map(|name| find_name(&devices, name, "device", faults));
    let other_logs = other_logs.collect();
    let (boot_core, log) = (boot_core?, log?);
    let mut board = Board {
        name,
        compatible,
        boot_core,
        device_tree: own.device_tree,
        hypervisor_load: own.load,
        log: None,
        other_logs,
        timer_intid: timer.map(|timer| interrupts[timer].item.intid),
        schedule_receiver: own.schedule_receiver,
        window_base: own.window,
        cores: items(cores),
        memory: items(memory),
        devices: items(devices),
        interrupts: items(interrupts),
        gic,
        smmu,
        secret,
        firmware,
        optee_platform,
    };
    if let Some(timer) = timer {
        board.interrupts[timer].owner = Owner::Hypervisor;
    }
    board.give_log(Some(log));
    Some(board)
}

fn read_head(mut fields: Fields<'_>, faults: &mut Faults) -> Option<(String, String, At<String>, Secret)> {
    let name = fields.need("name", Item::name, faults);
    let compatible = fields.need("compatible", Item::string, faults);
    let boot_core = fields.need("boot-core", Item::name, faults);
    let secret = fields
        .optional("root-secret")
        .and_then(|item| item.word(SECRETS, faults));
    let secret = secret.map_or(Secret::None, |secret| secret.value);
    fields.finish(faults);
    Some((name?.value, compatible?.value, boot_core?, secret))
}

/// What the hypervisor takes of the board.
struct Own {
    load: u64,
    log: At<String>,
    other_logs: Vec<At<String>>,
    timer: Option<At<String>>,
    schedule_receiver: u32,
    window: u64,
    device_tree: u64,
}

fn read_own(item: Item<'_>, faults: &mut Faults) -> Option<Own> {
    let mut fields = item.table(&keys::HYPERVISOR, faults)?;
    let fields_span = fields.span.clone();
    let load = fields.need("load", Item::integer, faults);
    let log = fields.need("log", Item::name, faults);
    let other_logs = fields
        .optional("other-logs")
        .and_then(|item| item.strings(faults))
        .unwrap_or_default();
    let timer = fields.may("timer", Item::name, faults);
    let sgi = fields.need("schedule-receiver", Item::integer32, faults);
    let window = fields.need("window", Item::integer, faults);
    let tree = fields.need("device-tree", Item::integer, faults);
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
        other_logs,
        timer,
        schedule_receiver: sgi.value,
        window,
        device_tree,
    })
}

fn read_optee(item: Item<'_>, faults: &mut Faults) -> Option<String> {
    let mut fields = item.table(&keys::OPTEE, faults)?;
    let platform = fields.need("platform", Item::string, faults);
    fields.finish(faults);
    Some(platform?.value)
}

fn read_gic(item: Item<'_>, faults: &mut Faults) -> Option<Gic> {
    let mut fields = item.table(&keys::GIC, faults)?;
    let distributor = fields.need("distributor", Item::integer, faults);
    let redistributor = fields.need("redistributor", Item::integer, faults);
    let stride = fields.need("redistributor-stride", Item::size, faults);
    let traps = fields.may("interface-traps", Item::boolean, faults);
    fields.finish(faults);
    Some(Gic {
        distributor: aligned(&distributor?, faults)?,
        redistributor: aligned(&redistributor?, faults)?,
        stride: aligned(&stride?, faults)?,
        interface_traps: traps.is_none_or(|traps| traps.value),
    })
}

fn read_smmu(item: Item<'_>, faults: &mut Faults) -> Option<u64> {
    let mut fields = item.table(&keys::SMMU, faults)?;
    let base = fields.need("base", Item::integer, faults);
    fields.finish(faults);
    aligned(&base?, faults)
}

fn read_firmware(item: Item<'_>, faults: &mut Faults) -> Option<Firmware> {
    let mut fields = item.table(&keys::FIRMWARE, faults)?;
    let packages = fields.need("packages", Item::integer32, faults);
    let package_size = fields.need("package-size", Item::size, faults);
    let config_size = fields.need("config-size", Item::size, faults);
    fields.finish(faults);
    Some(Firmware {
        packages: usize::try_from(packages?.value).ok()?,
        package_size: package_size?.value,
        config_size: config_size?.value,
    })
}
