//! The dependencies that are linked into the hypervisor's image, with their source.

use super::lines::{self, Lines};
use crate::paths::Paths;
use crate::tool::Tool;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What the image is built for.
const TARGET: &str = "aarch64-unknown-none-softfloat";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
    manifest_path: PathBuf,
}

/// Each of them: name and version, and its source. What only runs while the image is built is none.
pub fn linked(paths: &Paths) -> Result<Vec<(String, Lines)>> {
    let tree = Tool::new("cargo").within(&paths.root).args([
        "tree",
        "--offline",
        "--package",
        "bulkhead",
        "--edges",
        "normal,no-proc-macro",
        "--target",
        TARGET,
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let tree = tree.output("asking cargo for the hypervisor's dependencies")?;
    let named: BTreeSet<_> = tree.lines().filter_map(name_and_version).collect();
    let metadata = Tool::new("cargo")
        .within(&paths.root)
        .args(["metadata", "--offline", "--format-version", "1"])
        // What only other machines need is not here.
        .args(["--filter-platform", TARGET])
        .output("asking cargo where dependencies are")?;
    let metadata: Metadata = serde_json::from_str(&metadata).context("cargo's metadata is not in order")?;
    let theirs = metadata.packages.into_iter().filter(|package| {
        let known = named.contains(&(package.name.as_str(), package.version.as_str()));
        known && package.source.is_some()
    });
    let mut linked = Vec::new();
    for package in theirs {
        let folder = package.manifest_path.with_file_name("src");
        let sum = lines::sum(lines::files(&folder)?.values());
        linked.push((format!("{} {}", package.name, package.version), sum));
    }
    linked.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(linked)
}

/// `name v1.2.3`, with anything behind it.
fn name_and_version(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_whitespace();
    Some((words.next()?, words.next()?.strip_prefix('v')?))
}

#[cfg(test)]
mod tests {
    use super::name_and_version;

    #[test]
    fn a_line_of_the_tree_is_read() {
        assert_eq!(name_and_version("sha2 v0.10.9"), Some(("sha2", "0.10.9")));
        assert_eq!(name_and_version("spin v0.12.3 (*)"), Some(("spin", "0.12.3")));
        assert_eq!(name_and_version(""), None);
    }
}
