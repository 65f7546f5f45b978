//! What a partition does that takes no requests: notifications of the normal world are wishes, and are answered by
//! notifications.
use crate::clock;
use crate::commands::wish;
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa::interrupt_call::{DEACTIVATE, ENABLE, GET, NONE};
use sp_rt::ffa::{self, Error, Regs};
use sp_rt::{call, gic, hypercall, log, park};

/// The notification-pending interrupt, and the one of the virtual timer.
const PENDING: u32 = 5;
const TIMER: u32 = 27;
/// CNTV_CTL_EL0 and CNTV_CVAL_EL0, as `gic` numbers them.
const CONTROL: u64 = 8;
const COMPARE: u64 = 10;
/// Periods that are kept for one wish.
const PERIODS: u64 = 1000;

/// The partition that may make a noise, in tables that have one.
const PEER: u64 = 0x8001;

/// Its endpoint ID, where it takes wishes.
static OWN: AtomicU64 = AtomicU64::new(0);

/// Lets the normal world make wishes, where the partition's ID says that it takes them.
pub fn listen(own: u64) -> Result<(), Error> {
    if own < wish::FIRST_ID {
        return Ok(());
    }
    call(&Regs::new(ffa::NOTIFICATION_BIND, &[own, 0, wish::ALL])).success()?;
    // Where the table does not list that one, there is nothing to hear.
    let _ = call(&Regs::new(
        ffa::NOTIFICATION_BIND,
        &[PEER << 16 | own, 0, wish::NOISE],
    ));
    for intid in [PENDING, TIMER] {
        let _ = hypercall(ENABLE, u64::from(intid), 1, 0);
    }
    OWN.store(own, Ordering::Relaxed);
    Ok(())
}

/// Does what the normal world wishes, if the partition takes wishes: as long as there are any.
pub fn serve() {
    let own = OWN.load(Ordering::Relaxed);
    while own != 0 && next() == Some(PENDING) {
        const FROM_PARTITIONS_AND_VMS: u64 = 0b11;
        let Ok(got) = call(&Regs::new(ffa::NOTIFICATION_GET, &[own, FROM_PARTITIONS_AND_VMS])).success()
        else {
            return;
        };
        let wishes = got.x(4);
        if wishes & wish::FAIL != 0 {
            park();
        }
        if wishes & wish::ECHO != 0 {
            answer(own, wish::ECHO);
        }
        if wishes & wish::PERIOD != 0 {
            let kept = keep_period();
            answer(own, if kept { wish::PERIOD } else { wish::LATE });
        }
    }
}

/// The next virtual interrupt, if there is one.
fn next() -> Option<u32> {
    let intid = hypercall(GET, 0, 0, 0) as u32;
    if intid == NONE {
        return None;
    }
    if intid != TIMER {
        let _ = hypercall(DEACTIVATE, u64::from(intid), u64::from(intid), 0);
    }
    Some(intid)
}

fn answer(own: u64, bits: u64) {
    let sent = call(&Regs::new(ffa::NOTIFICATION_SET, &[own << 16, 0, bits]));
    if let Err(error) = sent.success() {
        log!("own: a notification was refused: {error:?}");
    }
}

/// Keeps a period of a millisecond, and says how late it was at most; whether never by half a period.
fn keep_period() -> bool {
    let frequency = clock::frequency();
    let period = frequency / 1000;
    let mut due = clock::ticks() + period;
    let (mut most, mut second) = (0, 0);
    gic::write_register(COMPARE, due);
    gic::write_register(CONTROL, 1);
    for _ in 0..PERIODS {
        while next() != Some(TIMER) {
            let _ = call(&Regs::msg_wait());
        }
        let late = clock::ticks().saturating_sub(due);
        if late > most {
            (most, second) = (late, most);
        } else {
            second = second.max(late);
        }
        due += period;
        gic::write_register(COMPARE, due);
        let _ = hypercall(DEACTIVATE, u64::from(TIMER), u64::from(TIMER), 0);
    }
    gic::write_register(CONTROL, 0);
    let nanoseconds = |ticks: u64| ticks * 1_000_000 / (frequency / 1000).max(1);
    log!(
        "own: {PERIODS} periods of 1 ms: 99.9 % at most {} ns late, all at most {} ns",
        nanoseconds(second),
        nanoseconds(most)
    );
    most < period / 2
}
