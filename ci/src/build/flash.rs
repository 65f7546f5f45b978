//! The flash image: BL1, and behind it the FIP with firmware, hypervisor, configurations and TEE packages.

use crate::paths::{make_folder, read, write};
use crate::tool::Tool;
use anyhow::{Result, bail};
use bulkhead_configs::System;
use std::path::{Path, PathBuf};

/// Where the FIP begins in flash, in bytes; TF-A's QEMU platform has it there.
const FIP: usize = 0x40000;

/// Assembles the flash of a system whose artefacts are in `folder`; returns its path.
pub fn assemble(
    folder: &Path,
    tfa: &Path,
    fiptool: &Path,
    system: &System,
    boot: &Path,
    name: &str,
) -> Result<PathBuf> {
    let fip = folder.join(format!("{name}.fip"));
    let file = |option: &str, path: PathBuf| [option.to_owned(), path.display().to_string()];
    let mut tool = Tool::new(fiptool)
        .arg("create")
        .args(file("--tb-fw", tfa.join("bl2.bin")))
        .args(file("--soc-fw", tfa.join("bl31.bin")))
        .args(file("--tos-fw", folder.join("bulkhead.bin")))
        .args(file("--tos-fw-config", folder.join("tos_fw_config.dtb")))
        .args(file("--tb-fw-config", folder.join("tb_fw_config.dtb")))
        .args(file("--nt-fw", boot.to_path_buf()));
    for partition in &system.partitions {
        let package = folder.join(partition.package_path());
        for uuid in partition.package_uuids() {
            tool = tool
                .arg("--blob")
                .arg(format!("uuid={uuid},file={}", package.display()));
        }
    }
    make_folder(folder)?;
    tool.arg(&fip)
        .run("packing the FIP", &folder.join("fiptool.log"))?;
    let mut flash = read(&tfa.join("bl1.bin"))?;
    if flash.len() > FIP {
        bail!(
            "TF-A's BL1 is {} bytes long, and only {FIP} bytes are before the FIP; use the pinned TF-A",
            flash.len()
        );
    }
    flash.resize(FIP, 0xff);
    flash.extend(read(&fip)?);
    let path = folder.join(format!("{name}.bin"));
    write(&path, &flash)?;
    Ok(path)
}
