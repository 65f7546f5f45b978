//! Version counters in NOR flash, which turns ones to zeros word by word and back only a whole sector at a time: a counter's value is
//! how many of its bits are zero. So it only grows, and a machine that goes off in between has the old value or one on the way.

/// Bytes of a record: the UUID of a package, and the bits that count.
pub const RECORD: usize = UUID + BITS;
/// Bytes of the UUID.
pub const UUID: usize = 16;
/// Bytes of the bits.
pub const BITS: usize = 496;
/// The highest version that can be counted.
pub const MOST: u32 = (BITS as u32) * 8;

/// A counter's bits.
pub type Bits = [u8; BITS];

/// The value of a counter.
#[must_use]
pub fn value(bits: &Bits) -> u32 {
    bits.iter().map(|byte| byte.count_zeros()).sum()
}

/// The words to write so that the counter has this value, each with its place in bytes: ones become zeros, and no zero a
/// one. None where it has that value, or a higher one. What is above [`MOST`] ends there.
pub fn raise(bits: &Bits, to: u32) -> impl Iterator<Item = (usize, u32)> {
    let mut missing = to.saturating_sub(value(bits));
    let words = bits.as_chunks::<4>().0.iter().enumerate();
    words.filter_map(move |(place, word)| {
        let before = u32::from_le_bytes(*word);
        let mut after = before;
        while missing > 0 && after != 0 {
            // The lowest one.
            after &= after.wrapping_sub(1);
            missing -= 1;
        }
        (after != before).then_some((place * 4, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raised(bits: &Bits, to: u32) -> Bits {
        let mut after = *bits;
        for (place, word) in raise(bits, to) {
            let before = u32::from_le_bytes(after[place..][..4].try_into().unwrap());
            assert_eq!(word & !before, 0, "a zero became a one");
            after[place..][..4].copy_from_slice(&word.to_le_bytes());
        }
        after
    }

    #[test]
    fn an_erased_one_is_zero_and_the_highest_is_all_zeros() {
        assert_eq!(value(&[0xff; BITS]), 0);
        assert_eq!(raise(&[0xff; BITS], 0).count(), 0);
        assert_eq!(raised(&[0xff; BITS], u32::MAX), [0; BITS]);
        assert_eq!(value(&[0; BITS]), MOST);
    }

    proptest! {
        #[test]
        fn a_counter_has_the_highest_value_that_it_was_raised_to(steps in prop::collection::vec(0..=MOST, 1..8)) {
            let mut bits = [0xff; BITS];
            let mut highest = 0;
            for step in steps {
                bits = raised(&bits, step);
                highest = highest.max(step);
                prop_assert_eq!(value(&bits), highest);
            }
        }

        #[test]
        fn one_that_was_broken_off_is_on_its_way(from in 0..=MOST, to in 0..=MOST, cut in 0usize..130) {
            let before = raised(&[0xff; BITS], from);
            let mut bits = before;
            for (place, word) in raise(&before, to).take(cut) {
                bits[place..][..4].copy_from_slice(&word.to_le_bytes());
            }
            prop_assert!(value(&bits) >= from && value(&bits) <= from.max(to));
            prop_assert_eq!(value(&raised(&bits, to)), from.max(to));
        }
    }
}
