//! The commands and their options.

use crate::progress::Stages;
use crate::{bench, build, coverage, examples, paths::Paths, quote, run, sbom, sign, size, tables, test};
use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Builds, runs and tests Bulkhead on real parts: TF-A, OP-TEE and a stock Debian kernel on QEMU.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing, build everything, boot it and call every TEE from Linux.
    #[command(after_help = examples::RUN)]
    Run(RunArgs),
    /// Build and run every test; ends with `N passed, N failed`.
    #[command(after_help = examples::TEST)]
    Test(TestArgs),
    /// Count the instructions that calls cost, and show them beside the targets.
    #[command(after_help = examples::BENCH)]
    Bench(BenchArgs),
    /// Install what is missing and build everything, without booting it.
    #[command(after_help = examples::BUILD)]
    Build(BuildArgs),
    /// Show the size of the hypervisor's image and of its source.
    #[command(after_help = examples::SIZE)]
    Size(ConfigArgs),
    /// Show which lines and branches of the policy its own tests run.
    #[command(after_help = examples::COVERAGE)]
    Coverage(CoverageArgs),
    /// Write what a system is made of: its bill of materials, as CycloneDX.
    #[command(after_help = examples::SBOM)]
    Sbom(SbomArgs),
    /// Say all that is wrong with partition tables.
    #[command(after_help = examples::CHECK)]
    Check(tables::CheckArgs),
    /// Explain a rule of partition tables with an example, or list all rules.
    #[command(after_help = examples::EXPLAIN)]
    Explain(tables::ExplainArgs),
    /// Show the system that a table describes, or what differs between two.
    #[command(after_help = examples::PLAN)]
    Plan(tables::PlanArgs),
    /// Check what a machine has signed of its measurements against a table's build.
    #[command(after_help = examples::VERIFY)]
    Verify(quote::VerifyArgs),
    /// Make a vendor's package of an image, signed.
    #[command(after_help = examples::SIGN)]
    Sign(sign::SignArgs),
    /// Start a new table.
    #[command(after_help = examples::NEW)]
    New(tables::NewArgs),
    /// Print the JSON schema of tables, for editors.
    #[command(after_help = examples::SCHEMA)]
    Schema(tables::SchemaArgs),
}

/// Which system to build.
#[derive(clap::Args, Clone)]
pub struct ConfigArgs {
    /// The partition table [default: configs/phone.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl ConfigArgs {
    /// The table's path; `configs/phone.toml` where none is given.
    pub fn table(&self, paths: &Paths) -> PathBuf {
        self.config
            .clone()
            .unwrap_or_else(|| paths.root.join("configs/phone.toml"))
    }
}

/// What to build, and for whom.
#[derive(clap::Args)]
pub struct BuildArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    #[command(flatten)]
    pub key: KeyArgs,
}

/// Whose firmware it is.
#[derive(clap::Args)]
pub struct KeyArgs {
    /// The root key of a table with `trusted-boot = true`: a private RSA key in PEM [default: one that is made here]
    #[arg(long, value_name = "FILE")]
    pub rot_key: Option<PathBuf>,
}

/// Options of `run`.
#[derive(clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    #[command(flatten)]
    pub key: KeyArgs,
    /// Give a shell in the normal world's Linux instead of calling the TEEs (`exit` ends it).
    #[arg(long, conflicts_with = "until")]
    pub shell: bool,
    /// Put this into Linux's /usr/bin: a C source, built with libteec, or a program for arm64 Linux, or a script.
    #[arg(long, value_name = "FILE", conflicts_with = "until")]
    pub with: Vec<PathBuf>,
    /// Stop at this point.
    #[arg(long, value_name = "POINT")]
    pub until: Option<Until>,
    /// Show the consoles of the TEEs and of the normal world too, and the hypervisor's debug records.
    #[arg(long)]
    pub console: bool,
    /// Whether the machine's cores have SVE.
    #[arg(long, value_name = "on|off", default_value = "on")]
    pub sve: Switch,
}

impl RunArgs {
    /// Whether the machine's cores have SVE.
    pub fn sve(&self) -> bool {
        self.sve == Switch::On
    }
}

/// A feature that the machine has or has not.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It has it.
    On,
    /// It has it not.
    Off,
}

/// Where `run` may stop early.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// Every TEE has started; Linux is not booted.
    Tees,
}

