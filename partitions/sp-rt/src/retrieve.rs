//! Retrieving shared memory and giving it back (DEN0140 1.2, sections 2.4 and 2.6).
use crate::ffa::{self, Error, Regs};

/// Bytes of the transaction descriptor, of an access descriptor (1.2), of the head of a composite
/// descriptor, and of a range.
pub(crate) const TRANSACTION: usize = 48;
pub(crate) const ACCESS: usize = 32;
pub(crate) const COMPOSITE: usize = 16;
pub(crate) const RANGE: usize = 16;
/// Normal memory, write-back, inner shareable.
pub(crate) const ATTRIBUTES: u16 = 0x2f;
/// The kind of transaction in the flags of a retrieval: a share.
pub const KIND_SHARE: u32 = 1 << 3;
/// The same: a loan, which the lender gives up meanwhile.
pub const KIND_LEND: u32 = 2 << 3;
/// Flag of a retrieval: the memory is to be cleared when it is given back.
pub const CLEAR_AFTER: u32 = 1 << 2;
/// Read and write.
pub(crate) const READ_WRITE: u8 = 0b10;

/// The RX and TX buffers and the calls that use them.
pub trait Mailbox {
    /// Writes the start of the TX buffer.
    fn send(&mut self, bytes: &[u8]);
    /// Reads from the RX buffer; what is behind its end stays as it was.
    fn receive(&mut self, offset: usize, to: &mut [u8]);
    /// Makes an FF-A call.
    fn call(&mut self, regs: &Regs) -> Regs;
}

/// Pages that lie together in the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Address of the first page.
    pub address: u64,
    /// Number of pages.
    pub pages: u32,
}

/// Takes the ranges of memory as they arrive.
pub trait Sink {
    /// So many ranges follow.
    ///
    /// # Errors
    /// Where they cannot be taken.
    fn begin(&mut self, ranges: usize) -> Result<(), Error>;
    /// The next range.
    ///
    /// # Errors
    /// Where it cannot be taken.
    fn range(&mut self, range: Range) -> Result<(), Error>;
}

/// Retrieves the memory that `sender` shared with this partition (`own`) and passes its ranges on.
///
/// # Errors
/// What FFA_MEM_RETRIEVE_REQ answers, INVALID_PARAMETERS where the description is not as specified,
/// or what the sink answers. The memory has then been given back.
pub fn retrieve(
    mailbox: &mut impl Mailbox,
    own: u16,
    sender: u16,
    handle: u64,
    sink: &mut impl Sink,
) -> Result<(), Error> {
    retrieve_as(mailbox, own, sender, handle, KIND_SHARE, sink)
}

/// The same for a transaction of any kind: `flags` are those of the retrieval.
///
/// # Errors
/// As those of [`retrieve`].
pub fn retrieve_as(
    mailbox: &mut impl Mailbox,
    own: u16,
    sender: u16,
    handle: u64,
    flags: u32,
    sink: &mut impl Sink,
) -> Result<(), Error> {
    let request = request(own, sender, handle, flags);
    mailbox.send(&request);
    let length = request.len() as u64;
    let answer = mailbox.call(&Regs::new(ffa::MEM_RETRIEVE_REQ, &[length, length]));
    if answer.function() != ffa::MEM_RETRIEVE_RESP {
        return Err(answer.success().err().unwrap_or(Error::INVALID_PARAMETERS));
    }
    let result = ranges(mailbox, handle, answer.w(1) as usize, answer.w(2) as usize, sink);
    let _ = mailbox.call(&Regs::new(ffa::RX_RELEASE, &[]));
    if result.is_err() {
        relinquish(mailbox, own, handle);
    }
    result
}

/// Gives memory back.
pub fn relinquish(mailbox: &mut impl Mailbox, own: u16, handle: u64) {
    let mut bytes = [0; 18];
    bytes[..8].copy_from_slice(&handle.to_le_bytes());
    bytes[12] = 1;
    bytes[16..].copy_from_slice(&own.to_le_bytes());
    mailbox.send(&bytes);
    // A refusal means that it was not held: there is nothing to undo.
    let _ = mailbox.call(&Regs::new(ffa::MEM_RELINQUISH, &[]));
}

fn request(own: u16, sender: u16, handle: u64, flags: u32) -> [u8; TRANSACTION + ACCESS] {
    let mut bytes = [0; TRANSACTION + ACCESS];
    bytes[..2].copy_from_slice(&sender.to_le_bytes());
    bytes[2..4].copy_from_slice(&ATTRIBUTES.to_le_bytes());
    bytes[4..8].copy_from_slice(&flags.to_le_bytes());
    bytes[8..16].copy_from_slice(&handle.to_le_bytes());
    bytes[24..28].copy_from_slice(&(ACCESS as u32).to_le_bytes());
    bytes[28..32].copy_from_slice(&1_u32.to_le_bytes());
    bytes[32..36].copy_from_slice(&(TRANSACTION as u32).to_le_bytes());
    bytes[TRANSACTION..TRANSACTION + 2].copy_from_slice(&own.to_le_bytes());
    bytes[TRANSACTION + 2] = READ_WRITE;
    bytes
}

fn word(mailbox: &mut impl Mailbox, at: usize) -> u32 {
    let mut bytes = [0; 4];
    mailbox.receive(at, &mut bytes);
    u32::from_le_bytes(bytes)
}

