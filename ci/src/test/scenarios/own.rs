//! What an integrator brings: `--own NAME=PATH`, in place of what is built here.

use super::file::{Scenario, nearest};
use crate::build::tfa_flags;
use crate::paths::read;
use anyhow::{Context, Result, bail, ensure};
use bulkhead_configs::{Origin, System};
use std::path::{Path, PathBuf};

/// The names that are no partition's.
const KERNEL: &str = "kernel";
const INITRAMFS: &str = "initramfs";
const TFA: &str = "tf-a";
/// Behind a partition's name: the ELF file of its image.
const SYMBOLS: &str = ".symbols";

/// What is brought.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Images of partitions, by name.
    images: Vec<(String, PathBuf)>,
    /// ELF files of these images.
    symbols: Vec<(String, PathBuf)>,
    /// The kernel and the initramfs of the normal world.
    pub kernel: Option<PathBuf>,
    pub initramfs: Option<PathBuf>,
    /// The kernel's ELF file.
    pub kernel_symbols: Option<PathBuf>,
    /// Builds of TF-A, the first one for runs that want only one.
    pub tfa: Vec<Tfa>,
}

/// A build of TF-A.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tfa {
    /// Where bl1.bin, bl2.bin and bl31.bin are.
    pub images: PathBuf,
    /// The fiptool.
    pub fiptool: PathBuf,
}

impl Own {
    /// Reads the values of `--own`, and looks at the files.
    pub fn read(values: &[String]) -> Result<Self> {
        let mut own = Self::default();
        for value in values {
            let Some((name, path)) = value.split_once('=').filter(|(_, path)| !path.is_empty()) else {
                bail!(
                    "`--own {value}` names no file; write `--own NAME=PATH`, with a partition of the scenario's table, \
                     `kernel`, `initramfs` or `tf-a` as its name"
                );
            };
            let path = std::path::absolute(path)?;
            ensure!(
                path.exists(),
                "there is no {}, which `--own {value}` names; check the path",
                path.display()
            );
            match name {
                KERNEL => own.kernel = Some(kernel(path)?),
                INITRAMFS => own.initramfs = Some(initramfs(path)?),
                TFA => own.tfa.push(tfa(&path)?),
                name => match name.strip_suffix(SYMBOLS) {
                    Some(KERNEL) => own.kernel_symbols = Some(symbols(path)?),
                    Some(partition) => own.symbols.push((partition.to_owned(), symbols(path)?)),
                    None => own.images.push((name.to_owned(), image(name, path)?)),
                },
            }
        }
        Ok(own)
    }

    /// Whether the firmware's partitions are others than the table's.
    pub fn has_images(&self) -> bool {
        !self.images.is_empty()
    }

    /// Puts the images into a system in place of those that its table names.
    pub fn replace(&self, system: &mut System) -> Result<()> {
        let names: Vec<_> = system
            .partitions
            .iter()
            .map(|partition| partition.name.clone())
            .collect();
        for (name, path) in &self.images {
            let Some(partition) = system
                .partitions
                .iter_mut()
                .find(|partition| partition.name == *name)
            else {
                let others = [KERNEL, INITRAMFS, TFA];
                let all = names.iter().map(String::as_str).chain(others);
                let near = nearest(name, all)
                    .map(|near| format!("; did you mean `{near}`?"))
                    .unwrap_or_default();
                bail!(
                    "`--own {name}=…`: the table `{}` has no partition `{name}`; it has {}; and there are {}{near}",
                    system.name,
                    names.join(", "),
                    others.join(", "),
                );
            };
            partition.image.origin = Origin::File(path.clone());
            partition.image.sha256 = None;
            let symbols = self.symbols.iter().find(|(of, _)| of == name);
            partition.image.symbols = symbols.map(|(_, path)| path.clone());
        }
        let lone = self
            .symbols
            .iter()
            .find(|(of, _)| !self.images.iter().any(|(name, _)| name == of));
        match lone {
            Some((of, _)) => {
                bail!("`--own {of}{SYMBOLS}=…` comes without `--own {of}=…`, whose symbols it has; give both")
            }
            None => Ok(()),
        }
    }

