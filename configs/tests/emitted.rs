//! What is emitted, read back by those who would read it: rustc, a device tree parser, TF-A's package format.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bulkhead_configs::{Images, Story, System, emit, hex, load, mk_args, story};
use fdt::Fdt;

/// The default system with images of odd sizes.
fn phone() -> (System, BTreeMap<String, Vec<u8>>) {
    let system = load(Path::new("phone.toml")).unwrap_or_else(|report| panic!("{report}"));
    let sizes = [("vendor-a", 820_123), ("vendor-b", 1), ("vendor-c", 4096)];
    let images: Images = sizes
        .iter()
        .map(|(name, size)| ((*name).to_owned(), vec![0xa5; *size]))
        .collect();
    let files = files(&system, &images);
    (system, files)
}

/// What is made of a system, by path.
fn files(system: &System, images: &Images) -> BTreeMap<String, Vec<u8>> {
    let artefacts = emit(system, images).unwrap_or_else(|report| panic!("{report}"));
    let files = artefacts.into_iter();
    files.map(|artefact| (artefact.path, artefact.contents)).collect()
}

fn text(files: &BTreeMap<String, Vec<u8>>, path: &str) -> String {
    String::from_utf8(files[path].clone()).unwrap()
}

/// A folder for one test's files.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Compiles `table` with the real types and a `main`; what rustc says if it refuses.
fn compile(folder: &Path, table: &str, main: &str) -> Result<PathBuf, String> {
    let types = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hypervisor/core/src/table.rs");
    let core = folder.join("core.rs");
    fs::write(
        &core,
        format!("#![no_std]\n#[path = {types:?}]\npub mod table;\n"),
    )
    .unwrap();
    fs::write(folder.join("table.rs"), table).unwrap();
    fs::write(
        folder.join("main.rs"),
        format!("#![deny(warnings)]\ninclude!(\"table.rs\");\n{main}"),
    )
    .unwrap();
    let rustc = |args: &[&str]| {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = Command::new(rustc)
            .current_dir(folder)
            .args(["--edition", "2024"])
            .args(args)
            .output()
            .unwrap();
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    };
    rustc(&["--crate-type", "rlib", "--crate-name", "bulkhead_core", "core.rs"])?;
    rustc(&[
        "--extern",
        "bulkhead_core=libbulkhead_core.rlib",
        "-L",
        ".",
        "-o",
        "main",
        "main.rs",
    ])?;
    Ok(folder.join("main"))
}

#[test]
fn the_table_compiles_and_says_what_the_model_says() {
    let (system, files) = phone();
    let main = r#"
        fn main() {
            println!("{} {CORES} {PARTITIONS} {SHARES} {WINDOW_PAGES}", TABLE.name);
            for each in TABLE.partitions {
                let range = each.memory[0].range;
                let (image, package) = (&each.image, &each.image.package);
                println!("{} {:#x} {:#x}+{:#x} {:#x} {:#x}+{:#x} {:#x} {:#x} {:?}", each.name, each.id, range.base,
                    range.size, image.load, package.base, package.size, image.size, each.cores,
                    each.callers.iter().map(|caller| caller.id).collect::<Vec<_>>());
                println!("{:?}", image.sha256);
            }
        }"#;
    let program =
        compile(&scratch("table"), &text(&files, "table.rs"), main).unwrap_or_else(|why| panic!("{why}"));
    let output = String::from_utf8(Command::new(program).output().unwrap().stdout).unwrap();
    let mut lines = output.lines();
    assert_eq!(lines.next().unwrap(), "phone 4 3 384 18432");
    for partition in &system.partitions {
        let package = &files[&partition.package_path()];
        let size = u32::from_le_bytes(package[20..24].try_into().unwrap());
        let home = partition.memory[0].range;
        let top = home.end() - package.len() as u64;
        let expected = format!(
            "{} {:#x} {:#x}+{:#x} {:#x} {top:#x}+{:#x} {size:#x} 0xf [0]",
            partition.name,
            partition.id,
            home.base,
            home.size,
            home.base + 0x4000,
            package.len(),
        );
        assert_eq!(lines.next().unwrap(), expected);
        lines.next().unwrap();
    }
}

