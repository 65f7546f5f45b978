//! The test partition's image: answers commands, one after the other, on each of its contexts.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod arch;
// Measured in the same way on both sides.
#[cfg(target_os = "none")]
#[path = "../../ns-boot/src/arch/clock.rs"]
mod clock;
#[cfg(target_os = "none")]
mod commands;
#[cfg(target_os = "none")]
mod devices;
#[cfg(target_os = "none")]
mod image;
#[cfg(target_os = "none")]
mod wishes;

/// On a host there is nothing to run.
#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("test-sp runs at S-EL1: build it with --target aarch64-unknown-none");
    std::process::exit(1);
}
