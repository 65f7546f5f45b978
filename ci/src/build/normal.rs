//! The normal world: Debian's kernel, an initramfs from its packages and ours, and the device tree.

use super::archive::Archive;
use super::cargo::Build;
use super::{Firmware, modules, optee};
use crate::parts::Parts;
use crate::parts::host::CROSS;
use crate::parts::rust::LINUX;
use crate::paths::{Paths, read, write};
use crate::run::machine::Machine;
use crate::tool::Tool;
use anyhow::{Context, Result, ensure};
use bulkhead_configs::{Origin, Partition, Tee};
use std::path::{Path, PathBuf};

/// Where the kernel is loaded; the boot stage jumps there.
pub const KERNEL: u64 = 0x4200_0000;
/// Where the initramfs is loaded.
pub const INITRD: u64 = 0x4c00_0000;

/// What Linux boots from.
#[derive(Clone)]
pub struct NormalWorld {
    /// The kernel, an arm64 Image.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initrd: PathBuf,
}

/// Builds the normal world of a system.
pub fn build(paths: &Paths, parts: &Parts, firmware: &Firmware) -> Result<NormalWorld> {
    let (_, folder) = modules::version(&parts.linux(paths)?)?;
    let kernel = folder.join("vmlinuz");
    let image = read(&kernel)?;
    ensure!(
        image.get(56..60) == Some(b"ARM\x64"),
        "{} is no plain arm64 Image; remove target/parts/linux",
        kernel.display()
    );
    let initrd = firmware.folder.join("initrd.cpio");
    write(&initrd, &initramfs(paths, parts, firmware)?.bytes()?)?;
    Ok(NormalWorld { kernel, initrd })
}

/// The same normal world with systemd as its first process, and with what the table emits for udev and systemd where an
/// integrator installs it.
pub fn installed(
    paths: &Paths,
    parts: &Parts,
    firmware: &Firmware,
    plain: &NormalWorld,
) -> Result<NormalWorld> {
    let mut archive = Archive::default();
    let keep = |path: &str| !path.starts_with("usr/share");
    archive.tree(&parts.services(paths)?, &keep, &merged)?;
    let own = paths.root.join("partitions/linux/initramfs/installed");
    archive.tree(&own, &|_| true, &|path| path.to_owned())?;
    for (name, folder) in [
        ("60-bulkhead-tees.rules", "usr/lib/udev/rules.d"),
        ("bulkhead-supplicant@.service", "usr/lib/systemd/system"),
    ] {
        let contents = read(&firmware.folder.join("linux").join(name))?;
        archive.file(&format!("{folder}/{name}"), contents, 0o644);
    }
    // As the book says: the distribution's own service would take the first device that it finds.
    archive.link("etc/systemd/system/tee-supplicant.service", "/dev/null");
    let initrd = firmware.folder.join("initrd-installed.cpio");
    // Linux unpacks archives one behind the other.
    write(&initrd, &[read(&plain.initrd)?, archive.bytes()?].concat())?;
    Ok(NormalWorld {
        kernel: plain.kernel.clone(),
        initrd,
    })
}

/// The same normal world with its own kernel as a file, so that it can start another one.
pub fn with_kernel(firmware: &Firmware, plain: &NormalWorld) -> Result<NormalWorld> {
    let mut archive = Archive::default();
    archive.file("boot/vmlinuz", read(&plain.kernel)?, 0o644);
    let initrd = firmware.folder.join("initrd-with-kernel.cpio");
    write(&initrd, &[read(&plain.initrd)?, archive.bytes()?].concat())?;
    Ok(NormalWorld {
        kernel: plain.kernel.clone(),
        initrd,
    })
}

