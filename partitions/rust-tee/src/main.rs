//! The Rust TEE's image: start-up, and the loop in which each context answers direct messages.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod image;

/// On a host there is nothing to run.
#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("rust-tee runs at S-EL1: build it with --target aarch64-unknown-none");
    std::process::exit(1);
}
