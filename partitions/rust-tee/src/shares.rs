//! The memory that clients have lent to this TEE by FFA_MEM_SHARE, as it was retrieved.
use crate::code::{BAD_PARAMETERS, BUSY, Code, OUT_OF_MEMORY};
use sp_rt::retrieve::Range;

/// How many shares are held at once.
pub const MAX_SHARES: usize = 128;
/// How many separate ranges they have together.
pub const MAX_RANGES: usize = 1024;
const PAGE: u64 = 4096;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    /// Being retrieved, by who holds the mailbox.
    Coming,
    Ready,
}

#[derive(Clone, Copy)]
struct Share {
    state: State,
    handle: u64,
    /// Who shared it; nobody else may name it.
    owner: u16,
    /// Calls that use it now.
    users: u32,
    first: u16,
    count: u16,
    pages: u32,
}

/// A share in use by the holder of this number, until it is given back by [`Shares::release`].
#[derive(Debug, PartialEq, Eq)]
pub struct Held(usize);

/// All shares and the pool of their ranges (one without pages is a free place).
pub struct Shares {
    shares: [Share; MAX_SHARES],
    ranges: [Range; MAX_RANGES],
}

impl Shares {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        const NONE: Share = Share {
            state: State::Free,
            handle: 0,
            owner: 0,
            users: 0,
            first: 0,
            count: 0,
            pages: 0,
        };
        Self {
            shares: [NONE; MAX_SHARES],
            ranges: [Range { address: 0, pages: 0 }; MAX_RANGES],
        }
    }

    fn find(&self, handle: u64) -> Option<usize> {
        self.shares
            .iter()
            .position(|s| s.state != State::Free && s.handle == handle)
    }

    /// Takes a share of `owner` into use, if it is held already.
    pub fn take(&mut self, handle: u64, owner: u16) -> Option<Held> {
        let index = self.find(handle)?;
        let share = &self.shares[index];
        if share.state != State::Ready || share.owner != owner {
            return None;
        }
        self.shares[index].users += 1;
        Some(Held(index))
    }

    /// Reserves a place for a share of at most `count` ranges.
    ///
    /// # Errors
    /// BUSY if it is there already, OUT_OF_MEMORY if there is no room.
    pub fn begin(&mut self, handle: u64, owner: u16, count: usize) -> Result<usize, Code> {
        if self.find(handle).is_some() {
            return Err(BUSY);
        }
        let index = self
            .shares
            .iter()
            .position(|s| s.state == State::Free)
            .ok_or(OUT_OF_MEMORY)?;
        let first = self.room(count).ok_or(OUT_OF_MEMORY)?;
        // The places are marked as taken by a page count; the ranges replace it.
        self.ranges[first..first + count].fill(Range { address: 0, pages: 1 });
        self.shares[index] = Share {
            state: State::Coming,
            handle,
            owner,
            users: 0,
            first: first as u16,
            count: count as u16,
            pages: 0,
        };
        Ok(index)
    }

    /// Start of `count` free places in a row.
    fn room(&self, count: usize) -> Option<usize> {
        if count == 0 || count > MAX_RANGES {
            return None;
        }
        let mut run = 0;
        let end = self.ranges.iter().position(|range| {
            run = if range.pages == 0 { run + 1 } else { 0 };
            run == count
        })?;
        Some(end + 1 - count)
    }

    /// Fills range `n` of a share that was begun.
    ///
    /// # Errors
    /// BAD_PARAMETERS for more ranges than announced, an empty one, or too many pages.
    pub fn fill(&mut self, index: usize, n: usize, range: Range) -> Result<(), Code> {
        let share = self
            .shares
            .get_mut(index)
            .filter(|s| s.state == State::Coming)
            .ok_or(BAD_PARAMETERS)?;
        let whole = range.address.is_multiple_of(PAGE) && range.pages != 0;
        if n >= usize::from(share.count) || !whole {
            return Err(BAD_PARAMETERS);
        }
        share.pages = share.pages.checked_add(range.pages).ok_or(BAD_PARAMETERS)?;
        self.ranges[usize::from(share.first) + n] = range;
        Ok(())
    }

    /// Ends what [`Self::begin`] began: the share is ready and in use by the caller.
    pub fn ready(&mut self, index: usize) -> Held {
        let share = &mut self.shares[index];
        share.state = State::Ready;
        share.users = 1;
        Held(index)
    }

    /// Forgets a share that could not be retrieved.
    pub fn drop_begun(&mut self, index: usize) {
        self.clear(index);
    }

    fn clear(&mut self, index: usize) {
        let share = &mut self.shares[index];
        share.state = State::Free;
        let first = usize::from(share.first);
        self.ranges[first..first + usize::from(share.count)].fill(Range::default());
    }

    /// Ends the use of a share.
    #[expect(clippy::needless_pass_by_value, reason = "it cannot be used after this")]
    pub fn release(&mut self, held: Held) {
        let Held(index) = held;
        self.shares[index].users -= 1;
    }

    /// Forgets a share of `owner` that nobody uses; true if it was there.
    ///
    /// # Errors
    /// BUSY while it is in use.
    pub fn forget(&mut self, handle: u64, owner: u16) -> Result<bool, Code> {
        let Some(index) = self.find(handle).filter(|n| self.shares[*n].owner == owner) else {
            return Ok(false);
        };
        let share = &self.shares[index];
        if share.state != State::Ready || share.users != 0 {
            return Err(BUSY);
        }
        self.clear(index);
        Ok(true)
    }

    /// Length of a share in bytes.
    #[must_use]
    pub fn length(&self, held: &Held) -> u64 {
        u64::from(self.shares[held.0].pages) * PAGE
    }

    /// The address of a byte of a share, and how many bytes lie together from there on.
    #[must_use]
    pub fn locate(&self, held: &Held, offset: u64) -> Option<(u64, u64)> {
        let share = &self.shares[held.0];
        let first = usize::from(share.first);
        let mut before = 0;
        for range in &self.ranges[first..first + usize::from(share.count)] {
            let length = u64::from(range.pages) * PAGE;
            if offset - before < length {
                return Some((range.address + (offset - before), length - (offset - before)));
            }
            before += length;
        }
        None
    }
}

