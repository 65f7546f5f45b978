//! Good neighbours: tables and images that are just inside a limit, beside those of `rules` that are just outside.

use std::path::Path;

use bulkhead_configs::{Images, Message, Preemption, System, emit, load, load_text};

const GOOD: &str = include_str!("rules/good.toml");

/// The good table with one text replaced; it has to stay good.
fn with(from: &str, to: &str) -> System {
    assert!(GOOD.contains(from), "the good table has no `{from}`");
    let text = GOOD.replacen(from, to, 1);
    load_text(Path::new("tests/rules/good.toml"), &text).unwrap_or_else(|report| panic!("{report}"))
}

fn emits(system: &System, alpha: usize, beta: usize) {
    let images = Images::from([
        ("alpha".to_owned(), vec![1; alpha]),
        ("beta".to_owned(), vec![1; beta]),
    ]);
    emit(system, &images).unwrap_or_else(|report| panic!("{report}"));
}

#[test]
fn every_table_of_the_repository_is_good() {
    let folders = [".", "cases"]
        .into_iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok());
    let files = folders.flatten().map(|entry| entry.unwrap().path());
    let tables = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    for table in tables.filter(|path| !path.ends_with("Cargo.toml")) {
        load(&table).unwrap_or_else(|report| panic!("{report}"));
    }
}

/// The examples that people start from are built as they stand, and nothing in them is doubtful; the table of wishes holds
/// what is not built.
#[test]
fn examples_are_built_and_wishes_are_not() {
    let warnings = |table: &str| {
        let system = load(Path::new(table)).unwrap_or_else(|report| panic!("{report}"));
        system.warnings().map_or(0, |report| report.diagnostics.len())
    };
    for table in [
        "phone.toml",
        "notifications.toml",
        "three-vendors.toml",
        "largest.toml",
        "fvp-base.toml",
        "tc4.toml",
    ] {
        assert_eq!(warnings(table), 0, "{table}");
    }
    assert!(warnings("wishes.toml") > 0);
}

#[test]
fn ids_at_both_ends() {
    assert_eq!(with("id = 0x8002", "id = 0x80ff").partitions[1].id, 0x80ff);
}

#[test]
fn memory_up_to_the_end_and_side_by_side() {
    let region = "{ base = 0x0e800000, size = \"1MiB\" }";
    assert_eq!(
        with(region, "{ base = 0x0ef00000, size = \"1MiB\" }").partitions[1]
            .home()
            .end(),
        0x0f00_0000
    );
    with("size = \"6MiB\"", "size = \"6144KiB\"");
    emits(&with(region, "{ base = 0x0e800000, size = \"40KiB\" }"), 1, 4096);
}

#[test]
fn windows_at_both_ends() {
    let large = with("window = \"32MiB\"", "window = \"160MiB\"");
    assert!(large.footprint() <= large.hypervisor.size);
    assert_eq!(
        with("window = \"32MiB\"", "window = \"2MiB\"").partitions[0]
            .window
            .pages(),
        512
    );
}

#[test]
fn numbers_at_both_ends() {
    assert_eq!(with("shares = 128", "shares = 256").partitions[0].shares, 256);
    assert_eq!(with("shares = 128", "shares = 1").partitions[0].shares, 1);
    assert_eq!(
        with("\"10ms\"", "\"1s\"").partitions[0].preemption,
        Preemption::ManagedExit { limit_us: 1_000_000 }
    );
    assert_eq!(
        with("\"10ms\"", "\"1us\"").partitions[0].preemption,
        Preemption::ManagedExit { limit_us: 1 }
    );
    with("boot-order = 2", "boot-order = 65535");
    with("memory = \"1MiB\"", "memory = \"768KiB\"");
}

