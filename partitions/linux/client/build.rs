//! Links the client with the stock libteec of the directory in `BULKHEAD_LIBTEEC_DIR`.
//!
//! Without that directory the client is built without its TEE calls, which is enough for the host's unit tests.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=BULKHEAD_LIBTEEC_DIR");
    println!("cargo::rustc-check-cfg=cfg(libteec)");
    let Some(dir) = std::env::var_os("BULKHEAD_LIBTEEC_DIR") else {
        return;
    };
    let library = Path::new(&dir).join("libteec.so.2");
    if !library.exists() {
        println!(
            "cargo::error={} is missing; set BULKHEAD_LIBTEEC_DIR to libteec2's directory",
            library.display()
        );
        return;
    }
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let link = Path::new(&out).join("libteec.so");
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(&library, &link).expect("OUT_DIR takes a link");
    println!("cargo::rerun-if-changed={}", library.display());
    println!("cargo::rustc-link-search=native={}", Path::new(&out).display());
    println!("cargo::rustc-cfg=libteec");
    // The library is linked against a newer libc than the cross compiler has; it finds its own at run time.
    println!("cargo::rustc-link-arg-bins=-Wl,--allow-shlib-undefined");
}
