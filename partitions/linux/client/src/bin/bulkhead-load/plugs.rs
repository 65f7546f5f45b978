//! Cores go off and on by Linux's own means (`/sys/devices/system/cpu/cpuN/online`).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::{SUITE, say};

const CORES: &str = "/sys/devices/system/cpu";
/// How long a core stays off, in milliseconds.
const OFF: std::ops::Range<u64> = 5..150;

/// What came of it.
#[derive(Default)]
pub struct Plugs {
    done: u64,
    faults: Vec<String>,
}

/// Switches random cores off and on so often, evenly until `end`.
pub fn run(times: u64, end: Instant, seed: u64) -> Plugs {
    let mut chance = Rng::with_seed(seed ^ 0x706c_7567);
    let mut plugs = Plugs::default();
    let cores = cores();
    for left in (1..=times).rev() {
        let wait = end.saturating_duration_since(Instant::now()) / (left + 1) as u32;
        std::thread::sleep(wait);
        let Some(core) = chance.choice(&cores) else {
            plugs.faults.push("no core can be switched".into());
            return plugs;
        };
        let outcome = switch(core, "0");
        std::thread::sleep(Duration::from_millis(chance.u64(OFF)));
        match outcome.and(switch(core, "1")) {
            Ok(()) => plugs.done += 1,
            Err(why) => plugs.faults.push(why),
        }
    }
    plugs
}

/// The cores that can be switched, with the first one where Linux allows it.
fn cores() -> Vec<PathBuf> {
    let entries = fs::read_dir(CORES).into_iter().flatten().flatten();
    let mut cores: Vec<PathBuf> = entries
        .filter(|entry| {
            let name = entry.file_name();
            let number = name
                .to_string_lossy()
                .strip_prefix("cpu")
                .map(|rest| rest.parse::<u32>().is_ok());
            number == Some(true)
        })
        .map(|entry| entry.path().join("online"))
        .filter(|path| path.exists())
        .collect();
    cores.sort();
    cores
}

/// Switches a core, and sees that it is so.
fn switch(core: &Path, to: &str) -> Result<(), String> {
    let fault = |what: &str| format!("{} to {to}: {what}", core.display());
    fs::write(core, to).map_err(|error| fault(&error.to_string()))?;
    let now = fs::read_to_string(core).map_err(|error| fault(&error.to_string()))?;
    if now.trim() == to {
        Ok(())
    } else {
        Err(fault("it is not"))
    }
}

/// Tells of it.
pub fn report(plugs: &Plugs, times: u64, start: Instant) -> bool {
    say::figure(SUITE, "-", "cores switched off and on, times", plugs.done);
    let detail = format!(
        "{} of {times} times{}",
        plugs.done,
        plugs
            .faults
            .first()
            .map(|fault| format!("; {fault}"))
            .unwrap_or_default()
    );
    let ok = plugs.done == times && plugs.faults.is_empty();
    say::case(SUITE, "-", "cores go off and on", ok, start, &detail)
}
