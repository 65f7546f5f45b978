//! Links the bare-metal image with the partitions' linker script, as a position-independent executable.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../linker/partition.ld");
    println!("cargo:rerun-if-changed={script}");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        println!("cargo:rustc-link-arg-bins=-T{script}");
        // Constants with addresses stand among the read-only data, which the entry code relocates
        // before it is mapped read-only.
        for argument in ["-pie", "--no-dynamic-linker", "-znotext", "-znorelro"] {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
}
