//! The Rust TEE, called as Linux's OP-TEE driver calls it (docs/own-tee.md), at moments that Linux cannot choose.
use super::share::Descriptor;
use super::{A, Case, Outcome, Why, complete, ffa, good, isolation, to};
use crate::arch::machine::{Page, let_in, now, set_timer, stop_timer};
use crate::ensure;
use sp_rt::ffa::{self as f, Regs};

/// These cases.
pub const CASES: &[Case] = &[
    isolation("driver-command", command),
    isolation("driver-command-left-and-resumed", left),
    isolation("driver-session-busy", busy),
    isolation("driver-session-busy-for-a-resumed-call", busy_when_resumed),
    isolation("driver-session-closed-in-its-command", closed),
    isolation("driver-thread-of-another-call", wrong_thread),
];

/// Memory of the messages.
static PAGE: Page = Page::new();
/// Words from the start of [`PAGE`] at which a message stands.
const FIRST: usize = 0;
const SECOND: usize = 128;
const THIRD: usize = 256;

const CALL: u64 = 0x8000_0000;
const RESUME: u64 = 0x8000_0001;
const UNREGISTER: u64 = 3;
/// How a call ended, in w4: done, or left with the number in w7.
const DONE: u64 = 0;
const LEFT: u64 = 2;

const OPEN: u64 = 0;
const INVOKE: u64 = 1;
const CLOSE: u64 = 2;

const SUCCESS: u64 = 0;
const BAD_PARAMETERS: u64 = 0xffff_0006;
const OUT_OF_MEMORY: u64 = 0xffff_000c;
const BUSY: u64 = 0xffff_000d;
/// What stands in a message's code before it is answered.
const UNANSWERED: u64 = 0x5555_5555;

/// The echo service, and two of its commands: steps that take a while, and numbers that change places.
const ECHO: u128 = 0xb0b3ec40_7d3a_4f0e_9c52_1f0c8e6a7d01;
const LONG: u64 = 2;
const SWAP: u64 = 5;
const META_VALUE_IN: u64 = 0x101;
const VALUE_IN: u64 = 1;
const VALUE_OUT: u64 = 2;
const VALUE_IN_OUT: u64 = 3;
/// Steps that last for many times [`SOON`].
const STEPS: u64 = 4_000_000;
/// Microseconds after which the normal world's interrupt comes.
const SOON: u64 = 1_000;
const TRIES: u32 = 20;
/// Sessions that the TEE has room for.
const SESSIONS: usize = 32;

/// The share that a case makes its calls by.
struct Driver {
    handle: u64,
}

impl Driver {
    fn begin() -> Outcome<Self> {
        let handle = Descriptor::new(A, [(PAGE.address(), 1)].into_iter()).share()?;
        Ok(Self { handle })
    }

    /// The TEE has given everything back.
    fn end(self) -> Outcome {
        let (low, high) = (self.handle & 0xffff_ffff, self.handle >> 32);
        let answer = request([UNREGISTER, low, high, 0, 0]);
        ensure!(answer.x(3) == 0, "the memory is in use: {:#x}", answer.x(3));
        good(f::MEM_RECLAIM, &[low, high, 0]).map(|_| ())
    }

    /// Has the message at a place done; left or done.
    fn call(&self, at: usize) -> Regs {
        let (low, high) = (self.handle & 0xffff_ffff, self.handle >> 32);
        request([CALL, low, high, at as u64 * 8, 0])
    }

    /// The same, resumed until it is done; the code in the message.
    fn done(&self, at: usize) -> Outcome<u64> {
        finish(self.call(at))?;
        Ok(code(at))
    }

    fn open(&self) -> Outcome<u64> {
        let uuid = ECHO.to_be_bytes();
        let half = |at: usize| u64::from_le_bytes(core::array::from_fn(|n| uuid[at + n]));
        let parameters = [[META_VALUE_IN, half(0), half(8), 0], [META_VALUE_IN, 0, 0, 0]];
        message(THIRD, [OPEN, 0, 0], &parameters);
        let code = self.done(THIRD)?;
        ensure!(code == SUCCESS, "no session: {code:#x}");
        Ok(PAGE.read(THIRD + 1) & 0xffff_ffff)
    }

    fn close(&self, session: u64) -> Outcome<u64> {
        message(THIRD, [CLOSE, 0, session], &[]);
        self.done(THIRD)
    }

