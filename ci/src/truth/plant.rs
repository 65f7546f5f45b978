//! Wrong entries, planted by the debug port to show that each of them is found.

use super::view::{Memory, View};
use super::walk::PAGE;
use super::{Subject, Tables};
use anyhow::{Context, Result};

/// Rights and bits of an entry.
const VALID_PAGE: u64 = 0b11;
const WRITE: u64 = 1 << 7;
const EXECUTE_NEVER: u64 = 1 << 54;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// One wrong entry: what it is, where it goes, and a word of what has to be said of it.
struct Plant {
    what: String,
    place: u64,
    entry: u64,
    word: String,
}

/// Plants each wrong entry that these tables have a place for, and puts back what was there: what each was, and what
/// was said of it, where that was what had to be said.
pub fn all(subject: &Subject, view: &mut View<'_>) -> Result<Vec<(String, Option<String>)>> {
    let tables = subject.walk(view)?;
    let mut said = Vec::new();
    for plant in plants(subject, view, &tables)? {
        let before = view.number(plant.place, 8)?;
        view.write(plant.place, plant.entry)?;
        let found = subject.look(view);
        view.write(plant.place, before)?;
        let found = found?.context("the ledger changed while the machine was off")?;
        let told = found.faults.into_iter().find(|fault| fault.contains(&plant.word));
        said.push((plant.what, told));
    }
    Ok(said)
}

fn plants(subject: &Subject, view: &mut View<'_>, tables: &Tables) -> Result<Vec<Plant>> {
    let partitions = &subject.system.partitions;
    let mut plants = Vec::new();
    let Some((name, (_, leaf))) = partitions
        .iter()
        .zip(&tables.secure)
        .find_map(|(partition, mapped)| Some((partition.name.as_str(), mapped.first_key_value()?)))
    else {
        return Ok(plants);
    };
    let entry = view.number(leaf.entry, 8)?;
    // It may be a block.
    let mapped = tables.secure.iter().flat_map(|mapped| mapped.values());
    let size = mapped.filter(|other| other.entry == leaf.entry).count() as u64 * PAGE;
    let mut add = |what: &str, entry: u64, word: &str| {
        plants.push(Plant {
            what: format!("{name}: {what}"),
            place: leaf.entry,
            entry,
            word: word.to_owned(),
        });
    };
    add("a page that is gone", 0, "has nothing at secure");
    add(
        "a page of the hypervisor's",
        entry & !ADDRESS | subject.system.hypervisor.base & !(size - 1),
        "the hypervisor's own memory",
    );
    add("a page with other rights", entry ^ WRITE, "and may have");
    add(
        "a page with attributes that mean nothing",
        entry ^ 1 << 58,
        "has attributes",
    );
    if let Some(other) = partitions.iter().find(|other| other.name != name) {
        add(
            "another partition's page",
            entry & !ADDRESS | other.home().base & !(size - 1),
            "and no transaction says so",
        );
    }
    // The last page of a window that nothing is in.
    let windows = partitions.iter().zip(&tables.window);
    if let Some((partition, _)) = windows.clone().find(|(_, mapped)| mapped.is_empty()) {
        let place = last_of_window(subject, view, partition.window.end(), &partition.name)?;
        let normal = subject.system.board.ranges(bulkhead_configs::Kind::Normal).next();
        let normal = normal.context("the board has memory of the normal world")?.base;
        let attributes = 0x77c | EXECUTE_NEVER | VALID_PAGE;
        for (what, output, word) in [
            (
                "normal memory that nobody has lent",
                normal,
                "and may have nothing there",
            ),
            (
                "secure memory in a window",
                partition.home().base,
                "the window of",
            ),
        ] {
            plants.push(Plant {
                what: format!("{}: {what}", partition.name),
                place,
                entry: output | attributes,
                word: word.to_owned(),
            });
        }
    }
    Ok(plants)
}

/// Where the entry of the last page of a window is.
fn last_of_window(subject: &Subject, view: &mut View<'_>, end: u64, name: &str) -> Result<u64> {
    let index = subject
        .system
        .partitions
        .iter()
        .position(|partition| partition.name == name);
    let index = index.context("a partition of the table")?;
    let roots = subject.layout.find(super::ROOTS)?;
    let root = subject.layout.item(roots, index as u64)?;
    let root = subject.layout.field(root, "__0.value.window")?.address;
    let at = end - PAGE;
    let level1 = view.number(root + (at >> 30) * 8, 8)? & ADDRESS;
    let level2 = view.number(level1 + (at >> 21) % 512 * 8, 8)? & ADDRESS;
    Ok(level2 + (at >> 12) % 512 * 8)
}
