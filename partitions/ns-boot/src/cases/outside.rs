//! What a hostile normal world tries with loads, stores and registers of its own, at EL2: hardware answers, as long as the
//! hypervisor and firmware have set it up so. What calls of FF-A it may try is in the cases of FF-A.
use super::{A, B, Case, Outcome, Why, alive, ask, isolation};
use crate::arch::machine::{Page, now};
use crate::arch::probe;
use crate::ensure;
use crate::test_sp;

/// These cases.
pub const CASES: &[Case] = &[
    // M1, D1: memory of EL3, of the hypervisor, of partitions; the images' store in flash; secure devices.
    isolation("outside-reads-what-is-secure", reads),
    isolation("outside-writes-what-is-secure", writes),
    isolation("outside-reads-secure-registers", registers),
    isolation("outside-cleans-by-set-way", set_way),
    isolation("outside-watches-a-partition", watches),
    isolation("outside-counts-a-partition", counts),
    isolation("outside-sets-traps", traps),
];

/// EL3, the hypervisor, all partitions, flash with the images, the log's UART, the secure GPIO.
const SECURE: [u64; 12] = [
    0x0e00_0000,
    0x0e10_0000,
    0x0e1f_f000,
    0x0e20_0000,
    0x0e20_4000,
    0x0e30_4000,
    0x0e9f_f000,
    0x0eff_f000,
    0,
    0x0004_0000,
    0x0904_0000,
    0x090b_0000,
];

/// Exception class of a data abort of one's own level, and its fault status of an external abort.
const DATA_ABORT: u64 = 0x25;
const EXTERNAL: u64 = 0x10;

/// That an access was refused by what stands behind the memory system, not by this program's own tables.
fn external(address: u64, syndrome: Option<u64>) -> Outcome {
    ensure!(
        syndrome.is_some_and(|s| s >> 26 == DATA_ABORT && s & 0x3f == EXTERNAL),
        "{address:#x}: {syndrome:x?}"
    );
    Ok(())
}

fn reads() -> Outcome {
    for address in SECURE {
        let read = probe::load(address);
        ensure!(read.is_err(), "{address:#x} holds {read:x?}");
        external(address, read.err())?;
    }
    Ok(())
}

/// Stores are refused, and what a partition has there is as it was.
fn writes() -> Outcome {
    const MARK: u64 = 0x7e57_0000_1234_5678;
    let [_, _, own, _] = ask(A, test_sp::PLACES, [0; 4])?;
    ask(A, test_sp::WRITE, [own, MARK, 0, 0])?;
    for address in SECURE.into_iter().chain([own]) {
        external(address, probe::store(address, 0xbad))?;
    }
    let [found, ..] = ask(A, test_sp::READ, [own, 0, 0, 0])?;
    ensure!(found == MARK, "{found:#x}");
    alive(B)
}

fn registers() -> Outcome {
    for (name, refused) in probe::secure_registers() {
        ensure!(refused.is_some(), "{name} can be read");
    }
    Ok(())
}

/// What partitions have written is not lost when the normal world throws out of the caches all that it can name.
fn set_way() -> Outcome {
    let places = [A, B].map(|who| ask(who, test_sp::PLACES, [0; 4]));
    for (round, (who, place)) in [A, B].into_iter().zip(places).enumerate() {
        let [_, _, own, _] = place?;
        let mark = 0x5e7_0000 + round as u64;
        ask(who, test_sp::WRITE, [own, mark, 0, 0])?;
        let refused = probe::clean_by_set_way();
        let [found, ..] = ask(who, test_sp::READ, [own, 0, 0, 0])?;
        ensure!(found == mark, "{who:#x}: {found:#x}, {refused:x?}");
    }
    Ok(())
}

static PAGE: Page = Page::new();
/// Exception class of a watchpoint at one's own level.
const WATCHPOINT: u64 = 0x35;

