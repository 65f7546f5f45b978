//! `bulkhead-client`: a GlobalPlatform client on stock libteec that checks what a TEE answers.
//!
//! `open` connects only, `check` asks everything once, `call` and `large` are one client under load, `heap` asks an
//! OP-TEE for its memory in use, `notify` has the Rust TEE notify its driver, `sve` keeps vector state across calls,
//! `sensors` asks how well a period is kept on a core of a partition's own, `applications` reaches three TEEs on one context, `killed` kills clients of three,
//! `faults` has them while TEEs fail. `check`, `sve`, `applications` and
//! `killed` print lines that `xtask` reads. `store`, `fetch`, `erase` and `churn` use secure storage. The exit status is
//! 0 only if everything was right.

#[cfg(libteec)]
mod applications;
#[cfg(libteec)]
mod caller;
#[cfg(libteec)]
mod check;
#[cfg(libteec)]
mod cost;
#[cfg(libteec)]
mod faults;
#[cfg(libteec)]
mod heap;
#[cfg(libteec)]
mod notify;
#[cfg(libteec)]
mod overrun;
#[cfg(libteec)]
mod parameters;
#[cfg(libteec)]
mod sealed;
#[cfg(libteec)]
mod sensors;
#[cfg(libteec)]
mod services;
#[cfg(libteec)]
mod sessions;
#[cfg(libteec)]
mod signals;
#[cfg(libteec)]
mod storage;
#[cfg(all(libteec, target_arch = "aarch64"))]
mod sve;
#[cfg(libteec)]
mod teec;

use std::process::ExitCode;

use bulkhead_client::options::Options;

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("bulkhead-client: {why}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(libteec)]
fn run(options: &Options) -> Result<bool, String> {
    use bulkhead_client::options::Task;
    Ok(match options.task {
        Task::Open => return check::open(options).map(|()| true),
        Task::Store if options.kind.is_ours() => return sealed::store(options).map(|()| true),
        Task::Fetch if options.kind.is_ours() => return sealed::fetch(options).map(|()| true),
        Task::Store => return storage::store(options).map(|()| true),
        Task::Fetch => return storage::fetch(options).map(|()| true),
        Task::Erase => return storage::erase(options).map(|()| true),
        Task::Cost => return cost::run(options).map(|()| true),
        Task::Churn => return storage::churn(options).map(|()| true),
        Task::Check => check::run(options),
        Task::Call => caller::run(options),
        Task::Large => caller::run_large(options),
        Task::Notify => return notify::run(options).map(|()| true),
        Task::Sensors => return sensors::run(options).map(|()| true),
        Task::Heap => return heap::run(options).map(|()| true),
        Task::Applications => applications::run(options),
        Task::Killed => applications::run_killed(options),
        Task::Parameters => parameters::run(options),
        Task::Sessions => sessions::run(options),
        Task::Faults => return faults::run(options),
        Task::Overrun => return overrun::run(options).map(|()| true),
        #[cfg(target_arch = "aarch64")]
        Task::Sve => sve::run(options),
        #[cfg(not(target_arch = "aarch64"))]
        Task::Sve => return Err("SVE exists on AArch64 only; run this on the machine with the TEEs".into()),
    })
}

#[cfg(not(libteec))]
fn run(_options: &Options) -> Result<bool, String> {
    Err(
        "it was built without libteec; set BULKHEAD_LIBTEEC_DIR to libteec2's directory and build it again"
            .into(),
    )
}
