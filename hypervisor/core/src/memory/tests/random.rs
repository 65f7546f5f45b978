//! Random calls with right, wrong and mutated descriptors: the ledger and the reference must agree.

use super::model::Model;
use super::*;
use crate::tests::amount;
use proptest::collection::vec;
use proptest::prelude::*;

/// Bytes that are overwritten: offset (modulo the length) and value.
type Patches = Vec<(u16, u8)>;

/// In the place of a partition: one that borrows what the step is about.
const BORROWER: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Send {
        kind: u8,
        descriptor: Descriptor,
        cut: Option<u8>,
        length: i8,
        patches: Patches,
    },
    Fragment {
        pick: u8,
        constituents: u8,
        sender: u16,
        patches: Patches,
    },
    Retrieve {
        who: usize,
        pick: u8,
        version: u32,
        change: Change,
        patches: Patches,
    },
    Relinquish {
        who: usize,
        pick: u8,
        flags: u32,
        patches: Patches,
    },
    Reclaim {
        pick: u8,
        sender: u16,
        flags: u32,
        off: u64,
    },
    Release {
        who: usize,
    },
    Renew {
        who: usize,
    },
    /// The owner of a page that was donated, or of any of its own, offers it on; the receiver may take it at
    /// once.
    Pass {
        pick: u8,
        kind: u8,
        to: usize,
        count: u32,
        take: bool,
    },
}

/// What a borrower asks for that differs from what it was offered.
#[derive(Clone, Debug)]
struct Change {
    permissions: u8,
    flags: u32,
    attributes: Option<u16>,
    alone: bool,
}

fn patches() -> impl Strategy<Value = Patches> {
    prop_oneof![7 => Just(Vec::new()), 1 => vec((any::<u16>(), any::<u8>()), 1..3),
        1 => vec((any::<u16>(), prop_oneof![Just(0), Just(1), Just(2), Just(0x80)]), 1..2)]
}

fn version() -> impl Strategy<Value = u32> {
    prop_oneof![Just(V1_0), Just(V1_1), Just(V1_2)]
}

/// Mostly zero, else a few values of interest.
fn rarely<T: Clone + core::fmt::Debug + 'static>(
    usual: T,
    others: &[T],
) -> impl Strategy<Value = T> + use<T> {
    prop_oneof![9 => Just(usual), 1 => proptest::sample::select(others.to_vec())]
}

fn ranges() -> impl Strategy<Value = Vec<(u64, u32)>> {
    let one = (
        0..RAM_PAGES + HOLE_PAGES + RAM_PAGES,
        prop_oneof![4 => 1..4_u32, 1 => 1..20_u32],
    );
    let one = one.prop_map(|(first, count)| (page(first), count));
    // Runs of neighbours, and pages with gaps between, are what real senders send.
    let run = (0..100_u64, 1..12_u64, 1..3_u64).prop_map(|(first, count, step)| {
        (0..count)
            .map(|number| (page(first + number * step), 1))
            .collect::<Vec<_>>()
    });
    prop_oneof![3 => vec(one, 1..4), 2 => run]
}

/// Ranges in a partition's memory, or a little beside it.
fn secure_ranges(lender: u64) -> impl Strategy<Value = Vec<(u64, u32)>> {
    let one = (0..30_u64, prop_oneof![6 => 1..3_u32, 1 => 1..12_u32]);
    let one = one.prop_map(move |(first, count)| (own(lender) + first * 4096, count));
    let run = (0..20_u64, 1..6_u64, 1..3_u64).prop_map(move |(first, count, step)| {
        let page = |number| (own(lender) + (first + number * step) * 4096, 1);
        (0..count).map(page).collect::<Vec<_>>()
    });
    prop_oneof![3 => vec(one, 1..3), 2 => run]
}

/// What a partition sends: mostly of its own, else of another's.
fn from_partition() -> impl Strategy<Value = Descriptor> {
    const ENDS: [(u16, &[u16]); 12] = [
        (A, &[B]),
        (A, &[B]),
        (A, &[C]),
        (A, &[B, C]),
        (A, &[D, B]),
        (B, &[A]),
        (B, &[C]),
        (B, &[C, A]),
        (B, &[D]),
        (C, &[A]),
        (C, &[A]),
        (C, &[B]),
    ];
    let ends = proptest::sample::select(&ENDS[..]);
    let place = prop_oneof![3 => Just(None), 2 => (0..4_u64).prop_map(Some)];
    (
        ends,
        place,
        version(),
        rarely(0, &[1, 1, 2, 4]),
        rarely(2, &[0, 1, 1, 6]),
    )
        .prop_flat_map(|((sender, to), place, version, flags, permissions)| {
            let lender = place.unwrap_or(u64::from(sender - A));
            secure_ranges(lender).prop_map(move |ranges| {
                let mut descriptor = Descriptor::share(version, to, &ranges);
                (descriptor.sender, descriptor.flags, descriptor.attributes) = (sender, flags, 0xff);
                descriptor.entries[0].permissions = permissions;
                descriptor
            })
        })
}

