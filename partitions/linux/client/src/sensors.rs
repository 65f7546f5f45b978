//! Asks how well the partition of sensors keeps its period, through the TEE that may ask it, and prints the figures.

use std::time::{Duration, Instant};

use ::sensors::page::{self, BYTES};
use ::sensors::record::Record;
use bulkhead_client::figures;
use bulkhead_client::options::Options;

use crate::teec::{Context, Error, Parameter, Session, Uuid};

/// The service of the Rust TEE that asks, and its command.
const PERIOD: Uuid = Uuid::new(0xb0b3ec40_7d3a_4f0e_9c52_1f0c8e6a7d05);
const RECORD: u32 = 0;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Asks once; or asks, waits for so many periods, asks again, and prints what was in between.
pub fn run(options: &Options) -> Result<(), String> {
    let context = Context::new(&options.tee).map_err(|error| format!("connecting: {error}"))?;
    let mut session = Session::open(&context, PERIOD).map_err(explain)?;
    let first = ask(&mut session)?;
    let Some(periods) = options.periods else {
        print!("{}", figures::lines(&first));
        return Ok(());
    };
    let start = Instant::now();
    loop {
        std::thread::sleep(PAUSE);
        let between = ask(&mut session)?.since(&first);
        if between.periods >= periods {
            print!("{}", figures::lines(&between));
            return Ok(());
        }
        if start.elapsed() > Duration::from_secs(options.seconds) {
            return Err(format!(
                "it had {} of {periods} periods in {} s of this Linux, {} of them missed: its core does not run as this \
                 one does",
                between.periods, options.seconds, between.missed
            ));
        }
    }
}

fn ask(session: &mut Session<'_>) -> Result<Record, String> {
    let (mut bytes, mut size) = ([0; BYTES], 0);
    session
        .invoke(RECORD, [Parameter::Out(&mut bytes, &mut size)])
        .map_err(explain)?;
    if size != BYTES {
        return Err(format!("a record of {size} bytes, and {BYTES} were expected"));
    }
    Ok(page::record(&bytes))
}

/// What an error means here.
fn explain(error: Error) -> String {
    let why = match error.code {
        0xffff_0001 => {
            "the table does not let this TEE share a page with the sensors, or tell them: look at their `callers`"
        }
        0xffff_0008 => {
            "this TEE finds no sensors, or does not serve this: look at the `callers` of the sensors, and at its image"
        }
        0xffff_3001 => {
            "the sensors did not answer in 2 s: their core was not handed over, or they hang; look at the hypervisor's log"
        }
        0xffff_3024 => "the sensors were stopped after a failure: look at the hypervisor's log",
        _ => return error.to_string(),
    };
    format!("{why} ({error})")
}
