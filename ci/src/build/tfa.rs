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

/// Where the secure world's partition manager runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Spmc {
    /// At S-EL2: the hypervisor.
    SEl2,
    /// At S-EL1: a TEE that is its own.
    SEl1,
}

impl Spmc {
    /// The flags that differ.
    const fn flags(self) -> &'static [&'static str] {
        match self {
            Self::SEl2 => &[
                "SPMD_SPM_AT_SEL2=1",
                "CTX_INCLUDE_EL2_REGS=1",
                "ENABLE_FEAT_SEL2=1",
            ],
            Self::SEl1 => &[
                "SPMD_SPM_AT_SEL2=0",
                "CTX_INCLUDE_EL2_REGS=0",
                "ENABLE_FEAT_SEL2=0",
                // It is told where the normal world's memory is.
                "SPMC_OPTEE=1",
            ],
        }
    }

    /// The folder of its build.
    const fn folder(self) -> &'static str {
        match self {
            Self::SEl2 => "tfa",
            Self::SEl1 => "tfa-without-s-el2",
        }
    }
}

/// All flags of a build.
pub fn flags(spmc: Spmc) -> Vec<&'static str> {
    [&FLAGS, spmc.flags()].concat()
}

/// The flags that all builds have. The secure world may use FP/SIMD and SVE, whose state S-EL2 then has to keep apart;
/// SME is off.
const FLAGS: [&str; 15] = [
    "PLAT=qemu",
    "QEMU_USE_GIC_DRIVER=QEMU_GICV3",
    "SPD=spmd",
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
pub fn build(paths: &Paths, parts: &Parts, spmc: Spmc) -> Result<PathBuf> {
    let folder = paths.parts.join(spmc.folder());
    let tree = parts.tfa(paths)?;
    let source = super::source_of(&tree);
    let inputs = stamp::digest([source.as_str(), &compiler()?].into_iter().chain(flags(spmc)));
    if !stamp::is_current(&folder, &inputs) {
        let what = format!("building TF-A ({source})");
        step(&what, || {
            stamp::make(&folder, &inputs, |to| {
                make(paths, &tree, &what, spmc, to).map(|()| source.clone())
            })
        })?;
    }
    Ok(folder)
}

fn make(paths: &Paths, tree: &Path, what: &str, spmc: Spmc, to: &Path) -> Result<()> {
    // TF-A's make wants images and a package list to name, though the four targets do not use them.
    let work = to.join("work");
    make_folder(&work)?;
    let (image, layout) = (work.join("image"), work.join("layout.json"));
    write(&image, b"image")?;
    write(&layout, b"{}")?;
    Tool::new("make")
        .within(tree)
        .arg(format!("-j{}", super::jobs()))
        .args(flags(spmc))
        .arg("CROSS_COMPILE=aarch64-linux-gnu-")
        .arg(format!("BUILD_BASE={}", work.display()))
        .arg(format!("SP_LAYOUT_FILE={}", layout.display()))
        .args(["BL32", "BL33"].map(|name| format!("{name}={}", image.display())))
        .args(["bl1", "bl2", "bl31", "fiptool"])
        .run(what, &paths.logs.join(format!("{}.log", spmc.folder())))?;
    for name in ["bl1.bin", "bl2.bin", "bl31.bin"] {
        take(&work.join("qemu/release").join(name), &to.join(name))?;
    }
    take(&tree.join("tools/fiptool/fiptool"), &to.join("fiptool"))?;
    fs::remove_dir_all(&work).context("TF-A's build folder cannot be removed")
}

/// Copies a result out of the build folder.
pub fn take(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("TF-A's build made no {}", from.display()))
}
