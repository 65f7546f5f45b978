//! `cargo xtask sbom`: what a system is made of, as a bill of materials in CycloneDX 1.6: all that is linked into what is
//! ours, with the checksums of the lock file, and the real parts with their packages.

mod crates;
mod packages;

use crate::build::{self, Firmware};
use crate::parts::{self, Part};
use crate::paths::{Paths, read, write};
use crate::stamp;
use crate::tool::Tool;
use anyhow::Result;
use bulkhead_configs::{Origin, System, Tee};
use crates::Crates;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Builds a table's firmware and writes its bill of materials, to a file or to the standard output.
pub fn sbom(paths: &Paths, table: &Path, file: Option<&PathBuf>) -> Result<()> {
    let system = build::load(table)?;
    let parts = parts::provide(paths, &[Part::Tfa, Part::Optee, Part::Linux])?;
    let firmware = build::build_firmware(paths, &parts, system, table)?;
    let bom = bill(paths, &firmware.system, &images(&firmware)?)?;
    let text = serde_json::to_string_pretty(&bom)? + "\n";
    match file {
        Some(file) => write(file, text.as_bytes()),
        None => {
            print!("{text}");
            Ok(())
        }
    }
}

/// SHA-256 of what was built, by the names of [`bill`].
type Digests = BTreeMap<String, String>;

/// The digests of a built system: of the hypervisor's image, of each partition's, and of flash.
fn images(firmware: &Firmware) -> Result<Digests> {
    let digest = |bytes: Vec<u8>| stamp::hex(&Sha256::digest(bytes));
    let mut digests = firmware.digests.clone();
    let image = read(&firmware.folder.join("bulkhead.bin"))?;
    digests.insert(HYPERVISOR.to_owned(), digest(image));
    let boot_stage = read(&firmware.folder.join("ns-boot.bin"))?;
    digests.insert(BOOT_STAGE.to_owned(), digest(boot_stage));
    digests.insert(FLASH.to_owned(), digest(read(&firmware.flash)?));
    Ok(digests)
}

/// The hypervisor's package.
const HYPERVISOR: &str = "bulkhead";
/// The boot stage's package.
const BOOT_STAGE: &str = "bulkhead-ns-boot";
/// What the bill is of.
const FLASH: &str = "flash";

/// The bill of a system. The same system has the same bill: nothing in it is a time, or chance.
fn bill(paths: &Paths, system: &System, digests: &Digests) -> Result<Value> {
    let crates = Crates::of(&paths.root)?;
    let normal = packages::normal_world(paths);
    let firmware = packages::firmware(paths);
    let compiler = compiler(paths)?;
    let mut components = vec![compiler.clone()];
    let mut edges = BTreeMap::from([(FLASH.to_owned(), vec![reference(&firmware)])]);
    if system.trusted_boot {
        let signatures = packages::signatures(paths);
        edges.insert(reference(&firmware), vec![reference(&signatures)]);
        components.push(signatures);
    }
    components.push(firmware.clone());
    let ours = [HYPERVISOR, BOOT_STAGE].map(|package| (package.to_owned(), Some(package)));
    let guests = system.partitions.iter().map(|partition| {
        let package = match partition.image.origin {
            Origin::Build(Tee::Rust) => Some("bulkhead-rust-tee"),
            Origin::Build(Tee::Test) => Some("bulkhead-test-sp"),
            Origin::Build(Tee::Sensors) => Some("bulkhead-sensors"),
            Origin::Build(Tee::Optee | Tee::Sel4 | Tee::Other) | Origin::File(_) => None,
        };
        (partition.name.clone(), package)
    });
    for (name, package) in ours.into_iter().chain(guests) {
        let id = format!("image:{name}");
        components.push(image(&id, &name, digests.get(&name)));
        let made_of = match package {
            Some(package) => crates.add(package, &mut components, &mut edges)?,
            None => packages::trusted_os(paths, system, &name, &mut components),
        };
        edges.insert(id.clone(), made_of);
        edges.entry(FLASH.to_owned()).or_default().push(id);
    }
    edges.insert("normal-world".to_owned(), normal.iter().map(reference).collect());
    components.push(json!({"type": "platform", "bom-ref": "normal-world", "name": "normal world's Linux"}));
    components.extend(normal);
    components.sort_by_key(reference);
    components.dedup_by_key(|component| reference(component));
    let edges: Vec<_> = edges
        .into_iter()
        .map(|(from, mut to)| {
            to.sort();
            to.dedup();
            json!({"ref": from, "dependsOn": to})
        })
        .collect();
    let mut whole = image(FLASH, &system.name, digests.get(FLASH));
    whole["description"] = "what is in flash: Bulkhead with the firmware and the TEEs of this table".into();
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": whole},
        "components": components,
        "dependencies": edges,
    }))
}

/// An image, with its digest where it was built.
fn image(id: &str, name: &str, digest: Option<&String>) -> Value {
    let mut image =
        json!({"type": "firmware", "bom-ref": id, "name": name, "version": env!("CARGO_PKG_VERSION")});
    if let Some(digest) = digest {
        image["hashes"] = json!([{"alg": "SHA-256", "content": digest}]);
    }
    image
}