/// Options of `test`.
#[derive(clap::Args)]
pub struct TestArgs {
    /// Run only these groups.
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    pub only: Vec<Group>,
    /// Write the conformance page anew from the cases as they ran, instead of comparing it.
    #[arg(long)]
    pub bless: bool,
    /// Run the bare-metal cases of these tables alone, such as `own-core,vgic`.
    #[arg(long, value_name = "TABLE", value_delimiter = ',', conflicts_with_all = ["only", "gp", "bless"])]
    pub tables: Vec<String>,

    /// Run these scenarios alone: names of `ci/scenarios` (`--list` has them), `all`, files of your own, NAME.toml,
    /// `table:NAME` (the bare-metal cases of a table) or `suite:NAME` (a suite of Linux).
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with_all = ["only", "tables", "bless", "ffa"])]
    pub scenario: Vec<String>,
    /// List the scenarios.
    #[arg(long)]
    pub list: bool,
    /// In scenarios, take this instead of ours: `--own kernel=Image`, `initramfs=FILE`, `tf-a=FOLDER`, or the image of a
    /// partition by its name, `--own vendor-a=tee.bin`, and its ELF file, `--own vendor-a.symbols=tee.elf`.
    #[arg(long, value_name = "NAME=PATH")]
    pub own: Vec<String>,

    /// Run one scenario under a debugger: its machine waits, and gdb has the symbols of everything in it.
    #[arg(long, requires = "scenario", conflicts_with_all = ["html", "junit", "matrix", "times"])]
    pub gdb: bool,
    /// Run scenarios on every QEMU that is found, with time that passes freely and that counts instructions, with all, one and
    /// two cores for Linux, and with each TF-A of `--own`.
    #[arg(long)]
    pub matrix: bool,
    /// One more QEMU for `--matrix`.
    #[arg(long, value_name = "PATH", requires = "matrix")]
    pub qemu: Vec<PathBuf>,
    /// Run each scenario so many times: what passes only sometimes is flaky, and fails.
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub times: u32,

    /// Let Linux run only these suites, such as `clients,xtest`; with --only book, the commands of these pages.
    #[arg(long, value_name = "SUITES")]
    pub suites: Option<String>,
    /// Run the FF-A conformance cases on QEMU alone.
    #[arg(long, conflicts_with = "only")]
    pub ffa: bool,
    /// Run the GlobalPlatform clients on QEMU alone: xtest on each OP-TEE and on all at once, a PKCS#11 tool, ours.
    #[arg(long, conflicts_with_all = ["only", "ffa"], group = "linux")]
    pub gp: bool,
    /// Run Linux on QEMU alone, while a TEE is made to fail from outside, again and again.
    #[arg(long, conflicts_with_all = ["only", "ffa", "gp"], group = "linux")]
    pub faults: bool,
    /// With --gp: every case of xtest, ten minutes of load; with all suites, write docs/gp-results.md, too. With
    /// --faults: 200 of them.
    #[arg(long, requires = "linux")]
    pub full: bool,
    /// Fuzz each target of the policy for this long, and each of the tables for half of it.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub fuzz: u32,
    /// Put the inputs that fuzzing found into the corpus in the repository, the fewest that reach the same code.
    #[arg(long)]
    pub keep: bool,
    /// Compare this many random calls with each reference model.
    #[arg(long, value_name = "CALLS", default_value_t = 1_200_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub calls: u32,
    /// Take random calls, and what chance does in Linux's suites and in scenarios, from here, to repeat a failure [default: another number each time]
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Write a report of the scenarios for a browser: for each the timeline of its cores. Their hypervisors are built to say
    /// who runs where.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the results as JUnit XML, too.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// Options of `bench`.
#[derive(clap::Args)]
pub struct BenchArgs {
    /// Write the figures to this file, too: operation, floor, Bulkhead, target.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Draw the figures beside their targets, as SVG.
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// Say what one operation's instructions at S-EL2 are spent on, or those of `boot`, by QEMU's execution log.
    #[arg(long, value_name = "OPERATION", conflicts_with_all = ["csv", "plot", "bless"])]
    pub profile: Option<String>,
    /// At a release: store the figures in docs/cost.csv, with which later ones are compared, and write
    /// docs/benchmarks.md; with --linux write docs/cost-linux.md.
    #[arg(long)]
    pub bless: bool,
    /// Measure a stock client's calls from Linux instead, with Bulkhead and without any hypervisor.
    #[arg(long, conflicts_with_all = ["csv", "plot", "profile"])]
    pub linux: bool,
}

