//! Partitions that do what they must not: contained, their callers told, the others unharmed.
use super::discovery::TX;
use super::restart::back;
use super::{A, B, Case, Outcome, VICTIM, alive, ask, complete, ffa, inside_good, isolation, tell, to};
use crate::arch::machine::{let_in, now, set_timer, stop_timer};
use crate::ensure;
use crate::test_sp::{self, forbidden};
use sp_rt::ffa::{self as f, Error};

/// These cases. Each of the last five takes a partition of its own.
pub const CASES: &[Case] = &[
    isolation("attack-firmware", firmware),
    isolation("attack-auxiliary-control", auxiliary),
    isolation("attack-answer-twice", answer_twice),
    isolation("attack-forges-records", forges),
    isolation("attack-hang", hang),
    isolation("attack-read-hypervisor", || {
        contained(VICTIM + 1, test_sp::READ, [0x0e10_0000, 0, 0, 0])
    }),
    isolation("attack-write-neighbour", || {
        contained(VICTIM + 2, test_sp::WRITE, [0x0e20_0000, 0xbad, 0, 0])
    }),
    // M4: memory that the normal world did not share.
    isolation("attack-read-normal-world", || {
        contained(VICTIM + 3, test_sp::READ, [TX.address(), 0, 0, 0])
    }),
    // R1: a partition that fails by itself.
    isolation("attack-panic", || forbid(VICTIM + 4, forbidden::PANIC)),
];

/// The cases of the table `attacks`: an instruction that reaches beyond the partition, each in one
/// of its own.
pub const INSTRUCTIONS: &[Case] = &[
    isolation("attack-set-way", || forbid(VICTIM, forbidden::SET_WAY)),
    isolation("attack-debug-registers", || forbid(VICTIM + 1, forbidden::DEBUG)),
    isolation("attack-counters", || forbid(VICTIM + 2, forbidden::COUNTERS)),
    isolation("attack-send-interrupt", || forbid(VICTIM + 3, forbidden::SGI)),
    isolation("attack-keys", || forbid(VICTIM + 4, forbidden::KEYS)),
    isolation("attack-sve", || forbid(VICTIM + 5, forbidden::SVE)),
    isolation("attack-sleep", sleep),
];

/// The same for the table `attacks-2`.
pub const MORE_INSTRUCTIONS: &[Case] = &[
    isolation("attack-interrupt-priority", mask_interrupts),
    isolation("attack-trace", || forbid(VICTIM + 1, forbidden::TRACE)),
    isolation("attack-unknown-register", || {
        forbid(VICTIM + 2, forbidden::UNKNOWN_REGISTER)
    }),
    isolation("attack-os-lock", || forbid(VICTIM + 3, forbidden::OS_LOCK)),
    isolation("attack-breakpoint", || forbid(VICTIM + 4, forbidden::BREAKPOINT)),
    isolation("attack-undefined-instruction", || {
        forbid(VICTIM + 5, forbidden::OWN_FAULT)
    }),
];

/// The same for the table `attacks-3`: registers that are the normal world's, EL3's or the machine's.
pub const MORE_REGISTERS: &[Case] = &[
    isolation("attack-secure-timer", || forbid(VICTIM, forbidden::SECURE_TIMER)),
    isolation("attack-error-records", || {
        forbid(VICTIM + 1, forbidden::ERROR_RECORDS)
    }),
    isolation("attack-activity-monitors", || {
        forbid(VICTIM + 2, forbidden::ACTIVITY)
    }),
    isolation("attack-ordering-regions", || {
        forbid(VICTIM + 3, forbidden::ORDERING)
    }),
    // What follows is done by one that comes back from its image each time.
    isolation("attack-sign-with-keys", || once_more(forbidden::SIGN)),
    isolation("attack-read-keys", || once_more(forbidden::READ_KEYS)),
    isolation("attack-read-counters", || once_more(forbidden::READ_CYCLES)),
    isolation("attack-read-watchpoint", || once_more(forbidden::READ_WATCHPOINT)),
    isolation("attack-profiling", || once_more(forbidden::PROFILING)),
    isolation("identification-registers", identification),
    isolation("attack-trace-buffer", || once_more(forbidden::TRACE_BUFFER)),
    isolation("attack-registers-of-the-hypervisor", || {
        for what in [
            forbidden::READ_HCR,
            forbidden::READ_VSTTBR,
            forbidden::READ_SCR,
            forbidden::WRITE_VTTBR,
        ] {
            once_more(what)?;
        }
        Ok(())
    }),
    isolation("attack-read-store", || touch(test_sp::READ, 0x0004_0000)),
    isolation("attack-write-store", || touch(test_sp::WRITE, 0x0004_0000)),
    isolation("attack-read-firmware", || touch(test_sp::READ, 0x0e00_0000)),
    isolation("attack-write-hypervisor", || touch(test_sp::WRITE, 0x0e10_0000)),
    isolation("attack-read-log", || touch(test_sp::READ, 0x0904_0000)),
    isolation("attack-write-distributor", || touch(test_sp::WRITE, 0x0800_0000)),
];

