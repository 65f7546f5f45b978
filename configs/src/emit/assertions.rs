/// The table's invariants, asserted again where the table is compiled: what breaks one is a compile error.
mod invariants {
    use super::{CORES, PARTITIONS, SHARES, STORED, TABLE, VIRTUAL_MACHINES, WINDOW_PAGES};
    use bulkhead_core::table::{
        Caller, IMAGE_OFFSET, MANIFEST_OFFSET, Messages, PAYLOAD_OFFSET, Partition, Preemption, Range, Region, Rights,
        RootSecret,
    };

    const PAGE: u64 = 4096;

    const fn is_page_range(range: &Range) -> bool {
        range.size > 0
            && range.base.is_multiple_of(PAGE)
            && range.size.is_multiple_of(PAGE)
            && range.base.checked_add(range.size).is_some()
    }

    const fn is_secure(range: &Range) -> bool {
        let mut index = 0;
        while index < TABLE.board.secure.len() {
            if TABLE.board.secure[index].contains(range.base, range.size) {
                return true;
            }
            index += 1;
        }
        false
    }

    /// Whether `range` meets one of `regions` from `start` on.
    const fn meets(range: &Range, regions: &[Region], start: usize) -> bool {
        let mut index = start;
        while index < regions.len() {
            if range.overlaps(&regions[index].range) {
                return true;
            }
            index += 1;
        }
        false
    }

    const fn memory_is_own(place: usize) {
        let memory = TABLE.partitions[place].memory;
        assert!(!memory.is_empty() && memory.len() <= 8, "a partition has too few or too many regions");
        let mut region = 0;
        while region < memory.len() {
            let rwx = matches!(memory[region].rights, Rights::ReadWriteExecute);
            assert!(rwx == (region == 0), "a region has the wrong rights");
            let range = &memory[region].range;
            assert!(is_page_range(range), "a region is not made of pages");
            assert!(is_secure(range), "a region is outside secure memory");
            assert!(!range.overlaps(&TABLE.hypervisor), "a region overlaps the hypervisor");
            assert!(!meets(range, memory, region + 1), "two regions of a partition overlap");
            let mut other = place + 1;
            while other < PARTITIONS {
                assert!(!meets(range, TABLE.partitions[other].memory, 0), "two partitions overlap");
                other += 1;
            }
            region += 1;
        }
    }

    const fn image_fits(partition: &Partition) {
        let image = &partition.image;
        let home = &partition.memory[0].range;
        assert!(image.load == home.base + IMAGE_OFFSET, "an image is misplaced");
        assert!(image.entry >= image.load && image.entry.is_multiple_of(4), "an entry is not at an instruction");
        assert!(image.entry < image.load + image.size, "an entry is behind its image");
        let manifest = partition.manifest.len() as u64;
        assert!(manifest > 0 && manifest <= IMAGE_OFFSET - MANIFEST_OFFSET, "a manifest is too large");
        if let Some(signed) = &image.signed {
            assert!(home.contains(image.load, image.size), "an image leaves its partition");
            assert!(!TABLE.board.store.is_empty(), "a signed package has no store");
            assert!(!signed.counted || TABLE.board.counters.is_some(), "a version cannot be counted");
            return;
        }
        if STORED {
            assert!(image.package.size == 0, "a package has a place of its own");
            assert!(home.contains(image.load, image.size), "an image leaves its partition");
            assert!(!TABLE.board.store.is_empty(), "a package has no store");
            return;
        }
        assert!(is_page_range(&image.package), "a package is not made of pages");
        assert!(home.contains(image.package.base, image.package.size), "a package is outside its partition");
        assert!(image.size > 0 && image.size <= image.package.size - PAYLOAD_OFFSET, "an image is larger than its package");
        assert!(image.load + image.size <= image.package.base, "an image overlaps its package");
    }

    const fn devices_are_own(place: usize) {
        let partition = &TABLE.partitions[place];
        let mut index = 0;
        while index < partition.devices.len() {
            let range = &partition.devices[index].range;
            assert!(is_page_range(range), "a device is not made of pages");
            assert!(!meets(range, partition.memory, 0), "a device overlaps its owner's memory");
            if let Some(log) = TABLE.board.log.base() {
                assert!(!range.contains(log, 1), "the log's UART is passed through");
            }
            assert!(range.end() <= 1 << 32, "a device is out of reach");
            assert!(range.base >> 21 == (range.end() - 1) >> 21, "a device is out of reach");
            let mut other = place + 1;
            while other < PARTITIONS {
                let devices = TABLE.partitions[other].devices;
                let mut device = 0;
                while device < devices.len() {
                    assert!(!range.overlaps(&devices[device].range), "a device has two owners");
                    device += 1;
                }
                other += 1;
            }
            index += 1;
        }
    }