/// Reads the description: `total` bytes, of which `here` are in the RX buffer.
fn ranges(
    mailbox: &mut impl Mailbox,
    handle: u64,
    total: usize,
    mut here: usize,
    sink: &mut impl Sink,
) -> Result<(), Error> {
    let access = word(mailbox, 32) as usize;
    if access > here.saturating_sub(COMPOSITE) {
        return Err(Error::INVALID_PARAMETERS);
    }
    let composite = word(mailbox, access + 4) as usize;
    let mut at = composite
        .checked_add(COMPOSITE)
        .filter(|at| *at <= here)
        .ok_or(Error::INVALID_PARAMETERS)?;
    let pages = word(mailbox, composite);
    let count = word(mailbox, composite + 4) as usize;
    if count.checked_mul(RANGE).and_then(|length| length.checked_add(at)) != Some(total) {
        return Err(Error::INVALID_PARAMETERS);
    }
    sink.begin(count)?;
    let (mut seen, mut left) = (here, pages);
    for _ in 0..count {
        if at == here {
            here = next_fragment(mailbox, handle, seen, total)?;
            seen += here;
            at = 0;
        }
        let range = read_range(mailbox, at, here)?;
        left = left.checked_sub(range.pages).ok_or(Error::INVALID_PARAMETERS)?;
        sink.range(range)?;
        at += RANGE;
    }
    if left == 0 {
        Ok(())
    } else {
        Err(Error::INVALID_PARAMETERS)
    }
}

fn read_range(mailbox: &mut impl Mailbox, at: usize, here: usize) -> Result<Range, Error> {
    if at + RANGE > here {
        return Err(Error::INVALID_PARAMETERS);
    }
    let low = u64::from(word(mailbox, at));
    let high = u64::from(word(mailbox, at + 4));
    Ok(Range {
        address: high << 32 | low,
        pages: word(mailbox, at + 8),
    })
}

/// Asks for the part of the description that starts at byte `seen`; gives its length.
fn next_fragment(mailbox: &mut impl Mailbox, handle: u64, seen: usize, total: usize) -> Result<usize, Error> {
    let _ = mailbox.call(&Regs::new(ffa::RX_RELEASE, &[]));
    let (low, high) = (handle & 0xffff_ffff, handle >> 32);
    let answer = mailbox.call(&Regs::new(ffa::MEM_FRAG_RX, &[low, high, seen as u64]));
    let same = u64::from(answer.w(1)) | u64::from(answer.w(2)) << 32 == handle;
    let length = answer.w(3) as usize;
    let fits = length != 0 && length <= total - seen;
    if answer.function() == ffa::MEM_FRAG_TX && same && fits {
        Ok(length)
    } else {
        Err(Error::INVALID_PARAMETERS)
    }
}

#[cfg(any(test, feature = "fake"))]
pub mod fake;

#[cfg(test)]
mod tests {
    use super::fake::Spmc;
    use super::*;

    #[derive(Default)]
    struct Collect {
        announced: usize,
        ranges: Vec<Range>,
    }

    impl Sink for Collect {
        fn begin(&mut self, ranges: usize) -> Result<(), Error> {
            self.announced = ranges;
            Ok(())
        }

        fn range(&mut self, range: Range) -> Result<(), Error> {
            self.ranges.push(range);
            Ok(())
        }
    }

    fn scattered(count: u64) -> Vec<Range> {
        (0..count)
            .map(|n| Range {
                address: 0x4000_0000 + n * 0x3000,
                pages: 1 + (n % 2) as u32,
            })
            .collect()
    }

    #[test]
    fn memory_in_pieces_and_fragments() {
        for (count, fragment) in [(1, 4096), (3, 4096), (512, 4096), (512, 112), (2, 96)] {
            let mut spmc = Spmc::new(fragment);
            spmc.shared.insert(0x5_0000_0001, scattered(count));
            let mut sink = Collect::default();
            assert_eq!(
                retrieve(&mut spmc, 0x8003, 0, 0x5_0000_0001, &mut sink),
                Ok(()),
                "{count} in {fragment}"
            );
            assert_eq!(sink.ranges, scattered(count));
            assert_eq!(sink.announced as u64, count);
            assert!(!spmc.rx_full);
            assert_eq!(spmc.retrieved, [0x5_0000_0001]);
            relinquish(&mut spmc, 0x8003, 0x5_0000_0001);
            assert!(spmc.retrieved.is_empty());
        }
    }

    #[test]
    fn what_is_not_shared_is_refused() {
        let mut spmc = Spmc::new(4096);
        assert_eq!(
            retrieve(&mut spmc, 0x8003, 0, 7, &mut Collect::default()),
            Err(Error::INVALID_PARAMETERS)
        );
        assert!(!spmc.rx_full);
    }

    #[test]
    fn a_description_that_is_wrong_is_given_back() {
        struct Broken(Spmc, usize, u8);
        impl Mailbox for Broken {
            fn send(&mut self, bytes: &[u8]) {
                self.0.send(bytes);
            }
            fn receive(&mut self, offset: usize, to: &mut [u8]) {
                self.0.rx[self.1] = self.2;
                // Bytes behind the buffer read as zero here.
                if offset + to.len() <= 4096 {
                    self.0.receive(offset, to);
                }
            }
            fn call(&mut self, regs: &Regs) -> Regs {
                self.0.call(regs)
            }
        }
        let composite = TRANSACTION + ACCESS;
        // Access and composite descriptors elsewhere, another page count, another range count.
        for (at, value) in [
            (33, 0xff),
            (TRANSACTION + 5, 0xff),
            (composite, 9),
            (composite + 4, 9),
            (composite + 7, 0xff),
        ] {
            let mut broken = Broken(Spmc::new(4096), at, value);
            broken.0.shared.insert(7, scattered(2));
            assert_eq!(
                retrieve(&mut broken, 0x8003, 0, 7, &mut Collect::default()),
                Err(Error::INVALID_PARAMETERS),
                "byte {at}"
            );
            assert!(broken.0.retrieved.is_empty() && !broken.0.rx_full);
        }
    }
}