#[test]
fn devices_interrupts_and_regions_reach_the_table_and_the_manifest() {
    let system = load(Path::new("tests/devices.toml")).unwrap_or_else(|report| panic!("{report}"));
    let images = Images::from([
        ("test-a".to_owned(), vec![1; 9]),
        ("test-b".to_owned(), vec![2; 5000]),
    ]);
    let files = files(&system, &images);
    let main = r#"
        fn main() {
            let [a, b] = TABLE.partitions else { panic!() };
            println!("{} {:#x} {:?}", a.devices[0].name, a.devices[0].range.base, a.interrupts);
            println!("{:#x} {}", a.quiesce[0].address, a.quiesce[0].value);
            println!("{:?} {:?} {} {} {:#x} {:?} {:?}", b.memory[1].rights, b.preemption, a.interrupts_queued,
                b.interrupts_queued, b.cores,
                a.callers.iter().map(|caller| caller.id).collect::<Vec<_>>(), TABLE.boot_order);
        }"#;
    let program =
        compile(&scratch("devices"), &text(&files, "table.rs"), main).unwrap_or_else(|why| panic!("{why}"));
    let output = String::from_utf8(Command::new(program).output().unwrap().stdout).unwrap();
    let expected = "secure-gpio 0x90b0000 [Interrupt { intid: 220, edge: true, core: 0 }]\n\
                    0x90b0410 7\n\
                    ReadWrite Queued { limit_us: 2000 } false true 0x3 [0, 32770] [1, 0]\n";
    assert_eq!(output, expected);
    let tree = Fdt::new(&files["sp/test-a.dtb"]).unwrap();
    assert_eq!(
        number(&tree, "/device-regions/secure-gpio", "base-address"),
        0x090b_0000
    );
    assert_eq!(number(&tree, "/device-regions/secure-gpio", "pages-count"), 1);
    // FF-A's actions, 0 for queued: of the normal world's interrupts, of the other's, of its own.
    assert_eq!(number(&tree, "/", "ns-interrupts-action"), 1);
    assert_eq!(number(&tree, "/", "other-s-interrupts-action"), 0);
    let tree = Fdt::new(&files["sp/test-b.dtb"]).unwrap();
    assert_eq!(number(&tree, "/", "ns-interrupts-action"), 0);
    assert_eq!(number(&tree, "/", "bulkhead,s-interrupts-action"), 0);
    let root = tree.find_node("/").unwrap();
    assert!(root.property("other-s-interrupts-action").is_none());
}

/// What two endpoints may do with a partition, and what a third one, which is not listed, may not.
#[test]
fn a_caller_s_limits_reach_the_table() {
    let system = load(Path::new("tests/callers.toml")).unwrap_or_else(|report| panic!("{report}"));
    let images = ["keys", "user"].map(|name| (name.to_owned(), vec![1; 9]));
    let files = files(&system, &Images::from(images));
    let main = r#"
        use bulkhead_core::table::Messages;
        fn main() {
            let [keys, user] = TABLE.partitions else { panic!() };
            for caller in keys.callers {
                let may = [Messages::DIRECT, Messages::DIRECT2, Messages::INDIRECT, Messages::NOTIFICATIONS]
                    .map(|kind| u8::from(caller.messages.has(kind)));
                println!("{:#x} {may:?} {}", caller.id, caller.pages);
            }
            println!("{:#x} {:#x} {}", user.properties, user.power_messages, user.forwards);
            println!("{} {}", keys.caller(1).is_some(), user.caller(0).unwrap().pages == u32::MAX);
            for machine in TABLE.virtual_machines {
                println!("{} {:#x} {}", machine.name, machine.id, machine.contexts);
            }
        }"#;
    let program =
        compile(&scratch("callers"), &text(&files, "table.rs"), main).unwrap_or_else(|why| panic!("{why}"));
    let output = String::from_utf8(Command::new(program).output().unwrap().stdout).unwrap();
    let expected = "0x0 [0, 0, 0, 0] 0\n0x2 [1, 0, 0, 0] 512\n0x8002 [1, 1, 1, 1] 16\n0x1c5 0xb true\nfalse true\n\
                    android 0x1 8\nwallet 0x2 64\n";
    assert_eq!(output, expected);
    let tree = Fdt::new(&files["sp/user.dtb"]).unwrap();
    assert_eq!(number(&tree, "/", "power-management-messages"), 0xb);
    assert_eq!(number(&tree, "/", "vm-availability-messages"), 0b11);
    assert_eq!(number(&tree, "/", "messaging-method"), 0b111);
    let tree = Fdt::new(&files["sp/keys.dtb"]).unwrap();
    let root = tree.find_node("/").unwrap();
    assert!(root.property("power-management-messages").is_none());
    assert!(root.property("vm-availability-messages").is_none());
}