fn descriptor() -> impl Strategy<Value = Descriptor> {
    let receivers = prop_oneof![
        6 => proptest::sample::select(&[A, B, D][..]).prop_map(|id| Vec::from([id])),
        3 => proptest::sample::subsequence(&[D, A, B][..], 2..=3),
        1 => vec(proptest::sample::select(&[A, B, C, D, 0, 0x8005][..]), 1..4),
    ];
    let fields = (
        version(),
        rarely(0, &[1, A, C]),
        prop_oneof![4 => Just(None), 1 => proptest::sample::select(&[0x27, 0x2e, 0x2f, 0, 0x10][..]).prop_map(Some)],
        prop_oneof![4 => Just(0), 2 => Just(1), 1 => Just(2), 1 => Just(4)],
        rarely(0, &[1, u64::MAX]),
        rarely(2, &[0, 1, 1, 1, 3, 6]),
    );
    (fields, receivers, ranges(), any::<[u8; 2]>()).prop_map(|(fields, receivers, ranges, value)| {
        let (version, sender, attributes, flags, tag, permissions) = fields;
        let mut descriptor = Descriptor::share(version, &receivers, &ranges);
        (descriptor.sender, descriptor.flags, descriptor.tag) = (sender, flags, tag);
        descriptor.attributes = attributes.unwrap_or(0xff);
        descriptor.entries[0].permissions = permissions;
        if value[0] < 32 {
            descriptor.entries[0].value = [value[1]; 16];
        }
        descriptor
    })
}

fn step() -> impl Strategy<Value = Step> {
    let pick = any::<u8>;
    // Mostly somebody who borrows, else anybody.
    let who = || prop_oneof![4 => Just(BORROWER), 1 => 0..4_usize];
    let change = (
        prop_oneof![6 => Just(2_u8), 2 => Just(1), 1 => Just(0), 1 => Just(6), 1 => Just(10), 1 => Just(3)],
        prop_oneof![8 => Just(0_u32), 1 => Just(1), 1 => Just(4), 1 => Just(2), 1 => Just(1 << 9 | 2 << 5),
            1 => Just(1 << 5), 1 => Just(1 << 9 | 15 << 5), 1 => Just(1 << 3), 1 => Just(1 << 11)],
        prop_oneof![6 => Just(None), 1 => proptest::sample::select(&[0, 0x27, 0x2e, 0x2f, 0x10, 0x6f][..]).prop_map(Some)],
        proptest::bool::weighted(0.2),
    );
    let change = change.prop_map(|(permissions, flags, attributes, alone)| Change {
        permissions,
        flags,
        attributes,
        alone,
    });
    prop_oneof![
        9 => (0..4_u8, prop_oneof![descriptor(), from_partition()], prop_oneof![3 => Just(None), 2 => (0..12_u8).prop_map(Some)],
            rarely(0, &[1, -1, 16, -16]), patches())
            .prop_map(|(kind, descriptor, cut, length, patches)| Step::Send { kind, descriptor, cut, length, patches }),
        4 => (pick(), prop_oneof![0..12_u8, Just(40)], rarely(0, &[1, A]), patches())
            .prop_map(|(pick, constituents, sender, patches)| Step::Fragment { pick, constituents, sender, patches }),
        8 => (who(), pick(), version(), change, patches())
            .prop_map(|(who, pick, version, change, patches)| Step::Retrieve { who, pick, version, change, patches }),
        4 => (who(), pick(), rarely(0, &[1, 1, 2, 4]), patches())
            .prop_map(|(who, pick, flags, patches)| Step::Relinquish { who, pick, flags, patches }),
        4 => (pick(), rarely(0, &[1, A]), rarely(0, &[1, 2, 3, 4]), rarely(0, &[1, 1 << 16, 1 << 63]))
            .prop_map(|(pick, sender, flags, off)| Step::Reclaim { pick, sender, flags, off }),
        1 => (0..4_usize).prop_map(|who| Step::Release { who }),
        1 => (0..4_usize).prop_map(|who| Step::Renew { who }),
        7 => (pick(), 0..6_u8, 0..3_usize, 1..4_u32, any::<bool>())
            .prop_map(|(pick, kind, to, count, take)| Step::Pass { pick, kind, to, count, take }),
    ]
}

fn patch(bytes: &mut [u8], patches: &Patches) {
    for (at, value) in patches {
        if let Some(at) = usize::from(*at).checked_rem(bytes.len()) {
            bytes[at] = *value;
        }
    }
}

