//! What holds for all inputs of the arithmetic below the ledger: what stage 2 counts its tables by, the descriptors'
//! parser, the sorted ranges, and the places in windows. Kani proves it for every value (`cargo kani -p bulkhead-core`);
//! without Kani the same functions are tests, on values at random and near the borders.

use super::PAGE;
use super::constituents::{self, CONSTITUENT, Pages};
use super::descriptor::{self, Composite, Header};
use super::pool::Link;
use super::ranges::{List, Ranges};
use super::rights::Attributes;
use super::window::{Asked, Grant, Windows};
use crate::api::Access;
use crate::error::Error;
use crate::table::Range;
use source::any;

/// Any value: Kani's are all at once.
#[cfg(kani)]
mod source {
    pub(super) use kani::any;

    pub(super) fn each(prove: impl Fn()) {
        prove();
    }
}

/// Any value: one at random, small or near a border as often as not.
#[cfg(not(kani))]
mod source {
    extern crate std;
    use std::cell::Cell;

    std::thread_local! {
        static STATE: Cell<u64> = const { Cell::new(0x9e37_79b9_7f4a_7c15) };
    }

    fn word() -> u64 {
        STATE.with(|state| {
            let mut x = state.get();
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            state.set(x);
            x
        })
    }

    /// What can be any value.
    pub(super) trait Arbitrary {
        fn arbitrary() -> Self;
    }

    macro_rules! integers {
        ($($name:ty),*) => {$(
            impl Arbitrary for $name {
                fn arbitrary() -> Self {
                    let value = (word() >> (word() % u64::from(<$name>::BITS))) as $name;
                    match word() % 4 {
                        0 => value % 8,
                        1 => <$name>::MAX - value % 8,
                        _ => value,
                    }
                }
            }
        )*};
    }
    integers!(u8, u16, u32, u64);

    impl Arbitrary for bool {
        fn arbitrary() -> Self {
            word() & 1 == 1
        }
    }

    impl<const N: usize> Arbitrary for [u8; N] {
        fn arbitrary() -> Self {
            core::array::from_fn(|_| u8::arbitrary())
        }
    }

    pub(super) fn any<T: Arbitrary>() -> T {
        T::arbitrary()
    }

    pub(super) fn each(prove: impl Fn()) {
        for _ in 0..20_000 {
            prove();
        }
    }
}

