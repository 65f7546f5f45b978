//! Reaches three TEEs on one context that names none: an OP-TEE by default, and another OP-TEE and the Rust TEE by the
//! trusted applications that the table places there. Which TEE answers is seen from the device that a session is on.

use std::time::{Duration, Instant};

use bulkhead_client::expect;
use bulkhead_client::options::Options;
use bulkhead_client::report::Line;

use crate::services::{
    CANCEL, CONCURRENT, CONCURRENT_SHA256, CRYPT, CRYPT_SHA256, ECHO, ECHO_LONG, ECHO_MEMORY, OS_TEST,
    OS_TEST_WAIT, message,
};
use crate::teec::{Context, MEM_INPUT, MEM_OUTPUT, Memory, Parameter, Session};

const THREADS: usize = 8;
const KILLS: usize = 10;
/// How long TEEs may take to answer again after the last kill.
const RECOVERY: Duration = Duration::from_secs(10);

/// A check: its name, and what is wrong when it fails.
pub type Check = (&'static str, fn(&Options) -> Result<(), String>);

const CHECKS: [Check; 8] = [
    ("each session is at the TEE of its application", places),
    ("a client that names its TEE stays there", named),
    ("registered memory at three TEEs", registered),
    ("allocated memory at three TEEs", allocated),
    ("temporary memory at three TEEs", temporary),
    ("threads on one context", threads),
    (
        "a child process uses the context and the sessions of its parent",
        child,
    ),
    (
        "a call at a TEE that was reached by application is cancelled",
        cancelled,
    ),
];

/// In a suite of its own, for it ends services of Linux, too.
const KILLED: [Check; 1] = [("clients killed in their calls leave nothing behind", killed)];

/// Runs the checks, prints a line for each, and tells whether all is right.
pub fn run(options: &Options) -> bool {
    run_each("applications", "-", &CHECKS, options)
}

/// Kills clients of three TEEs in their calls, prints a line, and tells whether all is right.
pub fn run_killed(options: &Options) -> bool {
    run_each("killed", "-", &KILLED, options)
}

/// Runs checks of a suite, prints a line for each with this TEE, and tells whether all is right.
pub fn run_each(suite: &str, tee: &str, checks: &[Check], options: &Options) -> bool {
    let mut ok = true;
    for (name, check) in checks {
        let start = Instant::now();
        let outcome = check(options);
        ok &= outcome.is_ok();
        Line::new("case")
            .text("suite", suite)
            .text("tee", tee)
            .text("name", name)
            .truth("ok", outcome.is_ok())
            .number("ms", start.elapsed().as_millis() as u64)
            .text("detail", &outcome.err().unwrap_or_default())
            .print();
    }
    ok
}

fn plain(error: crate::teec::Error) -> String {
    error.to_string()
}

fn unnamed() -> Result<Context, String> {
    Context::new("-").map_err(plain)
}

/// What a descriptor was opened from.
fn path(descriptor: i32) -> Result<String, String> {
    let link = format!("/proc/self/fd/{descriptor}");
    let path = std::fs::read_link(&link).map_err(|error| format!("{link}: {error}"))?;
    Ok(path.display().to_string())
}

/// Checks that a session is on the device that a client gets which names this TEE.
fn at(session: &Session<'_>, tee: &str) -> Result<(), String> {
    let right = path(Context::new(tee).map_err(plain)?.descriptor())?;
    let found = path(session.descriptor())?;
    if found == right {
        Ok(())
    } else {
        Err(format!("the session is on {found}, and {tee} has {right}"))
    }
}

fn equal(got: &[u8], expected: &[u8], tee: &str) -> Result<(), String> {
    if got == expected {
        Ok(())
    } else {
        Err(format!("the answer of {tee} is wrong"))
    }
}

/// A session at each of the three TEEs.
struct Three<'c> {
    crypt: Session<'c>,
    concurrent: Session<'c>,
    echo: Session<'c>,
}