#[test]
fn the_largest_package_and_the_largest_image_for_a_region() {
    // A package of 4 MiB with its 16 KiB before the image, in a region of 10 MiB.
    let table = GOOD
        .replace("size = \"6MiB\"", "size = \"10MiB\"")
        .replace("0x0e800000", "0x0ec00000");
    let system =
        load_text(Path::new("tests/rules/good.toml"), &table).unwrap_or_else(|report| panic!("{report}"));
    emits(&system, (4 << 20) - 0x4000, 1);
    // 6 MiB hold 16 KiB, the image, and the package of 16 KiB and the image again.
    emits(&with("id = 0x8001", "id = 0x8001"), 3_129_344, 1);
}

#[test]
fn partitions_without_an_order_start_last_in_the_order_of_the_file() {
    let system = with("boot-order = 1\n", "");
    assert_eq!(system.boot_order, [1, 0]);
}

/// IDs of who may call the first partition.
fn callers(system: &System) -> Vec<u16> {
    system.partitions[0]
        .callers
        .iter()
        .map(|caller| caller.id)
        .collect()
}

#[test]
fn callers_default_to_the_normal_world() {
    assert_eq!(callers(&with("callers = [\"normal-world\"]\n", "")), [0]);
    let two = with(
        "callers = [\"normal-world\"]",
        "callers = [\"beta\", \"normal-world\"]",
    );
    assert_eq!(callers(&two), [0, 0x8002]);
}

/// A name says the same as a table with `from` alone: all messages; no memory from a partition, and from the normal
/// world as much as the window holds.
#[test]
fn a_caller_s_limits_have_defaults() {
    let from = "callers = [\"normal-world\"]";
    let names = with(from, "callers = [\"normal-world\", \"beta\"]");
    let tables = with(
        from,
        "callers = [{ from = \"normal-world\" }, { from = \"beta\" }]",
    );
    let [normal, beta] = &names.partitions[0].callers[..] else {
        panic!()
    };
    assert_eq!(normal.messages, [Message::Direct, Message::Notifications]);
    assert_eq!(beta.messages, normal.messages);
    assert_eq!((normal.pages, beta.pages), (None, Some(0)));
    assert_eq!(names.partitions[0].callers, tables.partitions[0].callers);
}

/// Who does not wait for an answer closes no circle.
#[test]
fn two_partitions_may_notify_each_other() {
    let text = GOOD
        .replacen(
            "callers = [\"normal-world\"]",
            "callers = [\"normal-world\", { from = \"beta\", messages = [\"notifications\"] }]",
            1,
        )
        .replacen(
            "devices = [",
            "callers = [{ from = \"alpha\", messages = [\"notifications\"], pages = 1536 }]\nnotifies = [\"alpha\"]\ndevices = [",
            1,
        )
        .replacen("client = { name = \"beta\" }\n", "", 1);
    let system =
        load_text(Path::new("tests/rules/good.toml"), &text).unwrap_or_else(|report| panic!("{report}"));
    emits(&system, 100, 100);
}

#[test]
fn virtual_machines_are_callers() {
    let machines = "\n[[virtual-machine]]\nname = \"payments\"\nid = 0x7fff\n\n[[virtual-machine]]\nname = \"android\"\nid = 1\n\n[[partition]]";
    let text = GOOD.replacen("\n[[partition]]", machines, 1).replacen(
        "callers = [\"normal-world\"]",
        "callers = [\"payments\"]",
        1,
    );
    let system =
        load_text(Path::new("tests/rules/good.toml"), &text).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(callers(&system), [0x7fff]);
    assert_eq!(system.endpoint_name(1), "android");
    emits(&system, 100, 100);
}

/// An editor checks with each key that is pressed.
#[test]
fn the_largest_table_is_checked_in_time() {
    let start = std::time::Instant::now();
    for _ in 0..10 {
        load(Path::new("largest.toml")).unwrap_or_else(|report| panic!("{report}"));
    }
    let each = start.elapsed() / 10;
    assert!(each.as_millis() < 50, "one check took {each:?}");
}
