//! Where things are: the workspace and the folders under `target/`.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The folders that every command uses.
#[derive(Clone)]
pub struct Paths {
    /// The workspace.
    pub root: PathBuf,
    /// Downloaded and built parts that are not ours: kept between runs, made anew where their inputs change.
    pub parts: PathBuf,
    /// One folder for each system that was built.
    pub systems: PathBuf,
    /// Output of the tools that ran.
    pub logs: PathBuf,
    /// Where cargo keeps what it downloads.
    pub cargo: PathBuf,
    /// Whether the hypervisor of a system says who runs where.
    pub traces: bool,
    /// The private root key of trusted boot; where it is not given, one is made.
    pub root_key: Option<PathBuf>,
}

impl Paths {
    /// Finds the workspace that this tool was built from and makes the folders.
    pub fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask has no workspace")?
            .to_path_buf();
        let target = root.join("target");
        let paths = Self {
            parts: target.join("parts"),
            systems: target.join("bulkhead"),
            logs: target.join("parts/logs"),
            cargo: cargo_home().context("neither CARGO_HOME nor HOME says where cargo keeps its files")?,
            traces: false,
            root_key: None,
            root,
        };
        for folder in [&paths.parts, &paths.systems, &paths.logs] {
            make_folder(folder)?;
        }
        Ok(paths)
    }
}

/// Where cargo keeps its files, as it finds them itself.
fn cargo_home() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
}

impl Paths {
    /// The same with another folder for systems, `target/bulkhead-NAME`.
    pub fn with_systems(&self, name: &str, traces: bool) -> Self {
        Self {
            systems: self.systems.with_file_name(format!("bulkhead-{name}")),
            traces,
            ..self.clone()
        }
    }
}

/// Makes a folder and those above it.
pub fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).with_context(|| {
        format!(
            "{} cannot be made; check the rights and the free space",
            path.display()
        )
    })
}

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Writes a file so that it is either whole or not there; leaves it alone where the contents are the same.
pub fn write(path: &Path, contents: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == contents) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    std::fs::write(&part, contents)
        .and_then(|()| std::fs::rename(&part, path))
        .with_context(|| {
            format!(
                "{} cannot be written; check the rights and the free space",
                path.display()
            )
        })
}