#[derive(Default)]
struct Run {
    model: Model,
    /// What is still to send of unfinished transmissions.
    rest: BTreeMap<u64, Vec<u8>>,
    /// All handles so far.
    handles: Vec<u64>,
}

impl Run {
    /// A handle: mostly one that is live, else an old one.
    fn pick(&self, pick: u8) -> u64 {
        let live: Vec<u64> = self.model.live.keys().copied().collect();
        let from = if pick < 16 || live.is_empty() {
            &self.handles
        } else {
            &live
        };
        if from.is_empty() {
            u64::from(pick)
        } else {
            from[usize::from(pick) % from.len()]
        }
    }

    /// A partition: the one that is named, or a borrower of this handle.
    fn who(&self, who: usize, handle: u64, pick: u8) -> usize {
        let borrowers = self.model.live.get(&handle).map_or(&[][..], |t| &t.borrowers);
        match borrowers.get(usize::from(pick / 8) % borrowers.len().max(1)) {
            Some(borrower) if who == BORROWER => borrower.partition,
            _ => who % TABLE.partitions.len(),
        }
    }

    fn step(&mut self, bench: &mut Bench, step: Step) {
        match step {
            Step::Send {
                kind,
                descriptor,
                cut,
                length,
                patches,
            } => {
                self.send(bench, kind, descriptor, cut, length, &patches);
            }
            Step::Fragment {
                pick,
                constituents,
                sender,
                patches,
            } => {
                let unfinished: Vec<u64> = self.rest.keys().copied().collect();
                let handle = unfinished.get(usize::from(pick) % unfinished.len().max(1));
                let handle = match handle {
                    Some(handle) => *handle,
                    None if pick < 32 => self.pick(pick),
                    None => return,
                };
                let mut rest = self.rest.remove(&handle).unwrap_or_default();
                let mut next: Vec<u8> = rest
                    .drain(..rest.len().min(usize::from(constituents) * 16))
                    .collect();
                patch(&mut next, &patches);
                let sender = self
                    .model
                    .live
                    .get(&handle)
                    .filter(|_| sender == 0)
                    .map_or(sender, |t| t.sender);
                let got = bench.fragment(sender, handle, &next);
                self.model.fragment(sender, handle, &next, &got);
                if let Ok(Progress::More { .. }) = got {
                    self.rest.insert(handle, rest);
                }
            }
            Step::Retrieve {
                who,
                pick,
                version,
                change,
                patches,
            } => {
                let handle = self.pick(pick);
                let who = self.who(who, handle, pick);
                let mut bytes = self.request(handle, who, version, &change).bytes();
                patch(&mut bytes, &patches);
                let got = bench.retrieve_all(who, version, &bytes);
                self.model.retrieve(who, version, &bytes, &got);
            }
            Step::Relinquish {
                who,
                pick,
                flags,
                patches,
            } => {
                let handle = self.pick(pick);
                let who = self.who(who, handle, pick);
                let mut bytes = relinquish_bytes(handle, flags, &[TABLE.partitions[who].id]);
                patch(&mut bytes, &patches);
                let got = bench.ledger.relinquish(&TABLE, who, &bytes, &mut bench.ports);
                self.model.relinquish(who, &bytes, &got);
            }
            Step::Reclaim {
                pick,
                sender,
                flags,
                off,
            } => {
                let handle = self.pick(pick) ^ off;
                let sender = self
                    .model
                    .live
                    .get(&handle)
                    .filter(|_| sender == 0)
                    .map_or(sender, |t| t.sender);
                let got = bench.reclaim_as(sender, handle, flags);
                self.model.reclaim(sender, handle, flags, &got);
            }
            Step::Release { who } => {
                bench.ledger.release(who, &mut bench.ports);
                self.model.release(who);
            }
            Step::Renew { who } => {
                bench.ledger.renew(&TABLE, who, &mut bench.ports);
                self.model.renew(who);
            }
            Step::Pass {
                pick,
                kind,
                to,
                count,
                take,
            } => self.pass(bench, pick, kind, (to, count), take),
        }
        self.rest
            .retain(|handle, _| self.model.live.get(handle).is_some_and(|t| !t.whole()));
        self.model.compare(bench);
    }

