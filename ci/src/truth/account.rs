//! What each partition may reach: its own memory and devices by the table, and what the ledger says of them since.

use super::ledger::{Ledger, Share};
use super::walk::{Kind, Leaf, Mappings, PAGE, Rights};
use bulkhead_configs::{Kind as Use, Range, Rights as TableRights, System};
use std::collections::BTreeMap;

/// A page that may be mapped: to what, how, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The physical page.
    pub output: u64,
    /// The rights.
    pub rights: Rights,
    /// The kind.
    pub kind: Kind,
    /// The reason in words.
    pub why: String,
}

/// What one partition may reach in one of its two spaces, by page.
pub type Dues = BTreeMap<u64, Due>;

/// Its two spaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The secure one.
    pub secure: Dues,
    /// The window of the normal world's memory.
    pub window: Dues,
}

/// The owner of a secure page, and what it may do with it.
struct Owned {
    owner: usize,
    rights: Rights,
}

/// What every partition may reach, in the table's order.
pub fn of(system: &System, ledger: &Ledger) -> Vec<Reach> {
    let mut all = vec![Reach::default(); system.partitions.len()];
    for (page, owned) in owners(system, ledger) {
        let of = &system.partitions[owned.owner].name;
        let due = own(page, owned.rights, Kind::Normal, format!("memory of {of}"));
        all[owned.owner].secure.insert(page, due);
    }
    for (reach, partition) in all.iter_mut().zip(&system.partitions) {
        for device in &partition.devices {
            for page in pages(&device.range) {
                let due = own(
                    page,
                    rights(true, false),
                    Kind::Device,
                    format!("device {}", device.name),
                );
                reach.secure.insert(page, due);
            }
        }
    }
    // First what goes from its owners, then what its borrowers have.
    for share in ledger.shares.iter().filter(|share| share.whole && share.taken) {
        if let Some(lender) = share.lender {
            for page in of_share(share) {
                all[lender].secure.remove(&page);
            }
        }
    }
    for share in &ledger.shares {
        lend(system, share, &mut all);
    }
    all
}

/// Adds what the borrowers of a transaction have.
fn lend(system: &System, share: &Share, all: &mut [Reach]) {
    let from = share
        .lender
        .map_or("the normal world", |lender| &system.partitions[lender].name);
    let why = format!("transaction {:#x} of {from}", share.handle);
    for borrower in &share.borrowers {
        let window = system.partitions[borrower.partition].window.base;
        let reach = &mut all[borrower.partition];
        for (n, page) in (0..).zip(of_share(share)) {
            let due = own(page, rights(borrower.write, false), Kind::Normal, why.clone());
            match share.lender {
                Some(_) => reach.secure.insert(page, due),
                None => reach.window.insert(window + (borrower.slots.0 + n) * PAGE, due),
            };
        }
    }
}

/// Who owns each page of the partitions' memory.
fn owners(system: &System, ledger: &Ledger) -> BTreeMap<u64, Owned> {
    let mut owners = BTreeMap::new();
    for (owner, partition) in system.partitions.iter().enumerate() {
        for region in &partition.memory {
            let execute = matches!(region.rights, TableRights::All | TableRights::ReadExecute);
            let rights = rights(true, execute);
            owners.extend(pages(&region.range).map(|page| (page, Owned { owner, rights })));
        }
    }
    for deed in &ledger.deeds {
        for page in run(deed.pages) {
            let (owner, rights) = (deed.owner, rights(true, false));
            owners.insert(page, Owned { owner, rights });
        }
    }
    owners
}

fn own(page: u64, rights: Rights, kind: Kind, why: String) -> Due {
    Due {
        output: page,
        rights,
        kind,
        why,
    }
}

const fn rights(write: bool, execute: bool) -> Rights {
    Rights {
        read: true,
        write,
        execute,
    }
}

fn pages(range: &Range) -> impl Iterator<Item = u64> + use<> {
    (range.base..range.end()).step_by(PAGE as usize)
}

fn run((first, count): (u64, u64)) -> impl Iterator<Item = u64> {
    (first..first + count).map(|page| page * PAGE)
}

fn of_share(share: &Share) -> impl Iterator<Item = u64> + '_ {
    share.ranges.iter().flat_map(|range| run(*range))
}