    /// A command that was left in its session because an interrupt came; the thread that it was left in. On a busy host the
    /// interrupt may be too early, so that it was left before it reached the session, or too late: then another one is.
    fn leave_long(&self, session: u64) -> Outcome<u64> {
        for _ in 0..TRIES {
            long(FIRST, session);
            set_timer(SOON);
            let answer = self.call(FIRST);
            stop_timer();
            let_in();
            if answer.x(4) == LEFT {
                let thread = thread(&answer)?;
                swap(SECOND, session);
                if self.call(SECOND).x(3) == BUSY {
                    return Ok(thread);
                }
                finish(resume(thread))?;
            }
        }
        Err(Why::new(format_args!(
            "no command was left in its session in {TRIES} tries"
        )))
    }

    /// A command that was left before it reached its session, which is busy; its thread.
    fn leave_early(&self, at: usize) -> Outcome<u64> {
        for _ in 0..TRIES {
            set_timer(1);
            let began = now();
            while now() < began + SOON {}
            let answer = self.call(at);
            stop_timer();
            let_in();
            if answer.x(4) == LEFT {
                return thread(&answer);
            }
        }
        Err(Why::new(format_args!(
            "no command was left early in {TRIES} tries"
        )))
    }
}

fn request(words: [u64; 5]) -> Regs {
    let [a, b, c, d, e] = words;
    complete(ffa(f::DIRECT_REQ_32, &[to(A), 0, a, b, c, d, e])).0
}

/// The thread in which a call was left.
fn thread(answer: &Regs) -> Outcome<u64> {
    ensure!(
        answer.function() == f::DIRECT_RESP_32 && (answer.x(3), answer.x(4)) == (SUCCESS, LEFT),
        "it was not left: {:x?}",
        &answer.0[..8]
    );
    Ok(answer.x(7))
}

fn resume(thread: u64) -> Regs {
    request([RESUME, 0, 0, 0, thread])
}

/// Resumes a call until it is done.
fn finish(mut answer: Regs) -> Outcome {
    while answer.x(4) == LEFT {
        answer = resume(thread(&answer)?);
    }
    ensure!(
        answer.function() == f::DIRECT_RESP_32 && (answer.x(3), answer.x(4)) == (SUCCESS, DONE),
        "it did not end: {:x?}",
        &answer.0[..8]
    );
    Ok(())
}

/// Writes a message: command, function and session; parameters of four words.
fn message(at: usize, [command, function, session]: [u64; 3], parameters: &[[u64; 4]]) {
    PAGE.write(at, command | function << 32);
    PAGE.write(at + 1, session);
    PAGE.write(at + 2, UNANSWERED << 32);
    PAGE.write(at + 3, (parameters.len() as u64) << 32);
    for (n, word) in parameters.iter().flatten().enumerate() {
        PAGE.write(at + 4 + n, *word);
    }
}

/// The code in a message.
fn code(at: usize) -> u64 {
    PAGE.read(at + 2) >> 32
}

fn long(at: usize, session: u64) {
    let parameters = [[VALUE_IN, STEPS, 0, 0], [VALUE_OUT, 0, 0, 0]];
    message(at, [INVOKE, LONG, session], &parameters);
}

fn swap(at: usize, session: u64) {
    message(at, [INVOKE, SWAP, session], &[[VALUE_IN_OUT, 1, 2, 0]]);
}

/// The numbers of the command [`SWAP`].
fn numbers(at: usize) -> [u64; 2] {
    [PAGE.read(at + 5), PAGE.read(at + 6)]
}

fn command() -> Outcome {
    let driver = Driver::begin()?;
    let session = driver.open()?;
    swap(FIRST, session);
    let code = driver.done(FIRST)?;
    ensure!(
        code == SUCCESS && numbers(FIRST) == [2, 1],
        "{code:#x} {:?}",
        numbers(FIRST)
    );
    let code = driver.close(session)?;
    ensure!(code == SUCCESS, "close: {code:#x}");
    let code = driver.close(session)?;
    ensure!(code == BAD_PARAMETERS, "closed twice: {code:#x}");
    driver.end()
}

