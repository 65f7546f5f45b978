//! Has the Rust TEE notify its driver in Linux, and sees that the driver calls it for that, each time.

use std::time::{Duration, Instant};

use bulkhead_client::options::Options;

use crate::services::{ECHO, ECHO_HALVES, ECHO_NOTIFY};
use crate::teec::{Context, Error, Parameter, Session};

/// How often.
const ROUNDS: u32 = 20;
/// How long the driver may take to call.
const PATIENCE: Duration = Duration::from_secs(5);

/// Notifies so often, and tells what went wrong.
pub fn run(options: &Options) -> Result<(), String> {
    let plain = |error: Error| error.to_string();
    let context = Context::new(&options.tee).map_err(plain)?;
    let mut session = Session::open(&context, ECHO).map_err(plain)?;
    for round in 1..=ROUNDS {
        let before = halves(&mut session).map_err(plain)?;
        session.invoke(ECHO_NOTIFY, []).map_err(plain)?;
        let start = Instant::now();
        while halves(&mut session).map_err(plain)? == before {
            if start.elapsed() > PATIENCE {
                return Err(format!(
                    "notification {round} of {ROUNDS}: the driver did not call"
                ));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    println!("{ROUNDS}");
    Ok(())
}

fn halves(session: &mut Session<'_>) -> Result<u32, Error> {
    let mut answer = [0; 2];
    session.invoke(ECHO_HALVES, [Parameter::ValueOut(&mut answer)])?;
    Ok(answer[0])
}
