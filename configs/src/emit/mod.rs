//! From the model and the images to every artefact.

mod linker;
mod linux;
mod manifest;
mod optee;
mod package;
pub(crate) mod picture;
mod place;
pub mod signed;
mod spmc;
mod table;
mod tree;

use std::collections::BTreeMap;

use crate::model::System;
use crate::report::{Diagnostic, Report};
use crate::rule::Rule;

pub(crate) use optee::OWN;
pub use optee::mk_args;

/// Image files by the names of their partitions.
pub type Images = BTreeMap<String, Vec<u8>>;

/// One file that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artefact {
    /// Its path below the system's folder, with `/`.
    pub path: String,
    /// Its bytes.
    pub contents: Vec<u8>,
}

impl Artefact {
    fn new(path: impl Into<String>, contents: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            contents: contents.into(),
        }
    }
}

/// Makes every artefact of a system.
///
/// An image that is not handed in is read from its file, if the table names one.
///
/// # Errors
/// What the table asks for and the hypervisor does not do yet; images that are missing, stray, empty, too large,
/// or not the ones that the table names; device trees that are larger than what firmware has for them.
pub fn emit(system: &System, images: &Images) -> Result<Vec<Artefact>, Report> {
    system.buildable()?;
    let mut faults = Vec::new();
    let placed = place::images(system, images, &mut faults);
    if let Some(report) = Report::of(faults) {
        return Err(report);
    }
    let (source, digest) = table::table(system, &placed);
    let mut out = vec![
        Artefact::new("table.rs", source),
        Artefact::new("memory.ld", linker::memory(system)),
        Artefact::new(
            "tos_fw_config.dtb",
            config(system, "tos_fw_config.dtb", spmc::core_manifest(system))?,
        ),
        Artefact::new(
            "tb_fw_config.dtb",
            config(system, "tb_fw_config.dtb", spmc::packages(system, &placed))?,
        ),
        Artefact::new("linux/tees.toml", linux::routes(system)),
        Artefact::new("linux/60-bulkhead-tees.rules", linux::rules(system)),
        Artefact::new("linux/bulkhead-supplicant@.service", linux::supplicant(system)),
        Artefact::new("linux/system.toml", linux::reference(system, &placed, &digest)),
        Artefact::new("linux/reserved.dts", linux::reserved(system)),
        Artefact::new("layout.svg", picture(system)),
    ];
    if let Some(service) = linux::rebind(system) {
        out.push(Artefact::new("linux/bulkhead-rebind.service", service));
    }
    for placed in placed {
        let partition = placed.partition;
        let name = &partition.name;
        out.push(Artefact::new(format!("sp/{name}.dtb"), placed.manifest));
        out.push(Artefact::new(partition.package_path(), placed.package));
        let args = mk_args(partition);
        if !args.is_empty() {
            let lines: String = args
                .iter()
                .map(|(variable, value)| format!("{variable}={value}\n"))
                .collect();
            out.push(Artefact::new(format!("tee/{name}.mk-args"), lines));
        }
    }
    Ok(out)
}

/// A picture of a system as SVG; it needs no images.
#[must_use]
pub fn picture(system: &System) -> String {
    picture::layout(system)
}

pub use picture::story::{Story, draw as story};

/// Refuses a configuration tree that is larger than firmware's room for it.
fn config(system: &System, name: &str, tree: Vec<u8>) -> Result<Vec<u8>, Report> {
    let limit = system.board.firmware.config_size;
    if u64::try_from(tree.len()).is_ok_and(|length| length <= limit) {
        return Ok(tree);
    }
    let title = format!(
        "{name} has {} bytes, and firmware has room for {limit}",
        tree.len()
    );
    let fault = Diagnostic::new(Rule::TreeSize, title).help("use shorter names or fewer partitions");
    Err(Report {
        diagnostics: vec![fault],
        more: 0,
    })
}
