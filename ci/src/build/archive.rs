//! The initramfs as an archive in the "newc" format: written here, so that no root is needed and the order is fixed.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// One thing in the archive.
enum Entry {
    Folder,
    File { contents: Vec<u8>, mode: u32 },
    Link(String),
    Character { major: u32, minor: u32 },
}

/// A tree of files by their paths without the leading slash.
#[derive(Default)]
pub struct Archive {
    entries: BTreeMap<String, Entry>,
}

impl Archive {
    /// Adds a file. Its folders are made too.
    pub fn file(&mut self, path: &str, contents: Vec<u8>, mode: u32) {
        self.insert(path, Entry::File { contents, mode });
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.insert(path, Entry::Link(target.to_owned()));
    }

    /// Adds an empty folder.
    pub fn folder(&mut self, path: &str) {
        self.insert(path, Entry::Folder);
    }

    /// Adds a character device.
    pub fn character(&mut self, path: &str, major: u32, minor: u32) {
        self.insert(path, Entry::Character { major, minor });
    }

    /// Adds a whole tree of this machine whose relative paths `keep` accepts; `place` says where each goes.
    pub fn tree(
        &mut self,
        root: &Path,
        keep: &dyn Fn(&str) -> bool,
        place: &dyn Fn(&str) -> String,
    ) -> Result<()> {
        self.level(root, "", keep, place)
    }

    fn level(
        &mut self,
        root: &Path,
        below: &str,
        keep: &dyn Fn(&str) -> bool,
        place: &dyn Fn(&str) -> String,
    ) -> Result<()> {
        let folder = root.join(below);
        for entry in fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                bail!("{} holds a name that is not UTF-8", folder.display())
            };
            let path = if below.is_empty() {
                name
            } else {
                format!("{below}/{name}")
            };
            if !keep(&path) {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.folder(&place(&path));
                self.level(root, &path, keep, place)?;
            } else if kind.is_symlink() {
                self.link(&place(&path), &fs::read_link(entry.path())?.to_string_lossy());
            } else {
                let mode = entry.metadata()?.permissions().mode() & 0o7777;
                self.file(&place(&path), crate::paths::read(&entry.path())?, mode);
            }
        }
        Ok(())
    }

    fn insert(&mut self, path: &str, entry: Entry) {
        for (at, _) in path.match_indices('/') {
            self.entries.entry(path[..at].to_owned()).or_insert(Entry::Folder);
        }
        if matches!(entry, Entry::Folder) && self.entries.contains_key(path) {
            return;
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// The archive's bytes.
    pub fn bytes(self) -> Result<Vec<u8>> {
        let mut out = Cursor::new(Vec::new());
        for (number, (path, entry)) in (1_u32..).zip(&self.entries) {
            let (mode, contents, device) = match entry {
                Entry::Folder => (0o40_755, &[][..], (0, 0)),
                Entry::File { contents, mode } => (0o100_000 | mode, contents.as_slice(), (0, 0)),
                Entry::Link(target) => (0o120_777, target.as_bytes(), (0, 0)),
                Entry::Character { major, minor } => (0o20_600, &[][..], (*major, *minor)),
            };
            let builder = cpio::newc::Builder::new(path).ino(number).mode(mode).nlink(1);
            let builder = builder.rdev_major(device.0).rdev_minor(device.1);
            let length = u32::try_from(contents.len())
                .with_context(|| format!("{path} is too long for the initramfs"))?;
            let mut writer = builder.write(out, length);
            writer.write_all(contents)?;
            out = writer.finish()?;
        }
        Ok(cpio::newc::trailer(out)?.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn folders_come_before_what_is_in_them() {
        let mut archive = Archive::default();
        archive.file("usr/bin/tool", b"#!".to_vec(), 0o755);
        archive.link("bin", "usr/bin");
        archive.character("dev/console", 5, 1);
        let mut rest = Cursor::new(archive.bytes().unwrap());
        let mut seen = Vec::new();
        loop {
            let mut reader = cpio::newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let mut contents = String::new();
            reader.read_to_string(&mut contents).unwrap();
            seen.push((reader.entry().name().to_owned(), reader.entry().mode(), contents));
            rest = reader.finish().unwrap();
        }
        let names: Vec<_> = seen.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(
            names,
            ["bin", "dev", "dev/console", "usr", "usr/bin", "usr/bin/tool"]
        );
        assert_eq!(seen[5], ("usr/bin/tool".into(), 0o100_755, "#!".into()));
    }
}
