//! The loader of an seL4 image: puts the kernel and the root task in their places, maps the kernel where it is
//! linked, and enters it. What is where stands in the header behind its first instruction (`image.rs`).
#![cfg_attr(target_os = "none", no_std, no_main)]

/// On a host there is nothing to run.
#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("sel4-loader runs at S-EL1: build it with --target aarch64-unknown-none");
    std::process::exit(1);
}

#[cfg(target_os = "none")]
core::arch::global_asm!(include_str!("loader.S"));

/// The loader is assembly and does not panic.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
