//! Links the bare-metal image with its linker script.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../linker/ns-boot.ld");
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rerun-if-env-changed=BULKHEAD_SYSTEM");
    println!("cargo:rerun-if-env-changed=BULKHEAD_OWN_CORES");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        println!("cargo:rustc-link-arg-bins=-T{script}");
    }
}
