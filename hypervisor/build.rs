//! Gives the linker its scripts: the image's layout, the table's addresses, and defmt's symbols.
use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-env-changed=BULKHEAD_OUT");
    println!("cargo:rerun-if-changed=../linker/hypervisor.ld");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = env::var("BULKHEAD_OUT").unwrap_or_else(|_| {
        panic!("BULKHEAD_OUT is not set: build with `cargo xtask build`, which compiles a table first")
    });
    println!("cargo:rerun-if-changed={out}/table.rs");
    println!("cargo:rerun-if-changed={out}/memory.ld");
    println!("cargo:rustc-env=BULKHEAD_TABLE={out}/table.rs");
    println!("cargo:rustc-link-arg-bins=-T{out}/memory.ld");
    println!(
        "cargo:rustc-link-arg-bins=-T{}",
        root.join("../linker/hypervisor.ld").display()
    );
    println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    println!("cargo:rustc-link-arg-bins=-zmax-page-size=4096");
    // Which of the log calls are compiled in; defmt reads it while it expands them.
    println!("cargo:rerun-if-env-changed=BULKHEAD_LOG");
    println!("cargo:rustc-check-cfg=cfg(traces)");
    let traces = env::var("BULKHEAD_LOG").is_ok_and(|level| level == "trace");
    if traces {
        println!("cargo:rustc-cfg=traces");
    }
    println!(
        "cargo:rustc-env=DEFMT_LOG={}",
        if traces { "trace" } else { "debug" }
    );
}
