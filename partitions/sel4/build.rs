//! Links the bare-metal programs, each with its own linker script.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        for bin in ["sel4-loader", "sel4-root"] {
            let script = format!("{}/../../linker/{bin}.ld", env!("CARGO_MANIFEST_DIR"));
            println!("cargo:rerun-if-changed={script}");
            for argument in [&format!("-T{script}"), "-no-pie", "-znorelro"] {
                println!("cargo:rustc-link-arg-bin={bin}={argument}");
            }
        }
    }
}
