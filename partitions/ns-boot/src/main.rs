//! The first thing that EL3 starts in the normal world (BL33), at EL2.
//!
//! It hands over the cores that are a partition's own, and jumps to the Linux that stands in memory already; with the feature `cases` it runs the
//! bare-metal cases against Bulkhead instead, with `bench` it measures what calls cost, and it powers
//! the machine off.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
#[cfg_attr(feature = "bench", allow(dead_code))]
mod arch;
#[cfg(all(target_os = "none", feature = "bench"))]
mod bench;
// The measurements use some of it only.
#[cfg(all(target_os = "none", feature = "cases"))]
#[cfg_attr(feature = "bench", allow(dead_code))]
mod cases;
// The commands are one file of the two: the partition's crate has an entry of its own.
#[cfg(all(target_os = "none", feature = "cases"))]
#[path = "../../test-sp/src/commands.rs"]
#[cfg_attr(feature = "bench", allow(dead_code))]
mod test_sp;
// On a host for its tests.
#[cfg_attr(any(not(target_os = "none"), feature = "cases"), allow(dead_code))]
mod tree;
#[cfg(target_os = "none")]
mod uart;

/// On a host there is nothing to run.
#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("ns-boot runs at EL2: build it with --target aarch64-unknown-none");
    std::process::exit(1);
}

/// The boot core, on its own stack.
#[cfg(target_os = "none")]
fn boot() -> ! {
    #[cfg(feature = "bench")]
    bench::run();
    #[cfg(all(feature = "cases", not(feature = "bench")))]
    cases::run();
    #[cfg(not(feature = "cases"))]
    {
        arch::own::hand_over();
        uart::line(format_args!("@boot linux"));
        arch::start_linux()
    }
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    uart::line(format_args!("@panic {info}"));
    arch::power_off()
}
