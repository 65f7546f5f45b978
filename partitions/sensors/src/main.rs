//! The sensors' partition: keeps a period of a millisecond on a core of its own, and tells who asks how late it was.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod asker;
#[cfg(target_os = "none")]
mod image;

/// On a host there is nothing to run.
#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("sensors runs at S-EL1: build it with --target aarch64-unknown-none");
    std::process::exit(1);
}
