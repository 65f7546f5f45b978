//! Commands about partition tables: none of them builds or boots anything.

mod check;
mod explain;
mod new;
mod plan;
mod schema;

pub use check::{CheckArgs, check};
pub use explain::{ExplainArgs, explain};
pub use new::{NewArgs, new};
pub use plan::{PlanArgs, plan};
pub use schema::{SchemaArgs, schema};

use anyhow::{Context, Result, anyhow};
use bulkhead_configs::{Severity, System};
use std::io::IsTerminal;
use std::path::Path;

/// Whether colours are wanted on standard error.
fn coloured() -> bool {
    std::io::stderr().is_terminal() && console::colors_enabled_stderr()
}

/// Reads a good table; what is wrong with another one is shown.
fn load(table: &Path) -> Result<System> {
    bulkhead_configs::load(table).map_err(|report| {
        eprintln!("{}\n", report.show(Severity::Error, coloured()));
        anyhow!("{} is refused for the reasons above", table.display())
    })
}

/// Writes a file that the user named.
fn write(path: &Path, contents: &str) -> Result<()> {
    std::fs::write(path, contents).with_context(|| {
        format!(
            "{} cannot be written; check the folder and its rights",
            path.display()
        )
    })
}