    /// Refuses what a scenario has no use for.
    pub fn fits(&self, scenario: &Scenario) -> Result<()> {
        let linux = self.kernel.is_some() || self.initramfs.is_some();
        ensure!(
            !linux || !scenario.normal_world.linux.is_empty(),
            "`{}` boots no Linux, so an own kernel or initramfs has no place in it; take a scenario that does \
             (cargo xtask test --list)",
            scenario.name
        );
        Ok(())
    }
}

/// How a file begins.
fn start(path: &Path) -> Result<Vec<u8>> {
    ensure!(
        path.is_file(),
        "{} is a folder; name the file in it",
        path.display()
    );
    let bytes = read(path)?;
    ensure!(!bytes.is_empty(), "{} is empty; build it again", path.display());
    Ok(bytes.get(..4096).map_or(bytes.clone(), <[u8]>::to_vec))
}

fn image(name: &str, path: PathBuf) -> Result<PathBuf> {
    let start = start(&path)?;
    let shown = path.display();
    let flat = "give the bytes that are entered at their first one";
    if start.starts_with(b"\x7fELF") {
        bail!(
            "{shown} is an ELF file; {flat}: `aarch64-linux-gnu-objcopy -O binary {shown} image.bin`, then \
             `--own {name}=image.bin --own {name}{SYMBOLS}={shown}`"
        );
    }
    if start.starts_with(b"SPKG") {
        bail!("{shown} is a package of TF-A's sptool, which is made here; {flat}, the image that was packed");
    }
    if start.starts_with(b"OPTE") {
        bail!("{shown} has OP-TEE's own header; {flat}: `tee-raw.bin` beside it");
    }
    Ok(path)
}

fn symbols(path: PathBuf) -> Result<PathBuf> {
    ensure!(
        start(&path)?.starts_with(b"\x7fELF"),
        "{} is no ELF file; name the linked program from which the image was made",
        path.display()
    );
    Ok(path)
}

fn kernel(path: PathBuf) -> Result<PathBuf> {
    let start = start(&path)?;
    let shown = path.display();
    let wanted = "a plain arm64 Image is needed: arch/arm64/boot/Image of the kernel's build";
    if start.starts_with(b"\x7fELF") {
        bail!(
            "{shown} is an ELF file; {wanted}, or `aarch64-linux-gnu-objcopy -O binary -R .note -R .comment -S {shown} Image`"
        );
    }
    if start.starts_with(&[0x1f, 0x8b]) {
        bail!("{shown} is compressed; {wanted}, or `gunzip < {shown} > Image`");
    }
    if start.get(4..8) == Some(b"zimg") {
        bail!("{shown} unpacks itself by EFI, which is not here; {wanted}");
    }
    ensure!(
        start.get(56..60) == Some(b"ARM\x64"),
        "{shown} is no kernel; {wanted}"
    );
    Ok(path)
}

fn initramfs(path: PathBuf) -> Result<PathBuf> {
    let start = start(&path)?;
    let known: [&[u8]; 6] = [
        b"070701",
        b"070702",
        &[0x1f, 0x8b],
        &[0x28, 0xb5, 0x2f, 0xfd],
        &[0xfd, b'7', b'z', b'X', b'Z'],
        &[0x02, 0x21, 0x4c, 0x18],
    ];
    ensure!(
        known.iter().any(|magic| start.starts_with(magic)),
        "{} is no initramfs; make one by `find . | cpio --create --format=newc > initrd.cpio`, or compressed by gzip, zstd, xz \
         or lz4 as your kernel can",
        path.display()
    );
    Ok(path)
}

