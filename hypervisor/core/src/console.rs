//! FFA_CONSOLE_LOG of partitions (DEN0077A 1.2, section 13.12).

use crate::api::{Ports, Regs};
use crate::error::Error;
use crate::reply::Reply;
use crate::spmc::{Here, Spmc};
use crate::version::V1_2;

/// Most characters of the SMC32 form: w2 to w7.
const MOST_32: usize = 24;
/// Most characters of the SMC64 form before FF-A 1.2 (x2 to x7), and from then on (x2 to x17).
const MOST_64_OLD: usize = 48;
const MOST_64: usize = 128;

impl<const P: usize, const C: usize, const SHARES: usize, const RANGES: usize, const VMS: usize>
    Spmc<P, C, SHARES, RANGES, VMS>
{
    /// FFA_CONSOLE_LOG: 1 to 24 characters in w2 to w7, or 1 to 48 or 128 in x2 on.
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
                ports.console(here.context.partition, text);
                Reply::done()
            }
            _ => Reply::error(Error::InvalidParameters),
        }
    }
}
