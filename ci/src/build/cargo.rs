//! Our own code for the guests, built by cargo.

use crate::parts::host::CROSS;
use crate::parts::rust::{LINUX, Toolchain};
use crate::paths::Paths;
use crate::progress::step;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::tool::Tool;

/// One package to build.
pub struct Build<'a> {
    /// The package.
    pub package: &'a str,
    /// The target.
    pub target: &'a str,
    /// Features.
    pub features: &'a [&'a str],
    /// Environment variables that its build script reads.
    pub env: Vec<(&'a str, String)>,
}

/// A file that cargo made.
pub struct Product {
    /// The kind of target: `bin` or `cdylib`.
    pub kind: String,
    /// The target's name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// A line of cargo's messages.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Build<'_> {
    /// Builds it in the release profile; returns the programs and shared libraries.
    pub fn run(&self, paths: &Paths, toolchain: &Toolchain) -> Result<Vec<Product>> {
        let what = format!("building {} for {}", self.package, self.target);
        step(&what, || self.compile(paths, toolchain, &what))
    }

    /// Builds it; returns its one program.
    pub fn program(&self, paths: &Paths, toolchain: &Toolchain) -> Result<PathBuf> {
        let products = self.run(paths, toolchain)?;
        let program = products.into_iter().find(|product| product.kind == "bin");
        program
            .map(|product| product.path)
            .with_context(|| format!("the package {} has no program", self.package))
    }

    /// Checks it with clippy; warnings are errors.
    pub fn lint(&self, paths: &Paths, toolchain: &Toolchain) -> Result<()> {
        let what = format!("checking {}", self.package);
        let tool = self
            .cargo("clippy", paths, toolchain)
            .args(["--", "--deny", "warnings"]);
        tool.run(&what, &paths.logs.join(format!("clippy-{}.log", self.package)))
    }

    fn compile(&self, paths: &Paths, toolchain: &Toolchain, what: &str) -> Result<Vec<Product>> {
        let tool = self
            .cargo("build", paths, toolchain)
            .arg("--message-format=json-render-diagnostics");
        let output = tool.command().stderr(Stdio::piped()).output();
        let output = output.context("`cargo` could not be started; install Rust by rustup")?;
        if !output.status.success() {
            eprint!("{}", String::from_utf8_lossy(&output.stderr));
            bail!("{what} failed: cargo's own words are above");
        }
        Ok(products(
            &String::from_utf8_lossy(&output.stdout),
            &self.folder(paths),
        ))
    }

    /// A command of cargo for this package and its target.
    fn cargo(&self, command: &str, paths: &Paths, toolchain: &Toolchain) -> Tool {
        let mut tool =
            Tool::new("cargo")
                .within(&paths.root)
                .args([command, "--release", "--package", self.package]);
        tool = tool.args(["--target", self.target]);
        for feature in self.features {
            tool = tool.args(["--features", feature]);
        }
        if let Toolchain::Source(library) = toolchain {
            let part = if self.target == LINUX {
                "std,panic_abort"
            } else {
                "core"
            };
            tool = tool.arg(format!("-Zbuild-std={part}"));
            tool = tool
                .env("RUSTC_BOOTSTRAP", "1")
                .env("__CARGO_TESTS_ONLY_SRC_ROOT", library);
        }
        tool = tool.env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
            format!("{CROSS}gcc"),
        );
        // Takes the place of what this machine's own settings say: they would be in the image.
        tool = tool
            .env(
                "CARGO_ENCODED_RUSTFLAGS",
                flags(&registries(paths)).join("\u{1f}"),
            )
            .env("CARGO_HOME", &paths.cargo);
        for (name, value) in &self.env {
            tool = tool.env(name, value);
        }
        tool
    }

    /// Where cargo's messages place the package: by name, since every package of the workspace has its own folder.
    fn folder(&self, paths: &Paths) -> Package {
        Package {
            root: paths.root.clone(),
            name: self.package.to_owned(),
        }
    }
}

/// The compiler's flags: a place in a dependency's source has the same name in each image, wherever cargo keeps it on
/// this machine. Debug information keeps the real one, for debuggers.
fn flags(registries: &[PathBuf]) -> Vec<String> {
    let remap = |folder: &PathBuf| format!("--remap-path-prefix={}=/registry", folder.display());
    let scope = "--remap-path-scope=macro".to_owned();
    std::iter::once(scope)
        .chain(registries.iter().map(remap))
        .collect()
}

/// Where cargo has the source of each registry's packages.
fn registries(paths: &Paths) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(paths.cargo.join("registry/src"))
        .into_iter()
        .flatten();
    let mut folders: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    folders
}

/// Tells a package of the workspace from its dependencies.
struct Package {
    root: PathBuf,
    name: String,
}

impl Package {
    /// Whether a manifest is this package's.
    fn owns(&self, manifest: &Path) -> bool {
        let line = format!("name = \"{}\"", self.name);
        manifest.starts_with(&self.root)
            && std::fs::read_to_string(manifest)
                .is_ok_and(|text| text.lines().any(|found| found.trim() == line))
    }
}

/// The programs and shared libraries that cargo's messages name.
fn products(messages: &str, package: &Package) -> Vec<Product> {
    let artefacts = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let ours = artefacts
        .filter(|message| message.reason == "compiler-artifact" && package.owns(&message.manifest_path));
    ours.filter_map(|message| {
        let target = message.target?;
        let kind = target
            .kind
            .into_iter()
            .find(|kind| kind == "bin" || kind == "cdylib")?;
        let library = || {
            message
                .filenames
                .into_iter()
                .find(|file| file.extension().is_some_and(|end| end == "so"))
        };
        Some(Product {
            kind,
            name: target.name,
            path: message.executable.or_else(library)?,
        })
    })
    .collect()
}