impl Default for Shares {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(shares: &mut Shares, handle: u64, ranges: &[(u64, u32)]) -> Held {
        let index = shares.begin(handle, 0, ranges.len()).unwrap();
        for (n, &(address, pages)) in ranges.iter().enumerate() {
            shares.fill(index, n, Range { address, pages }).unwrap();
        }
        shares.ready(index)
    }

    #[test]
    fn bytes_are_found_across_ranges() {
        let mut shares = Shares::new();
        let held = add(&mut shares, 9, &[(0x4000_0000, 1), (0x4008_0000, 2)]);
        assert_eq!(shares.length(&held), 0x3000);
        assert_eq!(shares.locate(&held, 0xfff), Some((0x4000_0fff, 1)));
        assert_eq!(shares.locate(&held, 0x1000), Some((0x4008_0000, 0x2000)));
        assert_eq!(shares.locate(&held, 0x2fff), Some((0x4008_1fff, 1)));
        assert_eq!(shares.locate(&held, 0x3000), None);
        assert_eq!(shares.locate(&held, u64::MAX), None);
    }

    #[test]
    fn a_share_in_use_stays() {
        let mut shares = Shares::new();
        let first = add(&mut shares, 9, &[(0x4000_0000, 1)]);
        let second = shares.take(9, 0).unwrap();
        assert_eq!(shares.take(9, 1), None, "somebody else's");
        assert_eq!(shares.forget(9, 1), Ok(false));
        assert_eq!(shares.forget(9, 0), Err(BUSY));
        shares.release(first);
        assert_eq!(shares.forget(9, 0), Err(BUSY));
        shares.release(second);
        assert_eq!(shares.forget(9, 0), Ok(true));
        assert_eq!(shares.forget(9, 0), Ok(false));
        assert_eq!(shares.take(9, 0), None);
    }

    #[test]
    fn one_that_is_coming_cannot_be_used_or_forgotten() {
        let mut shares = Shares::new();
        let index = shares.begin(9, 0, 2).unwrap();
        assert_eq!(shares.take(9, 0), None);
        assert_eq!(shares.forget(9, 0), Err(BUSY));
        assert_eq!(shares.begin(9, 0, 1), Err(BUSY));
        assert_eq!(
            shares.fill(index, 2, Range { address: 0, pages: 1 }),
            Err(BAD_PARAMETERS)
        );
        assert_eq!(
            shares.fill(index, 0, Range { address: 0, pages: 0 }),
            Err(BAD_PARAMETERS)
        );
        assert_eq!(
            shares.fill(index, 0, Range { address: 8, pages: 1 }),
            Err(BAD_PARAMETERS)
        );
        shares
            .fill(
                index,
                0,
                Range {
                    address: 0,
                    pages: u32::MAX,
                },
            )
            .unwrap();
        assert_eq!(
            shares.fill(index, 1, Range { address: 0, pages: 1 }),
            Err(BAD_PARAMETERS)
        );
        shares.drop_begun(index);
        assert!(shares.begin(9, 0, MAX_RANGES).is_ok());
    }

    #[test]
    fn room_is_found_and_given_back() {
        let mut shares = Shares::new();
        assert_eq!(shares.begin(1, 0, MAX_RANGES + 1), Err(OUT_OF_MEMORY));
        assert_eq!(shares.begin(1, 0, 0), Err(OUT_OF_MEMORY));
        for handle in 0..MAX_SHARES as u64 {
            let held = add(&mut shares, handle, &[(0x4000_0000, 1); 8]);
            shares.release(held);
        }
        assert_eq!(shares.begin(1000, 0, 1), Err(OUT_OF_MEMORY));
        assert_eq!(shares.forget(5, 0), Ok(true));
        assert_eq!(
            shares.begin(1000, 0, 9),
            Err(OUT_OF_MEMORY),
            "the gap has eight places"
        );
        assert!(shares.begin(1000, 0, 8).is_ok());
    }
}
