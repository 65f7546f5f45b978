//! Memory without a base: where it goes, and that it stays there.

use std::path::Path;

use bulkhead_configs::{Artefact, Images, Range, System, emit, expand, load, load_text};
use proptest::prelude::*;

const HEAD: &str =
    "[system]\nname = \"placing\"\nboard = \"qemu-virt\"\nhypervisor = { memory = \"1MiB\" }\n";

/// A table with a partition for each value of `memory`.
fn table(memory: &[&str]) -> String {
    let mut text = HEAD.to_owned();
    for (index, memory) in memory.iter().enumerate() {
        text += &format!(
            "[[partition]]\nname = \"p{index}\"\nid = {}\ntee = \"test\"\nimage = {{ build = \"test\" }}\n\
             uuid = \"c81f6e47-0d5a-4f92-8b3e-a7d2465c90{index:02}\"\nmemory = {memory}\ncores = \"all\"\nwindow = \"2MiB\"\n",
            0x8001 + index,
        );
    }
    text
}

fn system(memory: &[&str]) -> System {
    load_text(Path::new("tests/placing.toml"), &table(memory)).unwrap_or_else(|report| panic!("{report}"))
}

fn bases(system: &System) -> Vec<u64> {
    let regions = system.partitions.iter().flat_map(|partition| &partition.memory);
    regions.map(|region| region.range.base).collect()
}

#[test]
fn large_regions_start_at_large_blocks_and_small_ones_lie_within_one() {
    let system = system(&["\"4MiB\"", "\"64KiB\"", "\"1MiB\"", "\"2MiB\""]);
    assert_eq!(
        bases(&system),
        [0x0e20_0000, 0x0e60_0000, 0x0e70_0000, 0x0e80_0000]
    );
    for region in system.partitions.iter().flat_map(|partition| &partition.memory) {
        let Range { base, size } = region.range;
        assert!(base.is_multiple_of(2 << 20) || base >> 21 == (base + size - 1) >> 21);
    }
}

#[test]
fn what_comes_later_moves_nothing() {
    let mut memory = vec!["\"1MiB\"", "\"3MiB\"", "\"128KiB\""];
    let before = bases(&system(&memory));
    for next in ["\"64KiB\"", "\"2MiB\"", "\"1MiB\"", "\"40KiB\""] {
        memory.push(next);
        assert_eq!(bases(&system(&memory))[..before.len()], before);
    }
}

#[test]
fn regions_with_a_base_stay_and_are_avoided() {
    let fixed = "{ base = 0x0e200000, size = \"1MiB\" }";
    assert_eq!(bases(&system(&["\"2MiB\"", fixed])), [0x0e40_0000, 0x0e20_0000]);
    assert_eq!(bases(&system(&["\"1MiB\"", fixed])), [0x0e30_0000, 0x0e20_0000]);
}

#[test]
fn a_page_will_do_where_no_block_is_left() {
    let tight = "[{ base = 0x0e200000, size = \"7MiB\" }, { base = 0x0ec00000, size = \"4MiB\" }]";
    assert_eq!(bases(&system(&[tight, "\"3MiB\""]))[2], 0x0e90_0000);
}

#[test]
fn all_of_it_can_be_taken() {
    assert_eq!(
        bases(&system(&["\"8MiB\"", "\"6MiB\""])),
        [0x0e20_0000, 0x0ea0_0000]
    );
}

fn artefacts(system: &System) -> Vec<Artefact> {
    let images = system
        .partitions
        .iter()
        .map(|partition| (partition.name.clone(), vec![7; 5000]));
    let mut all = emit(system, &images.collect::<Images>()).unwrap_or_else(|report| panic!("{report}"));
    // The first line names the table's file.
    let first = all[0].contents.iter().position(|byte| *byte == b'\n').unwrap();
    all[0].contents.drain(..first);
    all
}

/// The expanded table means the same, to the byte.
#[test]
fn what_is_expanded_is_the_same_system() {
    for file in ["phone.toml", "cases/cases.toml", "tests/devices.toml"] {
        let system = load(Path::new(file)).unwrap_or_else(|report| panic!("{report}"));
        let again = load_text(Path::new(file), &expand(&system)).unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(artefacts(&system), artefacts(&again), "{file}");
        assert_eq!(expand(&system).replace(" # placed", ""), expand(&again), "{file}");
    }
    let placed = system(&["\"4MiB\"", "\"1MiB\""]);
    let again = load_text(Path::new("x.toml"), &expand(&placed)).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(artefacts(&placed), artefacts(&again));
}

/// A region: with a base, or to be placed.
fn region() -> impl Strategy<Value = String> {
    prop_oneof![
        (10u64..600).prop_map(|pages| format!("\"{}KiB\"", 4 * pages)),
        (0u64..3500, 10u64..300).prop_map(|(page, pages)| format!(
            "{{ base = {}, size = \"{}KiB\" }}",
            0x0e20_0000 + page * 4096,
            4 * pages
        )),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is placed lies in secure memory and apart from all else, and one more at the end moves nothing.
    #[test]
    fn placed_memory_is_apart_and_stays(regions in proptest::collection::vec(region(), 1..8), more in 10u64..600) {
        let place = |regions: &[String]| {
            let regions: Vec<&str> = regions.iter().map(String::as_str).collect();
            load_text(Path::new("tests/placing.toml"), &table(&regions))
        };
        // Regions with a base may overlap each other, which is refused; and all may be full.
        let Ok(system) = place(&regions) else { return Ok(()) };
        let mut taken = vec![system.hypervisor];
        for region in system.partitions.iter().flat_map(|partition| &partition.memory) {
            prop_assert!(taken.iter().all(|other| !other.overlaps(&region.range)));
            prop_assert!(region.range.base >= 0x0e10_0000 && region.range.end() <= 0x0f00_0000);
            taken.push(region.range);
        }
        let mut longer = regions.clone();
        longer.push(format!("\"{}KiB\"", 4 * more));
        if let Ok(again) = place(&longer) {
            prop_assert_eq!(&bases(&again)[..regions.len()], &bases(&system)[..]);
        }
    }
}