#[test]
fn a_table_that_breaks_an_invariant_does_not_compile() {
    let (_, files) = phone();
    let table = text(&files, "table.rs");
    let broken = [
        (
            "SHARES: usize = 384",
            "SHARES: usize = 385",
            "shares are miscounted",
        ),
        (
            "WINDOW_PAGES: usize = 18432",
            "WINDOW_PAGES: usize = 1",
            "the windows' pages are miscounted",
        ),
        (
            "PARTITIONS: usize = 3",
            "PARTITIONS: usize = 2",
            "partitions are miscounted",
        ),
        (
            "base: 0xe800000, size: 0x600000",
            "base: 0xe700000, size: 0x700000",
            "two partitions overlap",
        ),
        (
            "base: 0xe200000, size: 0x600000",
            "base: 0xe100000, size: 0x700000",
            "a region overlaps the hypervisor",
        ),
        (
            "base: 0xee00000, size: 0x100000",
            "base: 0xee00000, size: 0x300000",
            "a region is outside secure memory",
        ),
        ("load: 0xe204000", "load: 0xe200000", "an image is misplaced"),
        (
            "entry: 0xe204000",
            "entry: 0xe203000",
            "an entry is not at an instruction",
        ),
        (
            "entry: 0xe204000",
            "entry: 0xe204002",
            "an entry is not at an instruction",
        ),
        (
            "entry: 0xe204000",
            "entry: 0xe700000",
            "an entry is behind its image",
        ),
        (
            "Rights::ReadWriteExecute",
            "Rights::ReadWrite",
            "a region has the wrong rights",
        ),
        (
            "properties: 0x109",
            "properties: 0x10b",
            "a partition takes messages that are not known",
        ),
        (
            "quiesce: &[]",
            "quiesce: &[RegisterWrite { address: 0x90b0000, value: 0 }]",
            "a register that is quiesced is no device's of the partition",
        ),
        (
            "power_messages: 0x0",
            "power_messages: 0x10",
            "a partition wants power messages that are not known",
        ),
        ("id: 0x8002", "id: 0x8001", "IDs are not ascending"),
        (
            "Caller::unlimited(0x0000)",
            "Caller::unlimited(0x8009)",
            "a caller does not exist",
        ),
        (
            "Caller::unlimited(0x0000)",
            "Caller::unlimited(0x0001)",
            "a caller does not exist",
        ),
        (
            "Caller::unlimited(0x0000)",
            "Caller::unlimited(0x0000), Caller::unlimited(0x0000)",
            "callers are not ascending",
        ),
        (
            "Caller::unlimited(0x0000)",
            "Caller { id: 0, messages: Messages::ALL, pages: 8193 }",
            "a caller shares more than a window holds",
        ),
        (
            "Caller::unlimited(0x0000)",
            "Caller::unlimited(0x8002)",
            "a partition shares more than it has",
        ),
        (
            "VIRTUAL_MACHINES: usize = 0",
            "VIRTUAL_MACHINES: usize = 1",
            "virtual machines are miscounted",
        ),
        (
            "boot_order: &[0, 1, 2]",
            "boot_order: &[0, 1, 1]",
            "the boot order names a partition twice",
        ),
        (
            "cores: 0xf,",
            "cores: 0x1f,",
            "a partition lists a core that is not there",
        ),
        (
            "cores: 0xf,",
            "cores: 0xe,",
            "a partition does without the boot core",
        ),
        (
            "limit_us: 10000",
            "limit_us: 0",
            "a managed exit, or a queue, has a bound out of range",
        ),
        ("shares: 128", "shares: 0", "shares are out of range"),
    ];
    // Two partitions that call each other.
    let circle = table
        .replacen(
            "Caller::unlimited(0x0000)",
            "Caller { id: 0x8002, messages: Messages::DIRECT, pages: 0 }",
            1,
        )
        .replacen(
            "Caller::unlimited(0x0000)",
            "Caller { id: 0x8001, messages: Messages::ALL, pages: 0 }",
            1,
        );
    let folder = scratch("broken");
    let said = compile(&folder, &circle, "fn main() {}").unwrap_err();
    assert!(said.contains("partitions call each other in a circle"), "{said}");
    for (good, bad, why) in broken {
        assert!(table.contains(good), "the table has no {good}");
        let said = compile(&folder, &table.replacen(good, bad, 1), "fn main() {}").unwrap_err();
        assert!(said.contains(why), "{bad}: {said}");
    }
}

