//! What has to be installed on this machine: checked first, installed with apt only where it is missing.

use super::apt::{self, Apt};
use super::pins;
use crate::paths::Paths;
use crate::progress;
use crate::tool::{self, Tool};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Prefix of the cross tools.
pub const CROSS: &str = "aarch64-linux-gnu-";

/// The emulator.
pub const QEMU: &str = "qemu-system-aarch64";

/// Programs and the packages that hold them.
const PROGRAMS: [(&str, &str); 13] = [
    ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
    ("aarch64-linux-gnu-objcopy", "binutils-aarch64-linux-gnu"),
    ("dtc", "device-tree-compiler"),
    ("fdtput", "device-tree-compiler"),
    ("make", "make"),
    ("setpriv", "util-linux"),
    ("gcc", "gcc"),
    ("g++", "g++"),
    ("dpkg-source", "dpkg-dev"),
    ("patch", "patch"),
    ("xz", "xz-utils"),
    ("openssl", "openssl"),
    ("file", "file"),
];

/// Files and the packages that hold them: what the cross compiler and TF-A's tool need to link.
const FILES: [(&str, &str); 2] = [
    ("/usr/aarch64-linux-gnu/lib/libc.so.6", "libc6-dev-arm64-cross"),
    ("/usr/include/openssl/sha.h", "libssl-dev"),
];

/// Python's modules that OP-TEE's build needs, and their packages.
const MODULES: [(&str, &str); 2] = [
    ("elftools", "python3-pyelftools"),
    ("cryptography", "python3-cryptography"),
];

/// Installs what is missing; returns the Python to build OP-TEE with.
pub fn provide(paths: &Paths) -> Result<PathBuf> {
    let mut packages: Vec<&str> = Vec::new();
    packages.extend(
        PROGRAMS
            .iter()
            .filter(|(program, _)| tool::find(program).is_none())
            .map(|(_, package)| *package),
    );
    packages.extend(
        FILES
            .iter()
            .filter(|(file, _)| !Path::new(file).exists())
            .map(|(_, package)| *package),
    );
    if python().is_none() {
        packages.push("python3");
        packages.extend(MODULES.iter().map(|(_, package)| *package));
    }
    packages.dedup();
    let emulator = qemu_version().is_none_or(|version| version < pins::QEMU);
    if !packages.is_empty() || emulator {
        let apt = Apt::host(paths);
        if !packages.is_empty() {
            install(paths, &apt, &packages, None)?;
        }
        if emulator {
            // Debian 12 has a QEMU that is too old; its backports have one that is not.
            let release = apt::release()?;
            let backports = format!("{}-backports", release.codename);
            install(
                paths,
                &apt,
                &["qemu-system-arm"],
                (release.version <= 12).then_some(&backports),
            )?;
        }
    }
    check_qemu()?;
    python().context("no Python 3 here has the modules `elftools` and `cryptography`; install python3-pyelftools and python3-cryptography")
}

/// Installs a C++ compiler where there is none.
pub fn provide_cxx(paths: &Paths) -> Result<()> {
    if tool::find("g++").is_some() {
        return Ok(());
    }
    install(paths, &Apt::host(paths), &["g++"], None)
}

/// A program that only some tests need, from whichever package of these; the first one is installed where there is none.
pub fn provide_program(paths: &Paths, programs: &[(&str, &str)]) -> Result<PathBuf> {
    let find = || programs.iter().find_map(|(program, _)| tool::find(program));
    if let Some(program) = find() {
        return Ok(program);
    }
    let (program, package) = programs.first().context("no program is asked for")?;
    install(paths, &Apt::host(paths), &[package], None)?;
    find().with_context(|| format!("the package {package} has no `{program}`"))
}

/// Installs LLVM's tools of this major version.
pub fn provide_llvm(paths: &Paths, major: &str) -> Result<()> {
    install(paths, &Apt::host(paths), &[&format!("llvm-{major}")], None)
}

/// Installs packages, as root or by sudo.
fn install(paths: &Paths, apt: &Apt, packages: &[&str], suite: Option<&String>) -> Result<()> {
    let what = format!("installing {}", packages.join(", "));
    let configuration = format!("APT_CONFIG={}", apt.configuration()?.display());
    let prefix: &[&str] = if is_root()? {
        &["env"]
    } else if tool::find("sudo").is_some() {
        &["sudo", "env"]
    } else {
        bail!(
            "{} must be installed, which needs root: run this as root, or install sudo",
            packages.join(", ")
        );
    };
    let mut command = Tool::new(prefix[0])
        .args(&prefix[1..])
        .arg(configuration)
        .arg("DEBIAN_FRONTEND=noninteractive");
    command = command.args(["apt-get", "install", "--yes", "--no-install-recommends"]);
    if let Some(suite) = suite {
        command = command.args(["-t", suite]);
    }
    progress::step(&what, || {
        command
            .args(packages)
            .run(&what, &paths.logs.join("apt-install.log"))
    })
}

/// Whether this process may install.
fn is_root() -> Result<bool> {
    Ok(Tool::new("id").arg("-u").output("asking who runs this")?.trim() == "0")
}

/// A Python with the modules, the system's own first.
fn python() -> Option<PathBuf> {
    let imports = MODULES.map(|(module, _)| format!("import {module}")).join(";");
    let candidates = [Some(PathBuf::from("/usr/bin/python3")), tool::find("python3")];
    candidates
        .into_iter()
        .flatten()
        .find(|python| Tool::new(python).args(["-c", &imports]).output("python").is_ok())
}

/// The major version of QEMU, where it is installed.
fn qemu_version() -> Option<u32> {
    major(
        &Tool::new(QEMU)
            .arg("--version")
            .output("asking QEMU for its version")
            .ok()?,
    )
}

/// The major version in what `qemu --version` prints.
fn major(text: &str) -> Option<u32> {
    text.split("version ").nth(1)?.split('.').next()?.parse().ok()
}

/// Refuses a QEMU that is too old.
fn check_qemu() -> Result<()> {
    match qemu_version() {
        Some(version) if version >= pins::QEMU => Ok(()),
        Some(version) => bail!(
            "QEMU {version} is too old: it lacks the secure EL2 timers; install QEMU {} or newer (on Debian 12 from its backports)",
            pins::QEMU
        ),
        None => bail!(
            "`{QEMU}` does not say its version; install QEMU {} or newer",
            pins::QEMU
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_of_qemu_is_read() {
        assert_eq!(
            major("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright"),
            Some(10)
        );
        assert_eq!(major("QEMU emulator version 7.2.15\n"), Some(7));
        assert_eq!(major("nonsense"), None);
    }
}
