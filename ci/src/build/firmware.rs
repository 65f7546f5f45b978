//! Everything that lies in flash: TF-A, the hypervisor with its compiled table, the TEEs and the boot stage.

use super::cargo::Build;
use super::flash::{self, Tfa};
use super::tfa::{self, Spmc};
use super::trusted::{self, RootKey};
use super::{optee, refused};
use crate::parts::rust::{BARE, HYPERVISOR};
use crate::parts::{Parts, host::CROSS};
use crate::paths::{Paths, make_folder, read, write};
use crate::run::record::{Program, Programs};
use crate::stamp;
use crate::tool::Tool;
use anyhow::{Context, Result, bail};
use bulkhead_configs::{Origin, Partition, System, Tee};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the normal world's boot stage does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BootStage {
    /// It jumps to Linux.
    Linux,
    /// It runs the bare-metal cases.
    Cases,
    /// It measures what calls cost.
    Bench,
}

impl BootStage {
    /// The features with which it is built.
    fn features(self) -> &'static [&'static str] {
        match self {
            Self::Linux => &[],
            Self::Cases => &["cases"],
            Self::Bench => &["bench"],
        }
    }

    /// Names of its image and of the flash image with it.
    fn names(self) -> [&'static str; 2] {
        match self {
            Self::Linux => ["ns-boot.bin", "flash"],
            Self::Cases => ["ns-cases.bin", "flash-cases"],
            Self::Bench => ["ns-bench.bin", "flash-bench"],
        }
    }
}

/// A system's firmware.
#[derive(Clone)]
pub struct Firmware {
    /// The checked table.
    pub system: System,
    /// Where its artefacts are.
    pub folder: PathBuf,
    /// The flash image.
    pub flash: PathBuf,
    /// The hypervisor with its symbols, which decodes its log.
    pub hypervisor: PathBuf,
    /// SHA-256 of each partition's image, by name.
    pub digests: BTreeMap<String, String>,
    /// Each partition's program with its symbols, by name, where there is one.
    pub programs: Programs,
}

/// The hypervisor around a system's table, and the images of its partitions.
pub struct Core {
    /// Where the system's artefacts are.
    pub folder: PathBuf,
    /// The hypervisor with its symbols; its image is `bulkhead.bin` in the folder.
    pub hypervisor: PathBuf,
    images: BTreeMap<String, Vec<u8>>,
    programs: Programs,
}

/// A partition's image.
struct Image {
    bytes: Vec<u8>,
    /// The program that it was made of.
    program: Option<PathBuf>,
}

/// Builds the hypervisor, and what its table says the digests of.
pub fn core(paths: &Paths, parts: &Parts, system: &System, table: &Path) -> Result<Core> {
    let folder = paths.systems.join(&system.name);
    make_folder(&folder)?;
    let (mut images, mut programs) = (BTreeMap::new(), Programs::new());
    for partition in &system.partitions {
        let image = image(paths, parts, partition)?;
        images.insert(partition.name.clone(), image.bytes);
        let program = image.program.map(|file| Program {
            file,
            load: partition.load(),
        });
        programs.extend(program.map(|program| (partition.name.clone(), program)));
    }
    let artefacts = bulkhead_configs::emit(system, &images).map_err(|report| refused(table, &report))?;
    for artefact in artefacts {
        write(&folder.join(&artefact.path), &artefact.contents)?;
    }
    let hypervisor = hypervisor(paths, parts, &folder)?;
    Ok(Core {
        folder,
        hypervisor,
        images,
        programs,
    })
}

/// Builds the firmware of a system.
pub fn build(
    paths: &Paths,
    parts: &Parts,
    system: System,
    table: &Path,
    stage: BootStage,
) -> Result<Firmware> {
    let tfa = firmware_of(paths, parts, &system)?;
    let Core {
        folder,
        hypervisor,
        images,
        programs,
    } = core(paths, parts, &system, table)?;
    let boot = boot_stage(paths, parts, &system, &folder, stage)?;
    let [_, name] = stage.names();
    let flash = flash::assemble(&folder, &tfa, &system, &boot, name)?;
    let digests = images
        .iter()
        .map(|(name, image)| (name.clone(), stamp::hex(&Sha256::digest(image))))
        .collect();
    Ok(Firmware {
        system,
        folder,
        flash,
        hypervisor,
        digests,
        programs,
    })
}

