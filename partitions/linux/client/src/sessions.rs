//! Many sessions and threads on the Rust TEE, commands that are cancelled or whose session is closed, and its limits.

use std::time::Duration;

use bulkhead_client::expect;
use bulkhead_client::options::Options;

use crate::applications::{Check, run_each};
use crate::services::{
    CANCEL, ECHO, ECHO_COUNT, ECHO_LONG, FROM_APPLICATION, FROM_TEE, equal, long, plain, refused,
};
use crate::teec::{Context, Error, Parameter, Session};

const CHECKS: &[Check] = &[
    (
        "a command is cancelled before it begins: it runs",
        cancelled_before,
    ),
    ("a command is cancelled while it runs", cancelled),
    ("others go on when one is cancelled", others_go_on),
    (
        "commands of many threads in one session run one after the other",
        one_session,
    ),
    ("a session is closed while its command runs", closed),
    ("as many sessions as there are, and no more", limit),
    ("what a client leaves open is closed for it", abandoned),
    ("contexts come and go", contexts),
];

/// Sessions that the TEE has room for, as `rust-tee` says.
const SESSIONS: usize = 32;
const OUT_OF_MEMORY: u32 = 0xffff_000c;
const THREADS: u32 = 8;
/// Steps that take some tens of milliseconds.
const A_WHILE: u64 = 2_000_000;

/// Runs the checks, prints a line for each, and tells whether all is right.
pub fn run(options: &Options) -> bool {
    run_each("sessions", &options.tee, CHECKS, options)
}

fn context(options: &Options) -> Result<Context, String> {
    Context::new(&options.tee).map_err(plain)
}

fn cancelled_before(options: &Options) -> Result<(), String> {
    let context = context(options)?;
    let session = Session::open(&context, ECHO).map_err(plain)?;
    let mut answer = [0; 2];
    let parameters = [Parameter::ValueIn(1000, 0), Parameter::ValueOut(&mut answer)];
    session
        .invoke_beside(ECHO_LONG, parameters, true)
        .map_err(plain)?;
    equal(
        &(u64::from(answer[0]) | u64::from(answer[1]) << 32),
        &expect::long(1000),
    )
}

/// Lets a command run that does not end by itself, and cancels it.
fn endless(session: &mut Session<'_>, delay: Duration) -> Result<(), Error> {
    let mut answer = [0; 2];
    let parameters = [
        Parameter::ValueIn(u32::MAX, u32::MAX),
        Parameter::ValueOut(&mut answer),
    ];
    session.invoke_and_cancel(ECHO_LONG, parameters, delay)
}

fn cancelled(options: &Options) -> Result<(), String> {
    let context = context(options)?;
    let mut session = Session::open(&context, ECHO).map_err(plain)?;
    for delay in [0, 1, 20, 200] {
        let outcome = endless(&mut session, Duration::from_millis(delay));
        refused(outcome, CANCEL, FROM_APPLICATION)?;
        long(&mut session, 1000)?;
    }
    Ok(())
}

fn others_go_on(options: &Options) -> Result<(), String> {
    let context = context(options)?;
    let mut first = Session::open(&context, ECHO).map_err(plain)?;
    let mut second = Session::open(&context, ECHO).map_err(plain)?;
    std::thread::scope(|scope| {
        let other = scope.spawn(|| (0..10).try_for_each(|_| long(&mut second, A_WHILE)));
        let outcome = endless(&mut first, Duration::from_millis(50));
        refused(outcome, CANCEL, FROM_APPLICATION)?;
        other.join().map_err(|_| "a thread has ended".to_owned())?
    })
}

/// The session counts its commands: none is lost, and none is refused because another one runs.
fn one_session(options: &Options) -> Result<(), String> {
    let context = context(options)?;
    let session = Session::open(&context, ECHO).map_err(plain)?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    (0..5).try_for_each(|_| {
                        let mut answer = [0; 2];
                        let steps = Parameter::ValueIn(A_WHILE as u32, 0);
                        let parameters = [steps, Parameter::ValueOut(&mut answer)];
                        session
                            .invoke_beside(ECHO_LONG, parameters, false)
                            .map_err(plain)?;
                        equal(
                            &(u64::from(answer[0]) | u64::from(answer[1]) << 32),
                            &expect::long(A_WHILE),
                        )
                    })
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| "a thread has ended".to_owned())?)
    })?;
    let mut count = [0; 2];
    let parameters = [Parameter::ValueOut(&mut count)];
    session
        .invoke_beside(ECHO_COUNT, parameters, false)
        .map_err(plain)?;
    equal(&count[0], &(THREADS * 5 + 1))
}

/// The API leaves open what becomes of the command. The session must be gone with it: the driver forgets it at once.
fn closed(options: &Options) -> Result<(), String> {
    let context = context(options)?;
    for _ in 0..SESSIONS + 8 {
        let session = Session::open(&context, ECHO).map_err(plain)?;
        let mut answer = [0; 2];
        let parameters = [
            Parameter::ValueIn(A_WHILE as u32 * 4, 0),
            Parameter::ValueOut(&mut answer),
        ];
        // It ends with its result, or because the session is gone.
        let _ = session.invoke_and_close(ECHO_LONG, parameters, Duration::from_millis(5));
    }
    limit(options)
}

fn limit(options: &Options) -> Result<(), String> {
    let context = context(options)?;
    let mut all: Vec<Session<'_>> = (0..SESSIONS)
        .map(|_| Session::open(&context, ECHO).map_err(plain))
        .collect::<Result<_, _>>()?;
    refused(Session::open(&context, ECHO).map(drop), OUT_OF_MEMORY, FROM_TEE)?;
    for session in &mut all {
        long(session, 10)?;
    }
    all.pop();
    all.push(Session::open(&context, ECHO).map_err(plain)?);
    Ok(())
}

fn abandoned(options: &Options) -> Result<(), String> {
    for _ in 0..3 {
        let context = context(options)?;
        for _ in 0..SESSIONS {
            Session::open(&context, ECHO).map_err(plain)?.abandon();
        }
    }
    limit(options)
}

fn contexts(options: &Options) -> Result<(), String> {
    for _ in 0..100 {
        let context = context(options)?;
        long(&mut Session::open(&context, ECHO).map_err(plain)?, 100)?;
    }
    Ok(())
}
