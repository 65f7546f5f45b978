//! Whoever asks: a partition that introduced itself by a message, with a page that it shares.
use sensors::page::{self, ASK, Page};
use sensors::record::Record;
use sp_rt::ffa::{self, Error, Regs};
use sp_rt::mailbox::Mailbox;
use sp_rt::retrieve::{self, Mailbox as _, Range, Sink};
use sp_rt::{Boot, Window, call, log};

/// FFA_NOTIFICATION_GET: notifications of partitions, and of the SPMC, which tells of messages.
const FROM_PARTITIONS: u64 = 1 << 0;
const FROM_SPMC: u64 = 1 << 2;
const BUFFER_FULL: u32 = 1 << 0;

/// The one that asks, and what is needed to answer it.
pub struct Askers<'a> {
    own: u16,
    mailbox: Mailbox,
    boot: &'a mut Boot,
    /// Who introduced itself last, and the handle of its page.
    known: Option<(u16, u64)>,
    /// Pages that stand in stage 1: the last one's.
    window: Option<(u64, Window)>,
}

impl<'a> Askers<'a> {
    /// Nobody yet.
    pub fn new(own: u16, mailbox: Mailbox, boot: &'a mut Boot) -> Self {
        Self {
            own,
            mailbox,
            boot,
            known: None,
            window: None,
        }
    }

    /// Takes what is pending, and answers it. What cannot be answered is logged: who asks waits for so long only.
    pub fn answer(&mut self, record: &mut Record) {
        let wanted = [u64::from(self.own), FROM_PARTITIONS | FROM_SPMC];
        let Ok(got) = call(&Regs::new(ffa::NOTIFICATION_GET, &wanted)).success() else {
            return;
        };
        if got.w(6) & BUFFER_FULL != 0
            && let Err(error) = self.introduce()
        {
            log!("sensors: a message was not understood: {error:?}");
        }
        record.asked += 1;
        if let Err(error) = self.write(record) {
            log!("sensors: a question was not answered: {error:?}");
        }
    }

    /// Reads a message (DEN0077A 1.2, section 7.3): its sender asks from now on, by its page.
    fn introduce(&mut self) -> Result<(), Error> {
        let mut header = [0; 24];
        self.mailbox.receive(0, &mut header);
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (offset, sender, length) = (word(8) as usize, (word(12) >> 16) as u16, word(16));
        let mut handle = [0; 8];
        self.mailbox.receive(offset, &mut handle);
        self.mailbox.release()?;
        if length != 8 {
            return Err(Error::INVALID_PARAMETERS);
        }
        let again = self.known.is_some_and(|(known, _)| known == sender);
        if !again {
            let ids = u64::from(sender) << 16 | u64::from(self.own);
            call(&Regs::new(ffa::NOTIFICATION_BIND, &[ids, 0, ASK])).success()?;
        }
        self.known = Some((sender, u64::from_le_bytes(handle)));
        Ok(())
    }

    /// Writes the answer. The page is borrowed for that time only: one that its owner lost meanwhile, by a failure of
    /// its own, is not touched.
    fn write(&mut self, record: &Record) -> Result<(), Error> {
        let (sender, handle) = self.known.ok_or(Error::NO_DATA)?;
        let mut one = One::default();
        retrieve::retrieve(&mut self.mailbox, self.own, sender, handle, &mut one)?;
        let answered = self
            .window(one.0)
            .is_some_and(|window| page::answer(&Borrowed(window, one.0.address), record));
        retrieve::relinquish(&mut self.mailbox, self.own, handle);
        if answered { Ok(()) } else { Err(Error::NO_MEMORY) }
    }

    fn window(&mut self, range: Range) -> Option<Window> {
        if let Some((address, window)) = self.window
            && address == range.address
        {
            return Some(window);
        }
        let window = self.boot.borrow(range.address, page::SIZE)?;
        self.window = Some((range.address, window));
        Some(window)
    }
}

struct Borrowed(Window, u64);

impl Page for Borrowed {
    fn read(&self, offset: u64, to: &mut [u8]) -> bool {
        self.0.read(self.1 + offset, to)
    }

    fn write(&self, offset: u64, from: &[u8]) -> bool {
        self.0.write(self.1 + offset, from)
    }
}

/// Takes one page.
#[derive(Default)]
struct One(Range);

impl Sink for One {
    fn begin(&mut self, ranges: usize) -> Result<(), Error> {
        if ranges == 1 {
            Ok(())
        } else {
            Err(Error::NO_MEMORY)
        }
    }

    fn range(&mut self, range: Range) -> Result<(), Error> {
        self.0 = range;
        if range.pages == 1 {
            Ok(())
        } else {
            Err(Error::NO_MEMORY)
        }
    }
}
