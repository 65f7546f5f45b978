//! `bulkhead-info`: what runs in the secure world, as the hypervisor itself says.

use std::process::ExitCode;

use bulkhead_route::info::{call, expected::Expected, log, page, show};

const HELP: &str = "\
Shows what runs in the secure world of this machine: the hypervisor, its table, and each partition with its ID,
state, digest and the memory that it holds. All of it is asked of the hypervisor; no file is believed.

usage: bulkhead-info [--json] [--expect FILE] [--device DEVICE] [--event-log FILE | --quote NONCE]

  --json           prints one JSON object on one line
  --expect FILE    compares with the system.toml that the table's build emitted, and says what differs
  --device DEVICE  asks this TEE (/dev/tee2), instead of the first one that serves it
  --event-log FILE writes what was measured at the start to a file, as an event log in the TCG's form
  --quote NONCE    prints the event log with a signature for this nonce (64 hexadecimal digits) as one JSON object on
                   one line; `cargo xtask verify` checks it against the table
  --help           prints this

examples:
  bulkhead-info
  bulkhead-info --json | jq '.partitions[] | select(.state != \"running\")'
  bulkhead-info --expect /etc/bulkhead/system.toml && echo as built

SHARES and PAGES count memory that others share with, lend or donate to the partition at this moment, IN USE the
pages of it that the partition has mapped, SENT the transactions that it made itself.

exit status: 0 shown, and as expected; 1 nobody answers; 2 the command line is wrong; 3 it is not as expected
";

/// Nobody answers, or the file cannot be read.
const UNKNOWN: u8 = 1;
const USAGE: u8 = 2;
const DIFFERENT: u8 = 3;

#[derive(Default)]
struct Options {
    json: bool,
    expect: Option<String>,
    device: Option<String>,
    log: Option<String>,
    nonce: Option<[u8; 32]>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
    {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let outcome = parse(arguments).map_err(|why| (USAGE, why)).and_then(run);
    outcome.map_or_else(
        |(status, why)| {
            eprintln!("bulkhead-info: {why}");
            ExitCode::from(status)
        },
        |()| ExitCode::SUCCESS,
    )
}

fn parse(arguments: Vec<String>) -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || {
            let value = arguments.next();
            value.ok_or_else(|| format!("{argument} needs a value; try --help"))
        };
        match argument.as_str() {
            "--json" => options.json = true,
            "--expect" => options.expect = Some(value()?),
            "--device" => options.device = Some(value()?),
            "--event-log" => options.log = Some(value()?),
            "--quote" => {
                let wrong = "a nonce has 64 hexadecimal digits; try --help";
                options.nonce = Some(nonce(&value()?).ok_or(wrong)?);
            }
            _ => return Err(format!("{argument} is unknown; try --help")),
        }
    }
    Ok(options)
}

fn run(options: Options) -> Result<(), (u8, String)> {
    let unknown = |why: String| (UNKNOWN, why);
    let expected = match &options.expect {
        Some(path) => Some(load(path).map_err(unknown)?),
        None => None,
    };
    let served = call::find(options.device.as_deref()).map_err(|why| unknown(why.to_string()))?;
    let system = page::read(|subject, page| served.page(subject, page)).map_err(unknown)?;
    if options.log.is_some() || options.nonce.is_some() {
        let names: Vec<String> = system
            .partitions
            .iter()
            .map(|partition| partition.name.clone())
            .collect();
        let events = log::events(&names, |subject, page| served.page(subject, page)).map_err(unknown)?;
        let log = log::write(&events);
        if let Some(path) = &options.log {
            std::fs::write(path, &log)
                .map_err(|error| unknown(format!("{path} cannot be written: {error}")))?;
        }
        if let Some(nonce) = options.nonce {
            let signature = served.quote(nonce).map_err(unknown)?;
            let [nonce, signature, log] = [&nonce[..], &signature, &log].map(show::hex);
            println!("{{\"nonce\":\"{nonce}\",\"signature\":\"{signature}\",\"log\":\"{log}\"}}");
        }
        return Ok(());
    }
    print!(
        "{}",
        if options.json {
            show::json(&system)
        } else {
            show::table(&system)
        }
    );
    let differences = expected
        .map(|expected| expected.differences(&system))
        .unwrap_or_default();
    if differences.is_empty() {
        Ok(())
    } else {
        Err((DIFFERENT, format!("not as expected: {}", differences.join("; "))))
    }
}

fn nonce(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut nonce = [0; 32];
    for (to, from) in nonce.iter_mut().zip(digits.chunks(2)) {
        *to = u8::from_str_radix(std::str::from_utf8(from).ok()?, 16).ok()?;
    }
    Some(nonce)
}

fn load(path: &str) -> Result<Expected, String> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        format!("{path} cannot be read: {error}; the table's build emits it as linux/system.toml")
    })?;
    Expected::parse(&text).map_err(|why| {
        format!("{path} is no such file: {why}; the table's build emits it as linux/system.toml")
    })
}
