//! The real parts: Debian's packages, in the versions that were taken, or else those that are pinned.

use super::reference;
use crate::parts::pins::{self, Pin};
use crate::paths::Paths;
use crate::stamp;
use bulkhead_configs::{Origin, System, Tee};
use serde_json::{Value, json};

/// The firmware at EL3, with its boot loader.
pub fn firmware(paths: &Paths) -> Value {
    source("firmware", &pins::TFA, paths)
}

/// What firmware checks signatures with.
pub fn signatures(paths: &Paths) -> Value {
    source("library", &pins::MBEDTLS, paths)
}

/// What a partition's image is made of where its code is not ours: OP-TEE's source, or an image that the table names.
pub fn trusted_os(paths: &Paths, system: &System, name: &str, components: &mut Vec<Value>) -> Vec<String> {
    let partition = system.partitions.iter().find(|partition| partition.name == name);
    let optee = |origin: &Origin| matches!(origin, Origin::Build(Tee::Optee));
    if !partition.is_some_and(|partition| optee(&partition.image.origin)) {
        // Nobody here knows what is in it; its digest is the image's own.
        return Vec::new();
    }
    let optee = source("operating-system", &pins::OPTEE, paths);
    let id = reference(&optee);
    components.push(optee);
    vec![id]
}

/// The normal world's kernel, programs and libraries.
pub fn normal_world(paths: &Paths) -> Vec<Value> {
    let taken = stamp::note(&paths.parts.join("linux"));
    let kernel = taken.strip_prefix("Linux ").unwrap_or(pins::LINUX.name);
    let version = if kernel == pins::LINUX.name {
        pins::LINUX.version
    } else {
        kernel
    };
    let kernels = ["binary", "modules"].map(|kind| {
        let name = format!("linux-{kind}-{kernel}-cloud-arm64");
        package("operating-system", &name, version, "arm64")
    });
    let taken = stamp::note(&paths.parts.join("userland"));
    let userland = pins::USERLAND.iter().map(|pin| {
        let version = taken
            .lines()
            .find_map(|line| line.strip_prefix(pin.name)?.strip_prefix(":arm64="));
        package("library", pin.name, version.unwrap_or(pin.version), "arm64")
    });
    kernels.into_iter().chain(userland).collect()
}

/// A source package.
fn source(kind: &str, pin: &Pin, paths: &Paths) -> Value {
    let taken = stamp::note(&paths.parts.join(format!("{}-source", pin.name)));
    let version = taken.split_once(' ').map_or(pin.version, |(_, version)| version);
    package(kind, pin.name, version, "source")
}

fn package(kind: &str, name: &str, version: &str, arch: &str) -> Value {
    let purl = format!(
        "pkg:deb/debian/{}@{}?arch={arch}",
        escaped(name),
        escaped(version)
    );
    json!({"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl})
}

/// A name or version as a package URL has it.
fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '+' => "%2B".to_owned(),
        ':' => "%3A".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_escaped() {
        let package = super::package("library", "libstdc++6", "1:2~b+c-1", "arm64");
        assert_eq!(
            package["purl"],
            "pkg:deb/debian/libstdc%2B%2B6@1%3A2~b%2Bc-1?arch=arm64"
        );
    }
}
