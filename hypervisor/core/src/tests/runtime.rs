//! The run-time models (DEN0077A 1.2, chapter 8): each call in each state of a context, and what must follow.
//!
//! The context is that of B at home on core 1.

use super::machine::{Machine, code, ends, request, run, x};
use super::table::{A, B, C, NORMAL, RUNTIME, memory};
use crate::api::{Action, Entry, Event};
use crate::context::State;
use crate::error::Error;
use crate::function as f;
use crate::table::Core;

const RUN: u64 = f::RUN as u64;
const REQUEST: u64 = f::DIRECT_REQ_32 as u64;
const RESPONSE: u64 = f::DIRECT_RESP_32 as u64;
const MSG_WAIT: u64 = f::MSG_WAIT as u64;
const YIELD: u64 = f::YIELD as u64;
const INTERRUPT: u64 = f::INTERRUPT as u64;
const CORE: Core = 1;

/// Why the context runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Model {
    /// It starts (section 8.5).
    Start,
    /// FFA_RUN gave it cycles (section 8.2).
    Cycles,
    /// The normal world sent it a request (section 8.3).
    Request,
    /// A partition did.
    Called,
    /// A core that it does not list did.
    Forwarded,
    /// A normal world that is gone did.
    Orphan,
    /// The SPMC did.
    Power,
    /// A secure interrupt of its own came (section 8.4).
    Interrupt,
}

use Model::{Called, Cycles, Forwarded, Interrupt, Orphan, Power, Request, Start};

/// What follows a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It goes on with this error, and nothing has changed.
    Refused(Error),
    /// It waits for the partition that it called, which runs.
    Calls,
    /// It waits for the next message.
    Waits,
    /// It waits for cycles.
    Yields,
    /// It goes on, as if the call had not been.
    GoesOn,
    /// It is no more.
    Ends,
}

use Next::{Calls, Ends, GoesOn, Refused, Waits, Yields};

/// A machine on which nothing has happened, with C on this core preempted where it is to be busy.
fn machine(busy: bool) -> Machine {
    let mut m = Machine::of(&RUNTIME).start();
    if busy {
        m.enter(CORE, C);
        m.step(CORE, Event::NormalInterrupt);
    }
    m
}

/// The context runs in this model.
fn running(model: Model, busy: bool) -> Machine {
    let mut m = machine(busy);
    match model {
        Start => return starting(),
        Cycles => {
            m.normal(CORE, &[RUN, ends(B, 1)]);
        }
        Request => {
            m.enter(CORE, B);
        }
        Called => {
            m.enter(CORE, A);
            m.call(CORE, &[REQUEST, ends(A, B)]);
        }
        Forwarded => {
            m.normal(3, &request(B));
            m.step(CORE, Event::Called);
        }
        Orphan => {
            let map = [f::RXTX_MAP_64.into(), NORMAL.base, NORMAL.base + 0x1000, 1];
            m.normal(0, &[f::VERSION.into(), 0x1_0002]);
            m.normal(0, &map);
            m.enter(CORE, B);
            m.step(CORE, Event::NormalInterrupt);
            m.normal(0, &[f::VERSION.into(), 0x1_0002]);
            m.normal(0, &map);
            m.normal(CORE, &[RUN, ends(B, 1)]);
        }
        Power => {
            m.normal(CORE, &[REQUEST, 0xffff_8000, 1 << 31, 0x8400_0002]);
        }
        Interrupt => {
            m.enter(CORE, B);
            m.hvc(CORE, &[0xff03, 40, 1, 0]);
            m.respond(CORE, B);
            m.step(CORE, Event::SecureInterrupt(40));
        }
    }
    m
}

/// B has just been entered on the core, and nobody else is there yet.
fn starting() -> Machine {
    let mut m = Machine::of(&RUNTIME);
    let mut action = m.step(0, Event::Boot);
    while let Action::Run(run) = action {
        let entry = memory(run.context.partition);
        m.call(0, &[f::SECONDARY_EP_REGISTER_64.into(), entry]);
        action = m.call(0, &[MSG_WAIT]);
    }
    m.step(CORE, Event::CoreOn);
    m
}

fn state(m: &Machine, partition: usize) -> State {
    m.spmc.compartments[partition].seats[usize::from(CORE)].state()
}

/// Who has to be answered in this model, with which flags.
fn asker(model: Model) -> (u16, u64) {
    match model {
        Called => (A, 0),
        Power => (0x8000, 1 << 31 | 2),
        _ => (0, 0),
    }
}

/// A call and what follows it in each model that has an answer of its own, with one for all others.
struct Row {
    call: fn(Model) -> [u64; 4],
    busy: bool,
    own: &'static [(Model, Next)],
    others: Next,
}

