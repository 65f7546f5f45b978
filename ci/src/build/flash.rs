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
    let mut files = vec![
        ("--tos-fw", folder.join("bulkhead.bin")),
        ("--tb-fw-config", folder.join("tb_fw_config.dtb")),
    ];
    files.extend(common(folder, boot));
    let packages: Vec<String> = system
        .partitions
        .iter()
        .flat_map(|partition| {
            let package = folder.join(partition.package_path());
            let blob = move |uuid| format!("uuid={uuid},file={}", package.display());
            partition.package_uuids().into_iter().map(blob)
        })
        .collect();
    pack(folder, tfa, fiptool, &files, &packages, name)
}

/// Assembles a flash in which a TEE is alone in the secure world, as its own partition manager; returns its path.
pub fn assemble_alone(folder: &Path, tfa: &Path, tee: PathBuf, boot: &Path, name: &str) -> Result<PathBuf> {
    let mut files = vec![("--tos-fw", tee)];
    files.extend(common(folder, boot));
    pack(folder, tfa, &tfa.join("fiptool"), &files, &[], name)
}

/// What every flash has beside TF-A.
fn common(folder: &Path, boot: &Path) -> [(&'static str, PathBuf); 2] {
    [
        ("--tos-fw-config", folder.join("tos_fw_config.dtb")),
        ("--nt-fw", boot.to_path_buf()),
    ]
}

/// Packs the files and the packages by `fiptool`, and puts the FIP behind BL1.
fn pack(
    folder: &Path,
    tfa: &Path,
    fiptool: &Path,
    files: &[(&str, PathBuf)],
    packages: &[String],
    name: &str,
) -> Result<PathBuf> {
    let fip = folder.join(format!("{name}.fip"));
    let firmware = [
        ("--tb-fw", tfa.join("bl2.bin")),
        ("--soc-fw", tfa.join("bl31.bin")),
    ];
    let mut tool = Tool::new(fiptool).arg("create");
    for (option, file) in firmware.iter().chain(files) {
        tool = tool.arg(option).arg(file);
    }
    for package in packages {
        tool = tool.arg("--blob").arg(package);
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
