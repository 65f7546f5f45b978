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

/// The provisioned parts.
pub struct Parts {
    /// Source of TF-A, Debian's patches applied.
    pub tfa: PathBuf,
    /// Source of OP-TEE, Debian's patches applied.
    pub optee: PathBuf,
    /// The normal world's kernel and modules, as their packages lay them out.
    pub linux: PathBuf,
    /// The normal world's programs and libraries, as their packages lay them out.
    pub userland: PathBuf,
    /// The Python that has the modules OP-TEE's build needs.
    pub python: PathBuf,
    /// How to build for the bare-metal and arm64 Linux targets.
    pub rust: rust::Toolchain,
}

/// Installs and fetches what is missing; from here on the workspace is this process's alone.
pub fn provide(paths: &Paths) -> Result<Parts> {
    crate::lock::hold(paths)?;
    let python = host::provide(paths)?;
    let apt = apt::Apt::parts(paths);
    Ok(Parts {
        tfa: debs::source(paths, &apt, &pins::TFA)?,
        optee: debs::source(paths, &apt, &pins::OPTEE)?,
        linux: debs::linux(paths, &apt)?,
        userland: debs::userland(paths, &apt)?,
        python,
        rust: rust::provide(paths, &apt)?,
    })
}

/// Installs a C++ compiler where there is none: libFuzzer is built with it.
pub fn provide_cxx(paths: &Paths) -> Result<()> {
    crate::lock::hold(paths)?;
    host::provide_cxx(paths)
}
