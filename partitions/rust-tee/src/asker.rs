//! Asks the partition of sensors: finds it, shares a page with it, introduces itself by a message that names the page,
//! and sets a notification for each question. The answer comes on the page, or there is none in time.
use crate::code::{ACCESS_DENIED, CANCEL, Code, ITEM_NOT_FOUND, TARGET_DEAD, TIMEOUT};
use sensors::page::{self, ASK, ASKED, BYTES, Page};
use sp_rt::Locked;
use sp_rt::ffa::{self, Error, Regs};
use sp_rt::retrieve::Mailbox;
use sp_rt::share;

/// How long an answer may take, in seconds: a thousand periods and more.
pub const PATIENCE: u64 = 2;

/// What asking takes of the machine: a page of this TEE's, and the counter.
#[derive(Clone, Copy)]
pub struct Means {
    /// Address of the page.
    pub page: fn() -> u64,
    /// Copies from the page, from an offset on; false outside of it.
    pub read: fn(u64, &mut [u8]) -> bool,
    /// Copies to the page.
    pub write: fn(u64, &[u8]) -> bool,
    /// The counter.
    pub ticks: fn() -> u64,
    /// Its ticks in a second.
    pub second: fn() -> u64,
}

impl Page for Means {
    fn read(&self, offset: u64, to: &mut [u8]) -> bool {
        (self.read)(offset, to)
    }

    fn write(&self, offset: u64, from: &[u8]) -> bool {
        (self.write)(offset, from)
    }
}

/// What is known of the partition that is asked. Any number of threads ask at once.
pub struct Asker(Locked<State>);

struct State {
    sensors: Option<u16>,
    /// The page's handle.
    handle: Option<u64>,
    /// Whether its instance of now was told of the page.
    introduced: bool,
    questions: u64,
}

impl Default for Asker {
    fn default() -> Self {
        Self::new()
    }
}

impl Asker {
    /// Nothing was asked yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Locked::new(State {
            sensors: None,
            handle: None,
            introduced: false,
            questions: 0,
        }))
    }

    /// Asks, and gives the record as it came.
    ///
    /// # Errors
    /// ITEM_NOT_FOUND: there is no such partition for this one. ACCESS_DENIED: the table does not let this one share
    /// the page with it, or tell it. TARGET_DEAD: it was stopped. TIMEOUT: it did not answer. CANCEL: as `cancelled`
    /// says.
    pub fn ask<B: Mailbox>(
        &self,
        mailbox: &Locked<B>,
        own: u16,
        means: &Means,
        cancelled: impl Fn() -> bool,
    ) -> Result<[u8; BYTES], Code> {
        let end = (means.ticks)().saturating_add(PATIENCE * (means.second)());
        let mut question = None;
        loop {
            question = match question {
                None => mailbox
                    .with(|mailbox| self.0.with(|state| state.put(mailbox, own, means)))
                    .map_err(code)?,
                Some(number) => match page::answered(means, number) {
                    Some(record) => return Ok(record),
                    None => question,
                },
            };
            if (means.ticks)() >= end {
                return Err(TIMEOUT);
            }
            if cancelled() {
                return Err(CANCEL);
            }
            core::hint::spin_loop();
        }
    }
}

