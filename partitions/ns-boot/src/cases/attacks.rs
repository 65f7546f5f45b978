//! Partitions that do what they must not: contained, their callers told, the others unharmed.
use super::discovery::TX;
use super::{A, B, Case, Outcome, VICTIM, Why, alive, ask, ffa, send, tell, to};
use crate::arch::machine::{let_in, set_timer, stop_timer};
use crate::ensure;
use crate::test_sp::{self, forbidden};
use sp_rt::ffa::{self as f, Error};

/// These cases. Each of the last five ends a partition of its own.
pub const CASES: &[Case] = &[
    ("attack-instructions", instructions),
    ("attack-firmware", firmware),
    ("attack-sve", sve),
    ("attack-hang", hang),
    ("attack-read-hypervisor", read_hypervisor),
    ("attack-write-neighbour", write_neighbour),
    ("attack-read-normal-world", read_normal_world),
    ("attack-own-fault", own_fault),
];

/// That a command ended its partition: the caller gets ABORTED, as does the next one, in bounded
/// time, and the others go on.
fn contained(target: u16, command: u64, arguments: [u64; 4]) -> Outcome {
    set_timer(1_000_000);
    let (answer, _) = send(target, command, arguments);
    stop_timer();
    let_in();
    let told = answer.success().err();
    ensure!(
        answer.function() == f::ERROR && told == Some(Error::ABORTED),
        "{:#x} {:#x} {:#x} {:#x}",
        answer.x(0),
        answer.x(2),
        answer.x(4),
        answer.x(5)
    );
    let again = ffa(f::DIRECT_REQ_64, &[to(target), 0, test_sp::ECHO]);
    ensure!(
        again.success().err() == Some(Error::ABORTED),
        "the next call: {:#x} {:#x}",
        again.x(0),
        again.x(2)
    );
    alive(A)?;
    alive(B)
}

/// Instructions that reach beyond the partition are trapped: the partition gets an exception for
/// each, or it is without effect; it is not stopped for it.
fn instructions() -> Outcome {
    let what = [
        ("set/way", forbidden::SET_WAY),
        ("mdscr_el1", forbidden::DEBUG),
        ("dbgbvr0_el1", forbidden::BREAKPOINT),
        ("pmcr_el0", forbidden::COUNTERS),
        ("actlr_el1", forbidden::AUXILIARY),
        ("s3_0_c15_c0_0", forbidden::UNKNOWN_REGISTER),
        ("icc_sgi1r_el1", forbidden::SGI),
        ("icc_pmr_el1", forbidden::PRIORITY),
        ("oslar_el1", forbidden::OS_LOCK),
        ("trfcr_el1", forbidden::TRACE),
    ];
    for (name, number) in what {
        let (status, [_, syndrome, ..]) = tell(A, test_sp::FORBIDDEN, [number, 0, 0, 0])
            .map_err(|why| Why::new(format_args!("{name}: {}", why.text())))?;
        ensure!(status == Error(0) && syndrome != 0, "{name} was let through");
    }
    alive(A)
}

/// Firmware is not for partitions: PSCI, others, and calls that are not FF-A's are unknown.
fn firmware() -> Outcome {
    for function in [
        0x8400_0000_u64,
        0x8400_0002,
        0x8400_0008,
        0xc400_0003,
        0x8200_0000,
        0xc300_0000,
        0x8000_0000,
        0xbf00_ff01,
        0x3200_0000,
    ] {
        let [got, syndrome, ..] = ask(A, test_sp::FORBIDDEN, [forbidden::FIRMWARE, function, 0, 0])?;
        let refused = got as u32 == u32::MAX || syndrome != 0;
        ensure!(refused, "{function:#x} was answered with {got:#x}");
    }
    alive(A)
}

/// A partition has no SVE: an instruction of it is undefined there.
fn sve() -> Outcome {
    let [_, syndrome, ..] = ask(A, test_sp::FORBIDDEN, [forbidden::SVE, 0, 0, 0])?;
    ensure!(syndrome != 0, "it was let through");
    alive(A)
}

/// T1: a partition that never comes back loses the core at each interrupt; the others answer.
fn hang() -> Outcome {
    set_timer(2_000);
    let mut answer = ffa(
        f::DIRECT_REQ_64,
        &[to(VICTIM), 0, test_sp::FORBIDDEN, forbidden::HANG],
    );
    for _ in 0..10 {
        ensure!(
            answer.function() == f::INTERRUPT,
            "{:#x} {:#x}",
            answer.x(0),
            answer.x(2)
        );
        let_in();
        alive(A)?;
        alive(B)?;
        set_timer(1_000);
        answer = ffa(f::RUN, &[answer.x(1)]);
    }
    stop_timer();
    let_in();
    Ok(())
}

/// M1: the hypervisor's memory is out of reach.
fn read_hypervisor() -> Outcome {
    contained(VICTIM + 1, test_sp::READ, [0x0e10_0000, 0, 0, 0])
}

/// M1: another partition's memory is out of reach.
fn write_neighbour() -> Outcome {
    contained(VICTIM + 2, test_sp::WRITE, [0x0e20_0000, 0xbad, 0, 0])
}

/// M4: the normal world's memory that it did not share is out of reach.
fn read_normal_world() -> Outcome {
    contained(VICTIM + 3, test_sp::READ, [TX.address(), 0, 0, 0])
}

/// R1: a partition that fails by itself (FFA_ABORT) is stopped, and its caller told.
fn own_fault() -> Outcome {
    contained(VICTIM + 4, test_sp::FORBIDDEN, [forbidden::PANIC, 0, 0, 0])
}