impl<'c> Three<'c> {
    fn open(context: &'c Context) -> Result<Three<'c>, String> {
        Ok(Three {
            crypt: Session::open(context, CRYPT).map_err(plain)?,
            concurrent: Session::open(context, CONCURRENT).map_err(plain)?,
            echo: Session::open(context, ECHO).map_err(plain)?,
        })
    }

    /// Gives the same temporary memory to all three, and compares their answers.
    fn call(&mut self, input: &[u8]) -> Result<(), String> {
        let digest = expect::sha256(input);
        let (mut output, mut size) = ([0; 32], 0);
        let parameters = [Parameter::In(input), Parameter::Out(&mut output, &mut size)];
        self.crypt.invoke(CRYPT_SHA256, parameters).map_err(plain)?;
        equal(&output, &digest, "the first")?;
        let (mut callers, mut count, mut output) = ([0; 4], [1, 0], [0; 32]);
        let parameters = [
            Parameter::InOut(&mut callers),
            Parameter::ValueInOut(&mut count),
            Parameter::In(input),
            Parameter::Out(&mut output, &mut size),
        ];
        self.concurrent
            .invoke(CONCURRENT_SHA256, parameters)
            .map_err(plain)?;
        equal(&output, &digest, "the second")?;
        let mut output = vec![0; input.len()];
        let parameters = [Parameter::In(input), Parameter::Out(&mut output, &mut size)];
        self.echo.invoke(ECHO_MEMORY, parameters).map_err(plain)?;
        equal(&output, input, "the third")
    }
}

fn places(options: &Options) -> Result<(), String> {
    let context = unnamed()?;
    let three = Three::open(&context)?;
    let [second, third] = &options.others;
    at(&three.crypt, &options.tee)?;
    at(&three.concurrent, second)?;
    at(&three.echo, third)?;
    at(&Session::open(&context, OS_TEST).map_err(plain)?, second)
}

fn named(options: &Options) -> Result<(), String> {
    let context = Context::new(&options.tee).map_err(plain)?;
    at(&Session::open(&context, CONCURRENT).map_err(plain)?, &options.tee)
}

fn registered(_: &Options) -> Result<(), String> {
    let context = unnamed()?;
    let bytes = message(100_000);
    let input = Memory::register(&context, bytes.clone(), MEM_INPUT).map_err(plain)?;
    let output = Memory::register(&context, vec![0; 100_000], MEM_INPUT | MEM_OUTPUT).map_err(plain)?;
    shared(&context, &bytes, &input, &output)
}

fn allocated(_: &Options) -> Result<(), String> {
    let context = unnamed()?;
    let bytes = message(100_000);
    let input = Memory::allocate(&context, &bytes, MEM_INPUT).map_err(plain)?;
    let output = Memory::allocate(&context, &vec![0; 100_000], MEM_INPUT | MEM_OUTPUT).map_err(plain)?;
    shared(&context, &bytes, &input, &output)
}

/// Gives the same shared memory to all three TEEs, twice, and compares what they write into the same output.
fn shared(context: &Context, bytes: &[u8], input: &Memory<'_>, output: &Memory<'_>) -> Result<(), String> {
    const START: usize = 4097;
    const LENGTH: usize = 60_001;
    const PLACE: usize = 511;
    let mut three = Three::open(context)?;
    let part = &bytes[START..START + LENGTH];
    let digest = expect::sha256(part);
    let given = || Parameter::PartIn(input, START, LENGTH);
    for _ in 0..2 {
        let parameters = [given(), Parameter::PartOut(output, PLACE, LENGTH)];
        three.echo.invoke(ECHO_MEMORY, parameters).map_err(plain)?;
        equal(&output.copy()[PLACE..PLACE + LENGTH], part, "the third")?;
        let parameters = [given(), Parameter::PartOut(output, PLACE, 32)];
        three.crypt.invoke(CRYPT_SHA256, parameters).map_err(plain)?;
        equal(&output.copy()[PLACE..PLACE + 32], &digest, "the first")?;
        let (mut callers, mut count) = ([0; 4], [1, 0]);
        let parameters = [
            Parameter::InOut(&mut callers),
            Parameter::ValueInOut(&mut count),
            given(),
            Parameter::PartOut(output, PLACE + 32, 32),
        ];
        three
            .concurrent
            .invoke(CONCURRENT_SHA256, parameters)
            .map_err(plain)?;
        equal(&output.copy()[PLACE + 32..PLACE + 64], &digest, "the second")?;
        equal(
            &output.copy()[PLACE + 64..PLACE + LENGTH],
            &part[64..],
            "the third was overwritten: the output",
        )?;
    }
    Ok(())
}

fn temporary(_: &Options) -> Result<(), String> {
    let context = unnamed()?;
    let mut three = Three::open(&context)?;
    for length in [1, 4096, 40_000] {
        three.call(&message(length))?;
    }
    Ok(())
}

fn threads(_: &Options) -> Result<(), String> {
    let context = &unnamed()?;
    let work = || {
        for _ in 0..3 {
            let mut three = Three::open(context)?;
            three.call(&message(fastrand::usize(1..9000)))?;
            let bytes = message(5000);
            let memory = Memory::register(context, bytes.clone(), MEM_INPUT).map_err(plain)?;
            let (mut output, mut size) = (vec![0; 5000], 0);
            let parameters = [
                Parameter::PartIn(&memory, 0, 5000),
                Parameter::Out(&mut output, &mut size),
            ];
            three.echo.invoke(ECHO_MEMORY, parameters).map_err(plain)?;
            equal(&output, &bytes, "the third")?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into())))
    })
}

