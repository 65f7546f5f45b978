//! Folders that are either whole and made from known inputs, or not there.

use crate::paths::make_folder;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Name of the file that says what a folder was made from.
const STAMP: &str = ".stamp";

/// SHA-256 of some inputs as hexadecimal digits; each input's length counts, so no two lists look alike.
pub fn digest<I: AsRef<[u8]>>(inputs: impl IntoIterator<Item = I>) -> String {
    let mut hash = Sha256::new();
    for input in inputs {
        let input = input.as_ref();
        hash.update((input.len() as u64).to_le_bytes());
        hash.update(input);
    }
    hex(&hash.finalize())
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether `folder` is whole and was made from the inputs with this digest.
pub fn is_current(folder: &Path, inputs: &str) -> bool {
    fs::read_to_string(folder.join(STAMP)).is_ok_and(|stamp| stamp.lines().next() == Some(inputs))
}

/// What was noted when `folder` was made.
pub fn note(folder: &Path) -> String {
    let stamp = fs::read_to_string(folder.join(STAMP)).unwrap_or_default();
    stamp
        .split_once('\n')
        .map(|(_, note)| note.trim_end().to_owned())
        .unwrap_or_default()
}

/// Makes `folder` anew: `fill` fills a folder beside it and returns a note, and only then does it take
/// the place of the old one. Where `fill` fails, nothing is kept.
pub fn make(folder: &Path, inputs: &str, fill: impl FnOnce(&Path) -> Result<String>) -> Result<()> {
    let part = PathBuf::from(format!("{}.part", folder.display()));
    remove(&part)?;
    make_folder(&part)?;
    let note = match fill(&part) {
        Ok(note) => note,
        Err(error) => {
            remove(&part)?;
            return Err(error);
        }
    };
    crate::paths::write(&part.join(STAMP), format!("{inputs}\n{note}\n").as_bytes())?;
    remove(folder)?;
    fs::rename(&part, folder).with_context(|| format!("{} cannot be put in place", folder.display()))
}

/// Removes a folder and what is in it, where it exists.
fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_told_apart_by_their_borders() {
        assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
        assert_eq!(digest(["ab", "c"]), digest(["ab", "c"]));
    }

    #[test]
    fn a_failed_fill_leaves_the_old_folder() {
        let room = tempfile::tempdir().unwrap();
        let folder = room.path().join("part");
        make(&folder, "one", |to| {
            fs::write(to.join("file"), "old")?;
            Ok("version 1".into())
        })
        .unwrap();
        make(&folder, "two", |to| {
            fs::write(to.join("file"), "half")?;
            anyhow::bail!("broken off")
        })
        .unwrap_err();
        assert!(is_current(&folder, "one") && !is_current(&folder, "two"));
        assert_eq!(note(&folder), "version 1");
        assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), "old");
        assert!(!room.path().join("part.part").exists());
    }
}
