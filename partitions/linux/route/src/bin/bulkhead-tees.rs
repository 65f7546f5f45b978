//! Lists the TEEs that clients can name, one per line: name, endpoint ID, kind, client device, supplicant device.
//!
//! A device that is not there, and a kind that the table does not state, is `-`. With a name as argument, only that
//! TEE. Exit status 1, with one sentence, when the table or the machine gives no answer or the TEE has no device.

use std::path::Path;
use std::process::ExitCode;

use bulkhead_route::devices::{self, Device};
use bulkhead_route::routes::{self, Route, Routes};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(_), Some(_)) => fail("usage: bulkhead-tees [NAME]"),
        (wanted, _) => list(wanted.as_deref()).map_or_else(|why| fail(&why), |()| ExitCode::SUCCESS),
    }
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
