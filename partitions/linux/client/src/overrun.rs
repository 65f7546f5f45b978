//! A command that does not end by itself: the budget of its TEE ends it with that TEE, whose next instance answers others.

use std::time::{Duration, Instant};

use bulkhead_client::options::Options;

use crate::services::{ECHO, ECHO_LONG, long, plain};
use crate::teec::{Context, Parameter, Session};

/// `TEEC_ERROR_COMMUNICATION`.
const COMMUNICATION: u32 = 0xffff_000e;
/// How long the next instance may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
const ROUNDS: u64 = 1000;

/// Gives the command, and tells what went wrong.
pub fn run(options: &Options) -> Result<(), String> {
    let context = Context::new(&options.tee).map_err(plain)?;
    let mut session = Session::open(&context, ECHO).map_err(plain)?;
    let mut answer = [0; 2];
    let endless = [
        Parameter::ValueIn(u32::MAX, u32::MAX),
        Parameter::ValueOut(&mut answer),
    ];
    match session.invoke(ECHO_LONG, endless) {
        Err(error) if error.code == COMMUNICATION => {}
        Err(error) => return Err(format!("{error}; {COMMUNICATION:#010x} was expected")),
        Ok(()) => return Err("it came to an end".into()),
    }
    let start = Instant::now();
    while let Err(why) = again(options) {
        if start.elapsed() > PATIENCE {
            return Err(format!("the TEE does not come back: {why}"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("it was back after {} ms", start.elapsed().as_millis());
    Ok(())
}

/// A new client.
fn again(options: &Options) -> Result<(), String> {
    let context = Context::new(&options.tee).map_err(plain)?;
    let mut session = Session::open(&context, ECHO).map_err(plain)?;
    long(&mut session, ROUNDS)
}
