//! Makes the image of a partition from an seL4 kernel, a root task and the loader: flat bytes, which a table names.
#![cfg_attr(target_os = "none", no_std, no_main)]

/// On bare metal there is nothing to run.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

#[cfg(not(target_os = "none"))]
mod elf;

#[cfg(not(target_os = "none"))]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [loader, kernel, root, image] = arguments.as_slice() else {
        eprintln!("usage: sel4-image <sel4-loader> <kernel.elf> <root task> <image>");
        std::process::exit(2);
    };
    if let Err(why) = elf::combine([loader, kernel, root], image) {
        eprintln!("error: {why}");
        std::process::exit(1);
    }
}