fn tfa(folder: &Path) -> Result<Tfa> {
    let below = ["", "build/qemu/release", "build/qemu/debug"].map(|below| folder.join(below));
    let images = below.into_iter().find(|place| place.join("bl1.bin").is_file());
    let how = || {
        format!(
            "give the folder of a built TF-A: `make CROSS_COMPILE=aarch64-linux-gnu- {} SP_LAYOUT_FILE=… BL32=… BL33=… bl1 bl2 bl31 \
             fiptool`, where any files will do for the last three",
            tfa_flags().join(" ")
        )
    };
    let images = images.with_context(|| format!("{} has no bl1.bin; {}", folder.display(), how()))?;
    for name in ["bl2.bin", "bl31.bin"] {
        ensure!(
            images.join(name).is_file(),
            "{} has bl1.bin and no {name}; {}",
            images.display(),
            how()
        );
    }
    let tools = ["fiptool", "tools/fiptool/fiptool"].map(|tool| folder.join(tool));
    let fiptool = tools.into_iter().find(|tool| tool.is_file());
    let fiptool = fiptool.with_context(|| format!("{} has no fiptool; {}", folder.display(), how()))?;
    Ok(Tfa { images, fiptool })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, contents: &[u8]) -> String {
        let room = tempfile::tempdir().unwrap();
        let file = room.path().join("file");
        std::fs::write(&file, contents).unwrap();
        match Own::read(&[format!("{name}={}", file.display())]) {
            Ok(own) => panic!("{own:?}"),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn what_is_no_such_file_is_told_with_what_to_do() {
        let mut zboot = b"MZ\0\0zimg".to_vec();
        zboot.resize(64, 0);
        for (name, contents, wanted) in [
            ("vendor-a", b"".as_slice(), "is empty; build it again"),
            ("vendor-a", b"\x7fELF", "objcopy -O binary"),
            ("vendor-a", b"SPKG", "a package of TF-A's sptool"),
            ("vendor-a", b"OPTE", "`tee-raw.bin` beside it"),
            ("vendor-a.symbols", b"raw", "no ELF file; name the linked program"),
            (
                "kernel",
                b"\x7fELF",
                "is an ELF file; a plain arm64 Image is needed",
            ),
            ("kernel", &[0x1f, 0x8b, 8], "`gunzip < "),
            ("kernel", &zboot, "unpacks itself by EFI"),
            ("kernel", b"hello", "is no kernel"),
            ("initramfs", b"hello", "cpio --create --format=newc"),
            (
                "tf-a",
                b"hello",
                "has no bl1.bin; give the folder of a built TF-A: `make",
            ),
        ] {
            let said = refused(name, contents);
            assert!(said.contains(wanted), "{name}: {said}");
        }
        for (value, wanted) in [
            ("vendor-a", "write `--own NAME=PATH`"),
            ("kernel=", "write `--own NAME=PATH`"),
            ("kernel=/no/such", "there is no /no/such"),
            ("kernel=/", "is a folder; name the file in it"),
        ] {
            let said = format!("{:#}", Own::read(&[value.to_owned()]).unwrap_err());
            assert!(said.contains(wanted), "{said}");
        }
    }

    #[test]
    fn a_build_of_tfa_is_found_in_its_tree_and_in_a_folder() {
        let room = tempfile::tempdir().unwrap();
        let tree = room.path().join("build/qemu/release");
        let tools = room.path().join("tools/fiptool");
        std::fs::create_dir_all(&tree).unwrap();
        std::fs::create_dir_all(&tools).unwrap();
        std::fs::write(tree.join("bl1.bin"), "1").unwrap();
        let said = |room: &Path| format!("{:#}", tfa(room).unwrap_err());
        assert!(said(room.path()).contains("has bl1.bin and no bl2.bin"));
        std::fs::write(tree.join("bl2.bin"), "2").unwrap();
        std::fs::write(tree.join("bl31.bin"), "3").unwrap();
        assert!(said(room.path()).contains("has no fiptool"));
        std::fs::write(tools.join("fiptool"), "x").unwrap();
        assert_eq!(tfa(room.path()).unwrap().images, tree);
    }

    #[test]
    fn images_go_where_the_table_has_a_partition() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let phone = || bulkhead_configs::load(&root.join("configs/phone.toml")).unwrap();
        let own = |name: &str| Own {
            images: vec![(name.to_owned(), "/image".into())],
            ..Own::default()
        };
        let mut system = phone();
        own("vendor-b").replace(&mut system).unwrap();
        assert_eq!(system.partitions[1].image.origin, Origin::File("/image".into()));
        let said = own("vendor-bb").replace(&mut phone()).unwrap_err().to_string();
        assert!(
            said.contains("did you mean `vendor-b`?") && said.contains("vendor-a, vendor-b, vendor-c"),
            "{said}"
        );
        let lone = Own {
            symbols: vec![("vendor-a".to_owned(), "/elf".into())],
            ..Own::default()
        };
        let said = lone.replace(&mut phone()).unwrap_err().to_string();
        assert!(said.contains("give both"), "{said}");
    }
}
