//! A kernel and an initramfs that an integrator brings (`--own`), booted: those of the build under other paths, the least that
//! an initramfs can be, and one that no kernel can use.

use super::job::{Job, Verdict};
use super::own::Own;
use super::prepare::{Builder, Variant};
use super::{chosen, folder, run};
use crate::build::Archive;
use crate::parts::Parts;
use crate::paths::{Paths, make_folder, read, write};
use crate::test::tally::Tally;
use crate::tool::Tool;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The scenario that boots them: the one whose Linux is up first.
const SCENARIO: &str = "clients-counted";
/// What the first process in partitions/linux/examples says.
const SAID: &str = "\"suite\":\"mine\",\"name\":\"it works\",\"ok\":true";

/// Boots them, and notes what came of it.
pub fn test(paths: &Paths, parts: &Parts, tally: &mut Tally) -> Result<()> {
    let room = folder(paths, "own-linux");
    make_folder(&room)?;
    let plain = job(paths, parts, &[], &room)?;
    let normal = plain.normal.context("the scenario boots no Linux")?;
    let kernel = room.join("Image");
    write(&kernel, &read(&normal.kernel)?)?;
    let initramfs = room.join("rootfs.cpio");
    write(&initramfs, &least(paths, parts)?)?;
    let initramfs = compressed(&initramfs)?;
    let empty = room.join("empty.cpio");
    write(&empty, &Archive::default().bytes()?)?;
    let own = |initramfs: &Path| {
        let values = [("kernel", kernel.as_path()), ("initramfs", initramfs)];
        values.map(|(name, path)| format!("{name}={}", path.display()))
    };
    let good = job(paths, parts, &own(&initramfs), &room.join("good"))?;
    let bad = job(paths, parts, &own(&empty), &room.join("bad"))?;
    let jobs = [good, bad];
    let verdicts = run(&jobs);
    let [booted, refused] = verdicts.as_slice() else {
        return Ok(());
    };
    let fault = fault_of(&jobs[0], booted, [&kernel, &initramfs])?;
    let name = "a kernel and an initramfs of one's own are booted";
    tally.note(name, fault.is_none(), &fault.unwrap_or_default());
    let said = refused.problems.join("; ");
    let right = said.contains("the normal world's kernel panicked");
    tally.note("an initramfs that no kernel can use is told", right, &said);
    Ok(())
}

/// The scenario with these values of `--own`.
fn job(paths: &Paths, parts: &Parts, own: &[String], folder: &Path) -> Result<Job> {
    let own = Own::read(own)?;
    let scenario = chosen(paths, &[SCENARIO.to_owned()])?.remove(0);
    Builder::new(paths, parts, &own, false).job(&scenario, &Variant::default(), 1, folder.to_path_buf())
}

/// The least initramfs: busybox, and the example's first process.
fn least(paths: &Paths, parts: &Parts) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    let init = read(&paths.root.join("partitions/linux/examples/init"))?;
    archive.file("init", init, 0o755);
    let busybox = read(&parts.userland(paths)?.join("usr/bin/busybox"))?;
    archive.file("bin/busybox", busybox, 0o755);
    archive.folder("dev");
    archive.bytes()
}

fn compressed(file: &Path) -> Result<PathBuf> {
    let tool = Tool::new("gzip").args(["--force", "--keep"]).arg(file);
    tool.output("compressing an initramfs")?;
    Ok(file.with_extension("cpio.gz"))
}

/// What is wrong with a run of these files, if anything: it has to pass, with them, by what that initramfs alone says.
fn fault_of(job: &Job, verdict: &Verdict, files: [&Path; 2]) -> Result<Option<String>> {
    let text =
        |name: &str| read(&job.folder.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let (command, console) = (text("command.txt")?, text("console.log")?);
    let taken = files
        .iter()
        .all(|file| command.contains(&*file.to_string_lossy()));
    Ok(if !verdict.problems.is_empty() {
        Some(job.failure(verdict))
    } else if !taken {
        Some(format!("other files were booted: {command}"))
    } else if verdict.cases != 1 || !console.contains(SAID) {
        Some(format!("{} cases; see {}", verdict.cases, job.folder.display()))
    } else {
        None
    })
}
