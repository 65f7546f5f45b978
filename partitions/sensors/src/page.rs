//! How another partition asks: it shares a page, names it in a message, and sets a notification each time that it asks.
//!
//! The message (FFA_MSG_SEND2) is the handle of the share, eight bytes. The page has the number of the last question,
//! which who asks counts up, and then the answer. The answer is whole where the two numbers around it are the same, and
//! it is the question's, or a later one's, where they are no less than the question's.
use crate::record::{self, Record};

/// UUID by which the partition is found: 8c1f2a4e-90b7-4d65-a3c8-5e6f17d2b094.
pub const UUID: [u8; 16] = 0x8c1f2a4e_90b7_4d65_a3c8_5e6f17d2b094_u128.to_be_bytes();
/// The notification that who asks sets.
pub const ASK: u64 = 1;
/// Bytes of the page.
pub const SIZE: u64 = 4096;

/// Where the question's number is, and the two that the answer is between, in bytes.
pub const ASKED: u64 = 0;
const BEGUN: u64 = 8;
const ENDED: u64 = 16;
const ANSWER: u64 = 64;
/// Bytes of a record.
pub const BYTES: usize = 8 * record::WORDS;

/// Access to the page, by copies; false outside of it.
pub trait Page {
    /// Copies from the page.
    fn read(&self, offset: u64, to: &mut [u8]) -> bool;
    /// Copies to the page.
    fn write(&self, offset: u64, from: &[u8]) -> bool;

    /// Reads a number.
    fn number(&self, offset: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read(offset, &mut bytes).then(|| u64::from_le_bytes(bytes))
    }
}

/// Answers the question that is on the page. False where the page cannot be used.
pub fn answer(page: &impl Page, record: &Record) -> bool {
    use core::sync::atomic::{Ordering::SeqCst, fence};
    let Some(question) = page.number(ASKED) else {
        return false;
    };
    let question = question.to_le_bytes();
    let mut done = page.write(BEGUN, &question);
    fence(SeqCst);
    done &= page.write(ANSWER, record.words().map(u64::to_le_bytes).as_flattened());
    fence(SeqCst);
    done & page.write(ENDED, &question)
}

/// The answer to this question, if it is there: the record, as the page has it.
pub fn answered(page: &impl Page, question: u64) -> Option<[u8; BYTES]> {
    use core::sync::atomic::{Ordering::SeqCst, fence};
    let mut record = [0; BYTES];
    let ended = page.number(ENDED)?;
    fence(SeqCst);
    let read = page.read(ANSWER, &mut record);
    fence(SeqCst);
    let begun = page.number(BEGUN)?;
    (read && ended == begun && ended >= question).then_some(record)
}

/// The record in an answer.
#[must_use]
pub fn record(bytes: &[u8; BYTES]) -> Record {
    let mut words = [0; record::WORDS];
    for (to, from) in words.iter_mut().zip(bytes.as_chunks().0) {
        *to = u64::from_le_bytes(*from);
    }
    Record::of(&words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    struct Bytes(RefCell<Vec<u8>>);

    impl Page for Bytes {
        fn read(&self, offset: u64, to: &mut [u8]) -> bool {
            let (bytes, at) = (self.0.borrow(), offset as usize);
            let from = bytes.get(at..at + to.len());
            from.map(|from| to.copy_from_slice(from)).is_some()
        }

        fn write(&self, offset: u64, from: &[u8]) -> bool {
            let (mut bytes, at) = (self.0.borrow_mut(), offset as usize);
            let to = bytes.get_mut(at..at + from.len());
            to.map(|to| to.copy_from_slice(from)).is_some()
        }
    }

    fn empty(length: usize) -> Bytes {
        Bytes(RefCell::new(vec![0; length]))
    }

    #[test]
    fn a_question_has_its_answer_or_a_later_one_s() {
        let page = empty(SIZE as usize);
        let mut counted = Record::new(1_000_000);
        counted.began(300);
        assert_eq!(answered(&page, 3), None);
        assert!(page.write(ASKED, &3_u64.to_le_bytes()) && answer(&page, &counted));
        assert_eq!(answered(&page, 3).map(|bytes| record(&bytes)), Some(counted));
        assert!(answered(&page, 2).is_some());
        assert_eq!(answered(&page, 4), None);
    }

    #[test]
    fn half_an_answer_is_none() {
        let page = empty(SIZE as usize);
        assert!(page.write(ASKED, &1_u64.to_le_bytes()) && answer(&page, &Record::new(1)));
        assert!(page.write(BEGUN, &2_u64.to_le_bytes()));
        assert_eq!(answered(&page, 1), None);
    }

    #[test]
    fn a_page_that_cannot_be_used_is_told() {
        assert!(!answer(&empty(0), &Record::new(1)));
        assert!(!answer(&empty(100), &Record::new(1)));
        assert_eq!(answered(&empty(20), 0), None);
        const { assert!(ANSWER as usize + BYTES <= SIZE as usize) };
    }
}