/// Forks; the child does `work` and ends with 0 if it went well.
fn fork(work: impl FnOnce() -> Result<(), String>) -> i32 {
    // SAFETY: this program has one thread here.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let code = work().map_or_else(
            |why| {
                eprintln!("child: {why}");
                1
            },
            |()| 0,
        );
        // SAFETY: ends the child without its parent's exit handlers.
        unsafe { libc::_exit(code) };
    }
    child
}

fn ended(child: i32) -> Result<i32, String> {
    let mut status = 0;
    // SAFETY: waits for a child of ours.
    if child < 0 || unsafe { libc::waitpid(child, &raw mut status, 0) } != child {
        return Err("there is no child".into());
    }
    Ok(status)
}

fn child(_: &Options) -> Result<(), String> {
    let context = unnamed()?;
    let mut three = Three::open(&context)?;
    let child = fork(|| {
        // Its own sessions on the parent's context, and a context of its own.
        Three::open(&context)?.call(&message(3000))?;
        Three::open(&unnamed()?)?.call(&message(3000))?;
        three.call(&message(3000))
    });
    if ended(child)? != 0 {
        return Err("the child was refused".into());
    }
    // The child did not close its parent's sessions: it ended as a program does that knows nothing of them.
    Three::open(&context)?.call(&message(3000))
}

fn cancelled(_: &Options) -> Result<(), String> {
    let context = unnamed()?;
    let mut session = Session::open(&context, OS_TEST).map_err(plain)?;
    // OP-TEE sleeps in Linux for as long as it is told, and then looks whether it was cancelled.
    let wait = Parameter::ValueIn(2_000, 0);
    let delay = Duration::from_millis(300);
    match session.invoke_and_cancel(OS_TEST_WAIT, [wait], delay) {
        Err(error) if error.code == CANCEL => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(()) => Err("it was not cancelled".into()),
    }
}

fn killed(_: &Options) -> Result<(), String> {
    for round in 0..KILLS {
        // A supplicant that was ended by the last kill fails a call or two until it is there again.
        let child = fork(|| {
            loop {
                let _ = victim();
            }
        });
        std::thread::sleep(Duration::from_millis(400 + 97 * round as u64));
        // SAFETY: a child of ours that was not waited for.
        unsafe { libc::kill(child, libc::SIGKILL) };
        let status = ended(child)?;
        if !libc::WIFSIGNALED(status) {
            return Err("the client ended before it was killed".into());
        }
    }
    let end = Instant::now() + RECOVERY;
    loop {
        let answer = unnamed().and_then(|context| Three::open(&context)?.call(&message(9000)));
        if answer.is_ok() || Instant::now() > end {
            return answer;
        }
    }
}

/// Calls all three TEEs, with memory registered at each, until something goes wrong.
fn victim() -> Result<(), String> {
    let context = unnamed()?;
    let bytes = Memory::register(&context, message(20_000), MEM_INPUT).map_err(plain)?;
    let mut three = Three::open(&context)?;
    loop {
        three.call(&message(9000))?;
        let (mut output, mut size) = (vec![0; 20_000], 0);
        let parameters = [
            Parameter::PartIn(&bytes, 0, 20_000),
            Parameter::Out(&mut output, &mut size),
        ];
        three.echo.invoke(ECHO_MEMORY, parameters).map_err(plain)?;
        let mut answer = [0; 2];
        let parameters = [Parameter::ValueIn(3_000_000, 0), Parameter::ValueOut(&mut answer)];
        three.echo.invoke(ECHO_LONG, parameters).map_err(plain)?;
    }
}