/// TF-A for a system.
fn firmware_of(paths: &Paths, parts: &Parts, system: &System) -> Result<Tfa> {
    let trusted = match (system.trusted_boot, &paths.root_key) {
        (true, _) => Some(trusted::build(paths, parts, RootKey::find(paths)?)?),
        (false, None) => None,
        (false, Some(_)) => bail!(
            "the table of `{}` has no `trusted-boot = true`, so that nothing is signed with `--rot-key`; write it into \
             `[system]`, or leave the key out",
            system.name
        ),
    };
    Ok(Tfa {
        trusted,
        ..Tfa::of(tfa::build(paths, parts, Spmc::SEl2)?)
    })
}

/// The flash image of a system with certificates below another root key than the one whose digest stands in its BL1;
/// `name` is that of its files.
pub fn with_certificates_of(
    paths: &Paths,
    parts: &Parts,
    firmware: &Firmware,
    stage: BootStage,
    key: RootKey,
    name: &str,
) -> Result<PathBuf> {
    let mut tfa = firmware_of(paths, parts, &firmware.system)?;
    tfa.trusted = tfa.trusted.map(|trusted| trusted.signing_with(key));
    again(firmware, stage, &tfa, name)
}

/// Assembles a system's flash once more.
fn again(firmware: &Firmware, stage: BootStage, tfa: &Tfa, name: &str) -> Result<PathBuf> {
    let [boot, flash] = stage.names();
    let folder = &firmware.folder;
    let name = format!("{flash}-{name}");
    flash::assemble(folder, tfa, &firmware.system, &folder.join(boot), &name)
}

/// The flash image of a system around another build of TF-A; `name` is that of its files.
pub fn with_tfa(
    firmware: &Firmware,
    stage: BootStage,
    images: &Path,
    fiptool: &Path,
    name: &str,
) -> Result<PathBuf> {
    if firmware.system.trusted_boot {
        bail!(
            "the table of `{}` has `trusted-boot = true`, and what another TF-A would trust is not known here; take a \
             table without it",
            firmware.system.name
        );
    }
    let tfa = Tfa {
        images: images.to_path_buf(),
        fiptool: fiptool.to_path_buf(),
        trusted: None,
    };
    again(firmware, stage, &tfa, name)
}

/// The flash of a system of one OP-TEE in which no hypervisor is: the TEE is its own partition manager at S-EL1. What else
/// there is is that of `with`.
pub fn alone(paths: &Paths, parts: &Parts, with: &Firmware) -> Result<PathBuf> {
    let [partition] = with.system.partitions.as_slice() else {
        bail!("the system {} has not one partition", with.system.name);
    };
    // It drives the interrupt controller itself, and the recipe's platform has an older one.
    let own = ("CFG_ARM_GICV3".to_owned(), "y".to_owned());
    let settings: Vec<_> = bulkhead_configs::mk_args(partition)
        .into_iter()
        .filter_map(without_hypervisor)
        .chain([own])
        .collect();
    let tfa = Tfa::of(tfa::build(paths, parts, Spmc::SEl1)?);
    let tee = optee::build_with(
        paths,
        parts,
        &format!("{} without a hypervisor", partition.name),
        &settings,
    )?;
    let [boot, _] = BootStage::Linux.names();
    flash::assemble_alone(
        &with.folder,
        &tfa,
        tee.image,
        &with.folder.join(boot),
        "flash-alone",
    )
}

/// A setting of an OP-TEE as it is without a hypervisor: it has all of the secure memory that TF-A leaves, and its own
/// console.
fn without_hypervisor((name, value): (String, String)) -> Option<(String, String)> {
    let [start, size] = TF_A_LEAVES.map(|number| format!("{number:#010x}"));
    match name.as_str() {
        "CFG_CORE_SEL2_SPMC" => Some(("CFG_CORE_SEL1_SPMC".to_owned(), value)),
        "CFG_FFA_CONSOLE" => None,
        "CFG_TZDRAM_START" => Some((name, start)),
        "CFG_TZDRAM_SIZE" => Some((name, size)),
        _ => Some((name, value)),
    }
}

/// The secure memory of QEMU's `virt` that TF-A leaves: its address and its size in bytes.
const TF_A_LEAVES: [u64; 2] = [0x0e10_0000, 0x00f0_0000];

/// A partition's image.
fn image(paths: &Paths, parts: &Parts, partition: &Partition) -> Result<Image> {
    match &partition.image.origin {
        Origin::File(file) => Ok(Image {
            bytes: read(file)?,
            program: partition.image.symbols.clone(),
        }),
        Origin::Build(Tee::Optee) => {
            let built = optee::build(paths, parts, partition)?;
            Ok(Image {
                bytes: read(&built.image)?,
                program: Some(built.program),
            })
        }
        Origin::Build(Tee::Rust) => bare(paths, parts, "bulkhead-rust-tee", Vec::new(), &[]),
        Origin::Build(Tee::Sel4 | Tee::Other) => {
            bail!("there is no recipe for the image of {}", partition.name)
        }
        Origin::Build(Tee::Test) => bare(paths, parts, "bulkhead-test-sp", Vec::new(), &[]),
        Origin::Build(Tee::Sensors) => bare(paths, parts, "bulkhead-sensors", Vec::new(), &["image"]),
    }
}

