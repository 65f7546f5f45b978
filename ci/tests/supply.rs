//! Where the dependencies come from, under which licences, and which are linked into the image: what `cargo deny` says
//! of sources and licences, on any machine, and more.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Licences that need nothing but to be named.
const LICENCES: [&str; 5] = [
    "Apache-2.0",
    "BSD-3-Clause",
    "MIT",
    "Unicode-3.0",
    "Apache-2.0 WITH LLVM-exception",
];
/// Those with another one, which somebody has thought about (`deny.toml` says why).
const EXCEPTIONS: [(&str, &str); 3] = [
    ("fdt", "MPL-2.0"),
    ("alterable_logger", "MPL-2.0"),
    ("colored", "MPL-2.0"),
];
/// What is linked into the image beside our own, with its version: each new one, or another version, is looked at first.
const IMAGE: [(&str, &str); 18] = [
    ("aarch64-cpu", "11.2.0"),
    ("bitflags", "1.3.2"),
    ("block-buffer", "0.10.4"),
    ("byteorder", "1.5.0"),
    ("cfg-if", "1.0.5"),
    ("crypto-common", "0.1.7"),
    ("cpufeatures", "0.2.17"),
    ("defmt", "1.2.0"),
    ("digest", "0.10.7"),
    ("ed25519-compact", "2.6.0"),
    ("generic-array", "0.14.7"),
    ("hash32", "0.3.1"),
    ("heapless", "0.9.3"),
    ("sha2", "0.10.9"),
    ("spin", "0.12.3"),
    ("stable_deref_trait", "1.2.1"),
    ("static_assertions", "1.1.0"),
    ("subtle", "2.6.1"),
];
/// Further ones, which are types and constants alone.
const TYPES: [(&str, &str); 2] = [("tock-registers", "0.10.1"), ("typenum", "1.20.1")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A package of a lock file: its fields by name.
fn packages(lock: &str) -> Vec<BTreeMap<&str, &str>> {
    let blocks = lock.split("[[package]]").skip(1);
    blocks
        .map(|block| {
            let pairs = block.lines().filter_map(|line| line.split_once(" = \""));
            pairs
                .map(|(name, value)| (name, value.trim_end_matches('"')))
                .collect()
        })
        .collect()
}

/// What is wrong with where the packages of a lock file come from.
fn faults(lock: &str) -> Vec<String> {
    let packages = packages(lock);
    let sources: BTreeSet<_> = packages
        .iter()
        .filter_map(|package| package.get("source"))
        .collect();
    let mut faults: Vec<_> = sources
        .iter()
        .filter(|source| !source.starts_with("registry+"))
        .map(|source| format!("{source} is no registry"))
        .collect();
    if sources.len() > 1 {
        faults.push(format!("there are {} sources", sources.len()));
    }
    for package in packages.iter().filter(|package| package.contains_key("source")) {
        let sum = package.get("checksum").copied().unwrap_or_default();
        if sum.len() != 64 || !sum.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            faults.push(format!("{} has no checksum", package.get("name").unwrap_or(&"?")));
        }
    }
    faults
}

/// Whether a licence expression can be met with what is allowed: any side of an `OR`, all of an `AND`.
fn allowed(expression: &str, name: &str) -> bool {
    let expression = expression.trim();
    let split = |word: &str| parts(expression, word);
    let (or, and) = (split(" OR "), split(" AND "));
    if or.len() > 1 {
        return or.iter().any(|part| allowed(part, name));
    }
    if and.len() > 1 {
        return and.iter().all(|part| allowed(part, name));
    }
    let inner = expression
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    inner.map_or_else(
        || LICENCES.contains(&expression) || EXCEPTIONS.contains(&(name, expression)),
        |inner| allowed(inner, name),
    )
}

