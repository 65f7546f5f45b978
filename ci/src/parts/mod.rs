//! Parts that are not ours: what is installed on this machine, and what is downloaded and unpacked.

mod apt;
pub mod debs;
pub mod host;
pub mod pins;
pub mod rust;
mod sources;

use crate::paths::Paths;
use anyhow::Result;
use std::path::PathBuf;

/// A part that is downloaded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The firmware at EL3.
    Tfa,
    /// The vendors' TEE.
    Optee,
    /// The normal world's kernel, programs and libraries.
    Linux,
}

/// All of them.
pub const ALL: [Part; 3] = [Part::Tfa, Part::Optee, Part::Linux];

/// The provisioned parts; one that was not asked for is fetched where it is needed after all.
pub struct Parts {
    apt: apt::Apt,
    /// The Python that has the modules OP-TEE's build needs.
    pub python: PathBuf,
    /// How to build for the bare-metal and arm64 Linux targets.
    pub rust: rust::Toolchain,
}

/// Installs what is missing and fetches these parts; from here on the workspace is this process's alone.
pub fn provide(paths: &Paths, wanted: &[Part]) -> Result<Parts> {
    crate::lock::hold(paths)?;
    let python = host::provide(paths)?;
    let apt = apt::Apt::parts(paths);
    let rust = rust::provide(paths, &apt)?;
    let parts = Parts { apt, python, rust };
    for part in wanted {
        match part {
            Part::Tfa => drop(parts.tfa(paths)?),
            Part::Optee => drop(parts.optee(paths)?),
            Part::Linux => drop((parts.linux(paths)?, parts.userland(paths)?)),
        }
    }
    Ok(parts)
}

impl Parts {
    /// Source of TF-A, Debian's patches applied.
    pub fn tfa(&self, paths: &Paths) -> Result<PathBuf> {
        debs::source(paths, &self.apt, &pins::TFA)
    }

    /// Source of mbedTLS, with which TF-A checks signatures, Debian's patches applied.
    pub fn mbedtls(&self, paths: &Paths) -> Result<PathBuf> {
        debs::source(paths, &self.apt, &pins::MBEDTLS)
    }

    /// Source of OP-TEE, Debian's patches applied.
    pub fn optee(&self, paths: &Paths) -> Result<PathBuf> {
        debs::source(paths, &self.apt, &pins::OPTEE)
    }

    /// The normal world's kernel and modules, as their packages lay them out.
    pub fn linux(&self, paths: &Paths) -> Result<PathBuf> {
        debs::linux(paths, &self.apt)
    }

    /// The normal world's programs and libraries, as their packages lay them out.
    pub fn userland(&self, paths: &Paths) -> Result<PathBuf> {
        debs::userland(paths, &self.apt)
    }

    /// The headers of libteec, as their package lays them out.
    pub fn headers(&self, paths: &Paths) -> Result<PathBuf> {
        debs::headers(paths, &self.apt)
    }

    /// systemd and udev, as their packages lay them out.
    pub fn services(&self, paths: &Paths) -> Result<PathBuf> {
        debs::services(paths, &self.apt)
    }
}

/// Installs LLVM's tools of this major version.
pub fn provide_llvm(paths: &Paths, major: &str) -> Result<()> {
    crate::lock::hold(paths)?;
    host::provide_llvm(paths, major)
}

/// Installs a C++ compiler where there is none: libFuzzer is built with it.
pub fn provide_cxx(paths: &Paths) -> Result<()> {
    crate::lock::hold(paths)?;
    host::provide_cxx(paths)
}