/// What is mapped and may not be, or otherwise, and what may be and is not, in words.
pub fn compare(name: &str, space: &str, mapped: &Mappings, may: &Dues) -> Vec<String> {
    let mut faults = Vec::new();
    for (page, leaf) in mapped {
        let Leaf {
            output,
            rights,
            kind,
            entry,
            ..
        } = *leaf;
        let is = format!(
            "{name} has {output:#x} at {space} {page:#x} as {rights} {kind:?}, by the entry at {entry:#x}"
        );
        match may.get(page) {
            None => faults.push(format!("{is}, and may have nothing there")),
            Some(due) if (due.output, due.rights, due.kind) != (output, rights, kind) => {
                faults.push(format!(
                    "{is}, and may have {:#x} as {} {:?} ({})",
                    due.output, due.rights, due.kind, due.why
                ));
            }
            Some(_) => {}
        }
    }
    for (page, due) in may.iter().filter(|(page, _)| !mapped.contains_key(page)) {
        faults.push(format!(
            "{name} has nothing at {space} {page:#x}, and may have {:#x} as {} ({})",
            due.output, due.rights, due.why
        ));
    }
    faults
}

/// Secure pages that two partitions reach, and no transaction says so.
pub fn overlaps(system: &System, mapped: &[Mappings], ledger: &Ledger) -> Vec<String> {
    let mut lent: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for share in ledger.shares.iter().filter(|share| share.whole) {
        if let Some(lender) = share.lender {
            for page in of_share(share) {
                let parties = share.borrowers.iter().map(|borrower| borrower.partition);
                let parties = parties.chain((!share.taken).then_some(lender));
                lent.insert(page, parties.collect());
            }
        }
    }
    let mut reached: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (partition, mapped) in mapped.iter().enumerate() {
        for leaf in mapped.values() {
            let list = reached.entry(leaf.output).or_default();
            if !list.contains(&partition) {
                list.push(partition);
            }
        }
    }
    let name = |partition: &usize| system.partitions[*partition].name.as_str();
    let shared = reached.iter().filter(|(_, list)| list.len() > 1);
    let bare = shared.filter(|(page, list)| {
        let allowed = lent.get(page);
        !list
            .iter()
            .all(|partition| allowed.is_some_and(|lent| lent.contains(partition)))
    });
    bare.map(|(page, list)| {
        let names: Vec<_> = list.iter().map(name).collect();
        format!(
            "{} reach {page:#x}, and no transaction says so",
            names.join(" and ")
        )
    })
    .collect()
}