/// Collects the initramfs.
fn initramfs(paths: &Paths, parts: &Parts, firmware: &Firmware) -> Result<Archive> {
    let mut archive = Archive::default();
    for name in ["bin", "sbin", "lib"] {
        archive.link(name, &format!("usr/{name}"));
        archive.folder(&format!("usr/{name}"));
    }
    for name in [
        "dev",
        "proc",
        "sys",
        "tmp",
        "run",
        "root",
        "var/lib/tee",
        "etc/bulkhead",
    ] {
        archive.folder(name);
    }
    archive.character("dev/console", 5, 1);
    let keep = |path: &str| !path.starts_with("usr/share") && !path.ends_with("/gconv");
    archive.tree(&parts.userland(paths)?, &keep, &|path| path.to_owned())?;
    applications(paths, parts, firmware, &mut archive)?;
    programs(paths, parts, firmware, &mut archive)?;
    let order = modules::add(&mut archive, &parts.linux(paths)?)?;
    archive.file(
        "etc/bulkhead/modules",
        (order.join("\n") + "\n").into_bytes(),
        0o644,
    );
    for name in ["tees.toml", "system.toml"] {
        let contents = read(&firmware.folder.join("linux").join(name))?;
        archive.file(&format!("etc/bulkhead/{name}"), contents, 0o644);
    }
    archive.tree(
        &paths.root.join("partitions/linux/initramfs/root"),
        &|_| true,
        &merged,
    )?;
    Ok(archive)
}

/// The trusted applications that come with OP-TEE's source. All builds of it make the same ones, so that one's do.
fn applications(paths: &Paths, parts: &Parts, firmware: &Firmware, archive: &mut Archive) -> Result<()> {
    let built = |partition: &&Partition| matches!(partition.image.origin, Origin::Build(Tee::Optee));
    let Some(partition) = firmware.system.partitions.iter().find(built) else {
        return Ok(());
    };
    let folder = optee::build(paths, parts, partition)?.applications;
    archive.tree(&folder, &|_| true, &|name| format!("usr/lib/optee_armtz/{name}"))
}

/// Our own programs and the drop-in library; what a machine installs goes to the system's folder, too.
fn programs(paths: &Paths, parts: &Parts, firmware: &Firmware, archive: &mut Archive) -> Result<()> {
    let libraries = parts.userland(paths)?.join("usr/lib/aarch64-linux-gnu");
    for package in ["bulkhead-route", "bulkhead-client"] {
        let env = vec![("BULKHEAD_LIBTEEC_DIR", libraries.display().to_string())];
        for product in (Build {
            package,
            target: LINUX,
            features: &[],
            env,
        })
        .run(paths, &parts.rust)?
        {
            let path = match product.kind.as_str() {
                "cdylib" => format!("usr/lib/lib{}.so", product.name.replace('_', "-")),
                _ => format!("usr/bin/{}", product.name),
            };
            let contents = stripped(&product.path)?;
            if package == "bulkhead-route" {
                let name = path.rsplit('/').next().unwrap_or(&path);
                write(&firmware.folder.join("linux").join(name), &contents)?;
            }
            archive.file(&path, contents, 0o755);
        }
    }
    Ok(())
}

/// A program without what only debuggers read, which would slow the start of Linux down.
fn stripped(program: &Path) -> Result<Vec<u8>> {
    let small = program.with_extension("stripped");
    let tool = Tool::new(format!("{CROSS}strip"))
        .arg("-o")
        .arg(&small)
        .arg(program);
    tool.output("stripping a program")?;
    read(&small)
}

/// Where a path goes when /bin, /sbin and /lib are links into /usr.
fn merged(path: &str) -> String {
    let first = path.split('/').next().unwrap_or(path);
    if ["bin", "sbin", "lib"].contains(&first) {
        format!("usr/{path}")
    } else {
        path.to_owned()
    }
}

/// Makes the device tree that firmware hands to Linux: QEMU's own, with the command line and the initramfs.
pub fn tree(
    machine: &Machine,
    normal: &NormalWorld,
    flash: &Path,
    command_line: &str,
    out: &Path,
) -> Result<()> {
    machine.dump_tree(flash, out)?;
    let size = std::fs::metadata(&normal.initrd)
        .context("the initramfs is missing")?
        .len();
    let put = |kind: &str, name: &str, values: &[String]| {
        let tool = Tool::new("fdtput")
            .args(["-t", kind])
            .arg(out)
            .args(["/chosen", name])
            .args(values);
        tool.output("writing the device tree")
    };
    put("s", "bootargs", &[command_line.to_owned()])?;
    for (name, address) in [
        ("linux,initrd-start", INITRD),
        ("linux,initrd-end", INITRD + size),
    ] {
        put(
            "x",
            name,
            &[
                format!("{:x}", address >> 32),
                format!("{:x}", address & 0xffff_ffff),
            ],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::merged;

    #[test]
    fn merged_usr() {
        assert_eq!(merged("bin/tool"), "usr/bin/tool");
        assert_eq!(merged("binary"), "binary");
        assert_eq!(merged("init"), "init");
    }
}