    fn send(
        &mut self,
        bench: &mut Bench,
        kind: u8,
        mut descriptor: Descriptor,
        cut: Option<u8>,
        length: i8,
        patches: &Patches,
    ) {
        let kind = [Kind::Share, Kind::Share, Kind::Lend, Kind::Donate][usize::from(kind)];
        if descriptor.attributes == 0xff {
            let shared = kind == Kind::Share || descriptor.entries.len() > 1;
            descriptor.attributes = if shared { 0x2f } else { 0 };
        }
        if kind == Kind::Donate {
            descriptor.entries[0].permissions &= 1;
        }
        if kind == Kind::Share {
            descriptor.flags &= !1;
        }
        let bytes = descriptor.bytes();
        let total = bytes.len() as u32;
        let start = bytes.len() - descriptor.ranges.len() * 16;
        let first = cut.map_or(bytes.len(), |cut| {
            (start + usize::from(cut) * 16).min(bytes.len())
        });
        let mut sent = bytes[..first].to_vec();
        patch(&mut sent, patches);
        let total = total.wrapping_add_signed(length.into());
        let normal = descriptor.sender < 0x8000;
        let sender = if patches.is_empty() || !normal {
            descriptor.sender
        } else {
            0
        };
        let got = bench.share(&by(sender, descriptor.version), kind, total, &sent);
        self.model
            .share(sender, kind, descriptor.version, total, &sent, &got);
        match got {
            Ok(Progress::Complete(handle)) => self.handles.push(handle),
            Ok(Progress::More { handle, .. }) => {
                self.handles.push(handle);
                self.rest.insert(handle, bytes[first..].to_vec());
            }
            Err(_) => {}
        }
    }

    fn pass(&mut self, bench: &mut Bench, pick: u8, kind: u8, (to, count): (usize, u32), take: bool) {
        let given: Vec<u64> = self.model.given.keys().copied().collect();
        let page = match given.get(usize::from(pick) % given.len().max(1)) {
            Some(page) if pick < 200 => *page,
            _ => own(u64::from(pick % 3)) + u64::from(pick / 3 % 24) * 4096,
        };
        let owner = self.model.owner_of(page).unwrap();
        let kind = [Kind::Share, Kind::Lend, Kind::Donate][usize::from(kind / 2).min(2)];
        let kind = if pick.is_multiple_of(2) {
            Kind::Donate
        } else {
            kind
        };
        let receiver = TABLE.partitions[to].id;
        let mut descriptor = Descriptor::share(V1_1, &[receiver], &[(page, count)]);
        descriptor.sender = TABLE.partitions[owner].id;
        descriptor.attributes = 0xff;
        let before = self.handles.len();
        self.send(bench, kind as u8 + 1, descriptor, None, 0, &Vec::new());
        if take && self.handles.len() > before {
            let handle = self.handles[before];
            let change = Change {
                permissions: 2,
                flags: 0,
                attributes: None,
                alone: false,
            };
            let bytes = self.request(handle, to, V1_1, &change).bytes();
            let got = bench.retrieve_all(to, V1_1, &bytes);
            self.model.retrieve(to, V1_1, &bytes, &got);
        }
    }

    /// A right request for this handle, but for `change`.
    fn request(&self, handle: u64, who: usize, version: u32, change: &Change) -> Descriptor {
        let id = TABLE.partitions[who].id;
        let mut request = Descriptor::retrieve(version, id, handle);
        (request.flags, request.attributes) = (change.flags, change.attributes.unwrap_or(0));
        request.entries[0].permissions = change.permissions;
        let Some(transaction) = self.model.live.get(&handle) else {
            return request;
        };
        (request.tag, request.sender) = (transaction.tag, transaction.sender);
        if change.attributes.is_none() {
            request.attributes = transaction.attributes;
        }
        if change.alone {
            request.flags |= 1 << 10;
        }
        for borrower in &transaction.borrowers {
            if borrower.partition == who {
                request.entries[0].value = borrower.value;
            } else if !change.alone {
                let id = TABLE.partitions[borrower.partition].id;
                request.entries.push(Entry {
                    id,
                    permissions: 2,
                    flags: 1,
                    value: borrower.value,
                });
            }
        }
        request
    }
}

proptest! {
    #![proptest_config(amount::property(300_000, 75))]

    /// Sequences of calls: each answer, and all states after it, are the reference's.
    #[test]
    fn agrees_with_the_reference(steps in vec(step(), 1..150)) {
        let mut bench = Bench::new();
        let mut run = Run::default();
        for step in steps {
            run.step(&mut bench, step);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    /// Any bytes at all: no panic, and the invariants hold.
    #[test]
    fn any_bytes(
        bytes in vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..200),
        total in prop_oneof![0..200_u32, any::<u32>()],
        version in version(),
        kind in 0..3_usize,
    ) {
        let mut bench = Bench::new();
        let kind = [Kind::Share, Kind::Lend, Kind::Donate][kind];
        let known = bench.sent(Kind::Share, &Descriptor::share(V1_1, &[A], &[(page(0), 1)]));
        let _ = bench.share(&by(0, version), kind, total, &bytes);
        let _ = bench.fragment(0, known, &bytes);
        let _ = bench.retrieve(0, version, &bytes);
        let _ = bench.ledger.relinquish(&TABLE, 0, &bytes, &mut bench.ports);
        prop_assert_eq!(bench.ledger.check_invariants(&TABLE), Ok(()));
    }
}