/// The compiler, whose own library is linked into each image.
fn compiler(paths: &Paths) -> Result<Value> {
    let words = Tool::new("rustc")
        .within(&paths.root)
        .arg("--version")
        .output("asking the compiler for its version")?;
    let version = words.split_whitespace().nth(1).unwrap_or_default();
    Ok(json!({
        "type": "application",
        "bom-ref": format!("pkg:generic/rust@{version}"),
        "name": "rust",
        "version": version,
        "purl": format!("pkg:generic/rust@{version}"),
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
    }))
}

/// By what name others speak of a component.
fn reference(component: &Value) -> String {
    component["bom-ref"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn of(table: &str) -> (Paths, Value) {
        let paths = Paths::find().unwrap();
        let system = bulkhead_configs::load(&paths.root.join(table)).unwrap();
        let digests = Digests::from([(HYPERVISOR.to_owned(), "ab".repeat(32))]);
        let bom = bill(&paths, &system, &digests).unwrap();
        (paths, bom)
    }

    fn components(bom: &Value) -> &[Value] {
        bom["components"].as_array().unwrap()
    }

    #[test]
    fn each_crate_is_that_of_the_lock_file() {
        let (paths, bom) = of("configs/phone.toml");
        let lock = std::fs::read_to_string(paths.root.join("Cargo.lock")).unwrap();
        let lock: toml::Table = lock.parse().unwrap();
        let locked: BTreeSet<_> = lock["package"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|package| {
                let field = |name: &str| package.get(name)?.as_str();
                Some((field("name")?, field("version")?, field("checksum")?))
            })
            .collect();
        let theirs: Vec<_> = components(&bom)
            .iter()
            .filter(|component| !component["hashes"].is_null() && component["type"] == "library")
            .collect();
        assert!(theirs.len() >= 19, "{}", theirs.len());
        for component in theirs {
            let field = |name: &str| component[name].as_str().unwrap();
            let sum = component["hashes"][0]["content"].as_str().unwrap();
            let known = locked.contains(&(field("name"), field("version"), sum));
            assert!(known, "{component}");
            assert_eq!(
                field("purl"),
                format!("pkg:cargo/{}@{}", field("name"), field("version"))
            );
            assert!(!component["licenses"][0]["expression"].is_null(), "{component}");
        }
    }

    #[test]
    fn each_real_part_is_a_pinned_package_or_newer() {
        let (_, bom) = of("configs/phone.toml");
        let names: BTreeSet<_> = components(&bom)
            .iter()
            .filter(|component| {
                component["purl"]
                    .as_str()
                    .is_some_and(|purl| purl.starts_with("pkg:deb/debian/"))
            })
            .map(|component| component["name"].as_str().unwrap())
            .collect();
        use crate::parts::pins;
        let pins = [&pins::TFA, &pins::OPTEE].into_iter().chain(&pins::USERLAND);
        for pin in pins {
            assert!(names.contains(pin.name), "{}", pin.name);
        }
        assert!(
            names.iter().any(|name| name.starts_with("linux-binary-")),
            "{names:?}"
        );
    }

    #[test]
    fn whatever_something_is_made_of_is_in_the_bill() {
        for table in ["configs/phone.toml", "configs/cases/ffa-memory.toml"] {
            let (_, bom) = of(table);
            let mut known: BTreeSet<_> = components(&bom).iter().map(reference).collect();
            assert_eq!(
                known.len(),
                components(&bom).len(),
                "names are of one component each"
            );
            known.insert(reference(&bom["metadata"]["component"]));
            for edge in bom["dependencies"].as_array().unwrap() {
                assert!(known.contains(edge["ref"].as_str().unwrap()), "{edge}");
                for to in edge["dependsOn"].as_array().unwrap() {
                    assert!(known.contains(to.as_str().unwrap()), "{edge}");
                }
            }
        }
    }

    #[test]
    fn the_image_is_made_of_what_is_linked_into_it() {
        let (_, bom) = of("configs/phone.toml");
        let edges: BTreeMap<_, _> = bom["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|edge| {
                (
                    edge["ref"].as_str().unwrap(),
                    edge["dependsOn"].as_array().unwrap(),
                )
            })
            .collect();
        let (mut open, mut reached) = (vec!["image:bulkhead"], BTreeSet::new());
        while let Some(id) = open.pop() {
            if reached.insert(id) {
                let next = edges.get(id).into_iter().flat_map(|list| list.iter());
                open.extend(next.filter_map(Value::as_str));
            }
        }
        for name in ["defmt", "sha2", "spin", "bulkhead-core"] {
            let found = reached
                .iter()
                .any(|id| id.starts_with(&format!("pkg:cargo/{name}@")));
            assert!(found, "{name} of {reached:?}");
        }
        let deny = ["loom", "proptest", "fdt"];
        assert!(
            !reached
                .iter()
                .any(|id| deny.iter().any(|name| id.contains(&format!("/{name}@"))))
        );
        let image = components(&bom)
            .iter()
            .find(|component| reference(component) == "image:bulkhead");
        assert_eq!(image.unwrap()["hashes"][0]["content"], "ab".repeat(32));
    }

    #[test]
    fn the_same_system_has_the_same_bill() {
        assert_eq!(of("configs/phone.toml").1, of("configs/phone.toml").1);
    }
}