/// Builds our stand-in for seL4; returns the bytes of its image.
pub fn sel4_stub(paths: &Paths, parts: &Parts) -> Result<Vec<u8>> {
    bare(paths, parts, "bulkhead-sel4-stub", Vec::new(), &[]).map(|image| image.bytes)
}

/// Builds a bare-metal program of ours.
fn bare(
    paths: &Paths,
    parts: &Parts,
    package: &str,
    env: Vec<(&str, String)>,
    features: &[&str],
) -> Result<Image> {
    let elf = Build {
        package,
        target: BARE,
        features,
        env,
    }
    .program(paths, &parts.rust)?;
    let image = elf.with_extension("image");
    flatten(&elf, &image)?;
    Ok(Image {
        bytes: read(&image)?,
        program: Some(elf),
    })
}

/// Builds the hypervisor around the table in `folder`.
fn hypervisor(paths: &Paths, parts: &Parts, folder: &Path) -> Result<PathBuf> {
    let mut env = table_of(folder);
    if paths.traces {
        env.push(("BULKHEAD_LOG", "trace".to_owned()));
    }
    let build = Build {
        package: "bulkhead",
        target: HYPERVISOR,
        features: &[],
        env,
    };
    let elf = folder.join("bulkhead.elf");
    write(&elf, &read(&build.program(paths, &parts.rust)?)?)?;
    flatten(&elf, &folder.join("bulkhead.bin"))?;
    Ok(elf)
}

/// Builds the boot stage of the normal world.
fn boot_stage(
    paths: &Paths,
    parts: &Parts,
    system: &System,
    folder: &Path,
    stage: BootStage,
) -> Result<PathBuf> {
    let mut env = table_of(folder);
    env.push(("BULKHEAD_SYSTEM", system.name.clone()));
    env.push(("BULKHEAD_OWN_CORES", own_cores(system)));
    let image = bare(paths, parts, "bulkhead-ns-boot", env, stage.features())?;
    let [name, _] = stage.names();
    let path = folder.join(name);
    write(&path, &image.bytes)?;
    if let Some(program) = &image.program {
        write(&path.with_extension("elf"), &read(program)?)?;
    }
    Ok(path)
}

/// The cores that are a partition's own, as the boot stage hands them over: `index:affinity:target information`.
fn own_cores(system: &System) -> String {
    let owners = system.partitions.iter().filter(|partition| partition.dedicated);
    let cores = owners.flat_map(|partition| {
        (0u32..).zip(&partition.cores).map(|(context, core)| {
            let target = u32::from(partition.id) << 16 | context;
            format!("{core}:{}:{target}", system.board.cores[*core].mpidr)
        })
    });
    cores.collect::<Vec<_>>().join(",")
}

/// Where build scripts find the compiled table.
fn table_of(folder: &Path) -> Vec<(&'static str, String)> {
    let at = |path: PathBuf| path.display().to_string();
    vec![
        ("BULKHEAD_TABLE", at(folder.join("table.rs"))),
        ("BULKHEAD_OUT", at(folder.to_path_buf())),
    ]
}

/// Everything of ours that runs on bare metal, as it is built for the system in `folder`.
pub fn guests(folder: &Path) -> Vec<Build<'static>> {
    let bare = |package, features| Build {
        package,
        target: BARE,
        features,
        env: table_of(folder),
    };
    vec![
        Build {
            package: "bulkhead",
            target: HYPERVISOR,
            features: &[],
            env: table_of(folder),
        },
        bare("bulkhead-rust-tee", &[]),
        bare("bulkhead-test-sp", &[]),
        bare("bulkhead-sensors", &["image"]),
        bare("bulkhead-sel4", &[]),
        bare("bulkhead-sel4-stub", &[]),
        bare("bulkhead-ns-boot", &["cases"]),
        bare("bulkhead-ns-boot", &["bench"]),
    ]
}

/// Makes the loadable bytes of an ELF file.
fn flatten(elf: &Path, image: &Path) -> Result<()> {
    let tool = Tool::new(format!("{CROSS}objcopy"))
        .args(["-O", "binary"])
        .arg(elf)
        .arg(image);
    tool.output("making an image")
        .map(drop)
        .with_context(|| format!("{} is no program", elf.display()))
}
