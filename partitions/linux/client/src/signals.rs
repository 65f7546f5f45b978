//! Signals that interrupt a client in its calls: a handler that only counts, without SA_RESTART, so that a system call
//! that a signal breaks off ends with EINTR. SIGTERM asks the client to end when its call has ended.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static HANDLED: AtomicU64 = AtomicU64::new(0);
static STOPPED: AtomicBool = AtomicBool::new(false);

extern "C" fn count(signal: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
    if signal == libc::SIGTERM {
        STOPPED.store(true, Ordering::Relaxed);
    }
}

/// Whether SIGTERM came.
pub fn stopped() -> bool {
    STOPPED.load(Ordering::Relaxed)
}

/// How many signals were handled so far.
pub fn handled() -> u64 {
    HANDLED.load(Ordering::Relaxed)
}

/// Handles SIGUSR1, SIGALRM and SIGTERM from here on.
pub fn accept() -> Result<(), String> {
    for signal in [libc::SIGUSR1, libc::SIGALRM, libc::SIGTERM] {
        // SAFETY: all zero is an action with an empty mask and no flags.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = count as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: the action is whole, and its handler does nothing but atomic operations, which may run at any point.
        if unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } != 0 {
            return Err("a signal's handler was refused".into());
        }
    }
    Ok(())
}

/// Has SIGALRM come every `period` microseconds (1 to 999,999).
pub fn alarm(period: u32) -> Result<(), String> {
    let time = libc::timeval {
        tv_sec: 0,
        tv_usec: period.into(),
    };
    let timer = libc::itimerval {
        it_interval: time,
        it_value: time,
    };
    // SAFETY: the timer is whole, and what it was before is not asked for.
    if unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) } != 0 {
        return Err("the timer of SIGALRM was refused".into());
    }
    Ok(())
}