/// A property of 1, 2, 4 or 8 cells as a number.
fn number(tree: &Fdt<'_>, path: &str, name: &str) -> u64 {
    let node = tree.find_node(path).unwrap_or_else(|| panic!("no {path}"));
    let value = node.property(name).unwrap_or_else(|| panic!("no {name}")).value;
    value.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[test]
fn firmware_reads_the_hypervisor_and_the_packages() {
    let (system, files) = phone();
    let tree = Fdt::new(&files["tos_fw_config.dtb"]).unwrap();
    assert_eq!(
        tree.find_node("/")
            .unwrap()
            .property("compatible")
            .unwrap()
            .as_str(),
        Some("arm,ffa-core-manifest-1.0")
    );
    assert_eq!(number(&tree, "/attribute", "spmc_id"), 0x8000);
    assert_eq!(
        (
            number(&tree, "/attribute", "maj_ver"),
            number(&tree, "/attribute", "min_ver")
        ),
        (1, 2)
    );
    assert_eq!(
        number(&tree, "/attribute", "load_address"),
        system.hypervisor.base
    );
    assert_eq!(number(&tree, "/attribute", "binary_size"), system.hypervisor.size);

    let tree = Fdt::new(&files["tb_fw_config.dtb"]).unwrap();
    let list = tree.find_node("/secure-partitions").unwrap();
    assert_eq!(list.property("compatible").unwrap().as_str(), Some("arm,sp"));
    assert_eq!(list.children().count(), system.partitions.len());
    for partition in &system.partitions {
        let path = format!("/secure-partitions/{}", partition.name);
        let uuid = tree
            .find_node(&path)
            .unwrap()
            .property("uuid")
            .unwrap()
            .as_str()
            .unwrap();
        assert_eq!(uuid, partition.package_uuid_text());
        let end = number(&tree, &path, "load-address") + files[&partition.package_path()].len() as u64;
        assert_eq!(end, partition.memory[0].range.end());
    }
}

#[test]
fn with_trusted_boot_firmware_is_told_of_no_package() {
    let (mut system, _) = phone();
    system.trusted_boot = true;
    let images = system.partitions.iter();
    let images: Images = images.map(|one| (one.name.clone(), vec![0xa5; 4096])).collect();
    let files = files(&system, &images);
    let tree = Fdt::new(&files["tb_fw_config.dtb"]).unwrap();
    let list = tree.find_node("/secure-partitions").unwrap();
    assert_eq!(list.children().count(), 0);
    let table = text(&files, "table.rs");
    assert!(table.contains("pub const STORED: bool = true;"));
    let (main, folder) = ("fn main() { assert!(STORED); }", scratch("trusted-boot"));
    compile(&folder, &table, main).unwrap_or_else(|said| panic!("{said}"));
    // Where the package would lie, there is room for the image.
    let places: Vec<_> = table.matches("package: Range { base: 0, size: 0 }").collect();
    assert_eq!(places.len(), system.partitions.len());
}

#[test]
fn a_package_holds_its_manifest_and_its_image() {
    let (_, files) = phone();
    let package = &files["sp/vendor-a.pkg"];
    let word = |at: usize| u32::from_le_bytes(package[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(&package[..4], b"SPKG");
    assert_eq!(
        (word(4), word(8), word(16), word(20)),
        (2, 0x1000, 0x4000, 820_123)
    );
    assert_eq!(&package[0x1000..0x1000 + word(12)], &files["sp/vendor-a.dtb"][..]);
    assert!(package[0x4000..0x4000 + 820_123].iter().all(|byte| *byte == 0xa5));
    assert!(package[0x4000 + 820_123..].iter().all(|byte| *byte == 0));
    assert_eq!(package.len() % 4096, 0);
}

#[test]
fn a_manifest_says_what_op_tee_reads() {
    let (_, files) = phone();
    let tree = Fdt::new(&files["sp/vendor-b.dtb"]).unwrap();
    assert_eq!(
        tree.find_node("/")
            .unwrap()
            .property("compatible")
            .unwrap()
            .as_str(),
        Some("arm,ffa-manifest-1.0")
    );
    assert_eq!(number(&tree, "/", "ffa-version"), 0x0001_0002);
    assert_eq!(number(&tree, "/", "load-address"), 0x0e80_0000);
    assert_eq!(number(&tree, "/", "mem-size"), 6 << 20);
    assert_eq!(number(&tree, "/", "id"), 0x8002);
    assert_eq!(number(&tree, "/", "execution-ctx-count"), 4);
    assert_eq!(
        hex(tree.find_node("/").unwrap().property("uuid").unwrap().value),
        "486178e0e7f811e3bc5e0002a5d5c51b"
    );
}

#[test]
fn op_tee_is_built_for_its_place() {
    let (system, files) = phone();
    let args = mk_args(system.partition("vendor-b").unwrap());
    let value = |name: &str| {
        args.iter()
            .find(|(variable, _)| variable == name)
            .unwrap()
            .1
            .as_str()
    };
    assert_eq!(value("CFG_TZDRAM_START"), "0x0e804000");
    assert_eq!(value("CFG_TZDRAM_SIZE"), "0x005fc000");
    assert_eq!(value("CFG_TEE_CORE_NB_CORE"), "4");
    assert_eq!(value("CFG_DEVICE_ENUM_PTA"), "n");
    assert!(text(&files, "tee/vendor-b.mk-args").contains("CFG_FFA_CONSOLE=y\n"));
    assert!(mk_args(system.partition("vendor-c").unwrap()).is_empty());
}

#[test]
fn the_normal_world_gets_its_routes_and_the_linker_its_place() {
    let (_, files) = phone();
    let routes: toml::Table = text(&files, "linux/tees.toml").parse().unwrap();
    assert_eq!(routes["default"].as_str(), Some("vendor-a"));
    let endpoints: Vec<_> = routes["tee"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tee| tee["endpoint"].as_integer())
        .collect();
    assert_eq!(endpoints, [Some(0x8001), Some(0x8002), Some(0x8003)]);
    let applications = |tee: usize| {
        let list = routes["tee"][tee]
            .get("applications")
            .and_then(|list| list.as_array());
        list.map(|list| list.iter().filter_map(|uuid| uuid.as_str()).collect::<Vec<_>>())
    };
    assert_eq!(applications(0), None);
    let tokens = "fd02c9da-306c-48c7-a49c-bbd827ae86ee";
    assert_eq!(
        applications(1).and_then(|list| list.first().copied()),
        Some(tokens)
    );
    assert!(
        text(&files, "memory.ld").contains("HYPERVISOR_BASE = 0xe100000;\nHYPERVISOR_SIZE = 0x100000;\n")
    );
    assert!(text(&files, "linux/reserved.dts").contains("secure-ram@e100000"));
}

#[test]
fn devices_get_links_by_name_and_each_optee_its_supplicant() {
    let (system, files) = phone();
    let rules = text(&files, "linux/60-bulkhead-tees.rules");
    for partition in &system.partitions {
        let name = &partition.client.as_ref().unwrap().name;
        let link = format!("RESULT==\"{name}\", KERNEL==\"tee[0-9]*\", SYMLINK+=\"tee-by-name/{name}\"");
        assert!(rules.contains(&link), "{rules}");
        let wish = format!("bulkhead-supplicant@{name}.service");
        assert_eq!(rules.contains(&wish), name != "vendor-c", "{wish}");
    }
    // A rule is one line of `key operator "value"` between commas.
    for line in rules
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        for item in line.split(", ") {
            let (key, value) = item.split_once('=').unwrap();
            assert!(key.starts_with(|c: char| c.is_ascii_uppercase()), "{item}");
            let value = value.trim_start_matches('=');
            assert!(
                value.len() > 2 && value.starts_with('"') && value.ends_with('"'),
                "{item}"
            );
        }
    }
}

#[test]
fn systemd_accepts_the_supplicant_s_service() {
    let (_, files) = phone();
    let unit = text(&files, "linux/bulkhead-supplicant@.service");
    assert!(unit.contains("--fs-parent-path=/var/lib/tee/%i /dev/tee-by-name/%i.supplicant\n"));
    let unit = unit.replace("/usr/sbin/tee-supplicant", "/bin/sh");
    accepted(
        &unit,
        "bulkhead-supplicant@.service",
        "bulkhead-supplicant@vendor-b.service",
    );
}

#[test]
fn drivers_are_bound_anew_where_the_table_says_so() {
    let (_, files) = phone();
    assert!(!files.contains_key("linux/bulkhead-rebind.service"));
    assert!(!text(&files, "linux/tees.toml").contains("rebind"));
    let system = load(Path::new("notifications.toml")).unwrap_or_else(|report| panic!("{report}"));
    let images = ["vendor-a", "vendor-b", "vendor-c"].map(|name| (name.to_owned(), vec![1; 9]));
    let files = self::files(&system, &Images::from(images));
    let tees = text(&files, "linux/tees.toml");
    let wanted = "endpoint = 0x8001\nkind = \"optee\"\nrebind = true\n";
    assert!(
        tees.contains(wanted) && tees.matches("rebind").count() == 1,
        "{tees}"
    );
    let unit = text(&files, "linux/bulkhead-rebind.service");
    assert!(unit.contains("--stop \"systemctl stop bulkhead-supplicant@{}.service\"\n"));
    let unit = unit.replace("/usr/bin/bulkhead-rebind", "/bin/sh");
    accepted(&unit, "bulkhead-rebind.service", "bulkhead-rebind.service");
    // Both OP-TEEs hear again what their drivers say once; who is not restarted hears it from its driver.
    let table = text(&files, "table.rs");
    assert_eq!(table.matches("repeats: Some(0x5)").count(), 2, "{table}");
    assert_eq!(table.matches("repeats: None").count(), 1, "{table}");
    // And no name that one of them gave means another thread of a later instance.
    assert_eq!(table.matches("continues: Some(0x80000001)").count(), 2, "{table}");
    assert_eq!(table.matches("continues: None").count(), 1, "{table}");
}

/// What systemd says of a service, where its checker is at hand. Its program is one that is installed here.
fn accepted(unit: &str, file: &str, instance: &str) {
    let folder = scratch("systemd");
    fs::write(folder.join(file), unit).unwrap();
    let instance = folder.join(instance);
    match Command::new("systemd-analyze")
        .arg("verify")
        .arg("--man=no")
        .arg(&instance)
        .output()
    {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && !said.contains("bulkhead-"), "{said}");
        }
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
    }
}