impl State {
    /// Puts the next question; gives its number. None where the partition has not read its last message yet.
    fn put<B: Mailbox>(&mut self, mailbox: &mut B, own: u16, means: &Means) -> Result<Option<u64>, Error> {
        let sensors = match self.sensors {
            Some(sensors) => sensors,
            None => *self.sensors.insert(find(mailbox)?),
        };
        let handle = match self.handle {
            Some(handle) => handle,
            None => *self
                .handle
                .insert(share::page(mailbox, own, sensors, (means.page)())?),
        };
        self.questions += 1;
        let question = self.questions;
        let _ = means.write(ASKED, &question.to_le_bytes());
        if self.introduced {
            let ids = u64::from(own) << 16 | u64::from(sensors);
            let set = mailbox.call(&Regs::new(ffa::NOTIFICATION_SET, &[ids, 0, ASK]));
            match set.success() {
                Ok(_) => return Ok(Some(question)),
                // It has not read the message yet, or is another instance than the one that has.
                Err(Error::DENIED) => {}
                Err(error) => return Err(error),
            }
        }
        match share::message(mailbox, own, sensors, handle) {
            Ok(()) => {
                self.introduced = true;
                Ok(Some(question))
            }
            Err(Error::BUSY | Error::RETRY) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The partition's ID (FFA_PARTITION_INFO_GET_REGS, DEN0077A 1.2, section 13.9).
fn find<B: Mailbox>(mailbox: &mut B) -> Result<u16, Error> {
    let [low, high] = [0, 8].map(|at| {
        let mut half = [0; 8];
        half.copy_from_slice(&page::UUID[at..at + 8]);
        u64::from_le_bytes(half)
    });
    let found = mailbox.call(&Regs::new(ffa::PARTITION_INFO_GET_REGS, &[low, high]));
    let found = found.success().map_err(|_| Error::NO_DATA)?;
    Ok(found.w(3) as u16)
}

fn code(error: Error) -> Code {
    match error {
        Error::NO_DATA => ITEM_NOT_FOUND,
        Error::ABORTED => TARGET_DEAD,
        _ => ACCESS_DENIED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sensors::record::Record;
    use std::cell::{Cell, RefCell};

    thread_local! {
        static PAGE: RefCell<Vec<u8>> = RefCell::new(vec![0; 4096]);
        static NOW: Cell<u64> = const { Cell::new(0) };
    }

    /// A counter that goes on by a tenth of a second with each look.
    const MEANS: Means = Means {
        page: || 0x7000,
        read: |at, to| {
            PAGE.with_borrow(|page| to.copy_from_slice(&page[at as usize..][..to.len()]));
            true
        },
        write: |at, from| {
            PAGE.with_borrow_mut(|page| page[at as usize..][..from.len()].copy_from_slice(from));
            true
        },
        ticks: || NOW.replace(NOW.get() + 1),
        second: || 10,
    };

    /// The hypervisor, and the partition behind it.
    struct World {
        calls: Vec<(u32, u64)>,
        tx: Vec<u8>,
        /// What it answers to these calls instead.
        refuses: Vec<(u32, Error)>,
        /// Whether the partition answers.
        answers: bool,
    }

    impl World {
        fn new(refuses: &[(u32, Error)], answers: bool) -> Locked<Self> {
            PAGE.with_borrow_mut(|page| page.fill(0));
            Locked::new(Self {
                calls: Vec::new(),
                tx: Vec::new(),
                refuses: refuses.to_vec(),
                answers,
            })
        }
    }

    impl Mailbox for World {
        fn send(&mut self, bytes: &[u8]) {
            self.tx = bytes.to_vec();
        }

        fn receive(&mut self, _offset: usize, _to: &mut [u8]) {
            panic!("nothing comes by the buffer");
        }

        fn call(&mut self, regs: &Regs) -> Regs {
            self.calls.push((regs.function(), regs.x(1)));
            if let Some(place) = self.refuses.iter().position(|(f, _)| *f == regs.function()) {
                return Regs::error(self.refuses.remove(place).1);
            }
            match regs.function() {
                ffa::PARTITION_INFO_GET_REGS => {
                    assert_eq!(regs.x(1), 0x654d_b790_4e2a_1f8c);
                    return Regs::new(ffa::SUCCESS_64, &[0, 0, 0x0001_8010]);
                }
                ffa::MEM_SHARE => {
                    assert_eq!((self.tx.len(), regs.x(1)), (112, 112));
                    assert_eq!(self.tx[96..104], 0x7000_u64.to_le_bytes());
                    return Regs::new(ffa::SUCCESS_32, &[0, 7, 9]);
                }
                ffa::MSG_SEND2 => {
                    assert_eq!(self.tx[12..16], [0x10, 0x80, 3, 0x80]);
                    assert_eq!(self.tx[40..], 0x9_0000_0007_u64.to_le_bytes());
                }
                ffa::NOTIFICATION_SET => assert_eq!((regs.x(1), regs.x(3)), (0x8003_8010, ASK)),
                other => panic!("unexpected call {other:#x}"),
            }
            if self.answers {
                assert!(page::answer(&MEANS, &Record::new(5)));
            }
            Regs::new(ffa::SUCCESS_32, &[])
        }
    }

    fn ask(asker: &Asker, world: &Locked<World>) -> Result<u64, Code> {
        let record = asker.ask(world, 0x8003, &MEANS, || false);
        record.map(|record| page::record(&record).period)
    }

    fn made(world: &Locked<World>) -> Vec<u32> {
        world.with(|world| world.calls.drain(..).map(|(function, _)| function).collect())
    }

    #[test]
    fn it_is_found_once_and_notified_each_time() {
        let (asker, world) = (Asker::new(), World::new(&[], true));
        assert_eq!(ask(&asker, &world), Ok(5));
        assert_eq!(
            made(&world),
            [ffa::PARTITION_INFO_GET_REGS, ffa::MEM_SHARE, ffa::MSG_SEND2]
        );
        assert_eq!(ask(&asker, &world), Ok(5));
        assert_eq!(made(&world), [ffa::NOTIFICATION_SET]);
    }

    #[test]
    fn another_instance_is_told_again() {
        let (asker, world) = (Asker::new(), World::new(&[], true));
        assert_eq!(ask(&asker, &world), Ok(5));
        let _ = made(&world);
        world.with(|world| {
            world.refuses = vec![
                (ffa::NOTIFICATION_SET, Error::DENIED),
                (ffa::MSG_SEND2, Error::BUSY),
            ];
        });
        assert_eq!(ask(&asker, &world), Ok(5));
        // While its buffer is full, the notification is tried, too: it may have read the message.
        assert_eq!(
            made(&world),
            [ffa::NOTIFICATION_SET, ffa::MSG_SEND2, ffa::NOTIFICATION_SET]
        );
    }

    #[test]
    fn what_is_refused_is_told() {
        for (function, error, code) in [
            (
                ffa::PARTITION_INFO_GET_REGS,
                Error::INVALID_PARAMETERS,
                ITEM_NOT_FOUND,
            ),
            (ffa::MEM_SHARE, Error::DENIED, ACCESS_DENIED),
            (ffa::MSG_SEND2, Error::INVALID_PARAMETERS, ACCESS_DENIED),
            (ffa::MSG_SEND2, Error::ABORTED, TARGET_DEAD),
        ] {
            let (asker, world) = (Asker::new(), World::new(&[(function, error)], true));
            assert_eq!(ask(&asker, &world), Err(code), "{function:#x}");
            assert_eq!(ask(&asker, &world), Ok(5), "it is tried anew");
        }
    }

    #[test]
    fn nobody_waits_for_ever() {
        let (asker, world) = (Asker::new(), World::new(&[], false));
        let before = NOW.get();
        assert_eq!(ask(&asker, &world), Err(TIMEOUT));
        assert!(NOW.get() - before < 10 * (PATIENCE + 1));
        let cancelled = asker.ask(&world, 0x8003, &MEANS, || true);
        assert_eq!(cancelled, Err(CANCEL));
    }
}