/// C3: a watchpoint of the normal world's on a partition's page neither stops the partition nor is it told of.
fn watches() -> Outcome {
    probe::watch(Some(PAGE.address()));
    let seen = probe::watched_load(PAGE.address());
    probe::watch(None);
    ensure!(
        seen.is_some_and(|syndrome| syndrome >> 26 == WATCHPOINT),
        "its own watchpoint does not work: {seen:x?}"
    );
    let [_, _, own, _] = ask(A, test_sp::PLACES, [0; 4])?;
    probe::watch(Some(own));
    let wrote = ask(A, test_sp::WRITE, [own, 0x3a7c, 0, 0]);
    let read = ask(A, test_sp::READ, [own, 0, 0, 0]);
    probe::watch(None);
    let ([_, wrote, ..], [value, read, ..]) = (wrote?, read?);
    ensure!(
        wrote == 0 && read == 0 && value == 0x3a7c,
        "{value:#x}, syndromes {wrote:#x} and {read:#x}"
    );
    alive(A)
}

/// C3: a counter of the normal world's stands still while a partition runs.
fn counts() -> Outcome {
    const STEPS: u64 = 20_000_000;
    const TRIES: usize = 5;
    let began = now();
    probe::count_cycles();
    while now() < began + 5_000 {}
    let rate = probe::counted_cycles() / (now() - began);
    ensure!(rate > 0, "its own cycles are not counted");
    let (mut counted, mut took) = (0, 0);
    // A busy host may take the core from the normal world, too, for longer than the call takes; hardly each time.
    for _ in 0..TRIES {
        let began = now();
        probe::count_cycles();
        ask(A, test_sp::BUSY, [STEPS, 0, 0, 0])?;
        counted = probe::counted_cycles();
        took = now() - began;
        if counted < rate * took / 2 {
            return Ok(());
        }
    }
    Err(Why::new(format_args!(
        "{counted} cycles of a call of {took} us, {rate} in each"
    )))
}

/// C3: what a hypervisor of the normal world has set for EL1 is nothing to partitions: neither its traps, nor the identity, time, tables and
/// interrupts that it gives its own machines.
fn traps() -> Outcome {
    ask(A, test_sp::CLOBBER, [0, 0x7a9, 0, 0])?;
    let [_, _, own, _] = ask(A, test_sp::PLACES, [0; 4])?;
    let [changed, ticks, ..] = ask(A, test_sp::BUSY, [1000, 0, 0, 0])?;
    ensure!(changed == 0, "{changed} registers changed before");
    let before = probe::set_traps();
    // Some bits cannot be set.
    let set = probe::set_traps();
    let found = [
        ask(A, test_sp::CHECK, [0; 4]),
        ask(A, test_sp::CLOBBER, [0, 0x7aa, 0, 0]),
        ask(A, test_sp::BUSY, [1000, 0, 0, 0]),
        ask(A, test_sp::IDENTITY, [0; 4]),
        ask(A, test_sp::WRITE, [own, 0x7ab, 0, 0]),
        ask(A, test_sp::READ, [own, 0, 0, 0]),
        ask(A, test_sp::AWAIT, [27, 100, 0, 0]),
    ];
    let after = probe::set_traps();
    probe::put_back(&before);
    let [check, clobber, busy, identity, write, read, awaited] = found;
    let [other, ..] = check?;
    clobber?;
    let [changed, later, ..] = busy?;
    let [id, context, ..] = identity?;
    let ([_, wrote, ..], [value, seen, ..], [came, ..]) = (write?, read?, awaited?);
    ensure!(other == 0 && changed == 0, "{other}, {changed} registers changed");
    ensure!(
        later.wrapping_sub(ticks) < 1 << 33,
        "its time went from {ticks:#x} to {later:#x}"
    );
    ensure!(
        (id, context) == (u64::from(A), 0),
        "it is {id:#x}, context {context}"
    );
    ensure!(
        wrote == 0 && seen == 0 && value == 0x7ab,
        "{value:#x}, syndromes {wrote:#x} and {seen:#x}"
    );
    ensure!(came == 0, "an interrupt came");
    // C2: and they are as they were set.
    for (n, (set, left)) in set.into_iter().zip(after).enumerate() {
        ensure!(left == set, "register {n} was {set:#x}, is {left:#x}");
    }
    alive(B)
}
