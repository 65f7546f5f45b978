//! Programs of the user's own for Linux: C sources are built against the stock libteec, other files are taken as they are.

use super::archive::Archive;
use super::{Firmware, NormalWorld};
use crate::parts::host::CROSS;
use crate::parts::{self, Parts};
use crate::paths::{Paths, make_folder, read, write};
use crate::progress::step;
use crate::tool::Tool;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// The machine's number in the header of an ELF file for arm64.
const AARCH64: [u8; 2] = 183_u16.to_le_bytes();

/// The same normal world with these files as `/usr/bin/<name>`.
pub fn with_clients(
    paths: &Paths,
    firmware: &Firmware,
    plain: NormalWorld,
    files: &[PathBuf],
) -> Result<NormalWorld> {
    if files.is_empty() {
        return Ok(plain);
    }
    let parts = parts::provide(paths, &[])?;
    let mut archive = Archive::default();
    for file in files {
        let name = file
            .file_stem()
            .context("a file to be put into Linux has no name")?;
        let name = name.to_string_lossy();
        let program = if file.extension().is_some_and(|end| end == "c") {
            let to = firmware.folder.join("clients").join(&*name);
            step(&format!("building {}", file.display()), || {
                compile(paths, &parts, file, &to)
            })?;
            to
        } else {
            file.clone()
        };
        let contents = read(&program)?;
        ensure!(
            runs(&contents),
            "{} is neither a C source (`.c`), nor a program for arm64 Linux, nor a script that begins with `#!`",
            file.display()
        );
        archive.file(&format!("usr/bin/{name}"), contents, 0o755);
    }
    let initrd = firmware.folder.join("initrd-with-clients.cpio");
    // Linux unpacks archives one behind the other.
    write(&initrd, &[read(&plain.initrd)?, archive.bytes()?].concat())?;
    Ok(NormalWorld { initrd, ..plain })
}

/// Builds a client of GlobalPlatform's API; the compiler's words are shown where it refuses.
fn compile(paths: &Paths, parts: &Parts, source: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    let include = parts.headers(paths)?.join("usr/include");
    let libraries = parts.userland(paths)?.join("usr/lib/aarch64-linux-gnu");
    let gcc = Tool::new(format!("{CROSS}gcc")).args(["-O2", "-Wall", "-Wextra", "-o"]);
    gcc.arg(to)
        .arg(source)
        .arg("-I")
        .arg(include)
        .arg("-L")
        .arg(libraries)
        // Linux has a newer C library than this compiler: what libteec wants of it is looked for there.
        .args(["-l:libteec.so.2", "-Wl,--allow-shlib-undefined"])
        .run("building the client", &paths.logs.join("client.log"))
}

/// Whether arm64 Linux can run what begins so.
fn runs(contents: &[u8]) -> bool {
    let elf = contents.starts_with(b"\x7fELF\x02\x01") && contents.get(18..20) == Some(&AARCH64);
    elf || contents.starts_with(b"#!")
}

#[cfg(test)]
mod tests {
    use super::runs;

    #[test]
    fn programs_of_other_machines_are_refused() {
        let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0".to_vec();
        assert!(runs(&elf) && runs(b"#!/bin/sh\n"));
        elf[18] = 62;
        assert!(!runs(&elf), "of an x86 machine");
        assert!(!runs(b"int main") && !runs(b"") && !runs(b"\x7fELF\x02\x01"));
    }
}
