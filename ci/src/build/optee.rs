//! OP-TEE: one build for each partition that hosts it, from Debian's source with the table's settings.

use super::compiler;
use crate::parts::Parts;
use crate::paths::Paths;
use crate::progress::step;
use crate::stamp;
use crate::tool::Tool;
use anyhow::{Context, Result};
use bulkhead_configs::Partition;
use std::fs;
use std::path::{Path, PathBuf};

/// The cross compiler; all else comes from the table.
const TOOLS: [&str; 2] = [
    "CROSS_COMPILE=aarch64-linux-gnu-",
    "CROSS_COMPILE64=aarch64-linux-gnu-",
];

/// The time that a build is stamped with, in seconds since 1970, so that the same inputs give the same image.
const EPOCH: &str = "1767225600";

/// Where a build keeps the trusted applications that come with it.
const APPLICATIONS: &str = "applications";

/// A finished build.
pub struct Optee {
    /// The image.
    pub image: PathBuf,
    /// The program that it was made of.
    pub program: PathBuf,
    /// The trusted applications that OP-TEE's own source holds (PKCS#11 among them), for the normal world's files.
    pub applications: PathBuf,
}

/// Builds it for a partition where it is not built yet.
pub fn build(paths: &Paths, parts: &Parts, partition: &Partition) -> Result<Optee> {
    build_with(
        paths,
        parts,
        &partition.name,
        &bulkhead_configs::mk_args(partition),
    )
}

/// Builds it with these settings where it is not built yet; `name` is for people.
pub fn build_with(paths: &Paths, parts: &Parts, name: &str, table: &[(String, String)]) -> Result<Optee> {
    let tree = parts.optee(paths)?;
    let source = super::source_of(&tree);
    // Else the image would name the commit of the tree around it.
    let version = format!(
        "TEE_IMPL_VERSION={}",
        source.rsplit(' ').next().unwrap_or_default()
    );
    let tools = TOOLS.iter().map(|setting| (*setting).to_owned());
    let settings: Vec<String> = tools
        .chain([version])
        .chain(table.iter().map(|(name, value)| format!("{name}={value}")))
        .collect();
    let compiler = compiler()?;
    // What is kept counts too: a build that an older xtask made lacks it.
    let inputs = [source.as_str(), &compiler, APPLICATIONS];
    let inputs = stamp::digest(inputs.into_iter().chain(settings.iter().map(String::as_str)));
    let folder = paths.parts.join(format!("optee/{}", &inputs[..16]));
    if !stamp::is_current(&folder, &inputs) {
        let what = format!("building OP-TEE for {name} ({source})");
        step(&what, || {
            stamp::make(&folder, &inputs, |to| {
                make(paths, (&tree, &parts.python), &what, name, &settings, to).map(|()| settings.join("\n"))
            })
        })?;
    }
    Ok(Optee {
        image: folder.join("tee.bin"),
        program: folder.join("tee.elf"),
        applications: folder.join(APPLICATIONS),
    })
}

fn make(
    paths: &Paths,
    (tree, python): (&Path, &Path),
    what: &str,
    name: &str,
    settings: &[String],
    to: &Path,
) -> Result<()> {
    let work = to.join("work");
    Tool::new("make")
        .within(tree)
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(format!("-j{}", super::jobs()))
        .arg(format!("O={}", work.display()))
        .arg(format!("PYTHON3={}", python.display()))
        .args(settings)
        .run(what, &paths.logs.join(format!("optee-{name}.log")))?;
    for (from, into) in [("core/tee-raw.bin", "tee.bin"), ("core/tee.elf", "tee.elf")] {
        fs::copy(work.join(from), to.join(into)).with_context(|| format!("OP-TEE's build made no {from}"))?;
    }
    let applications = work.join("export-ta_arm64/ta");
    fs::rename(&applications, to.join(APPLICATIONS))
        .context("OP-TEE's build made no trusted applications")?;
    fs::remove_dir_all(&work).context("OP-TEE's build folder cannot be removed")
}
