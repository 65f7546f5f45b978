//! The physical GICv3, as far as S-EL2 needs it: its own timer, secure interrupts of partitions, the
//! SGI by which its cores call each other, and the one that asks the normal world to schedule a receiver
//! (Arm IHI0069).

use aarch64_cpu::asm::barrier;

use super::percore::affinity;
use super::registers as r;
use crate::table::TABLE;

const IGROUPR: u64 = 0x080;
const ISENABLER: u64 = 0x100;
const ICENABLER: u64 = 0x180;
const ICACTIVER: u64 = 0x380;
const IPRIORITYR: u64 = 0x400;
const ICFGR: u64 = 0xc00;
const IGRPMODR: u64 = 0xd00;
const NSACR: u64 = 0xe00;
const IROUTER: u64 = 0x6000;
const SGI_FRAME: u64 = 0x1_0000;
const CTLR_ENABLE_GROUP1_SECURE: u32 = 1 << 2;

/// The SGI by which cores call each other: among those that Arm leaves to the secure world (8 to 15).
pub const CALL: u32 = 9;
const _: () = assert!(TABLE.board.schedule_receiver_intid != CALL);

/// Priority of secure interrupts: above all that the normal world can set (0x80 and up).
const SECURE_PRIORITY: u8 = 0x20;
/// Priority of an interrupt that becomes the normal world's: the highest that it can set itself. Firmware may have left
/// it with one that no mask holds.
const NORMAL_PRIORITY: u8 = 0x80;
/// A mask that lets secure priorities through and holds the normal world's.
pub const HOLD_NORMAL: u64 = 0x80;
/// ICC_CTLR_EL1.EOImode: end of interrupt drops the priority only.
const CTLR_SPLIT_END: u64 = 1 << 1;
/// INTIDs from here on are shared between cores.
const FIRST_SHARED: u32 = 32;
/// INTIDs from here on are special: nothing was acknowledged.
const SPECIAL: u64 = 1020;

/// Where the redistributor of the core with this index has its private interrupts.
fn sgi_frame(index: usize) -> u64 {
    let frames = (index as u64).saturating_mul(TABLE.board.gicr_stride);
    TABLE.board.gicr.saturating_add(frames).saturating_add(SGI_FRAME)
}

fn read(address: u64) -> u32 {
    // SAFETY: a GIC register within the frames that `stage1` maps as devices.
    unsafe { (address as usize as *const u32).read_volatile() }
}

fn write(address: u64, value: u32) {
    // SAFETY: as in `read`; the GIC does not reach the hypervisor's memory.
    unsafe { (address as usize as *mut u32).write_volatile(value) }
}

fn write_byte(address: u64, value: u8) {
    // SAFETY: as in `write`; priority registers are byte-accessible.
    unsafe { (address as usize as *mut u8).write_volatile(value) }
}

fn change_bit(address: u64, bit: u32, set: bool) {
    let old = read(address);
    write(address, if set { old | 1 << bit } else { old & !(1 << bit) });
}

/// Which world an interrupt belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Secure,
    Normal,
}

fn set_group(frame: u64, intid: u32, group: Group) {
    let word = u64::from(intid / 32) * 4;
    change_bit(frame + IGROUPR + word, intid % 32, group == Group::Normal);
    change_bit(frame + IGRPMODR + word, intid % 32, group == Group::Secure);
    let priority = match group {
        Group::Secure => SECURE_PRIORITY,
        Group::Normal => NORMAL_PRIORITY,
    };
    write_byte(frame + IPRIORITYR + u64::from(intid), priority);
}

fn enable(frame: u64, intid: u32) {
    write(frame + ISENABLER + u64::from(intid / 32) * 4, 1 << (intid % 32));
}

/// The distributor's part, once: shared interrupts of partitions.
pub fn init() {
    let gicd = TABLE.board.gicd;
    write(gicd, read(gicd) | CTLR_ENABLE_GROUP1_SECURE);
    for interrupt in TABLE
        .partitions
        .iter()
        .flat_map(|p| p.interrupts)
        .filter(|i| i.intid >= 32)
    {
        set_group(gicd, interrupt.intid, Group::Secure);
        let config = gicd + ICFGR + u64::from(interrupt.intid / 16) * 4;
        change_bit(config, (interrupt.intid % 16) * 2 + 1, interrupt.edge);
        let affinity = affinity(interrupt.core.into());
        write(gicd + IROUTER + u64::from(interrupt.intid) * 8, affinity as u32);
        write(
            gicd + IROUTER + u64::from(interrupt.intid) * 8 + 4,
            (affinity >> 32) as u32,
        );
        enable(gicd, interrupt.intid);
    }
}

