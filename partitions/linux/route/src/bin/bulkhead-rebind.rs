//! `bulkhead-rebind`: a service that binds the drivers of TEEs anew behind their restarts, where the table says so.
//!
//! Linux is told nothing when a TEE comes back. The hypervisor counts restarts, and `bulkhead_route::info` asks it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use bulkhead_route::devices;
use bulkhead_route::info::page::{State, System};
use bulkhead_route::info::{call, page};
use bulkhead_route::routes::{self, Route, Routes};

const HELP: &str = "\
Binds the driver of a TEE anew each time that the TEE was restarted, where the table says so (`rebind = true`): its
supplicant is stopped, its clients are closed, the driver is unbound and bound.

usage: bulkhead-rebind [--stop COMMAND] [--start COMMAND] [--period SECONDS]

  --stop COMMAND    stops the supplicant; {} in it is the TEE's name
  --start COMMAND   starts it again, where udev does not
  --period SECONDS  how often it looks: 1 to 3600 [default: 1]
  --help            prints this

example:
  bulkhead-rebind --stop 'systemctl stop bulkhead-supplicant@{}.service'

Clients get SIGTERM, and SIGKILL a second later. A line on standard output tells of each time.

exit status: 1 there is no table, or no TEE in it wants this; 2 the command line is wrong
";

/// Devices that the kernel may have, as the stock library has it.
const DEVICES: u32 = 10;
const FAILED: u8 = 1;
const USAGE: u8 = 2;
/// How long clients may take to close what they have.
const POLITE: Duration = Duration::from_secs(1);
/// How long clients that are killed may take to end, and the driver to let go of its device once nobody has it open.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

struct Options {
    stop: Option<String>,
    start: Option<String>,
    period: Duration,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let (status, why) = match parse(arguments) {
        Err(why) => (USAGE, why),
        Ok(options) => match wanted() {
            Err(why) => (FAILED, why),
            Ok(tees) => watch(tees, &options),
        },
    };
    eprintln!("bulkhead-rebind: {why}");
    ExitCode::from(status)
}

fn parse(arguments: Vec<String>) -> Result<Options, String> {
    let mut options = Options {
        stop: None,
        start: None,
        period: Duration::from_secs(1),
    };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let value = arguments.next();
        let value = value.ok_or_else(|| format!("{argument} is unknown, or needs a value; try --help"))?;
        match argument.as_str() {
            "--stop" => options.stop = Some(value),
            "--start" => options.start = Some(value),
            "--period" => {
                let seconds = value.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
                let seconds = seconds.ok_or_else(|| format!("--period is 1 to 3600, not {value}"))?;
                options.period = Duration::from_secs(seconds);
            }
            _ => return Err(format!("{argument} is unknown; try --help")),
        }
    }
    Ok(options)
}

/// The TEEs of the table whose drivers are to be bound anew.
fn wanted() -> Result<Vec<Route>, String> {
    let routes = Routes::load(Path::new(routes::PATH)).map_err(|fault| fault.to_string())?;
    let tees: Vec<Route> = routes.tees.into_iter().filter(|route| route.rebind).collect();
    if tees.is_empty() {
        return Err(format!("{} has no TEE with `rebind = true`", routes::PATH));
    }
    Ok(tees)
}

/// A TEE that is watched.
struct Watched {
    route: Route,
    /// How often it had been restarted when its driver was bound, once that is known.
    restarts: Option<u32>,
    /// Why its driver could not be bound anew, so that this is said once.
    said: String,
}

/// Looks for restarts for ever.
fn watch(tees: Vec<Route>, options: &Options) -> ! {
    let watched = |route| Watched {
        route,
        restarts: None,
        said: String::new(),
    };
    let mut tees: Vec<Watched> = tees.into_iter().map(watched).collect();
    let mut server = None;
    loop {
        // Nobody may answer for a while: the one that does may be restarted itself.
        for (endpoint, restarts) in restarts(&mut server).unwrap_or_default() {
            if let Some(tee) = tees.iter_mut().find(|tee| tee.route.endpoint == endpoint) {
                look(tee, restarts, options);
            }
        }
        thread::sleep(options.period);
    }
}

/// Binds the driver of a TEE anew if it was restarted since that was done, and says so.
fn look(tee: &mut Watched, restarts: u32, options: &Options) {
    if tee.restarts.is_some_and(|before| before != restarts) {
        match rebind(&tee.route, options) {
            Ok(clients) => println!(
                "{}: restarted {restarts} times; {clients} clients were closed, and its driver is bound anew",
                tee.route.name
            ),
            Err(why) => {
                if why != tee.said {
                    eprintln!("bulkhead-rebind: {}: {why}", tee.route.name);
                    tee.said = why;
                }
                return;
            }
        }
    }
    tee.restarts = Some(restarts);
    tee.said.clear();
}

/// How often each partition that runs was restarted, by the TEE that said so last, so that nobody else is disturbed.
fn restarts(server: &mut Option<String>) -> Option<Vec<(u16, u32)>> {
    let all = (0..DEVICES).map(|number| format!("/dev/tee{number}"));
    let asked: Vec<String> = server.take().into_iter().chain(all).collect();
    let (path, system) = asked
        .into_iter()
        .find_map(|path| Some((path.clone(), ask(&path)?)))?;
    *server = Some(path);
    let runs = system
        .partitions
        .iter()
        .filter(|partition| partition.state == State::RUNNING);
    Some(runs.map(|partition| (partition.id, partition.restarts)).collect())
}

