//! Lists the TEEs that clients can name, one per line: name, endpoint ID, kind, client device, supplicant device.
//!
//! A device that is not there, and a kind that the table does not state, is `-`. With a name as argument, only that
//! TEE. With `--of DEVICE` (`tee1`, `/dev/teepriv1`), only the name of the TEE that this device belongs to, for rules of
//! udev: they run while the driver is at work, so that is waited for, for at most [`PATIENCE`]. Exit status 1, with one sentence, when the table or the machine gives no answer or the TEE has no device.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bulkhead_route::devices::{self, Device, Fault};
use bulkhead_route::routes::{self, Route, Routes};

/// How long the driver may take to make all devices of a TEE.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [] => list(None),
        ["--of", device] => name_of(device),
        [name] if name != "--of" => list(Some(name)),
        _ => Err("usage: bulkhead-tees [NAME | --of DEVICE]".into()),
    };
    outcome.map_or_else(|why| fail(&why), |()| ExitCode::SUCCESS)
}

/// Prints the name of the TEE that a device belongs to.
fn name_of(device: &str) -> Result<(), String> {
    let routes = Routes::load(Path::new(routes::PATH)).map_err(|fault| fault.to_string())?;
    let node = device.rsplit('/').next().unwrap_or(device);
    let end = Instant::now() + PATIENCE;
    let endpoint = loop {
        match devices::owner(Path::new(devices::SYSFS), node) {
            Ok(Some(endpoint)) => break endpoint,
            Ok(None) => return Err(format!("{device} is no device of a TEE")),
            Err(Fault::Unclear(_)) if Instant::now() < end => std::thread::sleep(PAUSE),
            Err(fault) => return Err(fault.to_string()),
        }
    };
    let route = routes.tees.iter().find(|route| route.endpoint == endpoint);
    let route = route.ok_or_else(|| format!("{} does not name endpoint {endpoint:#06x}", routes::PATH))?;
    println!("{}", route.name);
    Ok(())
}

fn fail(why: &str) -> ExitCode {
    eprintln!("bulkhead-tees: {why}");
    ExitCode::FAILURE
}

fn list(wanted: Option<&str>) -> Result<(), String> {
    let routes = Routes::load(Path::new(routes::PATH)).map_err(|fault| fault.to_string())?;
    let found = devices::find(Path::new(devices::SYSFS)).map_err(|fault| fault.to_string())?;
    if let Some(name) = wanted.filter(|name| routes.by_name(name).is_none()) {
        return Err(format!("{name} is no TEE of {}", routes::PATH));
    }
    let mut absent = Vec::new();
    for route in routes
        .tees
        .iter()
        .filter(|route| wanted.is_none_or(|name| route.name == name))
    {
        let device = found.iter().find(|device| device.endpoint == route.endpoint);
        println!("{}", line(route, device));
        if device.is_none() {
            absent.push(route.name.as_str());
        }
    }
    if absent.is_empty() {
        Ok(())
    } else {
        Err(format!("no device for {}", absent.join(", ")))
    }
}

fn line(route: &Route, device: Option<&Device>) -> String {
    let kind = if route.kind.is_empty() { "-" } else { &route.kind };
    let client = device.map_or("-".into(), |device| format!("/dev/tee{}", device.tee));
    let private = device.and_then(|device| device.private);
    let private = private.map_or("-".into(), |number| format!("/dev/teepriv{number}"));
    format!("{} {:#06x} {kind} {client} {private}", route.name, route.endpoint)
}
