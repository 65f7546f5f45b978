//! Calls whose registers stay where they lie, as the shell makes them.

use super::machine::{Machine, mark, regs};
use super::table::A;
use crate::api::{Conduit, Context, Next, Regs};
use crate::error::Error;
use crate::function as f;

const CORE: u8 = 0;
const ENTERED: Context = Context {
    partition: 0,
    home: CORE,
};

/// A machine on which the normal world has made a call, and its registers.
struct Shell {
    machine: Machine,
    normal: Regs,
}

impl Shell {
    /// A direct request has been delivered: x8 to x17 are marks of the normal world's.
    fn entered() -> Self {
        let mut shell = Self {
            machine: Machine::started(),
            normal: Regs([0; 18]),
        };
        shell.request();
        shell
    }

    fn request(&mut self) {
        let next = self.normal_call(&[u64::from(f::DIRECT_REQ_64), u64::from(A), 0, 7]);
        assert!(matches!(next, Next::EnterShort(turn) if turn.context == ENTERED));
        self.has_its_marks(&self.normal);
        assert_eq!(self.normal.0[3], 7);
    }

    fn normal_call(&mut self, first: &[u64]) -> Next {
        self.normal = Regs::new(first);
        for n in 8..18 {
            self.normal.0[n] = mark(n);
        }
        let Machine { spmc, ports } = &mut self.machine;
        spmc.normal_call(CORE, &mut self.normal, ports)
    }

    /// A call of the partition, with what is its own in x8 to x17; the registers afterwards.
    fn call(&mut self, first: &[u64]) -> (Next, Regs) {
        let mut call = Regs([0x5ec2_e700; 18]);
        call.0[..8].copy_from_slice(&Regs::new(first).0[..8]);
        let Machine { spmc, ports } = &mut self.machine;
        let next = spmc.partition_call(CORE, Conduit::Smc, &mut call, &self.normal, ports);
        (next, call)
    }

    fn interrupt(&mut self) -> Regs {
        self.machine.spmc.keep(CORE, &self.normal);
        regs(self.machine.preempt(CORE))
    }

    fn has_its_marks(&self, regs: &Regs) {
        for n in 8..18 {
            assert_eq!(regs.0[n], mark(n), "x{n}");
        }
    }
}

#[test]
fn a_short_answer_is_for_the_first_eight_registers() {
    let mut shell = Shell::entered();
    let (next, call) = shell.call(&[u64::from(f::DIRECT_RESP_64), u64::from(A) << 16, 0, 9]);
    assert_eq!((next, call.0[3]), (Next::LeaveShort, 9));
    // Until the shell has saved what the core holds of the context it is this core's.
    let busy = shell.normal_call(&[u64::from(f::DIRECT_REQ_64), u64::from(A)]);
    assert_eq!((busy, shell.normal.0[0]), (Next::Back, u64::from(f::INTERRUPT)));
    shell.machine.spmc.settle_waiting(ENTERED);
    shell.request();
}

#[test]
fn what_is_no_plain_answer_has_the_callers_other_registers() {
    let mut shell = Shell::entered();
    let answer = shell.interrupt();
    assert_eq!(answer.0[0], u64::from(f::INTERRUPT));
    shell.has_its_marks(&answer);

    let mut shell = Shell::entered();
    let (next, _) = shell.call(&[u64::from(f::ERROR), 0, u64::from(Error::Busy.code())]);
    let Next::Other(action) = next else {
        panic!("{next:?}");
    };
    let answer = regs(action);
    assert_eq!(
        answer.0[..3],
        [u64::from(f::ERROR), 0, u64::from(Error::Busy.code())]
    );
    shell.has_its_marks(&answer);
}

#[test]
fn registers_that_are_kept_are_kept_once() {
    let mut shell = Shell::entered();
    shell.interrupt();
    let target = u64::from(A) << 16;
    let next = shell.normal_call(&[u64::from(f::RUN), target]);
    assert!(matches!(next, Next::Other(_)), "{next:?}");
    // By now something else lies where the call was made.
    let marks = core::mem::replace(&mut shell.normal, Regs([0xbad; 18]));
    let answer = shell.interrupt();
    shell.normal = marks;
    shell.has_its_marks(&answer);
}
