//! OP-TEE: one build for each partition that hosts it, from Debian's source with the table's settings.

use super::compiler;
use crate::parts::Parts;
use crate::paths::Paths;
use crate::progress::step;
use crate::stamp;
use crate::tool::Tool;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The cross compiler; all else comes from the table.
const TOOLS: [&str; 2] = [
    "CROSS_COMPILE=aarch64-linux-gnu-",
    "CROSS_COMPILE64=aarch64-linux-gnu-",
];

/// The time that a build is stamped with, in seconds since 1970, so that the same inputs give the same image.
const EPOCH: &str = "1767225600";

/// Builds it where it is not built yet; returns the path of the image. `settings` are make's variables.
pub fn build(paths: &Paths, parts: &Parts, name: &str, settings: &[(String, String)]) -> Result<PathBuf> {
    let source = super::source_of(&parts.optee);
    // Else the image would name the commit of the tree around it.
    let version = format!(
        "TEE_IMPL_VERSION={}",
        source.rsplit(' ').next().unwrap_or_default()
    );
    let tools = TOOLS.iter().map(|setting| (*setting).to_owned());
    let settings: Vec<String> = tools
        .chain([version])
        .chain(settings.iter().map(|(name, value)| format!("{name}={value}")))
        .collect();
    let inputs = stamp::digest([&source, &compiler()?].into_iter().chain(&settings));
    let folder = paths.parts.join(format!("optee/{}", &inputs[..16]));
    if !stamp::is_current(&folder, &inputs) {
        let what = format!("building OP-TEE for {name} ({source})");
        step(&what, || {
            stamp::make(&folder, &inputs, |to| {
                make(paths, parts, &what, name, &settings, to).map(|()| settings.join("\n"))
            })
        })?;
    }
    Ok(folder.join("tee.bin"))
}

fn make(paths: &Paths, parts: &Parts, what: &str, name: &str, settings: &[String], to: &Path) -> Result<()> {
    let work = to.join("work");
    Tool::new("make")
        .within(&parts.optee)
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(format!("-j{}", super::jobs()))
        .arg(format!("O={}", work.display()))
        .arg(format!("PYTHON3={}", parts.python.display()))
        .args(settings)
        .run(what, &paths.logs.join(format!("optee-{name}.log")))?;
    for (from, into) in [("core/tee-raw.bin", "tee.bin"), ("core/tee.elf", "tee.elf")] {
        fs::copy(work.join(from), to.join(into)).with_context(|| format!("OP-TEE's build made no {from}"))?;
    }
    fs::remove_dir_all(&work).context("OP-TEE's build folder cannot be removed")
}
