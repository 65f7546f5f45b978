//! Running other programs: their output goes to a log, and a failure becomes one sentence.

use crate::paths::make_folder;
use crate::progress::with_log;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many lines of a failed tool's log are shown.
const TAIL: usize = 12;

/// A program to run.
pub struct Tool {
    command: Command,
    name: String,
}

impl Tool {
    /// A program found by the search path or in the folders of system tools, told to speak plainly. What it starts
    /// itself is looked for in the same folders.
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(&name);
        command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        if let Ok(path) = std::env::join_paths(folders()) {
            command.env("PATH", path);
        }
        Self {
            command,
            name: name.as_ref().to_string_lossy().into_owned(),
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the folder to run in.
    pub fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs it with its output in `log`; `what` names the work in the sentence about a failure.
    pub fn run(mut self, what: &str, log: &Path) -> Result<()> {
        if let Some(folder) = log.parent() {
            make_folder(folder)?;
        }
        let out = File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
        self.command.stdout(out.try_clone()?).stderr(out);
        let status = with_log(log, || self.command.status()).with_context(|| missing(&self.name))?;
        if status.success() {
            return Ok(());
        }
        show_tail(log);
        bail!(
            "{what} failed in `{}`: see the lines above and {}",
            self.name,
            log.display()
        )
    }

    /// Runs it and returns what it printed; its complaints become the sentence about a failure.
    pub fn output(mut self, what: &str) -> Result<String> {
        let output = self.command.output().with_context(|| missing(&self.name))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "{what} failed in `{}`: {}",
                self.name,
                said.lines().last().unwrap_or("it gave no reason")
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The command itself, for callers that handle its streams.
    pub fn command(self) -> Command {
        self.command
    }
}

/// The sentence for a program that could not be started.
fn missing(name: &str) -> String {
    format!("the program `{name}` could not be started; install it and run this again")
}

/// Shows the end of a log.
fn show_tail(log: &Path) {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    for line in &lines[lines.len().saturating_sub(TAIL)..] {
        eprintln!("     | {line}");
    }
}

/// Where a program is.
pub fn find(name: &str) -> Option<PathBuf> {
    folders()
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Everywhere that a program is.
pub fn find_all(name: &str) -> Vec<PathBuf> {
    let files = folders().into_iter().map(|folder| folder.join(name));
    files.filter(|file| file.is_file()).collect()
}

/// The folders in which programs are looked for: those of the search path, then those of system tools, which the
/// search path of an ordinary user may lack.
fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    for system in ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from) {
        if !folders.contains(&system) {
            folders.push(system);
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_can_be_started() {
        // The command looks where `find` looks, not only in the search path of this process.
        let path = Tool::new("sh")
            .args(["-c", "printf %s \"$PATH\""])
            .output("asking")
            .unwrap();
        for folder in folders() {
            assert!(
                std::env::split_paths(&path).any(|found| found == folder),
                "{path}"
            );
        }
        assert!(find("sh").is_some() && find("no-such-program").is_none());
    }
}
