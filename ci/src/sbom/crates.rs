//! The crates that are linked into a package of ours, as cargo resolves them for bare metal.

use crate::tool::Tool;
use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The target by which conditional dependencies are chosen.
const TARGET: &str = "aarch64-unknown-none-softfloat";

/// Everything that cargo resolves, and the checksums of the lock file.
pub struct Crates {
    packages: BTreeMap<String, Package>,
    nodes: BTreeMap<String, Vec<Dependency>>,
    sums: BTreeMap<(String, String), String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

impl Package {
    /// Its name in the bill.
    fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }

    /// Whether it runs in the compiler, and is not linked.
    fn is_macro(&self) -> bool {
        let mut kinds = self.targets.iter().flat_map(|target| &target.kind);
        kinds.any(|kind| kind == "proc-macro")
    }
}

impl Crates {
    /// Asks cargo, and reads the lock file.
    pub fn of(root: &Path) -> Result<Self> {
        let text = Tool::new("cargo")
            .within(root)
            .args(["metadata", "--format-version", "1", "--locked"])
            .args(["--filter-platform", TARGET])
            .output("asking cargo what there is to link")?;
        let metadata: Metadata = serde_json::from_str(&text).context("cargo's metadata is not in order")?;
        let lock = std::fs::read_to_string(root.join("Cargo.lock")).context("Cargo.lock cannot be read")?;
        let lock: Lock = toml::from_str(&lock).context("Cargo.lock is not in order")?;
        let packages = metadata
            .packages
            .into_iter()
            .map(|package| (package.id.clone(), package));
        let nodes = metadata
            .resolve
            .nodes
            .into_iter()
            .map(|node| (node.id, node.deps));
        let sums = lock.package.into_iter().filter_map(|locked| {
            let sum = locked.checksum?;
            Some(((locked.name, locked.version), sum))
        });
        Ok(Self {
            packages: packages.collect(),
            nodes: nodes.collect(),
            sums: sums.collect(),
        })
    }

    /// Adds a package of ours and all that is linked into it; returns what its image is made of.
    pub fn add(
        &self,
        package: &str,
        components: &mut Vec<Value>,
        edges: &mut BTreeMap<String, Vec<String>>,
    ) -> Result<Vec<String>> {
        let ours = |found: &&Package| found.name == package && found.source.is_none();
        let root = self.packages.values().find(ours);
        let root = root.with_context(|| format!("there is no package {package}"))?;
        let mut open = vec![root];
        while let Some(package) = open.pop() {
            let purl = package.purl();
            if edges.contains_key(&purl) {
                continue;
            }
            let linked: Vec<_> = self.linked(package).collect();
            edges.insert(purl, linked.iter().map(|linked| linked.purl()).collect());
            components.push(self.component(package));
            open.extend(linked);
        }
        Ok(vec![root.purl()])
    }

    /// What is linked into a package directly: not what runs while it is built or tested.
    fn linked(&self, package: &Package) -> impl Iterator<Item = &Package> {
        let all = self.nodes.get(&package.id).into_iter().flatten();
        let normal = all.filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind.is_none()));
        normal
            .filter_map(|dep| self.packages.get(&dep.pkg))
            .filter(|package| !package.is_macro())
    }

    fn component(&self, package: &Package) -> Value {
        let purl = package.purl();
        let mut component = json!({
            "type": "library",
            "bom-ref": purl,
            "name": package.name,
            "version": package.version,
            "purl": purl,
        });
        if let Some(licence) = &package.license {
            // Older manifests write a choice with a slash.
            let expression = licence.replace(" / ", "/").replace('/', " OR ");
            component["licenses"] = json!([{"expression": expression}]);
        }
        if let Some(sum) = self.sums.get(&(package.name.clone(), package.version.clone())) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
        }
        component
    }
}