/// This core's part: private interrupts and the CPU interface.
pub fn init_core(index: usize) {
    let frame = sgi_frame(index);
    set_group(frame, TABLE.board.timer_intid, Group::Secure);
    enable(frame, TABLE.board.timer_intid);
    set_group(frame, CALL, Group::Secure);
    // The normal world cannot send it.
    let sends = frame + NSACR;
    write(sends, read(sends) & !(0b11 << (CALL * 2)));
    enable(frame, CALL);
    set_group(frame, TABLE.board.schedule_receiver_intid, Group::Normal);
    let here = TABLE.partitions.iter().filter(|p| p.cores >> index & 1 == 1);
    for interrupt in here.flat_map(|p| p.interrupts).filter(|i| i.intid < FIRST_SHARED) {
        set_group(frame, interrupt.intid, Group::Secure);
        let config = frame + ICFGR + u64::from(interrupt.intid / 16) * 4;
        change_bit(config, (interrupt.intid % 16) * 2 + 1, interrupt.edge);
        enable(frame, interrupt.intid);
    }
    enable_cpu_interface();
    barrier::isb(barrier::SY);
}

/// The interrupt priority mask, which both worlds share.
pub fn mask() -> u64 {
    r::icc_pmr_el1::read()
}

/// Sets the interrupt priority mask.
pub fn set_mask(mask: u64) {
    r::icc_pmr_el1::write(mask);
}

/// Puts the CPU interface back as it is while no partition runs. On hardware a partition cannot have
/// changed it: its accesses are virtual or trapped. QEMU gives secure EL1 the physical one, where it could
/// mask or acknowledge what is meant for others.
pub fn restore(mask: u64) {
    set_mask(mask);
    enable_cpu_interface();
}

fn enable_cpu_interface() {
    r::icc_ap1r0_el1::write(0);
    r::icc_ctlr_el1::write(CTLR_SPLIT_END);
    r::icc_igrpen1_el1::write(1);
}

/// Takes the pending secure interrupt, if there is one. It stays active, so that a line that stays
/// raised does not come back, until `deactivate`.
pub fn acknowledge() -> Option<u32> {
    let intid = r::icc_iar1_el1::read() & 0xff_ffff;
    if intid >= SPECIAL {
        return None;
    }
    r::icc_eoir1_el1::write(intid);
    Some(intid as u32)
}

/// Ends an interrupt that `acknowledge` took on the core with this index. Not by ICC_DIR_EL1: that reaches
/// no other core's private interrupts, and QEMU up to 10 ignores it at S-EL2 for secure interrupts, which
/// then stay active and never come again.
pub fn deactivate(intid: u32, index: usize) {
    clear(ICACTIVER, intid, index);
}

/// Disables an interrupt, on the core with this index where it is a private one.
pub fn disable(intid: u32, index: usize) {
    clear(ICENABLER, intid, index);
}

fn clear(register: u64, intid: u32, index: usize) {
    let bit = 1 << (intid % 32);
    if intid < FIRST_SHARED {
        write(sgi_frame(index).saturating_add(register), bit);
    } else {
        write(TABLE.board.gicd + register + u64::from(intid / 32) * 4, bit);
    }
}

/// Raises the schedule-receiver interrupt in the normal world, on the core with this index.
pub fn schedule_receiver(index: usize) {
    r::icc_asgi1r_el1::write(sgi(TABLE.board.schedule_receiver_intid, index));
    barrier::isb(barrier::SY);
}

/// Calls the core with this index: it takes `CALL`. What was written before is seen there.
pub fn call(index: usize) {
    barrier::dsb(barrier::ISHST);
    r::icc_sgi1r_el1::write(sgi(CALL, index));
    barrier::isb(barrier::SY);
}

/// What sends an SGI to the core with this index.
fn sgi(intid: u32, index: usize) -> u64 {
    let affinity = affinity(index);
    let aff0 = affinity & 0xff;
    let target = (affinity >> 8 & 0xff) << 16 | (affinity >> 16 & 0xff) << 32 | (affinity >> 32 & 0xff) << 48;
    let range = (aff0 / 16) << 44;
    target | range | u64::from(intid) << 24 | 1 << (aff0 % 16)
}
