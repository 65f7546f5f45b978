//! The sorted ranges against a naive set of pages, with many ranges and few transactions or the reverse.

use super::super::constituents::Pages;
use super::super::ranges::{List, Ranges};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Adds a fragment to the list of a transaction, or removes all of the list.
#[derive(Clone, Debug)]
enum Step {
    Add {
        share: u16,
        room: usize,
        fragment: Vec<(u64, u32)>,
    },
    Remove {
        share: u16,
    },
}

const SHARES: u16 = 24;

fn step() -> impl Strategy<Value = Step> {
    let range = (0..2000_u64, 1..4_u32);
    let add = (
        0..SHARES,
        prop_oneof![4 => Just(256_usize), 1 => 0..8_usize],
        vec(range, 1..6),
    );
    prop_oneof![
        3 => add.prop_map(|(share, room, fragment)| Step::Add { share, room, fragment }),
        1 => (0..SHARES).prop_map(|share| Step::Remove { share }),
    ]
}

/// Joins neighbours as they follow each other.
fn joined(fragment: &[(u64, u32)]) -> Vec<(u64, u32)> {
    let mut out: Vec<(u64, u32)> = Vec::new();
    for (first, count) in fragment {
        match out.last_mut() {
            Some(last) if last.0 + u64::from(last.1) == *first => last.1 += count,
            _ => out.push((*first, *count)),
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn agree_with_a_set_of_pages(steps in vec(step(), 1..200)) {
        let mut ranges = Ranges::<128>::new();
        let mut lists = [List::EMPTY; SHARES as usize];
        let mut naive: Vec<Vec<(u64, u32)>> = (0..SHARES).map(|_| Vec::new()).collect();
        for step in steps {
            match step {
                Step::Add { share, room, fragment } => {
                    let list = &mut lists[usize::from(share)];
                    let pages = fragment.iter().map(|(first, count)| Ok(Pages { first: *first, count: *count }));
                    let got = ranges.add(list, share, room, pages);
                    let new = joined(&fragment);
                    let each = |range: &(u64, u32)| range.0..range.0 + u64::from(range.1);
                    let hit = |other: &(u64, u32), range: &(u64, u32)| {
                        each(other).start < each(range).end && each(range).start < each(other).end
                    };
                    let own = new.iter().enumerate().any(|(number, range)| {
                        new[..number].iter().any(|other| hit(other, range))
                            || naive[usize::from(share)].iter().any(|other| hit(other, range))
                    });
                    let others = naive.iter().enumerate().any(|(other, list)| {
                        other != usize::from(share) && list.iter().any(|other| new.iter().any(|range| hit(other, range)))
                    });
                    let used: usize = naive.iter().map(Vec::len).sum();
                    let full = new.len() > room || used + new.len() > 128;
                    match got {
                        Ok(added) => {
                            prop_assert!(!own && !others && !full);
                            prop_assert_eq!(added.ranges, new.len());
                            prop_assert_eq!(added.pages, fragment.iter().map(|range| u64::from(range.1)).sum::<u64>());
                            naive[usize::from(share)].extend(new);
                        }
                        Err(Error::NoMemory) => prop_assert!(full),
                        Err(Error::InvalidParameters) => prop_assert!(own),
                        Err(Error::Denied) => prop_assert!(others),
                        Err(other) => prop_assert!(false, "{:?}", other),
                    }
                }
                Step::Remove { share } => {
                    ranges.remove(&mut lists[usize::from(share)]);
                    naive[usize::from(share)].clear();
                }
            }
            let mut sorted: Vec<_> = naive.iter().enumerate()
                .flat_map(|(share, list)| list.iter().map(move |range| (range.0, range.1, share))).collect();
            sorted.sort_unstable();
            let order: Vec<_> = ranges.by_address().map(|(pages, share)| (pages.first, pages.count, share)).collect();
            prop_assert_eq!(&order, &sorted);
            prop_assert_eq!(ranges.used(), sorted.len());
            for (list, naive) in lists.iter().zip(&naive) {
                let list: Vec<_> = ranges.list(list).map(|pages| (pages.first, pages.count)).collect();
                prop_assert_eq!(&list, naive);
            }
        }
    }
}

#[test]
fn a_ledger_has_room_for_what_the_table_promises() {
    let quotas = TABLE.partitions.iter().map(|p| usize::from(p.shares));
    assert!(crate::memory::shares(&TABLE) >= quotas.sum());
    assert!(crate::memory::ranges(&TABLE) > 0);
}