const ROWS: &[Row] = &[
    // A partition that waits can be called; on this core nobody else does while it starts.
    Row {
        call: |_| [REQUEST, ends(B, C), 0, 0],
        busy: false,
        own: &[(Start, Refused(Error::Denied)), (Power, Refused(Error::Denied))],
        others: Calls,
    },
    // One that is busy cannot, nor one that waits for this very call, nor itself.
    Row {
        call: |_| [REQUEST, ends(B, C), 0, 0],
        busy: true,
        own: &[(Start, Refused(Error::Denied)), (Power, Refused(Error::Denied))],
        others: Refused(Error::Busy),
    },
    Row {
        call: |_| [REQUEST, ends(B, A), 0, 0],
        busy: false,
        own: &[
            (Start, Refused(Error::Denied)),
            (Called, Refused(Error::Denied)),
            (Power, Refused(Error::Denied)),
        ],
        others: Calls,
    },
    Row {
        call: |_| [REQUEST, ends(B, B), 0, 0],
        busy: false,
        own: &[(Power, Refused(Error::Denied))],
        others: Refused(Error::InvalidParameters),
    },
    // Who was asked answers, and nobody else.
    Row {
        call: |model| [RESPONSE, ends(B, asker(model).0), asker(model).1, 0],
        busy: false,
        own: &[
            (Start, Refused(Error::Denied)),
            (Cycles, Refused(Error::Denied)),
            (Interrupt, Refused(Error::Denied)),
        ],
        others: Waits,
    },
    Row {
        call: |_| [RESPONSE, ends(B, C), 0, 0],
        busy: false,
        own: &[
            (Start, Refused(Error::Denied)),
            (Cycles, Refused(Error::Denied)),
            (Interrupt, Refused(Error::Denied)),
        ],
        others: Refused(Error::InvalidParameters),
    },
    // Who was not asked waits, and nobody else.
    Row {
        call: |_| [MSG_WAIT, 0, 0, 0],
        busy: false,
        own: &[(Start, Waits), (Cycles, Waits), (Interrupt, Waits)],
        others: Refused(Error::Denied),
    },
    // Who has cycles of the normal world gives them back; who works on an interrupt has none of those.
    Row {
        call: |_| [YIELD, 0, 0, 0],
        busy: false,
        own: &[
            (Start, Refused(Error::Denied)),
            (Interrupt, GoesOn),
            (Power, Refused(Error::Denied)),
        ],
        others: Yields,
    },
    // A request can end without a response, with nothing but zeros; those of the framework cannot.
    Row {
        call: |_| [f::SUCCESS_64.into(), 0, 0, 0],
        busy: false,
        own: &[
            (Start, Refused(Error::Denied)),
            (Cycles, Refused(Error::Denied)),
            (Interrupt, Refused(Error::Denied)),
            (Power, Refused(Error::Denied)),
        ],
        others: Waits,
    },
    Row {
        call: |_| [f::SUCCESS_32.into(), 0, 0, 1],
        busy: false,
        own: &[
            (Start, Refused(Error::Denied)),
            (Cycles, Refused(Error::Denied)),
            (Interrupt, Refused(Error::Denied)),
            (Power, Refused(Error::Denied)),
        ],
        others: Refused(Error::InvalidParameters),
    },
    Row {
        call: |_| [f::ERROR.into(), 0, 0xffff_fff9, 0],
        busy: false,
        own: &[
            (Start, Ends),
            (Cycles, Refused(Error::Denied)),
            (Interrupt, Refused(Error::Denied)),
        ],
        others: Waits,
    },
    // A partition runs nobody but a callee that has yielded, interrupts nobody, and has said where it starts.
    Row {
        call: |_| [RUN, ends(C, 1), 0, 0],
        busy: false,
        own: &[],
        others: Refused(Error::Denied),
    },
    Row {
        call: |_| [INTERRUPT, ends(C, 1), 0, 0],
        busy: false,
        own: &[],
        others: Refused(Error::NotSupported),
    },
    Row {
        call: |_| [f::SECONDARY_EP_REGISTER_64.into(), memory(1), 0, 0],
        busy: false,
        own: &[],
        others: Refused(Error::Denied),
    },
    Row {
        call: |_| [f::ABORT_32.into(), 0, 0, 0],
        busy: false,
        own: &[],
        others: Ends,
    },
];

