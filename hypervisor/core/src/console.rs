//! FFA_CONSOLE_LOG of partitions (DEN0077A 1.2, section 13.12).

use crate::api::{Note, Ports, Regs};
use crate::error::Error;
use crate::reply::Reply;
use crate::spmc::{Here, Spmc};
use crate::table::Source;
use crate::version::V1_2;

/// Most characters of the SMC32 form: w2 to w7.
const MOST_32: usize = 24;
/// Most characters of the SMC64 form before FF-A 1.2 (x2 to x7), and from then on (x2 to x17).
const MOST_64_OLD: usize = 48;
const MOST_64: usize = 128;

/// What the line takes that tells of dropped characters, in bytes.
pub(crate) const TOLD: u64 = 64;

/// What a partition may still log: as many bytes in a second as the table says, and as many at once.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// Millionths of bytes that it has had of a second's worth.
    had: u64,
    /// When that was (microseconds).
    at: u64,
    /// Bytes that were dropped since the last ones that were not.
    dropped: u64,
}

impl Allowance {
    /// Nothing was logged yet.
    pub(crate) const fn new() -> Self {
        Self {
            had: 0,
            at: 0,
            dropped: 0,
        }
    }

    /// Takes so many bytes at this moment, at this rate in bytes per second: how many were dropped before, or none
    /// where these are. The line that tells of dropped ones is on the same account, or a partition could have the
    /// hypervisor write many of them.
    fn take(&mut self, now: u64, rate: u32, bytes: usize) -> Option<u64> {
        let most = u64::from(rate).saturating_mul(SECOND_US);
        let since = now.saturating_sub(self.at);
        let regained = since.saturating_mul(rate.into());
        self.had = self.had.saturating_sub(regained);
        self.at = self.at.max(now);
        let bytes = bytes as u64;
        let told = if self.dropped == 0 { 0 } else { TOLD };
        let cost = bytes.saturating_add(told).saturating_mul(SECOND_US);
        let had = self.had.saturating_add(cost.min(most));
        if had > most {
            self.dropped = self.dropped.saturating_add(bytes);
            return None;
        }
        self.had = had;
        Some(core::mem::take(&mut self.dropped))
    }
}

/// A second in microseconds.
const SECOND_US: u64 = 1_000_000;

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize, S: Source>
    Spmc<P, C, SHARES, RANGES, VMS, S>
{
    /// FFA_CONSOLE_LOG: 1 to 24 characters in w2 to w7, or 1 to 48 or 128 in x2 on. What is more than the table
    /// lets the partition log is dropped, and told when it is less again.
    pub(crate) fn console<T: Ports>(
        &self,
        here: &Here<'_, C>,
        wide: bool,
        length: u32,
        call: &Regs,
        ports: &mut T,
    ) -> Reply {
        let newer = here.compartment.mailbox.lock().version() >= V1_2;
        let most = match (wide, newer) {
            (false, _) => MOST_32,
            (true, false) => MOST_64_OLD,
            (true, true) => MOST_64,
        };
        let mut text = [0; MOST_64];
        let width = if wide { 8 } else { 4 };
        for (to, from) in text.chunks_exact_mut(width).zip(call.0.iter().skip(2)) {
            to.copy_from_slice(from.to_le_bytes().get(..width).unwrap_or_default());
        }
        match text.get(..length as usize) {
            Some(text) if !text.is_empty() && text.len() <= most => {
                let partition = here.context.partition;
                let mut allowance = here.compartment.allowance.lock();
                let taken = allowance.take(ports.now(), here.partition.log_rate, text.len());
                drop(allowance);
                if let Some(dropped) = taken {
                    if dropped != 0 {
                        ports.note(Note::Dropped {
                            partition,
                            bytes: dropped,
                        });
                    }
                    ports.console(partition, text);
                }
                Reply::done()
            }
            _ => Reply::error(Error::InvalidParameters),
        }
    }
}
