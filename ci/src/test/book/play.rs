//! Doing what a page says: its commands in their order, in a folder that looks like a fresh clone.

use super::commands::{Command, Step};
use super::{Reading, compare};
use crate::paths::{Paths, make_folder, write};
use crate::progress::step;
use crate::test::tally::Tally;
use crate::tool::Tool;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

/// What a clone holds that commands read only; readers write into the other folders.
const LINKED: [&str; 7] = [
    ".cargo",
    "ci",
    "docs",
    "hypervisor",
    "linker",
    "partitions",
    "target",
];
const COPIED: [&str; 2] = ["configs", "boards"];

/// Seconds that a command may take: a shell in Linux waits for ever for what is typed there.
const LIMIT: &str = "1200";

/// Does what all pages say; what several pages do in the same Linux is done in one.
pub fn all(paths: &Paths, readings: &[Reading], tally: &mut Tally) -> Result<()> {
    for reading in readings {
        let folder = paths
            .root
            .join("target/book")
            .join(reading.page.replace('/', "-"));
        clone(&paths.root, &folder)?;
        for action in &reading.steps {
            let (line, name, fault) = match action {
                Step::Type(command) if is_shared(command) => continue,
                Step::Type(command) => {
                    let (line, text) = (command.line, &command.text);
                    let fault = typed(&folder, &format!("line-{line}"), text, &[command])?;
                    (line, text.as_str(), fault)
                }
                Step::Prepare { line, text } => {
                    let fault = typed(&folder, &format!("before-line-{line}"), text, &[])?;
                    (*line, "what it needs", fault)
                }
                Step::Change { line, patch } => (*line, "the change", change(&folder, *line, patch)?),
            };
            tally.note(
                &format!("{}:{line}: {name}", reading.page),
                fault.is_none(),
                &fault.unwrap_or_default(),
            );
        }
    }
    shared(paths, readings, tally)
}

/// Whether a command only starts Linux for what is typed there, around a table that no page makes.
fn is_shared(command: &Command) -> bool {
    let own = command.text.contains("--with") || command.text.contains("--config");
    command.text.contains("--shell")
        && (!own || command.text.ends_with("--shell") && command.text.contains("configs/"))
        && !command.typed.is_empty()
}

/// Starts each Linux once, and does there what all pages say.
fn shared(paths: &Paths, readings: &[Reading], tally: &mut Tally) -> Result<()> {
    let folder = paths.root.join("target/book/linux");
    let mut all: Vec<(&str, &Command)> = Vec::new();
    for reading in readings {
        for action in &reading.steps {
            if let Step::Type(command) = action
                && is_shared(command)
            {
                all.push((reading.page, command));
            }
        }
    }
    let mut machines: Vec<&str> = all.iter().map(|(_, command)| command.text.as_str()).collect();
    machines.sort_unstable();
    machines.dedup();
    for (number, machine) in (0_usize..).zip(machines) {
        clone(&paths.root, &folder)?;
        let those: Vec<_> = all
            .iter()
            .filter(|(_, command)| command.text == machine)
            .collect();
        let commands: Vec<_> = those.iter().map(|(_, command)| *command).collect();
        let fault = typed(&folder, &format!("shell-{number}"), machine, &commands)?;
        let pages: Vec<_> = those
            .iter()
            .map(|(page, command)| format!("{page}:{}", command.line))
            .collect();
        tally.note(
            &format!("{}: {machine}", pages.join(", ")),
            fault.is_none(),
            &fault.unwrap_or_default(),
        );
    }
    Ok(())
}

/// A folder with what a clone of the repository has.
fn clone(root: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    make_folder(folder)?;
    for name in LINKED {
        std::os::unix::fs::symlink(root.join(name), folder.join(name))
            .with_context(|| format!("{} cannot be made", folder.join(name).display()))?;
    }
    for name in COPIED {
        let copy = Tool::new("cp").arg("-r").arg(root.join(name)).arg(folder);
        copy.output("copying the folders that readers write to")?;
    }
    Ok(())
}

/// Types a command, and in its shell what the commands of pages type there; what is not as the book shows it.
fn typed(folder: &Path, name: &str, text: &str, commands: &[&Command]) -> Result<Option<String>> {
    let log = folder.join(format!("{name}.log"));
    let keys: Vec<_> = commands
        .iter()
        .flat_map(|command| &command.typed)
        .map(|typed| format!("{typed}\n"))
        .collect();
    let good = step(text, || enter(folder, text, &keys.concat(), &log))?;
    let said = std::fs::read(&log).with_context(|| format!("{} cannot be read", log.display()))?;
    let said = String::from_utf8_lossy(&said);
    let shown: Vec<_> = commands
        .iter()
        .flat_map(|command| command.shown.clone())
        .collect();
    // Where the book shows an error, there has to be one.
    let refused = shown.iter().any(|line| line.starts_with("error"));
    if good == refused {
        return Ok(Some(format!("it ended with {good}, see {}", log.display())));
    }
    let lost = compare::missing(&shown, &said);
    Ok(lost.map(|line| format!("it did not say `{line}` there, see {}", log.display())))
}

/// Runs a command with these keys on its standard input; whether it ended well and in time.
fn enter(folder: &Path, text: &str, keys: &str, log: &Path) -> Result<bool> {
    let out = File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
    let mut bash = Tool::new("timeout")
        .args(["--kill-after=10", LIMIT, "bash", "-o", "pipefail", "-c", text])
        .within(folder)
        .command();
    bash.stdout(out.try_clone()?).stderr(out).stdin(Stdio::piped());
    let mut child = bash.spawn().context("bash could not be started")?;
    if let Some(mut input) = child.stdin.take() {
        // A command that reads nothing may have ended before.
        let _ = input.write_all(keys.as_bytes());
    }
    Ok(child.wait()?.success())
}

/// Changes a file as a page says.
fn change(folder: &Path, line: usize, patch: &str) -> Result<Option<String>> {
    let file = folder.join(format!("line-{line}.patch"));
    write(&file, patch.as_bytes())?;
    if !patch.starts_with("--- ") {
        bail!("the change in line {line} does not name its file");
    }
    let tool = Tool::new("patch")
        .args(["-p0", "-F0", "-i"])
        .arg(&file)
        .within(folder);
    Ok(tool.output("the change").err().map(|error| error.to_string()))
}

#[test]
fn a_page_is_done_as_it_says() {
    let room = tempfile::tempdir().unwrap();
    let command = |text: &str, shown: &[&str]| Command {
        line: 1,
        text: text.to_owned(),
        typed: vec!["to be read".to_owned()],
        shown: shown.iter().map(|line| (*line).to_owned()).collect(),
    };
    let fault = |text: &str, shown: &[&str]| typed(room.path(), "x", text, &[&command(text, shown)]).unwrap();
    assert_eq!(
        fault("cat; echo two >&2; echo x > made", &["to be read", "two"]),
        None
    );
    assert_eq!(fault("echo 'error: no'; false", &["error: no"]), None);
    assert!(fault("echo 'error: no'", &["error: no"]).is_some());
    assert!(fault("false", &[]).is_some());
    assert!(fault("true", &["something"]).unwrap().contains("`something`"));
    let patch = "--- made\n+++ made\n@@ -1 +1 @@\n-x\n+y\n";
    assert_eq!(change(room.path(), 1, patch).unwrap(), None);
    assert_eq!(std::fs::read_to_string(room.path().join("made")).unwrap(), "y\n");
    assert!(change(room.path(), 1, patch).unwrap().is_some());
}
