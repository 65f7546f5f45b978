//! Checks that vector state survives what the secure world does on the same cores.
//!
//! Spinning threads, one per core and each with its own vector length, keep known values in all of Z, P and FFR and
//! are interrupted there; calling threads keep known values over the system call that enters the TEE. Linux keeps
//! the whole state over an interrupt, and the lower 128 bits of each vector over a system call: so much is compared.
//! Further threads make long calls. When one of them, preempted in its call, goes on and is preempted again, the
//! spinning thread's state stays in the registers all the while: there the secure world could spoil any bit of it.

use std::arch::global_asm;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bulkhead_client::options::{Kind, Options};
use bulkhead_client::report::Line;
use bulkhead_client::vectors::{name, state};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::services;
use crate::teec::{Context, Session};

global_asm!(include_str!("sve.s"));

unsafe extern "C" {
    fn bulkhead_sve_spin(load: *const u8, store: *mut u8, turns: u64);
    fn bulkhead_sve_ioctl(
        load: *const u8,
        store: *mut u8,
        file: i64,
        request: u64,
        argument: *mut Buffer,
    ) -> i64;
}

/// Turns of a spinning thread's loop: several of Linux's ticks under emulation.
const TURNS: u64 = 3_000_000;
/// `TEE_IOC_INVOKE`: `_IOR(0xa4, 3, struct tee_ioctl_buf_data)`.
const TEE_IOC_INVOKE: u64 = 0x8010_a403;
/// `prctl` option and the part of its answer that is a length (`linux/prctl.h`).
const PR_SVE_SET_VL: i32 = 50;
const PR_SVE_VL_LEN_MASK: usize = 0xffff;
const ATTRIBUTE_VALUE_INPUT: u64 = 1;
const ATTRIBUTE_VALUE_OUTPUT: u64 = 2;

/// `struct tee_ioctl_buf_data` of Linux.
#[repr(C)]
struct Buffer {
    pointer: u64,
    length: u64,
}

/// `struct tee_ioctl_invoke_arg` of Linux with four parameters (attribute, a, b, c).
#[repr(C)]
struct Invoke {
    function: u32,
    session: u32,
    cancel_id: u32,
    result: u32,
    origin: u32,
    count: u32,
    parameters: [[u64; 4]; 4],
}

/// What the threads have come to.
#[derive(Default)]
struct Tally {
    spins: AtomicU64,
    calls: AtomicU64,
    wrong: AtomicU64,
    first_fault: Mutex<Option<String>>,
}

/// Runs the check, prints what came of it, and tells whether all is right.
pub fn run(options: &Options) -> bool {
    let tally = Tally::default();
    if std::arch::is_aarch64_feature_detected!("sve") {
        all(options, &tally);
    } else {
        fault(&tally, "this machine has no SVE; start it with SVE on".into());
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    let (spins, calls, wrong) = (count(&tally.spins), count(&tally.calls), count(&tally.wrong));
    let detail = tally.first_fault.lock().ok().and_then(|mut first| first.take());
    let detail = detail.unwrap_or_else(|| format!("{spins} spins, {calls} calls"));
    let ok = wrong == 0 && spins > 0 && calls > 0;
    let line = Line::new("case")
        .text("suite", "sve")
        .text("tee", &options.tee)
        .text("name", "vector state survives");
    line.truth("ok", ok)
        .number("spins", spins)
        .number("calls", calls)
        .number("wrong", wrong)
        .text("detail", &detail)
        .print();
    ok
}

fn fault(tally: &Tally, why: String) {
    tally.wrong.fetch_add(1, Ordering::SeqCst);
    if let Ok(mut first) = tally.first_fault.lock() {
        first.get_or_insert(why);
    }
}

fn all(options: &Options, tally: &Tally) {
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let own = sched_getaffinity(None).unwrap_or_default();
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| own.is_set(*core)).collect();
    let run = |outcome: Result<(), String>| outcome.unwrap_or_else(|why| fault(tally, why));
    std::thread::scope(|scope| {
        for (i, core) in cores.iter().enumerate() {
            scope.spawn(move || run(spinner(*core, 16 << i.min(4), end, tally)));
        }
        for _ in 0..options.threads {
            scope.spawn(move || run(caller(options, end, tally)));
            scope.spawn(move || run(long_caller(options, end, tally)));
        }
    });
}