/// What nobody may have, whatever the ledger says: the hypervisor's memory, its tables among it, the store of the
/// images, and in a window anything that is not the normal world's.
pub fn forbidden(system: &System, name: &str, secure: &Mappings, window: &Mappings) -> Vec<String> {
    let page = |leaf: &Leaf| Range {
        base: leaf.output,
        size: PAGE,
    };
    let mut faults = Vec::new();
    let of = |kind: Use, what: &'static str| system.board.ranges(kind).map(move |range| (range, what));
    let never = of(Use::Store, "the store of the images")
        .chain(of(Use::Firmware, "the firmware's memory"))
        .chain([(system.hypervisor, "the hypervisor's own memory")]);
    for (range, what) in never {
        let hit = secure.iter().find(|(_, leaf)| range.overlaps(&page(leaf)));
        if let Some((at, leaf)) = hit {
            faults.push(format!("{name} reaches {what}: {:#x} at {at:#x}", leaf.output));
        }
    }
    let normal = |leaf: &Leaf| {
        system
            .board
            .ranges(Use::Normal)
            .any(|range| range.contains(&page(leaf)))
    };
    for (at, leaf) in window
        .iter()
        .filter(|(_, leaf)| !normal(leaf) || leaf.rights.execute)
    {
        faults.push(format!(
            "the window of {name} has {:#x} as {} at {at:#x}",
            leaf.output, leaf.rights
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::ledger::{Borrower, Deed};
    use super::*;
    use std::path::Path;

    /// `a` has 1 MiB from 0x0e300000, `b` from 0x0e400000, `c` from 0x0e500000.
    fn system() -> System {
        let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/cases/ffa-memory.toml");
        bulkhead_configs::load(&table).unwrap_or_else(|report| panic!("{report}"))
    }

    fn ledger(lender: Option<usize>, taken: bool, first: u64) -> Ledger {
        Ledger {
            shares: vec![Share {
                handle: 0x1_0000,
                lender,
                taken,
                whole: true,
                ranges: vec![(first + 5, 1), (first + 2, 2)],
                borrowers: vec![Borrower {
                    partition: 1,
                    write: false,
                    slots: (7, if lender.is_none() { 3 } else { 0 }),
                }],
            }],
            deeds: Vec::new(),
        }
    }

    /// Tables that map what is due.
    fn mapped(dues: &Dues) -> Mappings {
        let leaf = |due: &Due| Leaf {
            output: due.output,
            rights: due.rights,
            kind: due.kind,
            entry: 0,
        };
        dues.iter().map(|(page, due)| (*page, leaf(due))).collect()
    }

    #[test]
    fn what_is_lent_goes_from_its_owner_to_its_borrower() {
        let system = system();
        let before = of(&system, &Ledger::default());
        assert_eq!(before[0].secure.len(), 256);
        let after = of(&system, &ledger(Some(0), true, 0xe300));
        assert_eq!((after[0].secure.len(), after[1].secure.len()), (253, 259));
        assert!(!after[0].secure.contains_key(&0xe30_5000));
        assert_eq!(after[1].secure[&0xe30_5000].rights.to_string(), "r--");
        let shared = of(&system, &ledger(Some(0), false, 0xe300));
        assert_eq!((shared[0].secure.len(), shared[1].secure.len()), (256, 259));
        let mut unfinished = ledger(Some(0), true, 0xe300);
        unfinished.shares[0].whole = false;
        unfinished.shares[0].borrowers.clear();
        assert_eq!(of(&system, &unfinished), before);
    }

    #[test]
    fn windows_have_the_order_of_the_transaction() {
        let system = system();
        let base = system.partitions[1].window.base;
        let reach = of(&system, &ledger(None, true, 0x5_0000)).swap_remove(1);
        let there: Vec<_> = reach.window.iter().map(|(at, due)| (*at, due.output)).collect();
        let wanted = [
            (base + 0x7000, 0x5000_5000),
            (base + 0x8000, 0x5000_2000),
            (base + 0x9000, 0x5000_3000),
        ];
        assert_eq!(there, wanted);
    }

    #[test]
    fn deeds_make_owners_that_do_not_run_it() {
        let system = system();
        let given = Ledger {
            deeds: vec![Deed {
                pages: (0xe300, 2),
                owner: 2,
            }],
            ..Ledger::default()
        };
        let all = of(&system, &given);
        assert_eq!((all[0].secure.len(), all[2].secure.len()), (254, 258));
        assert_eq!(all[2].secure[&0xe30_1000].rights.to_string(), "rw-");
    }

    #[test]
    fn each_difference_is_told() {
        let system = system();
        let may = of(&system, &Ledger::default()).swap_remove(0).secure;
        let good = mapped(&may);
        assert_eq!(compare("a", "secure", &good, &may), Vec::<String>::new());
        let page = 0xe30_3000;
        let mut missing = good.clone();
        let leaf = missing.remove(&page).unwrap();
        assert!(compare("a", "secure", &missing, &may)[0].contains("has nothing at secure 0xe303000"));
        for (at, output, write, kind) in [
            (page, page, false, Kind::Normal),
            (page, page, true, Kind::Device),
            (page, page + PAGE, true, Kind::Normal),
            (0xe50_0000, 0xe50_0000, true, Kind::Normal),
        ] {
            let mut wrong = good.clone();
            let rights = Rights { write, ..leaf.rights };
            wrong.insert(
                at,
                Leaf {
                    output,
                    rights,
                    kind,
                    ..leaf
                },
            );
            assert_eq!(compare("a", "secure", &wrong, &may).len(), 1, "{output:#x}");
        }
    }

    #[test]
    fn a_page_of_two_needs_a_transaction() {
        let system = system();
        let shared = ledger(Some(0), false, 0xe300);
        let all: Vec<_> = of(&system, &shared)
            .iter()
            .map(|reach| mapped(&reach.secure))
            .collect();
        assert_eq!(overlaps(&system, &all, &shared), Vec::<String>::new());
        assert_eq!(overlaps(&system, &all, &Ledger::default()).len(), 3);
        // Lent, and yet with its owner, too.
        assert_eq!(overlaps(&system, &all, &ledger(Some(0), true, 0xe300)).len(), 3);
    }

    #[test]
    fn some_memory_is_nobodys() {
        let system = system();
        let leaf = |output| Leaf {
            output,
            rights: rights(true, false),
            kind: Kind::Normal,
            entry: 0,
        };
        let found = |secure: &[u64], window: &[u64]| {
            let of = |list: &[u64]| list.iter().map(|at| (*at, leaf(*at))).collect::<Mappings>();
            forbidden(&system, "a", &of(secure), &of(window)).len()
        };
        assert_eq!(found(&[0xe30_0000], &[0x4000_0000]), 0);
        assert_eq!(found(&[system.hypervisor.end() - PAGE], &[]), 1);
        assert_eq!(found(&[0], &[]), 1, "the store, in flash");
        assert_eq!(found(&[0xe00_0000], &[]), 1, "the firmware's");
        assert_eq!(found(&[], &[0xe30_0000]), 1, "secure memory in a window");
    }
}