/// The parts of an expression between a word that is in no parentheses.
fn parts(expression: &str, word: &str) -> Vec<String> {
    let (mut parts, mut depth, mut from, mut at) = (Vec::new(), 0, 0, 0);
    while let Some(rest) = expression.get(at..).filter(|rest| !rest.is_empty()) {
        if depth == 0 && rest.starts_with(word) {
            parts.push(expression[from..at].to_owned());
            at += word.len();
            from = at;
            continue;
        }
        depth += i32::from(rest.starts_with('(')) - i32::from(rest.starts_with(')'));
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
    parts.push(expression[from..].to_owned());
    parts
}

/// What cargo says of the packages, as they are built for the image.
fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", "aarch64-unknown-none-softfloat"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn everything_comes_from_one_registry_with_its_checksum() {
    for path in [
        "Cargo.lock",
        "hypervisor/core/fuzz/Cargo.lock",
        "configs/fuzz/Cargo.lock",
    ] {
        let lock = std::fs::read_to_string(root().join(path)).unwrap();
        assert!(packages(&lock).len() > 5, "{path}");
        assert_eq!(faults(&lock), Vec::<String>::new(), "{path}");
    }
    let sum = "0".repeat(64);
    let one = |source: &str, sum: &str| {
        format!("[[package]]\nname = \"x\"\nsource = \"{source}\"\nchecksum = \"{sum}\"\n")
    };
    assert_eq!(faults(&one("registry+a", &sum)).len(), 0);
    assert_eq!(faults(&one("git+a", &sum)).len(), 1);
    assert_eq!(faults(&one("registry+a", "")).len(), 1);
    assert_eq!(
        faults(&(one("registry+a", &sum) + &one("registry+b", &sum))).len(),
        1
    );
}

#[test]
fn licences_are_allowed() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let foreign = packages.iter().filter(|package| !package["source"].is_null());
    for package in foreign {
        let text = |field: &str| package[field].as_str().unwrap_or_default();
        // Older manifests write a choice with a slash.
        let licence = text("license").replace(" / ", "/").replace('/', " OR ");
        assert!(allowed(&licence, text("name")), "{}: {licence}", text("name"));
    }
    for (expression, good) in [
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("(GPL-3.0 OR MIT) AND Unicode-3.0", true),
        ("(GPL-3.0 OR MIT) AND GPL-3.0", false),
        ("MPL-2.0", false),
        ("", false),
    ] {
        assert_eq!(allowed(expression, "some"), good, "{expression}");
    }
}

#[test]
fn what_is_linked_into_the_image_is_known() {
    let metadata = metadata();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages: BTreeMap<String, Value> = list(&metadata["packages"])
        .into_iter()
        .map(|package| (package["id"].to_string(), package))
        .collect();
    let nodes: BTreeMap<String, Vec<Value>> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| (node["id"].to_string(), list(&node["deps"])))
        .collect();
    let image = packages.iter().find(|(_, package)| package["name"] == "bulkhead");
    let (mut open, mut linked) = (vec![image.unwrap().0.clone()], BTreeSet::new());
    while let Some(id) = open.pop() {
        let package = &packages[&id];
        // What a macro of the compiler's is made of runs at the build and is not linked.
        let library = |kind: &str| {
            let targets = list(&package["targets"]);
            targets.iter().any(|target| target["kind"][0] == kind)
        };
        if library("proc-macro") || !linked.insert(id.clone()) {
            continue;
        }
        let normal = |dep: &&Value| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
        open.extend(nodes[&id].iter().filter(normal).map(|dep| dep["pkg"].to_string()));
    }
    let found: BTreeSet<_> = linked
        .iter()
        .map(|id| &packages[id])
        .filter(|package| !package["source"].is_null())
        .map(|package| {
            (
                package["name"].as_str().unwrap(),
                package["version"].as_str().unwrap(),
            )
        })
        .collect();
    let known: BTreeSet<_> = IMAGE.into_iter().chain(TYPES).collect();
    assert_eq!(found, known, "look at what is new, then name it here");
}
