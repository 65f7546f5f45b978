//! Start-up, and the loop of the one context.
use crate::asker::Askers;
use sensors::record::Record;
use sp_rt::ffa::interrupt_call::{DEACTIVATE, ENABLE, GET, NONE, NOTIFICATION_PENDING};
use sp_rt::ffa::{self, Error, Regs};
use sp_rt::mailbox::Mailbox;
use sp_rt::{Boot, call, clock, hypercall, log, park};

sp_rt::entry!(first, again);

/// Flag of FFA_MSG_WAIT: a message that came stays where it is.
const KEEP_MESSAGE: u64 = 1;
/// The period, in nanoseconds, and how many there are in a second.
const PERIOD: u64 = 1_000_000;
const RATE: u64 = 1_000_000_000 / PERIOD;

fn first(boot: &mut Boot) -> ! {
    match start() {
        Ok((own, mailbox)) => serve(Askers::new(own, mailbox, boot)),
        Err(error) => {
            log!("sensors cannot start: the SPMC answered {error:?}");
            park();
        }
    }
}

/// There is one context, and its core never goes off.
fn again(_context: usize) -> ! {
    park()
}

fn start() -> Result<(u16, Mailbox), Error> {
    let version = call(&Regs::new(ffa::VERSION, &[u64::from(ffa::VERSION_1_2)])).w(0);
    if version >> 16 != 1 || version & 0xffff < 2 {
        return Err(Error::NOT_SUPPORTED);
    }
    let own = call(&Regs::new(ffa::ID_GET, &[])).success()?.w(2) as u16;
    let mailbox = Mailbox::map()?;
    for intid in [clock::ALARM, NOTIFICATION_PENDING] {
        enable(intid, true);
    }
    log!("sensors: endpoint {own:#x} is up");
    Ok((own, mailbox))
}

/// Works at each period's start, and answers questions behind that: they never come before it.
fn serve(mut askers: Askers<'_>) -> ! {
    let frequency = clock::frequency();
    let period = frequency / RATE;
    let mut record = Record::new(PERIOD);
    let mut asked = false;
    let mut due = clock::ticks() + period;
    clock::alarm(due);
    loop {
        let _ = call(&Regs::new(ffa::MSG_WAIT, &[0, KEEP_MESSAGE]));
        // The first instruction after the wait: how late it is is what counts.
        let now = clock::ticks();
        let (mut began, mut told) = (false, false);
        while let Some(intid) = next() {
            began |= intid == clock::ALARM;
            told |= intid == NOTIFICATION_PENDING;
        }
        if told {
            // Others may set it as often as they like: it is heard once in a period.
            enable(NOTIFICATION_PENDING, false);
            asked = true;
        }
        if began {
            let late = now.saturating_sub(due);
            let missed = record.began(nanoseconds(late, frequency));
            due += (missed + 1) * period;
            clock::alarm(due);
            let _ = hypercall(DEACTIVATE, u64::from(clock::ALARM), u64::from(clock::ALARM), 0);
            if asked {
                askers.answer(&mut record);
                enable(NOTIFICATION_PENDING, true);
                asked = false;
            }
        }
    }
}

/// The next virtual interrupt, if there is one. That of the timer is ended when it has its next time.
fn next() -> Option<u32> {
    let intid = hypercall(GET, 0, 0, 0) as u32;
    if intid == NONE {
        return None;
    }
    if intid != clock::ALARM {
        let _ = hypercall(DEACTIVATE, u64::from(intid), u64::from(intid), 0);
    }
    Some(intid)
}

fn enable(intid: u32, on: bool) {
    let _ = hypercall(ENABLE, u64::from(intid), u64::from(on), 0);
}

fn nanoseconds(ticks: u64, frequency: u64) -> u64 {
    (u128::from(ticks) * 1_000_000_000 / u128::from(frequency.max(1))) as u64
}