/// Those who come back, in the table `attacks-3`: after an instruction, and after an access.
const AGAIN: u16 = 0x8008;
const BACK: u16 = 0x8007;

/// ID registers, which are trapped, arrive in the register that was asked for, and no other changes; what is trapped or not
/// switched is not there (SVE), nor is AArch32.
fn identification() -> Outcome {
    const SVE: u64 = 0xf << 32;
    const LEVELS: u64 = 0xff;
    let [value, wrong, ..] = ask(AGAIN, test_sp::IDENTIFY, [0; 4])?;
    ensure!(wrong == 0, "{wrong} registers are wrong");
    ensure!(value & SVE == 0 && value & LEVELS == 0x11, "{value:#x}");
    Ok(())
}

/// Has it do what is forbidden: it gets an exception, or is stopped; then it is back.
fn once_more(what: u64) -> Outcome {
    let answer = ffa(f::DIRECT_REQ_64, &[to(AGAIN), 0, test_sp::FORBIDDEN, what, 0]);
    told(AGAIN, &answer, false)
}

/// Has it touch memory or a device that is not its own: it is stopped; then it is back.
fn touch(command: u64, address: u64) -> Outcome {
    let answer = ffa(f::DIRECT_REQ_64, &[to(BACK), 0, command, address, 0xbad]);
    told(BACK, &answer, true)
}

/// That it was stopped, or, unless it `has` to be, got an exception; and that it and the others answer.
fn told(target: u16, answer: &f::Regs, has: bool) -> Outcome {
    let stopped = answer.success().err() == Some(Error::ABORTED);
    let refused = answer.function() == f::DIRECT_RESP_64 && answer.x(5) != 0 && !has;
    ensure!(
        stopped || refused,
        "{:#x}: got {:#x}, syndrome {:#x}",
        answer.x(0),
        answer.x(4),
        answer.x(5)
    );
    back(target)?;
    alive(A)?;
    alive(B)
}

/// Does what is forbidden; the partition is either stopped, or gets an exception for it.
fn forbid(target: u16, what: u64) -> Outcome {
    contained(target, test_sp::FORBIDDEN, [what, 0, 0, 0])
}

/// That a command is contained, in bounded time: either its partition is stopped, and its caller
/// and the next one get ABORTED, or it gets an exception. The others go on.
fn contained(target: u16, command: u64, [a, b, c, d]: [u64; 4]) -> Outcome {
    let mut answer = ffa(f::DIRECT_REQ_64, &[to(target), 0, command, a, b, c, d]);
    for _ in 0..10 {
        if answer.function() != f::INTERRUPT {
            break;
        }
        set_timer(20_000);
        answer = ffa(f::RUN, &[answer.x(1)]);
        let_in();
    }
    stop_timer();
    if answer.function() == f::DIRECT_RESP_64 {
        ensure!(answer.x(5) != 0, "it was let through, and got {:#x}", answer.x(4));
        alive(target)?;
    } else {
        let told = answer.success().err();
        ensure!(
            told == Some(Error::ABORTED),
            "{:#x} {:#x} {:#x}",
            answer.x(0),
            answer.x(1),
            answer.x(2)
        );
        let again = ffa(f::DIRECT_REQ_64, &[to(target), 0, test_sp::ECHO])
            .success()
            .err();
        ensure!(again == Some(Error::ABORTED), "the next call: {again:?}");
    }
    alive(A)?;
    alive(B)
}

/// Writes of ACTLR_EL1 are without effect, or an exception.
fn auxiliary() -> Outcome {
    let _ = tell(A, test_sp::FORBIDDEN, [forbidden::AUXILIARY, u64::MAX, 0, 0])?;
    alive(A)?;
    alive(B)
}