/// A proof for Kani that is a test elsewhere; loops run so many times at most.
macro_rules! proof {
    ($(#[$doc:meta])* $name:ident, $loops:literal, $body:block) => {
        $(#[$doc])*
        #[cfg_attr(kani, kani::proof, kani::unwind($loops))]
        #[cfg_attr(not(kani), test)]
        fn $name() {
            source::each(|| $body);
        }
    };
}

/// An address of a page, or any.
fn address() -> u64 {
    any::<u64>() & if any() { !(PAGE - 1) } else { u64::MAX }
}

/// Zero, or any.
fn reserved() -> u32 {
    if any() { any() } else { 0 }
}

/// A run of pages as the parser lets it in.
fn run() -> Option<Pages> {
    let pages = Pages {
        first: any::<u64>() % (1 << 52),
        count: any(),
    };
    (pages.count > 0 && pages.end() <= 1 << 52).then_some(pages)
}

proof! {
    /// A constituent is taken where its pages have addresses, all of them, and is the pages that it names.
    a_constituent_is_its_pages, 2, {
        let (address, count, rest) = (address(), any::<u32>(), reserved());
        let mut bytes = [0; CONSTITUENT];
        bytes[..8].copy_from_slice(&address.to_le_bytes());
        bytes[8..12].copy_from_slice(&count.to_le_bytes());
        bytes[12..].copy_from_slice(&rest.to_le_bytes());
        let right = address.is_multiple_of(PAGE)
            && count > 0
            && rest == 0
            && u128::from(address) + u128::from(count) * u128::from(PAGE) <= u128::from(u64::MAX);
        match constituents::read(&bytes, |_| true).next() {
            Some(Ok(pages)) => {
                assert!(right);
                assert_eq!((pages.address(), pages.count), (address, count));
                assert_eq!(pages.end() - pages.first, u64::from(count));
            }
            other => assert!(!right && other == Some(Err(Error::InvalidParameters))),
        }
    }
}

proof! {
    /// A run without its first pages ends where it ended, and has the others.
    pages_that_are_left_are_the_last, 1, {
        if let Some(pages) = run() {
            let gone = any::<u32>() % pages.count;
            let left = pages.after(gone);
            assert_eq!(left.end(), pages.end());
            assert_eq!(left.count, pages.count - gone);
            assert_eq!(left.address(), pages.address() + u64::from(gone) * PAGE);
        }
    }
}

proof! {
    /// A header that is taken has all of its receivers in the bytes; none of its fields leads out of them.
    a_header_keeps_its_receivers_inside, 10, {
        let mut bytes: [u8; 112] = any();
        if any() {
            // What a sender that means well writes, but for the numbers.
            bytes[24..28].copy_from_slice(&(if any() { 16_u32 } else { 32 }).to_le_bytes());
            bytes[28..32].copy_from_slice(&(any::<u32>() % 8).to_le_bytes());
            bytes[32..36].copy_from_slice(&(any::<u32>() % 8 * 16).to_le_bytes());
            bytes[36..48].fill(0);
        }
        let length = usize::from(any::<u8>()) % (bytes.len() + 1);
        let bytes = &bytes[..length];
        let version = match any::<u8>() % 4 {
            0 => 0x1_0000,
            1 => 0x1_0001,
            2 => 0x1_0002,
            _ => any(),
        };
        if let Ok(header) = Header::parse(bytes, version) {
            assert!(header.receivers > 0 && header.end() <= length);
            for number in 0..header.receivers {
                if let Ok(receiver) = header.receiver(bytes, number) {
                    let long = version >= 0x1_0002 && bytes[24] == 32;
                    assert_eq!(receiver.value.is_some(), long);
                    // Wherever it points, reading there is an answer or an error.
                    let _ = Composite::parse(bytes, descriptor::index(receiver.composite));
                }
            }
        }
    }
}

proof! {
    /// A relinquish descriptor that is taken is its endpoint's own, and all there.
    a_relinquish_names_its_endpoint, 1, {
        let mut bytes: [u8; 24] = any();
        if any() {
            bytes[12..16].copy_from_slice(&1_u32.to_le_bytes());
        }
        let length = usize::from(any::<u8>()) % (bytes.len() + 1);
        let endpoint = if any() { u16::from_le_bytes([bytes[16], bytes[17]]) } else { any() };
        if let Ok((handle, flags)) = descriptor::relinquish(&bytes[..length], endpoint) {
            assert!(length >= 18);
            assert_eq!(handle.to_le_bytes(), bytes[..8]);
            assert_eq!(flags.to_le_bytes(), bytes[8..12]);
            assert_eq!(endpoint.to_le_bytes(), bytes[16..18]);
        }
    }
}

proof! {
    /// No page is in two transactions, and what is asked for overlaps one where a page is in both.
    no_page_is_in_two_ranges, 8, {
        let (Some(one), Some(other)) = (run(), run()) else {
            return;
        };
        let meet = |a: Pages, b: Pages| a.first < b.end() && b.first < a.end();
        let mut ranges = Ranges::<4>::new();
        let mut lists = [List::EMPTY; 2];
        let added = ranges.add(&mut lists[0], 0, 4, core::iter::once(Ok(one)));
        assert_eq!(added.map(|added| added.pages), Ok(u64::from(one.count)));
        assert_eq!(ranges.overlaps(other), meet(one, other));
        let second = ranges.add(&mut lists[1], 1, 4, core::iter::once(Ok(other)));
        assert_eq!(second.err(), meet(one, other).then_some(Error::Denied));
        ranges.remove(&mut lists[0]);
        assert_eq!(ranges.overlaps(one), second.is_ok() && meet(one, other));
        assert_eq!(ranges.used(), usize::from(second.is_ok()));
    }
}

proof! {
    /// What is retrieved stands in its window, at its alignment, and in nobody's place.
    places_in_a_window_are_its_own, 6, {
        let window = Range {
            base: (any::<u64>() % (1 << 20)) * PAGE,
            size: u64::from(any::<u8>()) * PAGE,
        };
        let mut windows = Windows::<1, 2>::new();
        let mut taken: [Option<(u64, u64)>; 2] = [None; 2];
        for place in &mut taken {
            let mut first = Link::NONE;
            assert!(windows.grant(&mut first, Grant::new(0, 0, true, Access::Read, [0; 16])));
            let (count, align) = (u32::from(any::<u8>()).max(1), 1 << (any::<u8>() % 9));
            if let (Some(gap), Some(grant)) = (windows.gap(0, window, count, align), first.index()) {
                assert_eq!(gap.slots.count, count);
                let start = window.base / PAGE + u64::from(gap.slots.first);
                assert!(start.is_multiple_of(align));
                assert!(window.contains(start * PAGE, u64::from(count) * PAGE));
                let asked = Asked {
                    access: Access::Read,
                    attributes: Attributes::UNSPECIFIED,
                    clear_after: false,
                };
                windows.retrieve(grant, gap, &asked);
                *place = Some((start, start + u64::from(count)));
            }
        }
        if let [Some(one), Some(other)] = taken {
            assert!(one.1 <= other.0 || other.1 <= one.0);
        }
    }
}

/// A range that stage 2 can map: of pages, in the first 4 GiB.
fn mapped() -> Option<Range> {
    let range = Range {
        base: any::<u64>() % (1 << 20) * PAGE,
        size: any::<u64>() % (1 << 20) * PAGE,
    };
    (range.size > 0 && range.end() <= 1 << 32).then_some(range)
}

proof! {
    /// The gigabytes by which stage 2 counts its level-2 tables are those in which an address lies.
    stage_2_counts_each_gigabyte, 6, {
        if let Some(range) = mapped() {
            let touched = range.gigabytes();
            for n in 0..4 {
                let gigabyte = Range { base: n << 30, size: 1 << 30 };
                assert_eq!(touched >> n & 1 == 1, range.overlaps(&gigabyte));
            }
            assert_eq!(touched >> 4, 0);
        }
    }
}

proof! {
    /// The blocks by which stage 2 counts its level-3 tables are those in which an address lies, the first to the last.
    stage_2_counts_each_block, 2, {
        if let Some(range) = mapped() {
            let block = 2 << 20;
            let count = range.blocks(block);
            let base = range.base - range.base % block;
            assert!(count > 0 && base + count * block >= range.end());
            assert!(base + (count - 1) * block < range.end());
        }
    }
}