    const fn registers_are_own(place: usize) {
        let partition = &TABLE.partitions[place];
        let mut index = 0;
        while index < partition.quiesce.len() {
            let address = partition.quiesce[index].address;
            let (mut own, mut device) = (false, 0);
            while device < partition.devices.len() {
                own |= partition.devices[device].range.contains(address, 4);
                device += 1;
            }
            assert!(own && address.is_multiple_of(4), "a register that is quiesced is no device's of the partition");
            index += 1;
        }
    }

    const fn cores_are_own(place: usize) {
        let partition = &TABLE.partitions[place];
        let mut other = place + 1;
        while other < PARTITIONS {
            let second = &TABLE.partitions[other];
            let own = partition.dedicated || second.dedicated;
            assert!(!own || partition.cores & second.cores == 0, "a core that is a partition's own has two owners");
            other += 1;
        }
    }

    const fn interrupts_are_own(place: usize) {
        let interrupts = TABLE.partitions[place].interrupts;
        assert!(interrupts.len() <= 48, "a partition has more interrupts than the hypervisor keeps");
        let mut index = 0;
        while index < interrupts.len() {
            let interrupt = &interrupts[index];
            assert!(interrupt.intid >= 16 && interrupt.intid <= 1019, "an interrupt cannot go to a partition");
            assert!(interrupt.intid != TABLE.board.timer_intid, "the hypervisor's timer goes to a partition");
            assert!(TABLE.partitions[place].cores & (1 << interrupt.core) != 0, "an interrupt goes to a foreign core");
            let mut other = place + 1;
            while other < PARTITIONS {
                let others = TABLE.partitions[other].interrupts;
                let mut second = 0;
                while second < others.len() {
                    assert!(interrupt.intid != others[second].intid, "an interrupt has two owners");
                    second += 1;
                }
                other += 1;
            }
            index += 1;
        }
    }

    /// The place of the partition with this ID; `PARTITIONS` where there is none.
    const fn place_of(id: u16) -> usize {
        let mut place = 0;
        while place < PARTITIONS && TABLE.partitions[place].id != id {
            place += 1;
        }
        place
    }

    /// Whether an ID is the normal world's own or one of its virtual machines'.
    const fn is_normal(id: u16) -> bool {
        let mut known = id == 0;
        let mut index = 0;
        while index < TABLE.virtual_machines.len() {
            known |= TABLE.virtual_machines[index].id == id;
            index += 1;
        }
        known
    }

    /// 4 KiB pages that a partition has.
    const fn memory_pages(partition: &Partition) -> u64 {
        let mut pages = 0;
        let mut index = 0;
        while index < partition.memory.len() {
            pages += partition.memory[index].range.size / PAGE;
            index += 1;
        }
        pages
    }

    const fn callers_hold(place: usize) {
        let partition = &TABLE.partitions[place];
        let mut index = 0;
        while index < partition.callers.len() {
            let caller = &partition.callers[index];
            let other = place_of(caller.id);
            assert!(is_normal(caller.id) || (other < PARTITIONS && other != place), "a caller does not exist");
            assert!(index == 0 || partition.callers[index - 1].id < caller.id, "callers are not ascending");
            if other < PARTITIONS {
                let most = memory_pages(&TABLE.partitions[other]);
                assert!(caller.pages as u64 <= most, "a partition shares more than it has");
            } else {
                let most = partition.window.size / PAGE;
                assert!(caller.pages == u32::MAX || caller.pages as u64 <= most, "a caller shares more than a window holds");
            }
            index += 1;
        }
    }

    const fn machines_hold() {
        let machines = TABLE.virtual_machines;
        assert!(machines.len() == VIRTUAL_MACHINES, "virtual machines are miscounted");
        let mut index = 0;
        while index < TABLE.virtual_machines.len() {
            let machine = &machines[index];
            assert!(machine.id >= 1 && machine.id <= 0x7fff, "a virtual machine has an ID out of range");
            assert!(index == 0 || machines[index - 1].id < machine.id, "virtual machines are not ascending");
            assert!(machine.contexts >= 1 && machine.contexts <= 64, "a virtual machine has too few or too many contexts");
            index += 1;
        }
    }

