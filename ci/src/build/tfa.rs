//! TF-A: the firmware at EL3, built from Debian's source with one pinned set of flags.

use super::compiler;
use crate::parts::Parts;
use crate::paths::{Paths, make_folder, write};
use crate::progress::step;
use crate::stamp;
use crate::tool::Tool;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The flags. The secure world may use FP/SIMD and SVE, whose state S-EL2 then has to keep apart; SME is off.
pub const FLAGS: [&str; 18] = [
    "PLAT=qemu",
    "QEMU_USE_GIC_DRIVER=QEMU_GICV3",
    "SPD=spmd",
    "SPMD_SPM_AT_SEL2=1",
    "CTX_INCLUDE_EL2_REGS=1",
    "ENABLE_FEAT_SEL2=1",
    "BL32_RAM_LOCATION=tdram",
    "NEED_FDT=yes",
    "BRANCH_PROTECTION=1",
    "ARM_ARCH_MAJOR=8",
    "ARM_ARCH_MINOR=3",
    "ENABLE_FEAT_MTE2=2",
    "ENABLE_SVE_FOR_SWD=1",
    "ENABLE_SME_FOR_NS=0",
    "DEBUG=0",
    "LOG_LEVEL=20",
    // Else it would name the state of the tree around it, and the time.
    "BUILD_STRING=debian",
    "BUILD_MESSAGE_TIMESTAMP=\"reproducible\"",
];

/// Builds it where it is not built yet; returns the folder with bl1.bin, bl2.bin, bl31.bin and fiptool.
pub fn build(paths: &Paths, parts: &Parts) -> Result<PathBuf> {
    let folder = paths.parts.join("tfa");
    let tree = parts.tfa(paths)?;
    let source = super::source_of(&tree);
    let inputs = stamp::digest([source.as_str(), &compiler()?].into_iter().chain(FLAGS));
    if !stamp::is_current(&folder, &inputs) {
        let what = format!("building TF-A ({source})");
        step(&what, || {
            stamp::make(&folder, &inputs, |to| {
                make(paths, &tree, &what, to).map(|()| source.clone())
            })
        })?;
    }
    Ok(folder)
}

fn make(paths: &Paths, tree: &Path, what: &str, to: &Path) -> Result<()> {
    // TF-A's make wants images and a package list to name, though the four targets do not use them.
    let work = to.join("work");
    make_folder(&work)?;
    let (image, layout) = (work.join("image"), work.join("layout.json"));
    write(&image, b"image")?;
    write(&layout, b"{}")?;
    Tool::new("make")
        .within(tree)
        .arg(format!("-j{}", super::jobs()))
        .args(FLAGS)
        .arg("CROSS_COMPILE=aarch64-linux-gnu-")
        .arg(format!("BUILD_BASE={}", work.display()))
        .arg(format!("SP_LAYOUT_FILE={}", layout.display()))
        .args(["BL32", "BL33"].map(|name| format!("{name}={}", image.display())))
        .args(["bl1", "bl2", "bl31", "fiptool"])
        .run(what, &paths.logs.join("tfa.log"))?;
    for name in ["bl1.bin", "bl2.bin", "bl31.bin"] {
        take(&work.join("qemu/release").join(name), &to.join(name))?;
    }
    take(&tree.join("tools/fiptool/fiptool"), &to.join("fiptool"))?;
    fs::remove_dir_all(&work).context("TF-A's build folder cannot be removed")
}

/// Copies a result out of the build folder.
fn take(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("TF-A's build made no {}", from.display()))
}
