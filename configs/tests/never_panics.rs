//! Whatever is written into a table gets an answer: a system or a report that can be shown, never a panic.

use std::path::Path;

use bulkhead_configs::{Images, Severity, emit, expand, load_bytes, load_text, picture, plan};
use proptest::prelude::*;

const GOOD: &str = include_str!("rules/good.toml");

/// Loads, shows, draws, expands, and makes artefacts as far as it goes.
fn answer(text: &str, image: usize) {
    let table = Path::new("tests/rules/fuzzed.toml");
    match load_text(table, text) {
        Err(report) => {
            assert!(report.to_string().contains("error[BH"));
            assert!(
                report
                    .json(Severity::Error)
                    .as_array()
                    .is_some_and(|all| !all.is_empty())
            );
        }
        Ok(system) => {
            assert!(picture(&system).ends_with("</svg>\n"));
            assert!(plan::text(&system).contains("Left"));
            assert!(plan::html(&system).ends_with("</html>\n"));
            assert_eq!(plan::diff(&system, &system), "");
            let again = load_text(table, &expand(&system)).unwrap_or_else(|report| panic!("{report}"));
            assert_eq!(plan::diff(&system, &again), "");
            let images: Images = system
                .partitions
                .iter()
                .map(|each| (each.name.clone(), vec![1; image]))
                .collect();
            if let Err(report) = emit(&system, &images) {
                assert!(report.to_string().contains("error[BH"));
            }
        }
    }
}

/// Values that are at or over some limit.
fn nasty() -> impl Strategy<Value = String> {
    let fixed = [
        "0",
        "-1",
        "1",
        "0xffffffffffffffff",
        "0x10000000000000000",
        "0xfffffffffffff000",
        "18446744073709551615",
        "\"18446744073709551615B\"",
        "\"17179869183GiB\"",
        "\"16777215TiB\"",
        "\"0B\"",
        "\"1B\"",
        "nan",
        "inf",
        "true",
        "[]",
        "[[]]",
        "{}",
        "\"\"",
        "\"all\"",
        "\"é\"",
        "\"\\u0000\"",
        "1979-05-27",
        "[\"cpu0\"]",
        "[\"alpha\"]",
        "{ base = 0xfffffffffffff000, size = \"4KiB\" }",
        "{ base = 0xfffffffff000, size = \"4KiB\" }",
        "[{ base = 0x0e200000, size = \"1MiB\" }, { base = 0x0e300000, size = \"1MiB\", rights = \"rw\" }]",
        "{ managed-exit = \"1us\" }",
        "{ queued = \"1s\" }",
        "{ dedicated = [\"cpu3\"] }",
        "{ called = [\"cpu0\"], forward = true }",
        "{ restart = 3, back-off = \"1ms\" }",
        "\"halt\"",
        "\"vgic\"",
        "\"sel4\"",
        "\"1ms\"",
        "\"16MiB\"",
        "[{ size = \"1MiB\" }, { size = \"2MiB\" }]",
        "[\"direct\", \"indirect\"]",
        "[\"notifications\"]",
        "[\"direct\", \"vm-created\", \"vm-destroyed\"]",
        "[\"cpu-off\", \"cpu-suspend\", \"cpu-resume\", \"cpu-on\", \"cpu-on\"]",
        "[\"beta\"]",
        "[{ from = \"beta\", messages = [\"direct\"], pages = 9 }, { from = \"normal-world\", messages = [] }]",
        "[{ pages = 0xffffffff }, { from = \"alpha\", pages = 1 }, [], { from = 1, messages = [1] }]",
        "{ ranges = 65536, log = \"64B\" }",
        "[\"8aaaf200-2450-11e4-abe2-0002a5d5c51b\"]",
        "{ name = \"a\", applications = [\"8aaaf200-2450-11e4-abe2-0002a5d5c51b\"] }",
        "\"at-once\"",
        "{ name = \"a\", default = true }",
    ];
    prop_oneof![
        proptest::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        any::<u64>().prop_map(|number| format!("{number:#x}")),
        any::<i128>().prop_map(|number| number.to_string()),
        "\"[ -~]{0,40}\"",
    ]
}

const KEYS: &[&str] = &[
    "name",
    "id",
    "tee",
    "image",
    "uuid",
    "memory",
    "cores",
    "window",
    "shares",
    "preemption",
    "callers",
    "boot-order",
    "devices",
    "interrupts",
    "client",
    "uuids",
    "contexts",
    "quotas",
    "budget",
    "receives",
    "power-messages",
    "notifies",
    "interrupt-interface",
    "on-failure",
    "key",
    "allow-unprotected",
    "board",
    "hypervisor",
    "x",
];