/// What the hypervisor says by the TEE of this device, if that may ask it.
fn ask(path: &str) -> Option<System> {
    let served = call::find(Some(path)).ok()?;
    page::read(|subject, page| served.page(subject, page)).ok()
}

/// Closes the clients of a TEE and binds its driver anew; how many clients there were.
fn rebind(route: &Route, options: &Options) -> Result<usize, String> {
    let found = devices::find(Path::new(devices::SYSFS)).map_err(|fault| fault.to_string())?;
    let device = found.iter().find(|device| device.endpoint == route.endpoint);
    let device = device.ok_or("it has no device")?;
    let (driver, name) = bound(route.endpoint).ok_or("its endpoint has no driver")?;
    let private = device.private.map(|number| format!("teepriv{number}"));
    let nodes: Vec<String> = [Some(format!("tee{}", device.tee)), private]
        .into_iter()
        .flatten()
        .collect();
    let numbers: Vec<u64> = nodes.iter().filter_map(|node| number(node)).collect();
    let served = route.kind == "optee";
    command(options.stop.as_deref().filter(|_| served), &route.name)?;
    // The kernel removes them with the device; from here on nobody finds it any more.
    for node in &nodes {
        let _ = fs::remove_file(Path::new("/dev").join(node));
    }
    let clients = close(&numbers)?;
    unbind(&driver, &name, &numbers)?;
    fs::write(driver.join("bind"), name).map_err(|error| format!("its driver is not bound: {error}"))?;
    command(options.start.as_deref().filter(|_| served), &route.name)?;
    Ok(clients)
}

/// The number of a TEE's device, as files that are one have it.
fn number(node: &str) -> Option<u64> {
    let text = fs::read_to_string(Path::new(devices::SYSFS).join("class/tee").join(node).join("dev")).ok()?;
    let (major, minor) = text.trim().split_once(':')?;
    Some(libc::makedev(major.parse().ok()?, minor.parse().ok()?))
}

/// Ends who has one of these devices open; how many they were. Until there is nobody, the driver must not be unbound:
/// Linux (up to 7.2) frees what calls need first, and a client that closes its session after that makes it anew, for ever.
fn close(numbers: &[u64]) -> Result<usize, String> {
    let clients = who_has(numbers);
    end(&clients, libc::SIGTERM);
    let start = Instant::now();
    loop {
        let left = who_has(numbers);
        match start.elapsed() {
            _ if left.is_empty() => return Ok(clients.len()),
            gone if gone > PATIENCE => return Err(format!("processes do not end: {left:?}")),
            gone if gone > POLITE => end(&left, libc::SIGKILL),
            _ => {}
        }
        thread::sleep(PAUSE);
    }
}

/// Unbinds a device, which waits for those who have it open; those who have opened it again are ended.
fn unbind(driver: &Path, name: &str, numbers: &[u64]) -> Result<(), String> {
    let (path, device) = (driver.join("unbind"), name.to_owned());
    let unbinding = thread::spawn(move || fs::write(path, device));
    let start = Instant::now();
    while !unbinding.is_finished() {
        end(&who_has(numbers), libc::SIGKILL);
        if start.elapsed() > PATIENCE {
            return Err("its driver does not let go of it; Linux has to start anew".into());
        }
        thread::sleep(PAUSE);
    }
    match unbinding.join() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("its driver is not unbound: {error}")),
        Err(_) => Err("the thread that unbinds ended".into()),
    }
}

/// The driver of an FF-A endpoint, and the name of its device.
fn bound(endpoint: u16) -> Option<(PathBuf, String)> {
    let devices = fs::read_dir(Path::new(devices::SYSFS).join("bus/arm_ffa/devices")).ok()?;
    let device = devices.flatten().map(|entry| entry.path()).find(|path| {
        let id = fs::read_to_string(path.join("partition_id")).unwrap_or_default();
        u16::from_str_radix(id.trim().trim_start_matches("0x"), 16) == Ok(endpoint)
    })?;
    let name = device.file_name()?.to_str()?.to_owned();
    Some((device.join("driver").canonicalize().ok()?, name))
}

/// The processes that have one of these devices open.
fn who_has(nodes: &[u64]) -> Vec<i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter(|process: &i32| {
            let files = fs::read_dir(format!("/proc/{process}/fd"))
                .into_iter()
                .flatten()
                .flatten();
            files
                .filter_map(|file| fs::metadata(file.path()).ok())
                .any(|file| nodes.contains(&file.rdev()))
        })
        .collect()
}

fn end(processes: &[i32], signal: libc::c_int) {
    for process in processes {
        // SAFETY: `kill` touches no memory of this process; one that is gone is an error of no matter.
        unsafe { libc::kill(*process, signal) };
    }
}

/// Runs a command about a TEE, if there is one: words with spaces between them.
fn command(words: Option<&str>, tee: &str) -> Result<(), String> {
    let Some(words) = words else { return Ok(()) };
    let words: Vec<String> = words
        .split_whitespace()
        .map(|word| word.replace("{}", tee))
        .collect();
    let [program, arguments @ ..] = words.as_slice() else {
        return Ok(());
    };
    let ended = Command::new(program).args(arguments).status();
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` ended with {status}", words.join(" "))),
        Err(error) => Err(format!("`{program}` does not start: {error}")),
    }
}
