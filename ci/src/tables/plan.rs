//! `plan`: a system to look at, and what a change moves.

use super::{load, write};
use anyhow::{Result, bail};
use bulkhead_configs::{picture, plan as plans};
use std::path::PathBuf;

/// Options of `plan`.
#[derive(clap::Args)]
pub struct PlanArgs {
    /// The table; with `--diff`, the old one and the new one.
    #[arg(value_name = "FILE", required = true, num_args = 1..=2)]
    files: Vec<PathBuf>,
    /// Write the picture here.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write the picture with all tables here, as one page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Show what differs between two tables.
    #[arg(long, conflicts_with_all = ["svg", "html"])]
    diff: bool,
}

/// Shows a plan, or what differs between two.
pub fn plan(args: &PlanArgs) -> Result<()> {
    match (args.diff, args.files.as_slice()) {
        (true, [old, new]) => {
            let changes = plans::diff(&load(old)?, &load(new)?);
            print!(
                "{}",
                if changes.is_empty() {
                    "nothing differs\n"
                } else {
                    &changes
                }
            );
            Ok(())
        }
        (true, _) => bail!("`--diff` takes two tables: the old one and the new one"),
        (false, [file]) => {
            let system = load(file)?;
            if let Some(path) = &args.svg {
                write(path, &picture(&system))?;
            }
            if let Some(path) = &args.html {
                write(path, &plans::html(&system))?;
            }
            if args.svg.is_none() && args.html.is_none() {
                print!("{}", plans::text(&system));
            }
            Ok(())
        }
        (false, _) => bail!("a plan is of one table; `--diff` compares two"),
    }
}