/// Options of `coverage`.
#[derive(clap::Args)]
pub struct CoverageArgs {
    /// List each branch that is never taken.
    #[arg(long)]
    pub branches: bool,
}

/// Options of `sbom`.
#[derive(clap::Args)]
pub struct SbomArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Write it to this file, instead of the standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// A group of tests.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// Formatting and lints.
    Lint,
    /// Unit and property tests on this machine.
    Host,
    /// Random calls beside the reference models, on this machine.
    Model,
    /// Every order in which cores can meet, on this machine.
    Loom,
    /// What is in flash, built once more in another folder: it has to have the same bytes.
    Rebuilt,
    /// The commands of the book, as a reader types them.
    Book,
    /// Which lines and branches of the policy its own tests run.
    Coverage,
    /// Fuzzing from the kept corpus, on this machine.
    Fuzz,
    /// Bare-metal cases on QEMU.
    Bare,
    /// Instructions that calls cost on QEMU, beside those of the last release.
    Cost,
    /// The stock normal world on QEMU.
    Linux,
    /// Whole runs that files describe, on QEMU.
    Scenarios,
    /// TEEs that fail while the stock normal world uses them, on QEMU.
    Faults,
}

impl TestArgs {
    /// Whether this group is to run; all are where none is named.
    pub fn wants(&self, group: Group) -> bool {
        if !self.scenario.is_empty() {
            return group == Group::Scenarios;
        }
        if self.gp || self.faults {
            return self.faults && group == Group::Faults;
        }
        match (self.ffa || !self.tables.is_empty(), self.only.is_empty()) {
            (true, _) => group == Group::Bare,
            (false, none) => none || self.only.contains(&group),
        }
    }
}

#[cfg(test)]
impl Cli {
    /// The options of `test`, where that is the command.
    pub fn test_args(self) -> Option<TestArgs> {
        match self.command {
            Command::Test(args) => Some(args),
            _ => None,
        }
    }
}

impl Cli {
    /// Does what was asked; false where it ended without an error but not as it should.
    pub fn execute(self) -> Result<bool> {
        let mut paths = Paths::find()?;
        match self.command {
            Command::Run(args) => {
                paths.root_key.clone_from(&args.key.rot_key);
                run::run(&paths, &args)
            }
            Command::Test(args) => test::test(&paths, &args),
            Command::Bench(args) => bench::bench(&paths, &args),
            Command::Build(args) => {
                paths.root_key = args.key.rot_key;
                let mut stages = Stages::new(build::STAGES);
                build::build(&paths, &args.config.table(&paths), &mut stages).map(|_| true)
            }
            Command::Check(args) => tables::check(&args),
            Command::Explain(args) => tables::explain(&args).map(|()| true),
            Command::Plan(args) => tables::plan(&args).map(|()| true),
            Command::Verify(args) => quote::verify(&paths, &args),
            Command::Sign(args) => sign::sign(&args).map(|()| true),
            Command::New(args) => tables::new(&paths, &args).map(|()| true),
            Command::Schema(args) => {
                tables::schema(&args);
                Ok(true)
            }
            Command::Sbom(args) => {
                sbom::sbom(&paths, &args.config.table(&paths), args.output.as_ref()).map(|()| true)
            }
            Command::Coverage(args) => coverage::coverage(&paths, args.branches),
            Command::Size(args) => size::size(&paths, &args.table(&paths)).map(|()| true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn each_command_has_examples_that_can_be_typed() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let lines: Vec<_> = help
                .lines()
                .filter(|line| line.starts_with("  cargo xtask "))
                .collect();
            assert!(!lines.is_empty(), "{name} has no example");
            for line in lines {
                // What the example does stands behind two blanks, and where its output goes behind a `>`.
                let typed = line.trim_start().split("  ").next().unwrap_or_default();
                let typed = typed.split(" > ").next().unwrap_or_default();
                let words = std::iter::once("xtask").chain(typed.split(' ').skip(2));
                let parsed = Cli::try_parse_from(words);
                assert!(
                    parsed.is_ok(),
                    "{line}: {}",
                    parsed.err().map(|error| error.to_string()).unwrap_or_default()
                );
                assert!(typed.starts_with(&format!("cargo xtask {name}")), "{line}");
            }
        }
    }
}
