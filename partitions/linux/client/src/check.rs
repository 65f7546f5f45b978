//! Asks a TEE everything once, and compares each answer.

use std::time::Instant;

use bulkhead_client::options::Options;
use bulkhead_client::report::Line;

use crate::services;
use crate::teec::Context;

/// Checks the TEE, prints what came of it, and tells whether all is right.
pub fn run(options: &Options) -> bool {
    let start = Instant::now();
    let outcome = ask(options);
    let milliseconds = start.elapsed().as_millis() as u64;
    let (passed, detail) = match &outcome {
        Ok(passed) => (*passed, format!("{passed} checks")),
        Err((passed, why)) => (*passed, why.clone()),
    };
    let line = Line::new("client")
        .text("tee", &options.tee)
        .truth("ok", outcome.is_ok());
    line.number("checks", passed)
        .number("ms", milliseconds)
        .text("detail", &detail)
        .print();
    outcome.is_ok()
}

/// How many checks passed, and what was wrong with the first that did not.
fn ask(options: &Options) -> Result<u64, (u64, String)> {
    let context = connect(options).map_err(|why| (0, why))?;
    let mut passed = 1;
    for (name, check) in services::checks(options.kind) {
        check(&context).map_err(|why| (passed, format!("{name}: {why}")))?;
        passed += 1;
    }
    Ok(passed)
}

/// Connects to the TEE, and leaves it again.
pub fn open(options: &Options) -> Result<(), String> {
    connect(options).map(drop)
}

/// Connects to the TEE, and checks that it is the right one's device.
fn connect(options: &Options) -> Result<Context, String> {
    let context = Context::new(&options.tee).map_err(|error| format!("connecting: {error}"))?;
    device(&context, options.device.as_deref())?;
    Ok(context)
}

/// Checks that the connection is to the device that the TEE has.
fn device(context: &Context, expected: Option<&str>) -> Result<(), String> {
    let Some(expected) = expected else { return Ok(()) };
    let link = format!("/proc/self/fd/{}", context.descriptor());
    let opened = std::fs::read_link(&link).map_err(|error| format!("{link} cannot be read: {error}"))?;
    if opened.as_os_str() == expected {
        return Ok(());
    }
    Err(format!(
        "{} was opened, and {expected} is right",
        opened.display()
    ))
}