const BOARD: &str = include_str!("../../boards/qemu-virt/board.toml");

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        answer(&text, 10);
    }

    #[test]
    fn any_bytes_that_are_text(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        answer(&String::from_utf8_lossy(&bytes), 10);
    }

    /// A good table with some lines given other values.
    #[test]
    fn other_values(changes in proptest::collection::vec((0usize..64, nasty()), 1..4), image in 0usize..5_000_000) {
        let mut lines: Vec<String> = GOOD.lines().map(str::to_owned).collect();
        for (at, value) in changes {
            let at = at % lines.len();
            if let Some((key, _)) = lines[at].clone().split_once(" = ") {
                lines[at] = format!("{key} = {value}");
            }
        }
        answer(&lines.join("\n"), image);
    }

    /// Tables of known keys in any number and order, with any values.
    #[test]
    fn any_tree(
        system in proptest::collection::vec((proptest::sample::select(KEYS), nasty()), 0..6),
        partitions in proptest::collection::vec(
            proptest::collection::vec((proptest::sample::select(KEYS), nasty()), 0..18), 0..4),
    ) {
        let mut text = String::from("[system]\n");
        let lines = |pairs: &[(&str, String)]| {
            pairs.iter().map(|(key, value)| format!("{key} = {value}\n")).collect::<String>()
        };
        text.push_str(&lines(&system));
        for partition in &partitions {
            text.push_str("[[partition]]\n");
            text.push_str(&lines(partition));
        }
        answer(&text, 10);
    }

    /// A good board with some lines given other values.
    #[test]
    fn other_boards(changes in proptest::collection::vec((0usize..256, nasty()), 1..4)) {
        let mut lines: Vec<String> = BOARD.lines().map(str::to_owned).collect();
        for (at, value) in changes {
            let at = at % lines.len();
            if let Some((key, _)) = lines[at].clone().split_once(" = ") {
                lines[at] = format!("{key} = {value}");
            }
        }
        let table = Path::new("tests/rules/fuzzed.toml");
        match load_bytes(table, "table.toml", GOOD.as_bytes(), Some(&lines.join("\n"))) {
            Err(report) => assert!(report.to_string().contains("error[BH")),
            Ok(system) => {
                assert!(picture(&system).ends_with("</svg>\n"));
                assert!(plan::html(&system).ends_with("</html>\n"));
                let images = system.partitions.iter().map(|each| (each.name.clone(), vec![1; 10]));
                let _ = emit(&system, &images.collect());
            }
        }
    }

    /// Bytes that need not be text.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let table = Path::new("tests/rules/fuzzed.toml");
        let report = load_bytes(table, "table.toml", &bytes, None).unwrap_err();
        assert!(report.to_string().contains("error[BH"));
    }

    /// A good table with values for more keys put in.
    #[test]
    fn more_keys(more in proptest::collection::vec((proptest::sample::select(KEYS), nasty()), 1..5), beta in any::<bool>()) {
        let anchor = if beta { "boot-order = 2\n" } else { "boot-order = 1\n" };
        let lines: String = more.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        let mut text = GOOD.replacen(anchor, &lines, 1);
        for (key, _) in &more {
            // The value that is put in takes the place of the one that was there.
            let old: Vec<&str> = GOOD.lines().filter(|line| line.starts_with(&format!("{key} = "))).collect();
            for line in old {
                text = text.replacen(&format!("{line}\n"), "", 1);
            }
        }
        answer(&text, 10);
    }

    /// A good table with pieces cut out and put in.
    #[test]
    fn cut_and_paste(from in 0usize..2000, length in 0usize..200, to in 0usize..2000, piece in "[\\[\\]{}=\",.a-z0-9\n ]{0,20}") {
        let mut bytes = GOOD.as_bytes().to_vec();
        let from = from % bytes.len();
        let until = (from + length).min(bytes.len());
        let cut: Vec<u8> = bytes.drain(from..until).collect();
        let to = to % (bytes.len() + 1);
        bytes.splice(to..to, cut.into_iter().chain(piece.bytes()));
        answer(&String::from_utf8_lossy(&bytes), 10);
    }
}

#[test]
fn deep_nesting_and_megabytes_are_refused() {
    answer(&format!("a = {}1{}", "[".repeat(100_000), "]".repeat(100_000)), 1);
    answer(&format!("{}1", "a.".repeat(100_000)), 1);
    answer(&"x".repeat(900_000), 1);
    answer(&"#".repeat(5 << 20), 1);
}

/// A megabyte of what is compared with each other is answered as quickly as a small table.
#[test]
fn many_of_everything_is_refused_in_time() {
    let start = std::time::Instant::now();
    let head = "[system]\nname = \"many\"\nboard = \"qemu-virt\"\nhypervisor = { memory = \"1MiB\" }\n";
    answer(&"[[partition]]\n".repeat(70_000), 1);
    let same = "[[partition]]\nname = \"a\"\nid = 0x8001\nmemory = \"1MiB\"\nboot-order = 1\n";
    answer(&format!("{head}{}", same.repeat(12_000)), 1);
    let names: String = (0..90_000).map(|number| format!("\"n{number}\",")).collect();
    for key in [
        "callers",
        "cores",
        "devices",
        "interrupts",
        "notifies",
        "memory",
        "uuids",
        "receives",
    ] {
        let list = GOOD.replacen("boot-order = 1\n", &format!("{key} = [{names}]\n"), 1);
        answer(&list, 1);
    }
    let names: String = (0..1000).map(|number| format!("\"n{number}\",")).collect();
    for key in ["callers", "devices", "interrupts", "notifies"] {
        let old = GOOD.lines().filter(|line| !line.starts_with(key));
        let table = old.collect::<Vec<_>>().join("\n");
        answer(
            &table.replace("boot-order = ", &format!("{key} = [{names}]\nboot-order = ")),
            1,
        );
    }
    assert!(start.elapsed().as_secs() < 15, "it took {:?}", start.elapsed());
}

#[test]
fn a_file_that_is_not_there_is_said() {
    let report = bulkhead_configs::load(Path::new("tests/rules/nowhere.toml")).unwrap_err();
    let text = report.to_string();
    assert!(
        text.starts_with("error[BH007]: cannot read `tests/rules/nowhere.toml`: "),
        "{text}"
    );
}