/// Sets the thread's vector length, in bytes; Linux takes the next shorter one that exists. Returns that.
fn vector_length(wanted: usize) -> Result<usize, String> {
    // SAFETY: sets a property of this thread, whose vectors hold nothing now.
    let answer = unsafe { libc::prctl(PR_SVE_SET_VL, wanted, 0, 0, 0) };
    let length = usize::try_from(answer).map_err(|_| format!("vectors of {wanted} bytes cannot be had"))?;
    Ok(length & PR_SVE_VL_LEN_MASK)
}

/// Keeps state over interrupts, on one core.
fn spinner(core: usize, wanted: usize, end: Instant, tally: &Tally) -> Result<(), String> {
    let mut place = CpuSet::new();
    place.set(core);
    sched_setaffinity(None, &place).map_err(|error| format!("core {core} cannot be had: {error}"))?;
    let length = vector_length(wanted)?;
    while Instant::now() < end {
        let before = state(length);
        let mut after = vec![0; before.len()];
        // SAFETY: both are states for the thread's vector length.
        unsafe { bulkhead_sve_spin(before.as_ptr(), after.as_mut_ptr(), TURNS) };
        tally.spins.fetch_add(1, Ordering::SeqCst);
        if let Some(place) = before.iter().zip(&after).position(|(a, b)| a != b) {
            fault(
                tally,
                format!(
                    "{} changed in a thread on core {core} that made no call",
                    name(place, length)
                ),
            );
        }
    }
    Ok(())
}

/// Keeps state over calls of the TEE, on any core.
fn caller(options: &Options, end: Instant, tally: &Tally) -> Result<(), String> {
    let length = vector_length(64)?;
    let context = Context::new(&options.tee).map_err(|error| error.to_string())?;
    let application = if options.kind.is_ours() {
        services::ECHO
    } else {
        services::CRYPT
    };
    let session = Session::open(&context, application).map_err(|error| error.to_string())?;
    while Instant::now() < end {
        let before = state(length);
        let mut after = vec![0; before.len()];
        let mut invoke = call(options.kind, session.id());
        let mut buffer = Buffer {
            pointer: (&raw mut invoke) as u64,
            length: size_of::<Invoke>() as u64,
        };
        // SAFETY: both are states for the thread's vector length; the request reads and writes `invoke` only.
        let outcome = unsafe {
            bulkhead_sve_ioctl(
                before.as_ptr(),
                after.as_mut_ptr(),
                context.descriptor().into(),
                TEE_IOC_INVOKE,
                &raw mut buffer,
            )
        };
        if outcome != 0 || invoke.result != 0 {
            return Err(format!("the call gave {outcome} and {:#010x}", invoke.result));
        }
        tally.calls.fetch_add(1, Ordering::SeqCst);
        let kept = |i: &usize| before[i * length..i * length + 16] == after[i * length..i * length + 16];
        if let Some(vector) = (0..32).find(|i| !kept(i)) {
            fault(tally, format!("v{vector} changed over a call"));
        }
    }
    Ok(())
}

/// Makes calls that last for several ticks.
fn long_caller(options: &Options, end: Instant, tally: &Tally) -> Result<(), String> {
    let context = Context::new(&options.tee).map_err(|error| error.to_string())?;
    let mut caller = services::caller(&context, options.kind)?;
    while Instant::now() < end {
        caller.call(fastrand::usize(..caller.kinds().len()))?;
        tally.calls.fetch_add(1, Ordering::SeqCst);
    }
    Ok(())
}

/// A call with numbers only: the echo of the Rust TEE, or a value that OP-TEE's application keeps.
fn call(kind: Kind, session: u32) -> Invoke {
    let input = [ATTRIBUTE_VALUE_INPUT, 1, 2, 0];
    let (function, second) = match kind {
        Kind::Rust | Kind::Sel4 => (services::ECHO_VALUE, [ATTRIBUTE_VALUE_OUTPUT, 0, 0, 0]),
        Kind::Optee => (services::CRYPT_SET_GLOBAL, [0; 4]),
    };
    let parameters = [input, second, [0; 4], [0; 4]];
    Invoke {
        function,
        session,
        cancel_id: 0,
        result: 0,
        origin: 0,
        count: 4,
        parameters,
    }
}
