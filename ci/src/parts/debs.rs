//! Parts from Debian's archive that are unpacked here and not installed.

use super::apt::{Apt, newer};
use super::pins::{self, Pin};
use crate::paths::{Paths, make_folder};
use crate::progress::{self, step};
use crate::stamp;
use crate::tool::Tool;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// A source package, unpacked and with Debian's patches applied.
pub fn source(paths: &Paths, apt: &Apt, pin: &Pin) -> Result<PathBuf> {
    let folder = paths.parts.join(format!("{}-source", pin.name));
    let inputs = stamp::digest(["source", pin.name, pin.version]);
    if !stamp::is_current(&folder, &inputs) {
        let version = apt.choose(pin, "", true)?;
        let what = format!("fetching the source of {} {version}", pin.name);
        step(&what, || {
            stamp::make(&folder, &inputs, |to| {
                fetch_source(paths, apt, pin, &version, &what, to)
            })
        })?;
    }
    Ok(folder.join("tree"))
}

fn fetch_source(paths: &Paths, apt: &Apt, pin: &Pin, version: &str, what: &str, to: &Path) -> Result<String> {
    apt.download_source(what, pin.name, version, to)?;
    let description = only(to, ".dsc")?;
    // apt has checked the signature; dpkg-source would need the maintainer's own key.
    Tool::new("dpkg-source")
        .args(["--no-check", "-x"])
        .arg(&description)
        .arg(to.join("tree"))
        .run(what, &paths.logs.join(format!("{}-unpack.log", pin.name)))?;
    Ok(format!("{} {version}", pin.name))
}

/// The kernel and its modules.
pub fn linux(paths: &Paths, apt: &Apt) -> Result<PathBuf> {
    let folder = paths.parts.join("linux");
    let inputs = stamp::digest(["linux", pins::LINUX.name, pins::LINUX.version]);
    if !stamp::is_current(&folder, &inputs) {
        let name = kernel(&apt.names("linux-binary-")?)?;
        if name != pins::LINUX.name {
            progress::note(&format!(
                "Linux {} has vanished from the archive: taking {name}",
                pins::LINUX.name
            ));
        }
        let what = format!("fetching Linux {name}");
        let packages = ["binary", "modules"].map(|kind| format!("linux-{kind}-{name}-cloud-arm64:arm64"));
        step(&what, || {
            stamp::make(&folder, &inputs, |to| {
                unpack(apt, &what, &packages, to)?;
                Ok(format!("Linux {name}"))
            })
        })?;
    }
    Ok(folder.join("tree"))
}

/// The kernel's version to take, of the names of the packages on offer: the pinned one or the newest newer.
fn kernel(names: &[String]) -> Result<String> {
    let offered: Vec<_> = names
        .iter()
        .filter_map(|name| name.strip_prefix("linux-binary-")?.strip_suffix("-cloud-arm64"))
        .filter(|name| !name.contains("rt") && !name.contains('~'))
        .collect();
    if offered.contains(&pins::LINUX.name) {
        return Ok(pins::LINUX.name.to_owned());
    }
    let newest = offered
        .into_iter()
        .filter(|name| newer(name, pins::LINUX.name))
        .reduce(|a, b| if newer(a, b) { a } else { b });
    newest.map(str::to_owned).with_context(|| {
        format!(
            "the archive has no arm64 cloud kernel {} or newer; check the mirror in /etc/apt",
            pins::LINUX.name
        )
    })
}

/// The programs and libraries of the normal world.
pub fn userland(paths: &Paths, apt: &Apt) -> Result<PathBuf> {
    let what = "fetching libteec, tee-supplicant, xtest and what they need";
    pinned(paths, apt, "userland", &pins::USERLAND, what)
}

/// The headers of libteec.
pub fn headers(paths: &Paths, apt: &Apt) -> Result<PathBuf> {
    let what = "fetching libteec's headers";
    pinned(paths, apt, "headers", &pins::HEADERS, what)
}

/// systemd and udev.
pub fn services(paths: &Paths, apt: &Apt) -> Result<PathBuf> {
    pinned(
        paths,
        apt,
        "services",
        &pins::SERVICES,
        "fetching systemd and udev",
    )
}

/// Packages for the normal world, unpacked into one tree.
fn pinned(paths: &Paths, apt: &Apt, name: &str, pins: &[Pin], what: &str) -> Result<PathBuf> {
    let folder = paths.parts.join(name);
    let inputs = stamp::digest(pins.iter().flat_map(|pin| [pin.name, pin.version]));
    if !stamp::is_current(&folder, &inputs) {
        let mut packages = Vec::new();
        for pin in pins {
            packages.push(format!(
                "{}:arm64={}",
                pin.name,
                apt.choose(pin, ":arm64", false)?
            ));
        }
        step(what, || {
            stamp::make(&folder, &inputs, |to| {
                unpack(apt, what, &packages, to)?;
                Ok(packages.join("\n"))
            })
        })?;
    }
    Ok(folder.join("tree"))
}

/// Downloads packages and unpacks them all to `to/tree`.
pub fn unpack(apt: &Apt, what: &str, packages: &[String], to: &Path) -> Result<()> {
    let tree = to.join("tree");
    make_folder(&tree)?;
    apt.download(what, packages, to)?;
    for package in files(to, ".deb")? {
        Tool::new("dpkg")
            .arg("-x")
            .arg(&package)
            .arg(&tree)
            .output(what)?;
        fs::remove_file(&package).context("a downloaded package cannot be removed")?;
    }
    Ok(())
}

/// The files of a folder whose names end so.
fn files(folder: &Path, end: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths
        .filter(|path| path.to_string_lossy().ends_with(end))
        .collect())
}

/// The one file of a folder whose name ends so.
fn only(folder: &Path, end: &str) -> Result<PathBuf> {
    files(folder, end)?
        .pop()
        .with_context(|| format!("no {end} file was downloaded to {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_chosen_by_version() {
        let names = |list: &[&str]| {
            list.iter()
                .map(|name| format!("linux-binary-{name}-cloud-arm64"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            kernel(&names(&["7.3.1+deb13", pins::LINUX.name])).unwrap(),
            pins::LINUX.name
        );
        assert_eq!(
            kernel(&names(&["7.2.6+deb13", "7.9.1+deb13", "7.10.2+deb14"])).unwrap(),
            "7.10.2+deb14"
        );
        assert!(kernel(&names(&["6.12.1+deb13"])).is_err());
    }
}
