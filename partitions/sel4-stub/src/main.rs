//! A stand-in for seL4 where there is none: it starts its GIC and its timer as seL4's kernel does, in the same order, makes
//! SMCs with eight registers, reaches the normal world's memory by copies, and answers as our root task does.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod image;

/// On a host there is nothing to run.
#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("sel4-stub runs at S-EL1: build it with --target aarch64-unknown-none");
    std::process::exit(1);
}
