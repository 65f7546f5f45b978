//! The flash image: BL1, and behind it the FIP with firmware, hypervisor, configurations and TEE packages.

use super::trusted::Loaders;
use crate::paths::{make_folder, read, write};
use crate::tool::Tool;
use anyhow::{Result, bail};
use bulkhead_configs::{Partition, System};
use std::path::{Path, PathBuf};

/// Where the FIP begins in flash, in bytes; TF-A's QEMU platform has it there.
const FIP: usize = 0x40000;

/// TF-A as it goes into flash.
pub struct Tfa {
    /// Where bl1.bin, bl2.bin and bl31.bin are.
    pub images: PathBuf,
    /// The tool that packs a FIP.
    pub fiptool: PathBuf,
    /// Where BL1 and BL2 check what they load: these, and what signs for them.
    pub trusted: Option<Loaders>,
}

impl Tfa {
    /// All of one build, which checks nothing.
    pub fn of(images: PathBuf) -> Self {
        Self {
            fiptool: images.join("fiptool"),
            images,
            trusted: None,
        }
    }

    /// Where BL1 and BL2 are.
    fn loaders(&self) -> &Path {
        self.trusted
            .as_ref()
            .map_or(&self.images, |trusted| &trusted.folder)
    }
}

/// Assembles the flash of a system whose artefacts are in `folder`; returns its path.
pub fn assemble(folder: &Path, tfa: &Tfa, system: &System, boot: &Path, name: &str) -> Result<PathBuf> {
    let packages = system.partitions.iter().flat_map(|partition| {
        let package = folder.join(partition.package_path());
        let blob = move |uuid| {
            [
                "--blob".to_owned(),
                format!("uuid={uuid},file={}", package.display()),
            ]
        };
        partition.package_uuids().into_iter().flat_map(blob)
    });
    let images = images(folder, tfa, folder.join("bulkhead.bin"), boot);
    let mut more = match &tfa.trusted {
        Some(trusted) => trusted.certify(&images, &folder.join(format!("{name}-certificates")))?,
        None => option("tb-fw-config", &folder.join("tb_fw_config.dtb")).to_vec(),
    };
    more.extend(packages);
    let path = pack(folder, tfa, &images, &more, name)?;
    if let Some(length) = counted(system) {
        // What is no counter yet reads as erased flash; behind a shorter file QEMU has zeros, which say that all are used up.
        let mut flash = read(&path)?;
        flash.resize(length, 0xff);
        write(&path, &flash)?;
    }
    Ok(path)
}

/// How long flash has to be where the table has versions counted: as far as the counters.
fn counted(system: &System) -> Option<usize> {
    let signed = |partition: &Partition| partition.image.signed.is_some_and(|signed| signed.counted);
    let counters = system.board.counters()?;
    let any = system.partitions.iter().any(signed);
    any.then(|| usize::try_from(counters.end()).ok()).flatten()
}

/// Assembles a flash in which a TEE is alone in the secure world, as its own partition manager; returns its path.
pub fn assemble_alone(folder: &Path, tfa: &Tfa, tee: PathBuf, boot: &Path, name: &str) -> Result<PathBuf> {
    pack(folder, tfa, &images(folder, tfa, tee, boot), &[], name)
}

/// What every flash has, by the options of TF-A's tools.
fn images(folder: &Path, tfa: &Tfa, secure: PathBuf, boot: &Path) -> [(&'static str, PathBuf); 5] {
    [
        ("tb-fw", tfa.loaders().join("bl2.bin")),
        ("soc-fw", tfa.images.join("bl31.bin")),
        ("tos-fw", secure),
        ("tos-fw-config", folder.join("tos_fw_config.dtb")),
        ("nt-fw", boot.to_path_buf()),
    ]
}

/// An option of TF-A's tools that names a file.
pub fn option(name: &str, file: &Path) -> [String; 2] {
    [format!("--{name}"), file.display().to_string()]
}

/// Packs images and what else fiptool is told, and puts the FIP behind BL1.
fn pack(
    folder: &Path,
    tfa: &Tfa,
    images: &[(&str, PathBuf)],
    more: &[String],
    name: &str,
) -> Result<PathBuf> {
    let fip = folder.join(format!("{name}.fip"));
    let tool = Tool::new(&tfa.fiptool)
        .arg("create")
        .args(images.iter().flat_map(|(name, file)| option(name, file)))
        .args(more);
    make_folder(folder)?;
    tool.arg(&fip)
        .run("packing the FIP", &folder.join("fiptool.log"))?;
    let mut flash = read(&tfa.loaders().join("bl1.bin"))?;
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