    /// Whether a caller waits for a partition: whether it may send direct requests, and the partition takes them.
    const fn waits_for(caller: &Caller, partition: &Partition) -> bool {
        let direct = caller.messages.has(Messages::DIRECT) && partition.properties & 1 << 0 != 0;
        direct || caller.messages.has(Messages::DIRECT2) && partition.properties & 1 << 9 != 0
    }

    /// Whether nobody can come to wait for itself: calls only lead through so many partitions as there are.
    const fn calls_end() {
        let mut waits = [0u128; PARTITIONS];
        let mut round = 0;
        while round <= PARTITIONS {
            let mut place = 0;
            while place < PARTITIONS {
                let partition = &TABLE.partitions[place];
                let mut index = 0;
                while index < partition.callers.len() {
                    let caller = place_of(partition.callers[index].id);
                    if caller < PARTITIONS && waits_for(&partition.callers[index], partition) {
                        waits[caller] |= 1 << place | waits[place];
                    }
                    index += 1;
                }
                place += 1;
            }
            round += 1;
        }
        let mut place = 0;
        while place < PARTITIONS {
            assert!(waits[place] & 1 << place == 0, "partitions call each other in a circle");
            place += 1;
        }
    }

    const fn limits_hold(partition: &Partition) {
        assert!(partition.id >= 0x8001 && partition.id <= 0x80ff, "an ID is out of range");
        assert!(!partition.uuids.is_empty() && partition.uuids.len() <= 8, "protocols are too few or too many");
        assert!(partition.properties & !0x3cd == 0, "a partition takes messages that are not known");
        assert!(partition.power_messages & !0xf == 0, "a partition wants power messages that are not known");
        assert!(partition.shares >= 1 && partition.shares <= 256, "shares are out of range");
        assert!(is_page_range(&partition.window), "a window is not made of pages");
        assert!(!meets(&partition.window, partition.memory, 0), "a window overlaps its owner's memory");
        let has_boot_core = partition.cores & (1 << TABLE.board.boot_core) != 0;
        assert!(has_boot_core != partition.dedicated, "a partition does without the boot core, or has it alone");
        assert!(partition.cores != 0, "a partition has no core");
        assert!(CORES >= 64 || partition.cores >> CORES == 0, "a partition lists a core that is not there");
        if let Preemption::ManagedExit { limit_us } | Preemption::Queued { limit_us } = partition.preemption {
            assert!(limit_us >= 1 && limit_us <= 1_000_000, "a managed exit, or a queue, has a bound out of range");
        }
    }

    const fn boot_order_is_whole() {
        assert!(TABLE.boot_order.len() == PARTITIONS, "the boot order is not whole");
        let mut seen = 0u128;
        let mut index = 0;
        while index < PARTITIONS {
            assert!((TABLE.boot_order[index] as usize) < PARTITIONS, "the boot order names no partition");
            seen |= 1 << TABLE.boot_order[index];
            index += 1;
        }
        assert!(seen.count_ones() as usize == PARTITIONS, "the boot order names a partition twice");
    }

    const _: () = {
        assert!(TABLE.board.cores.len() == CORES && CORES >= 1 && CORES <= 64, "the board's cores are miscounted");
        assert!((TABLE.board.boot_core as usize) < CORES, "the boot core is not there");
        machines_hold();
        assert!(TABLE.partitions.len() == PARTITIONS && PARTITIONS >= 1, "partitions are miscounted");
        assert!(is_page_range(&TABLE.hypervisor) && is_secure(&TABLE.hypervisor), "the hypervisor is misplaced");
        boot_order_is_whole();
        calls_end();
        let mut shares = 0;
        let mut pages = 0;
        let mut place = 0;
        while place < PARTITIONS {
            let partition = &TABLE.partitions[place];
            assert!(place == 0 || TABLE.partitions[place - 1].id < partition.id, "IDs are not ascending");
            memory_is_own(place);
            image_fits(partition);
            devices_are_own(place);
            registers_are_own(place);
            interrupts_are_own(place);
            cores_are_own(place);
            callers_hold(place);
            limits_hold(partition);
            assert!(
                !partition.key || !matches!(TABLE.board.root_secret, RootSecret::None),
                "a partition is given a key, and there is no root secret"
            );
            shares += partition.shares as usize;
            pages += partition.window.size / PAGE;
            place += 1;
        }
        assert!(shares == SHARES, "shares are miscounted");
        assert!(pages == WINDOW_PAGES as u64, "the windows' pages are miscounted");
    };
}
