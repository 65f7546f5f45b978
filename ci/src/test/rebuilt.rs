//! Reproducible builds: what is in flash is built once more from nothing, in another folder, and has to have the same bytes.

use super::tally::Tally;
use crate::build::{self, Firmware};
use crate::parts::Parts;
use crate::paths::{Paths, make_folder, read};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The other folder, under `target`: of another length than the workspace's own.
const ELSEWHERE: &str = "rebuilt/in-another-folder";
/// What the copy of the workspace leaves behind: what was built, and its history.
const LEFT: [&str; 2] = ["target", ".git"];
/// What cargo needs of its files: what it has downloaded, and from where it does.
const CARGO: [&str; 3] = ["registry", "config.toml", "config"];

/// Builds the default system's firmware once more, and compares it with what was built here.
pub fn test(paths: &Paths, parts: &Parts, tally: &mut Tally) -> Result<()> {
    let first = firmware(paths, parts)?;
    let again = elsewhere(paths)?;
    let second = firmware(&again, parts)?;
    for (what, file) in [
        ("the hypervisor", "bulkhead.bin"),
        ("all that is in flash", "flash.bin"),
    ] {
        let bytes = [read(&first.folder.join(file))?, read(&second.folder.join(file))?];
        let differ = difference(&bytes[0], &bytes[1]);
        let name = format!("built again in another folder: {what}");
        let same = format!("the same {} bytes", bytes[0].len());
        tally.note(&name, differ.is_none(), &differ.unwrap_or(same));
    }
    let flash = read(&first.flash)?;
    let mut named = vec![&paths.root, &paths.cargo];
    named.retain(|folder| names(&flash, folder));
    let detail: Vec<_> = named.iter().map(|folder| folder.display().to_string()).collect();
    tally.note(
        "no folder of this machine is named in flash",
        named.is_empty(),
        &detail.join(", "),
    );
    fs::remove_dir_all(&again.root).context("the other folder cannot be removed")
}

fn firmware(paths: &Paths, parts: &Parts) -> Result<Firmware> {
    let table = paths.root.join("configs/phone.toml");
    build::build_firmware(paths, parts, build::load(&table)?, &table)
}

/// A copy of the workspace in another folder, where nothing has been built, and cargo with its files in another one;
/// parts that are not ours are shared.
fn elsewhere(paths: &Paths) -> Result<Paths> {
    let root = paths.root.join("target").join(ELSEWHERE);
    if root.exists() {
        fs::remove_dir_all(&root).context("the other folder cannot be removed")?;
    }
    copy(&paths.root, &root, &LEFT)?;
    let cargo = root.join("target/files-of-cargo");
    make_folder(&cargo)?;
    for name in CARGO {
        let file = paths.cargo.join(name);
        if file.exists() {
            symlink(&file, cargo.join(name))
                .with_context(|| format!("{} cannot be linked to", file.display()))?;
        }
    }
    Ok(Paths {
        cargo,
        parts: paths.parts.clone(),
        systems: root.join("target/bulkhead"),
        logs: paths.logs.clone(),
        traces: false,
        root_key: None,
        root,
    })
}

/// Copies a folder but for some of what is in it.
fn copy(from: &Path, to: &Path, left: &[&str]) -> Result<()> {
    make_folder(to)?;
    let entries = fs::read_dir(from).with_context(|| format!("{} cannot be read", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if left.iter().any(|left| name == *left) {
            continue;
        }
        let (from, to): (PathBuf, PathBuf) = (entry.path(), to.join(&name));
        let kind = entry.file_type()?;
        let copied = if kind.is_dir() {
            copy(&from, &to, &[])?;
            continue;
        } else if kind.is_symlink() {
            fs::read_link(&from).and_then(|aim| symlink(aim, &to))
        } else {
            fs::copy(&from, &to).map(drop)
        };
        copied.with_context(|| format!("{} cannot be copied", from.display()))?;
    }
    Ok(())
}

/// What differs between two files, as a sentence.
fn difference(one: &[u8], other: &[u8]) -> Option<String> {
    if one == other {
        return None;
    }
    let at = one.iter().zip(other).position(|(a, b)| a != b);
    let at = at.unwrap_or(one.len().min(other.len()));
    Some(format!(
        "{} bytes here and {} there, which differ from byte {at:#x} on",
        one.len(),
        other.len()
    ))
}

/// Whether bytes have a folder's path in them.
fn names(bytes: &[u8], folder: &Path) -> bool {
    let path = folder.as_os_str().as_encoded_bytes();
    !path.is_empty() && bytes.windows(path.len()).any(|window| window == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_found_where_it_is() {
        assert_eq!(difference(b"abc", b"abc"), None);
        for (other, place) in [
            (&b"abd"[..], "0x2"),
            (b"ab", "0x2"),
            (b"abcd", "0x3"),
            (b"xbc", "0x0"),
        ] {
            let said = difference(b"abc", other).unwrap();
            assert!(said.ends_with(&format!("from byte {place} on")), "{said}");
        }
    }

    #[test]
    fn a_path_is_found() {
        assert!(names(b"..\0/home/me/x.rs", Path::new("/home/me")));
        assert!(!names(b"..\0/registry/x.rs", Path::new("/home/me")));
    }

    #[test]
    fn what_was_built_is_not_copied() {
        let room = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| room.path().join(name));
        for file in ["a", "b/target", "target/c", ".git/d"] {
            make_folder(from.join(file).parent().unwrap()).unwrap();
            fs::write(from.join(file), file).unwrap();
        }
        symlink("nowhere", from.join("e")).unwrap();
        copy(&from, &to, &LEFT).unwrap();
        assert_eq!(fs::read_link(to.join("e")).unwrap(), Path::new("nowhere"));
        assert_eq!(fs::read_to_string(to.join("a")).unwrap(), "a");
        assert!(to.join("b/target").is_file());
        assert!(!to.join("target").exists() && !to.join(".git").exists());
    }
}
