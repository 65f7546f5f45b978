//! Sharing a page of this partition's with another one (DEN0140 1.2, section 2.3), and a message to it.
use crate::ffa::{self, Error, Regs};
use crate::retrieve::{ACCESS, ATTRIBUTES, COMPOSITE, Mailbox, RANGE, READ_WRITE, TRANSACTION};

/// Bytes of a message's header (DEN0077A 1.2, section 7.3).
const HEADER: usize = 40;

/// Shares the page at `address` with `receiver`, to read and to write; gives its handle.
///
/// # Errors
/// What FFA_MEM_SHARE answers.
pub fn page(mailbox: &mut impl Mailbox, own: u16, receiver: u16, address: u64) -> Result<u64, Error> {
    const LENGTH: usize = TRANSACTION + ACCESS + COMPOSITE + RANGE;
    let mut bytes = [0; LENGTH];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &own.to_le_bytes());
    put(2, &ATTRIBUTES.to_le_bytes());
    put(24, &(ACCESS as u32).to_le_bytes());
    put(28, &1_u32.to_le_bytes());
    put(32, &(TRANSACTION as u32).to_le_bytes());
    put(TRANSACTION, &receiver.to_le_bytes());
    put(TRANSACTION + 2, &[READ_WRITE]);
    put(TRANSACTION + 4, &((TRANSACTION + ACCESS) as u32).to_le_bytes());
    // One page in one range.
    put(TRANSACTION + ACCESS, &1_u32.to_le_bytes());
    put(TRANSACTION + ACCESS + 4, &1_u32.to_le_bytes());
    put(TRANSACTION + ACCESS + COMPOSITE, &address.to_le_bytes());
    put(TRANSACTION + ACCESS + COMPOSITE + 8, &1_u32.to_le_bytes());
    mailbox.send(&bytes);
    let length = LENGTH as u64;
    let shared = mailbox
        .call(&Regs::new(ffa::MEM_SHARE, &[length, length]))
        .success()?;
    Ok(u64::from(shared.w(2)) | u64::from(shared.w(3)) << 32)
}

/// Sends `receiver` a message of one number, by FFA_MSG_SEND2.
///
/// # Errors
/// What that answers: BUSY where the receiver has not read its last message.
pub fn message(mailbox: &mut impl Mailbox, own: u16, receiver: u16, number: u64) -> Result<(), Error> {
    let mut bytes = [0; HEADER + 8];
    let ends = u32::from(own) << 16 | u32::from(receiver);
    bytes[8..12].copy_from_slice(&(HEADER as u32).to_le_bytes());
    bytes[12..16].copy_from_slice(&ends.to_le_bytes());
    bytes[16..20].copy_from_slice(&8_u32.to_le_bytes());
    bytes[HEADER..].copy_from_slice(&number.to_le_bytes());
    mailbox.send(&bytes);
    mailbox.call(&Regs::new(ffa::MSG_SEND2, &[])).success().map(drop)
}