#[test]
fn each_call_in_each_model() {
    for (n, row) in ROWS.iter().enumerate() {
        for model in [
            Start, Cycles, Request, Called, Forwarded, Orphan, Power, Interrupt,
        ] {
            let own = row.own.iter().find(|(of, _)| *of == model);
            let next = own.map_or(row.others, |(_, next)| *next);
            let what = std::format!("row {n}, {model:?}");
            let mut m = running(model, row.busy);
            assert_eq!(state(&m, 1), State::Running(CORE), "{what}");
            let before = m.state();
            let action = m.call(CORE, &(row.call)(model));
            match next {
                Refused(error) => {
                    assert_eq!((code(action), m.state()), (Some(error.code()), before), "{what}");
                    assert_eq!(run(action).context.partition, 1, "{what}");
                }
                Calls => {
                    assert_eq!(state(&m, 1), State::Blocked, "{what}");
                    assert_ne!(run(action).context.partition, 1, "{what}");
                }
                GoesOn => assert_eq!(x(action, 0), f::SUCCESS_32.into(), "{what}"),
                Waits => assert_eq!(state(&m, 1), State::Waiting, "{what}"),
                Yields => assert_eq!(state(&m, 1), State::Yielded(CORE), "{what}"),
                Ends => assert_eq!(state(&m, 1), State::Off, "{what}"),
            }
            assert_eq!(m.spmc.check_invariants(), Ok(()), "{what}");
        }
    }
}

/// Where the context is when the normal world calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Off,
    Waiting,
    Running,
    Blocked,
    BlockedOnPreempted,
    Preempted,
    Yielded,
    Stopped,
}

fn at(place: Where) -> Machine {
    let mut m = match place {
        Where::Off => {
            let mut m = Machine::of(&RUNTIME);
            m.step(0, Event::Boot);
            for _ in 0..3 {
                m.call(0, &[MSG_WAIT]);
            }
            m.step(CORE, Event::CoreOn);
            return m;
        }
        Where::Waiting | Where::Stopped => machine(false),
        _ => running(Request, false),
    };
    match place {
        Where::Blocked | Where::BlockedOnPreempted => {
            m.call(CORE, &[REQUEST, ends(B, C)]);
        }
        Where::Preempted => {
            m.step(CORE, Event::NormalInterrupt);
        }
        Where::Yielded => {
            m.call(CORE, &[YIELD]);
        }
        Where::Stopped => m.spmc.stop_image(1),
        _ => {}
    }
    if place == Where::BlockedOnPreempted {
        m.step(CORE, Event::NormalInterrupt);
    }
    m
}

/// What the normal world gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Error(Error),
    /// A context is entered with a message, or goes on.
    Entered,
    Resumed,
    /// It has to come again, with the name of the context or another one.
    Again,
    /// The core has no time for a call.
    Nothing,
}

fn told(action: Action) -> Told {
    match action {
        Action::Run(run) if run.entry == Entry::Resume || x(action, 0) == f::SUCCESS_32.into() => {
            Told::Resumed
        }
        Action::Run(_) => Told::Entered,
        Action::Normal(_) if x(action, 0) == INTERRUPT => Told::Again,
        Action::Normal(_) => match [Error::Denied, Error::Busy, Error::Aborted]
            .into_iter()
            .find(|error| code(action) == Some(error.code()))
        {
            Some(error) => Told::Error(error),
            None => panic!("{action:x?}"),
        },
        Action::Halt(partition) => panic!("halted for {partition}"),
        Action::Idle => panic!("no core is a partition's own"),
    }
}

#[test]
fn each_call_of_the_normal_world_in_each_state() {
    use Told::{Again, Entered, Error as E, Nothing, Resumed};
    // A request on the core, FFA_RUN there, on another core that is listed, and on one that is not.
    let rows = [
        (
            Where::Off,
            [
                E(Error::Denied),
                E(Error::Denied),
                E(Error::Denied),
                E(Error::Denied),
            ],
        ),
        (
            Where::Waiting,
            [Entered, Entered, E(Error::Denied), E(Error::Denied)],
        ),
        (Where::Running, [Nothing, Nothing, E(Error::Busy), E(Error::Busy)]),
        (Where::Blocked, [Nothing, Nothing, E(Error::Busy), E(Error::Busy)]),
        (Where::BlockedOnPreempted, [Again, Resumed, Resumed, Again]),
        (Where::Preempted, [Again, Resumed, Resumed, Again]),
        (Where::Yielded, [Again, Resumed, Resumed, Again]),
        (
            Where::Stopped,
            [
                E(Error::Aborted),
                E(Error::Aborted),
                E(Error::Aborted),
                E(Error::Aborted),
            ],
        ),
    ];
    for (place, answers) in rows {
        for (n, wanted) in answers.into_iter().enumerate() {
            if wanted == Nothing {
                continue;
            }
            let mut m = at(place);
            let before = m.state();
            let action = match n {
                0 => m.normal(CORE, &request(B)),
                1 => m.normal(CORE, &[RUN, ends(B, 1)]),
                2 => m.normal(0, &[RUN, ends(B, 1)]),
                _ => m.normal(3, &[RUN, ends(B, 1)]),
            };
            assert_eq!(told(action), wanted, "{place:?}, call {n}");
            if matches!(wanted, E(_)) {
                assert_eq!(m.state(), before, "{place:?}, call {n}");
            }
            assert_eq!(m.spmc.check_invariants(), Ok(()), "{place:?}, call {n}");
        }
    }
}