/// It gives the same result as one that nobody interrupts.
fn left() -> Outcome {
    let driver = Driver::begin()?;
    let session = driver.open()?;
    let thread = driver.leave_long(session)?;
    ensure!(code(FIRST) == UNANSWERED, "answered already");
    finish(resume(thread))?;
    let result = [PAGE.read(FIRST + 9), PAGE.read(FIRST + 10)];
    long(SECOND, session);
    let code = driver.done(SECOND)?;
    let again = [PAGE.read(SECOND + 9), PAGE.read(SECOND + 10)];
    ensure!(
        code == SUCCESS && result == again,
        "{code:#x} {result:x?} {again:x?}"
    );
    driver.close(session)?;
    driver.end()
}

/// The second command of a session is to be brought again, and its message is as it was; other sessions do not wait.
fn busy() -> Outcome {
    let driver = Driver::begin()?;
    let session = driver.open()?;
    let thread = driver.leave_long(session)?;
    swap(SECOND, session);
    for _ in 0..3 {
        let answer = driver.call(SECOND);
        ensure!(
            answer.x(3) == BUSY && code(SECOND) == UNANSWERED && numbers(SECOND) == [1, 2],
            "{:#x}, code {:#x}",
            answer.x(3),
            code(SECOND)
        );
    }
    let other = driver.open()?;
    swap(THIRD, other);
    let code_of_other = driver.done(THIRD)?;
    ensure!(code_of_other == SUCCESS, "another session: {code_of_other:#x}");
    finish(resume(thread))?;
    let code = driver.done(SECOND)?;
    ensure!(code == SUCCESS && numbers(SECOND) == [2, 1], "at last: {code:#x}");
    driver.close(session)?;
    driver.close(other)?;
    driver.end()
}

/// A call that was left before it reached its session finds it busy. The driver takes "busy" for a failure there: the
/// call is left again and again instead, until the session is free.
fn busy_when_resumed() -> Outcome {
    let driver = Driver::begin()?;
    let session = driver.open()?;
    let first = driver.leave_long(session)?;
    swap(SECOND, session);
    let mut second = driver.leave_early(SECOND)?;
    ensure!(second != first, "one thread twice");
    for round in 0..3 {
        let answer = resume(second);
        ensure!(
            answer.x(4) == LEFT && code(SECOND) == UNANSWERED,
            "round {round}: {:x?}, code {:#x}",
            &answer.0[..8],
            code(SECOND)
        );
        second = answer.x(7);
    }
    finish(resume(first))?;
    ensure!(code(FIRST) == SUCCESS, "the first: {:#x}", code(FIRST));
    finish(resume(second))?;
    let code = code(SECOND);
    ensure!(
        code == SUCCESS && numbers(SECOND) == [2, 1],
        "the second: {code:#x}"
    );
    driver.close(session)?;
    driver.end()
}

/// T2: it is gone with its command, so that none is lost for ever; meanwhile it takes no other.
fn closed() -> Outcome {
    let driver = Driver::begin()?;
    for _ in 0..3 {
        let session = driver.open()?;
        let thread = driver.leave_long(session)?;
        let code_of_close = driver.close(session)?;
        ensure!(code_of_close == SUCCESS, "close: {code_of_close:#x}");
        swap(SECOND, session);
        let code_of_next = driver.done(SECOND)?;
        ensure!(
            code_of_next == BAD_PARAMETERS,
            "behind the close: {code_of_next:#x}"
        );
        finish(resume(thread))?;
        ensure!(code(FIRST) == SUCCESS, "the command: {:#x}", code(FIRST));
    }
    let mut all = [0; SESSIONS];
    for session in &mut all {
        *session = driver.open()?;
    }
    let full = driver.open();
    ensure!(
        full.is_err() && code(THIRD) == OUT_OF_MEMORY,
        "{:#x}",
        code(THIRD)
    );
    for session in all {
        driver.close(session)?;
    }
    driver.end()
}

/// C1: a number that names no thread that was left, or one that has ended, resumes nothing.
fn wrong_thread() -> Outcome {
    let driver = Driver::begin()?;
    let session = driver.open()?;
    let thread = driver.leave_long(session)?;
    for number in [thread + 1, 0xffff, 0xffff_ffff] {
        let answer = resume(number);
        ensure!(
            answer.x(3) == BAD_PARAMETERS,
            "thread {number:#x}: {:#x}",
            answer.x(3)
        );
    }
    finish(resume(thread))?;
    let answer = resume(thread);
    ensure!(answer.x(3) == BAD_PARAMETERS, "it has ended: {:#x}", answer.x(3));
    driver.close(session)?;
    driver.end()
}