#[test]
fn the_same_table_gives_the_same_bytes() {
    assert_eq!(phone().1, phone().1);
}

/// The pictures in the book are the ones that the tables give. `BLESS=1` writes them anew.
#[test]
fn the_pictured_systems_are_those_of_the_tables() {
    let (_, files) = phone();
    for name in ["phone", "three-vendors", "dedicated-core"] {
        let table = format!("{name}.toml");
        let system = load(Path::new(&table)).unwrap_or_else(|report| panic!("{report}"));
        let picture = bulkhead_configs::picture(&system);
        if name == "phone" {
            assert_eq!(files["layout.svg"], picture.as_bytes());
        }
        let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/{name}.svg"));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&shown, &picture).unwrap();
        }
        assert!(
            fs::read_to_string(&shown).unwrap() == picture,
            "docs/{name}.svg is not the picture of configs/{table}"
        );
    }
}

/// So are the stories of the page of internals, of the default system.
#[test]
fn the_stories_of_the_book_are_those_of_the_table() {
    let (system, _) = phone();
    let stories = [
        ("boot", Story::Boot),
        ("call", Story::Call),
        ("share", Story::Share),
        ("interrupt", Story::Interrupt),
    ];
    for (name, kind) in stories {
        let picture = story(&system, kind).unwrap();
        let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/story-{name}.svg"));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&shown, &picture).unwrap();
        }
        assert!(
            fs::read_to_string(&shown).unwrap_or_default() == picture,
            "docs/story-{name}.svg is not the story of configs/phone.toml"
        );
    }
}