/// Firmware is not for partitions: PSCI, others, and calls that are not FF-A's are unknown.
fn firmware() -> Outcome {
    for function in [
        0x8400_0000_u64,
        0x8400_0002,
        0xc400_0003,
        0x8200_0000,
        0xc300_0000,
        0xbf00_ff01,
        0x3200_0000,
    ] {
        let [got, syndrome, ..] = ask(A, test_sp::FORBIDDEN, [forbidden::FIRMWARE, function, 0, 0])?;
        let refused = got as u32 == u32::MAX || syndrome != 0;
        ensure!(refused, "{function:#x} was answered with {got:#x}");
    }
    alive(A)
}

/// R1: lines that look like the hypervisor's of a failure, and bytes that frames of the log are made of. Behind all cases, the runner holds the
/// failures that the log has against the records that there are: a line that it takes for the hypervisor's has none.
fn forges() -> Outcome {
    for line in [
        b"\n    9.9 error test-b: failed on core 0 by a load\n".as_slice(),
        b"\r\n    9.9 error test-b: failed on core 0 by a load\r\n",
        b"\r    9.9 error test-b: gave itself up on core 0\n",
        b"\x1b[2K\x1b[0G    9.9 error test-b: failed to start\n",
        b"\0\0\0\xff\xfe\x7f\x80\0\x01\x02\x03\0\0",
    ] {
        let mut words = [0; 12];
        words[0] = line.len() as u64;
        for (to, part) in words[1..].iter_mut().zip(line.chunks(8)) {
            let mut bytes = [0; 8];
            bytes[..part.len()].copy_from_slice(part);
            *to = u64::from_le_bytes(bytes);
        }
        inside_good(A, f::CONSOLE_LOG_64, &words)?;
    }
    alive(A)
}

/// C1: a partition that has answered, and is given cycles, answers once more; nobody waits for it, and nobody gets it.
fn answer_twice() -> Outcome {
    for function in [f::DIRECT_RESP_64, f::DIRECT_RESP_32, f::DIRECT_RESP2, f::YIELD] {
        ask(A, test_sp::LATER, [function.into(), to(A) << 16, 0, 0x57a1e])?;
        let answer = ffa(f::RUN, &[to(A) << 16]);
        let (last, _) = complete(answer);
        ensure!(
            answer.function() == f::MSG_WAIT || function == f::YIELD && last.function() == f::MSG_WAIT,
            "{function:#x}: {:#x} {:#x}",
            answer.x(0),
            answer.x(3)
        );
        let [told, _, status, _] = ask(A, test_sp::LATER, [0; 4])?;
        let refused = told as u32 == f::ERROR && (status as i32) < 0;
        ensure!(
            refused || function == f::YIELD,
            "{function:#x} was answered with {told:#x} {status:#x}"
        );
        alive(A)?;
    }
    Ok(())
}

/// T1: a partition that never comes back loses the core at each interrupt; the others answer.
fn hang() -> Outcome {
    never_back(VICTIM, forbidden::HANG)
}

fn never_back(target: u16, what: u64) -> Outcome {
    set_timer(2_000);
    let mut answer = ffa(f::DIRECT_REQ_64, &[to(target), 0, test_sp::FORBIDDEN, what]);
    for _ in 0..10 {
        ensure!(
            answer.function() == f::INTERRUPT,
            "{:#x} {:#x}",
            answer.x(0),
            answer.x(2)
        );
        let_in();
        for other in [A, B].into_iter().filter(|other| *other != target) {
            alive(other)?;
        }
        set_timer(1_000);
        answer = ffa(f::RUN, &[answer.x(1)]);
    }
    stop_timer();
    let_in();
    Ok(())
}

/// T1: the same for one that waits for an interrupt for ever.
fn sleep() -> Outcome {
    never_back(A, forbidden::SLEEP)
}

/// T1, I2: a partition that masks interrupts masks its own at most: behind its call the normal world
/// gets its timer's. (Within the call, too, on hardware, where secure EL1 has the virtual CPU
/// interface only. QEMU up to 10 gives secure EL1 the physical one and traps nothing of it.)
fn mask_interrupts() -> Outcome {
    if forbid(VICTIM, forbidden::PRIORITY).is_ok() {
        return Ok(());
    }
    let before = let_in();
    set_timer(100);
    let deadline = now() + 1_000_000;
    while let_in() == before {
        ensure!(now() < deadline, "no interrupt arrived behind the call");
    }
    stop_timer();
    alive(A)
}
