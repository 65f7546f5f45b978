//! One `cargo xtask` at a time builds and runs in a workspace.

use crate::paths::Paths;
use anyhow::{Context, Result};
use rustix::io::{FdFlags, fcntl_setfd};
use std::fs::{File, TryLockError};
use std::sync::OnceLock;

static HELD: OnceLock<File> = OnceLock::new();

/// Takes the workspace for as long as this process lives, and the tools that it starts: a `make` whose
/// parent was killed keeps it, and the next run waits for its end instead of building into its folder.
pub fn hold(paths: &Paths) -> Result<()> {
    if HELD.get().is_some() {
        return Ok(());
    }
    let path = paths.parts.join(".lock");
    let file = File::create(&path).with_context(|| format!("{} cannot be made", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!(
                "another cargo xtask, or a tool that it left behind, works in this folder: waiting for its end"
            );
            file.lock()
                .with_context(|| format!("{} cannot be locked", path.display()))?;
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("{} cannot be locked", path.display()));
        }
    }
    fcntl_setfd(&file, FdFlags::empty()).context("the lock cannot be handed on")?;
    let _ = HELD.set(file);
    Ok(())
}
