//! Building a system: from a partition table to a flash image and a normal world that boot.

use cargo::Build;

mod archive;
mod cargo;
mod clients;
mod firmware;
mod flash;
mod modules;
mod normal;
mod optee;
mod tfa;
mod trusted;

pub use archive::Archive;
pub use clients::with_clients;
pub use firmware::{BootStage, Core, Firmware, sel4_stub, with_certificates_of, with_tfa};
pub use normal::{NormalWorld, installed, tree, with_kernel};
pub use trusted::RootKey;

/// The flags of the TF-A under the hypervisor.
pub fn tfa_flags() -> Vec<&'static str> {
    tfa::flags(tfa::Spmc::SEl2)
}

/// Where the kernel and the initramfs are loaded.
pub const fn normal_addresses() -> [u64; 2] {
    [normal::KERNEL, normal::INITRD]
}

use crate::parts::{self, Parts, host::CROSS};
use crate::paths::Paths;
use crate::progress::Stages;
use crate::stamp;
use crate::tool::Tool;
use anyhow::{Error, Result, anyhow};
use bulkhead_configs::System;
use std::fmt::Display;
use std::path::Path;

/// A whole system: firmware with its TEEs, and Linux.
pub struct Built {
    /// What is in flash.
    pub firmware: Firmware,
    /// What Linux boots from.
    pub normal: NormalWorld,
}

/// Reads a table; its complaints are shown as they are.
pub fn load(table: &Path) -> Result<System> {
    let system = bulkhead_configs::load(table).map_err(|report| refused(table, &report))?;
    system.buildable().map_err(|report| refused(table, &report))?;
    Ok(system)
}

/// The error for a table that was refused.
fn refused(table: &Path, report: &dyn Display) -> Error {
    eprintln!("{report}");
    anyhow!(
        "the table {} is refused for the reasons above; correct it and run this again",
        table.display()
    )
}

/// What [`build`] does, stage by stage.
pub const STAGES: [&str; 3] = ["parts", "firmware", "normal world"];

/// Builds everything that a table names.
pub fn build(paths: &Paths, table: &Path, stages: &mut Stages) -> Result<Built> {
    let system = load(table)?;
    stages.begin("what has to be installed here, downloaded and unpacked");
    let parts = parts::provide(paths, &parts::ALL)?;
    stages.begin("TF-A, the TEEs, and the hypervisor around the table");
    let firmware = firmware::build(paths, &parts, system, table, BootStage::Linux)?;
    stages.begin("Debian's kernel, and a file system with the clients");
    let normal = normal::build(paths, &parts, &firmware)?;
    Ok(Built { firmware, normal })
}

/// Builds everything with parts that are there.
pub fn build_with(paths: &Paths, parts: &Parts, system: System, table: &Path) -> Result<Built> {
    let firmware = firmware::build(paths, parts, system, table, BootStage::Linux)?;
    let normal = normal::build(paths, parts, &firmware)?;
    Ok(Built { firmware, normal })
}

/// Builds the hypervisor around a table alone.
pub fn build_hypervisor(paths: &Paths, table: &Path) -> Result<Core> {
    let system = load(table)?;
    let parts = parts::provide(paths, &[])?;
    firmware::core(paths, &parts, &system, table)
}

/// Builds the firmware alone.
pub fn build_firmware(paths: &Paths, parts: &Parts, system: System, table: &Path) -> Result<Firmware> {
    firmware::build(paths, parts, system, table, BootStage::Linux)
}

/// Builds the firmware alone, with the bare-metal cases in Linux's place.
pub fn build_cases(paths: &Paths, parts: &Parts, system: System, table: &Path) -> Result<Firmware> {
    firmware::build(paths, parts, system, table, BootStage::Cases)
}

/// Builds what Linux boots from, for firmware that is there.
pub fn build_normal(paths: &Paths, parts: &Parts, firmware: &Firmware) -> Result<NormalWorld> {
    normal::build(paths, parts, firmware)
}

/// Builds the firmware alone, with the measurements of calls in Linux's place.
pub fn build_bench(paths: &Paths, parts: &Parts, system: System, table: &Path) -> Result<Firmware> {
    firmware::build(paths, parts, system, table, BootStage::Bench)
}

/// The same system of one OP-TEE without the hypervisor: what Linux's calls then cost, Bulkhead's are compared with.
pub fn build_alone(paths: &Paths, parts: &Parts, built: &Built) -> Result<Built> {
    let flash = firmware::alone(paths, parts, &built.firmware)?;
    Ok(Built {
        firmware: Firmware {
            flash,
            ..built.firmware.clone()
        },
        normal: built.normal.clone(),
    })
}

/// Checks what runs on bare metal with clippy: the name of each package, and what is wrong with it.
pub fn lint(paths: &Paths, parts: &Parts, built: &Built) -> Vec<(String, Option<String>)> {
    let guests = firmware::guests(&built.firmware.folder);
    let check = |guest: Build| {
        (
            guest.package.to_owned(),
            guest
                .lint(paths, &parts.rust)
                .err()
                .map(|error| format!("{error:#}")),
        )
    };
    guests.into_iter().map(check).collect()
}

/// How many jobs may run at a time.
pub fn jobs() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// The cross compiler's version: another compiler makes other images.
fn compiler() -> Result<String> {
    Tool::new(format!("{CROSS}gcc"))
        .arg("-dumpfullversion")
        .output("asking the cross compiler for its version")
}

/// Which version of the source an unpacked source package holds.
fn source_of(tree: &Path) -> String {
    tree.parent().map(stamp::note).unwrap_or_default()
}
