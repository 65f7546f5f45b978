//! The host tool behind `cargo xtask`: one command from a bare machine to a tested system.

// Tests keep Rust's own macros, whose output the test program holds back.
#[cfg(not(test))]
#[macro_use]
mod out;

mod bench;
mod build;
mod cli;
mod coverage;
mod examples;
mod lock;
mod parts;
mod paths;
mod progress;
mod quote;
mod run;
mod sbom;
mod sign;
mod size;
mod stamp;
mod tables;
mod test;
mod tool;
mod truth;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::Cli::parse().execute() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{} {error}", console::style("error:").red().bold().for_stderr());
            for cause in error.chain().skip(1) {
                eprintln!(
                    "       {}",
                    console::style(format!("because {cause}")).dim().for_stderr()
                );
            }
            ExitCode::FAILURE
        }
    }
}
