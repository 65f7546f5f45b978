//! Random events with random registers: nothing panics, each context is on one core at most, and
//! what is nobody's result is left alone.

use proptest::prelude::*;

use super::machine::{Machine, mark};
use super::table::{A, B, C, NORMAL, memory};
use crate::api::{Action, Conduit, Context, Event, Fault, Regs};
use crate::context::State;
use crate::function as f;
use crate::table::Core;

/// What may stand in a register.
fn value() -> impl Strategy<Value = u64> {
    let known = proptest::sample::select(std::vec![
        0,
        1,
        2,
        3,
        4,
        5,
        8,
        16,
        40,
        64,
        96,
        0xff03,
        0xff04,
        0xff08,
        0xff09,
        4096,
        4097,
        0x1_0000,
        0x1_0001,
        0x1_0002,
        0x8000_0000,
        0xffff_ffff,
        u64::MAX,
        NORMAL.base,
        NORMAL.base + 0x1000,
        memory(0),
        memory(1) + 0x1000,
        memory(2),
    ]);
    let ids = proptest::sample::select(std::vec![
        0u64,
        1,
        u64::from(A),
        u64::from(B),
        u64::from(C),
        0x8000,
        0xffff
    ]);
    let info = (ids.clone(), ids.clone()).prop_map(|(high, low)| high << 16 | low);
    let vcpu = (ids, 0u64..5).prop_map(|(id, vcpu)| id << 16 | vcpu);
    prop_oneof![known, info, vcpu, any::<u64>()]
}

fn id() -> impl Strategy<Value = u64> {
    prop_oneof![
        20 => 0x8400_0060u64..0x8400_0090,
        10 => 0xc400_0060u64..0xc400_0090,
        4 => proptest::sample::select(std::vec![0xff03u64, 0xff04, 0xff08, 0xff09]),
        1 => 0xc600_0001u64..0xc600_0006,
        12 => proptest::sample::select(std::vec![f::DIRECT_REQ_32, f::RUN, f::DIRECT_RESP_32, f::MSG_WAIT]).prop_map(u64::from),
        1 => any::<u64>(),
    ]
}

/// One step: a core, what happens there, and registers for it.
fn step() -> impl Strategy<Value = (Core, u8, u64, std::vec::Vec<u64>)> {
    (0u8..4, 0u8..64, id(), proptest::collection::vec(value(), 17))
}

/// The event, given what runs on the core. The shell makes no event that the machine cannot.
fn event(kind: u8, runs: Option<Context>, id: u64, rest: &[u64]) -> Event {
    let mut regs = Regs([0; 18]);
    regs.0[0] = id;
    regs.0[1..].copy_from_slice(rest);
    if runs.is_none() {
        for n in 8..18 {
            regs.0[n] = mark(n);
        }
        return if kind == 0 {
            Event::CoreOn
        } else {
            Event::Normal(regs)
        };
    }
    match kind {
        0 if rest[0].is_multiple_of(16) => Event::Fault(Fault {
            syndrome: 0,
            address: 0,
            ipa: 0,
            pc: 0,
        }),
        1..8 => Event::NormalInterrupt,
        8..11 => Event::Deadline,
        11..14 => Event::SecureInterrupt([25, 40, 41][usize::from(kind - 11)]),
        14..24 => Event::Call(Conduit::Hvc, regs),
        24..40 => {
            // An answer that has a chance.
            regs.0[0] = u64::from(f::DIRECT_RESP_32);
            regs.0[1] = u64::from([A, B, C][runs.map_or(0, |c| c.partition)]) << 16;
            regs.0[2] = 0;
            Event::Call(Conduit::Smc, regs)
        }
        _ => Event::Call(Conduit::Smc, regs),
    }
}

fn check(m: &Machine, runs: &[Option<Context>; 4]) {
    for (p, compartment) in m.spmc.compartments.iter().enumerate() {
        for (home, seat) in (0u8..).zip(&compartment.seats) {
            let here = Context { partition: p, home };
            let cores: std::vec::Vec<usize> = (0..4).filter(|core| runs[*core] == Some(here)).collect();
            match seat.state() {
                State::Running(core) => assert_eq!(cores, [usize::from(core)]),
                _ => assert!(cores.is_empty(), "{here:?} runs without owning a core"),
            }
        }
    }
    for (core, cpu) in m.spmc.cpus.iter().enumerate() {
        assert_eq!(cpu.current(), runs[core]);
    }
}

fn walk(m: &mut Machine, steps: &[(Core, u8, u64, std::vec::Vec<u64>)]) {
    let mut runs = [None; 4];
    for (core, kind, id, rest) in steps {
        let slot = &mut runs[usize::from(*core)];
        let made = event(*kind, *slot, *id, rest);
        let action = m.step(*core, made);
        match action {
            Action::Run(run) => *slot = Some(run.context),
            Action::Halt(partition) => panic!("halted for {partition}"),
            Action::Idle => *slot = None,
            Action::Normal(regs) => {
                *slot = None;
                let wide = [f::DIRECT_RESP2, f::SUCCESS_64].contains(&(regs.0[0] as u32));
                let own = [f::MSG_WAIT, f::NORMAL_WORLD_RESUME].contains(&(regs.0[0] as u32));
                if !wide && !own {
                    for n in 8..18 {
                        assert_eq!(regs.0[n], mark(n), "{made:x?} {action:x?}");
                    }
                }
            }
        }
        check(m, &runs);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_is_survived(steps in proptest::collection::vec(step(), 1..400)) {
        walk(&mut Machine::started(), &steps);
    }

    #[test]
    fn also_before_the_partitions_have_started(steps in proptest::collection::vec(step(), 1..60)) {
        let mut m = Machine::new();
        let mut runs = [None; 4];
        if let Action::Run(run) = m.step(0, Event::Boot) {
            runs[0] = Some(run.context);
        }
        // Only the boot core runs then.
        for (_, kind, id, rest) in &steps {
            if runs[0].is_none() {
                break;
            }
            runs[0] = match m.step(0, event(*kind, runs[0], *id, rest)) {
                Action::Run(run) => Some(run.context),
                Action::Normal(_) | Action::Idle => None,
                Action::Halt(partition) => panic!("halted for {partition}"),
            };
            check(&m, &runs);
        }
    }
}
