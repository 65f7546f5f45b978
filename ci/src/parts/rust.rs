//! Rust for the guests: rustup's targets, or the standard library built from Debian's copy of its source.

use super::apt::Apt;
use super::debs::unpack;
use super::pins::Pin;
use crate::paths::Paths;
use crate::progress::{self, step};
use crate::stamp;
use crate::tool::Tool;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The target of the hypervisor, which must not touch the registers of FP/SIMD.
pub const HYPERVISOR: &str = "aarch64-unknown-none-softfloat";
/// The target of partitions and of the normal world's boot stage.
pub const BARE: &str = "aarch64-unknown-none";
/// The target of programs in the normal world's Linux.
pub const LINUX: &str = "aarch64-unknown-linux-gnu";

/// How to build for the guests' targets.
pub enum Toolchain {
    /// rustup has the targets.
    Targets,
    /// The standard library is built from this source (`library` of Rust's tree).
    Source(PathBuf),
}

/// Makes the targets available.
pub fn provide(paths: &Paths, apt: &Apt) -> Result<Toolchain> {
    if installed(paths) {
        return Ok(Toolchain::Targets);
    }
    let version = version(paths)?;
    let folder = paths.parts.join("rust-source");
    let inputs = stamp::digest(["rust-src", &version]);
    let library = folder.join(format!("tree/usr/src/rustc-{version}/library"));
    if stamp::is_current(&folder, &inputs) {
        return Ok(Toolchain::Source(library));
    }
    let what = "adding Rust's targets with rustup";
    let add = Tool::new("rustup")
        .args(["target", "add", HYPERVISOR, BARE, LINUX])
        .within(&paths.root);
    if add.output(what).is_ok() && installed(paths) {
        return Ok(Toolchain::Targets);
    }
    progress::note(
        "rustup cannot add the targets: the standard library is built from Debian's rust-src instead",
    );
    let chosen = rust_source(apt, &version)?;
    let what = format!("fetching rust-src {chosen}");
    step(&what, || {
        stamp::make(&folder, &inputs, |to| {
            unpack(apt, &what, &[format!("rust-src={chosen}")], to)?;
            Ok(chosen.clone())
        })
    })?;
    Ok(Toolchain::Source(library))
}

/// The version of Debian's package with the source of exactly this Rust.
fn rust_source(apt: &Apt, version: &str) -> Result<String> {
    let pin = Pin {
        name: "rust-src",
        version: "",
    };
    let mut offered = apt.versions(pin.name, false)?;
    offered.retain(|candidate| candidate.starts_with(&format!("{version}+")));
    offered.into_iter().next().with_context(|| {
        format!(
            "rustup's server cannot be reached and the archive has no rust-src {version}; \
             run `rustup target add {HYPERVISOR} {BARE} {LINUX}` where it can be reached"
        )
    })
}

/// Whether rustup's toolchain has all targets.
fn installed(paths: &Paths) -> bool {
    let Ok(root) = Tool::new("rustc")
        .args(["--print", "sysroot"])
        .within(&paths.root)
        .output("asking rustc")
    else {
        return false;
    };
    let targets = Path::new(root.trim()).join("lib/rustlib");
    [HYPERVISOR, BARE, LINUX]
        .iter()
        .all(|target| targets.join(target).join("lib").exists())
}

/// The version of rustc, such as `1.95.0`.
fn version(paths: &Paths) -> Result<String> {
    let text = Tool::new("rustc")
        .arg("--version")
        .within(&paths.root)
        .output("asking rustc for its version")?;
    text.split_whitespace()
        .nth(1)
        .map(str::to_owned)
        .context("`rustc --version` names no version; install Rust by rustup")
}
