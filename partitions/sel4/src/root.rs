//! A root task of seL4 that answers FF-A direct requests by its SMC capability: it has nothing of seL4's but the
//! numbers of the kernel's interface, and grows into what its owner needs.
#![cfg_attr(target_os = "none", no_std, no_main)]

/// On a host there is nothing to run.
#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("sel4-root is seL4's root task: build it with --target aarch64-unknown-none-softfloat");
    std::process::exit(1);
}

#[cfg(target_os = "none")]
mod kernel;

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
