//! The kernel's modules that the normal world needs: unpacked, and in an order in which they can be loaded.

use super::archive::Archive;
use crate::tool::Tool;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The modules that are wanted for their own sake, as files are named.
const WANTED: [&str; 4] = ["ffa-core", "ffa-module", "tee", "optee"];

/// Puts the modules into the archive; `tree` is the unpacked kernel. Returns their paths in order of loading.
pub fn add(archive: &mut Archive, tree: &Path) -> Result<Vec<String>> {
    let (version, folder) = version(tree)?;
    let mut files = BTreeMap::new();
    collect(&folder, &mut files)?;
    let mut order = Vec::new();
    for name in WANTED {
        load(name, &files, &mut order)?;
    }
    let mut paths = Vec::new();
    for (name, contents) in order {
        let path = format!("usr/lib/modules/{version}/{name}.ko");
        archive.file(&path, contents, 0o644);
        paths.push(format!("/{path}"));
    }
    Ok(paths)
}

/// The kernel's version and the folder of its modules.
pub fn version(tree: &Path) -> Result<(String, PathBuf)> {
    let modules = tree.join("usr/lib/modules");
    let entry = fs::read_dir(&modules)
        .ok()
        .and_then(|mut folder| folder.next()?.ok());
    let entry = entry.with_context(|| {
        format!(
            "{} holds no kernel; remove target/parts/linux and run this again",
            modules.display()
        )
    })?;
    Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
}

/// Finds all modules; names are compared with `-` for `_`, as modprobe does.
fn collect(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else if let Some((name, _)) = name.split_once(".ko") {
            files.insert(name.replace('_', "-"), entry.path());
        }
    }
    Ok(())
}

/// Puts a module behind those that it depends on.
fn load(name: &str, files: &BTreeMap<String, PathBuf>, order: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let name = name.replace('_', "-");
    if order.iter().any(|(loaded, _)| *loaded == name) {
        return Ok(());
    }
    let file = files.get(&name).with_context(|| {
        format!("this kernel has no module `{name}`; a kernel with FF-A and OP-TEE as modules is needed")
    })?;
    let contents = contents(file)?;
    for needed in dependencies(&contents) {
        load(&needed, files, order)?;
    }
    order.push((name, contents));
    Ok(())
}

/// A module's bytes, unpacked.
fn contents(file: &Path) -> Result<Vec<u8>> {
    if file.extension().is_some_and(|end| end == "ko") {
        return crate::paths::read(file);
    }
    let mut command: Command = Tool::new("xz")
        .args(["--decompress", "--stdout"])
        .arg(file)
        .command();
    let output = command
        .stderr(Stdio::null())
        .output()
        .context("`xz` could not be started; install xz-utils")?;
    anyhow::ensure!(
        output.status.success(),
        "{} is damaged; remove target/parts/linux and run this again",
        file.display()
    );
    Ok(output.stdout)
}

/// The modules named by `depends=` in a module's information.
fn dependencies(contents: &[u8]) -> Vec<String> {
    let strings = contents.split(|&byte| byte == 0);
    let line = strings
        .filter_map(|text| text.strip_prefix(b"depends="))
        .next()
        .unwrap_or_default();
    String::from_utf8_lossy(line)
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_come_first_and_once() {
        let room = tempfile::tempdir().unwrap();
        let mut files = BTreeMap::new();
        for (name, text) in [
            ("optee", "depends=tee,ffa_core"),
            ("tee", "depends="),
            ("ffa-core", "depends="),
        ] {
            let path = room.path().join(format!("{name}.ko"));
            fs::write(&path, format!("x\0{text}\0name=y\0")).unwrap();
            files.insert(name.to_owned(), path);
        }
        let mut order = Vec::new();
        load("optee", &files, &mut order).unwrap();
        load("tee", &files, &mut order).unwrap();
        let names: Vec<_> = order.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["tee", "ffa-core", "optee"]);
    }
}
