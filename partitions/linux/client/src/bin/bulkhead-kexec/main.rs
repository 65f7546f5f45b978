//! `bulkhead-kexec now|crash KERNEL INITRD LINE`: replaces the kernel that runs by another one, with this command line: at
//! once, without a word to drivers, programs or TEEs, or when it crashes. One for crashes goes into the memory that was
//! set aside for it (`crashkernel=`), and has no other.

mod tree;

use std::fs;
use std::process::ExitCode;

use rustix::system::{RebootCommand, reboot};

/// `KEXEC_ON_CRASH` and `KEXEC_ARCH_AARCH64` of Linux's `kexec.h`.
const ON_CRASH: libc::c_ulong = 1;
const AARCH64: libc::c_ulong = 183 << 16;
/// A kernel begins at such a boundary.
const BOUNDARY: u64 = 2 << 20;
const PAGE: u64 = 4096;
/// Where memory begins into which a kernel goes that is started at once: behind what boards keep at the start of theirs.
const MEMORY: u64 = 0x4200_0000;
/// What is entered: it loads the tree's address and jumps to the kernel, as an arm64 kernel wants to be entered. The two
/// addresses follow it.
const ENTRY: [u32; 6] = [
    0x5800_00c0, // ldr x0, tree
    0x5800_00e4, // ldr x4, kernel
    0xaa1f_03e1, // mov x1, xzr
    0xaa1f_03e2, // mov x2, xzr
    0xaa1f_03e3, // mov x3, xzr
    0xd61f_0080, // br x4
];

/// `struct kexec_segment`: what is copied from a buffer into memory, where the rest is cleared.
#[repr(C)]
struct Segment {
    buffer: *const u8,
    length: usize,
    address: u64,
    size: usize,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [when, kernel, initrd, line] if when == "now" => {
            load([kernel, initrd, line], MEMORY, None).and_then(|()| {
                reboot(RebootCommand::Kexec).map_err(|error| format!("it does not start: {error}"))
            })
        }
        [when, kernel, initrd, line] if when == "crash" => {
            set_aside().and_then(|memory| load([kernel, initrd, line], memory.0, Some(memory)))
        }
        _ => Err("usage: bulkhead-kexec now|crash KERNEL INITRD LINE".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bulkhead-kexec: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The memory that is set aside for a kernel for crashes: its first address and its length.
fn set_aside() -> Result<(u64, u64), String> {
    let map = read("/proc/iomem")?;
    let map = String::from_utf8_lossy(&map);
    let line = map.lines().find(|line| line.ends_with("Crash kernel"));
    let range = line.and_then(|line| line.split_whitespace().next()?.split_once('-'));
    let number = |text| u64::from_str_radix(text, 16).ok();
    range
        .and_then(|(first, last)| Some((number(first)?, number(last)?)))
        .filter(|(first, last)| first < last)
        .map(|(first, last)| (first, last - first + 1))
        .ok_or_else(|| "no memory is set aside for it; start this kernel with crashkernel=512M".into())
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{path}: {error}"))
}

/// Has the kernel take another one, its file system and its command line, to be put into memory from `base` on; with
/// `only`, it has no other memory than that, and waits for a crash.
fn load([kernel, initrd, line]: [&String; 3], base: u64, only: Option<(u64, u64)>) -> Result<(), String> {
    let (kernel, initrd) = (read(kernel)?, read(initrd)?);
    let size = kernel.get(16..24).and_then(|size| size.try_into().ok());
    let size = size
        .map(u64::from_le_bytes)
        .filter(|_| kernel.get(56..60) == Some(b"ARM\x64"));
    let size = size.ok_or("the kernel is no plain arm64 Image")?;
    let at = base.next_multiple_of(BOUNDARY);
    let initrd_at = (at + size).next_multiple_of(BOUNDARY);
    let end = initrd_at + initrd.len() as u64;
    let tree_at = end.next_multiple_of(BOUNDARY);
    let number = |value: u64| Some(value.to_be_bytes().to_vec());
    let range = only.map(|(base, size)| [base.to_be_bytes(), size.to_be_bytes()].concat());
    let mut words = line.clone().into_bytes();
    words.push(0);
    let tree = tree::with_chosen(
        &read("/sys/firmware/fdt")?,
        &[
            ("bootargs", Some(words)),
            ("linux,initrd-start", number(initrd_at)),
            ("linux,initrd-end", number(end)),
            ("linux,usable-memory-range", range),
        ],
    )
    .ok_or("/sys/firmware/fdt is no device tree with a node `chosen`")?;
    let entry_at = tree_at + (tree.len() as u64).next_multiple_of(PAGE);
    let mut entry: Vec<u8> = ENTRY.iter().flat_map(|word| word.to_le_bytes()).collect();
    entry.extend([tree_at.to_le_bytes(), at.to_le_bytes()].as_flattened());
    let segment = |buffer: &[u8], address, size: u64| Segment {
        buffer: buffer.as_ptr(),
        length: buffer.len(),
        address,
        size: size.max(buffer.len() as u64).next_multiple_of(PAGE) as usize,
    };
    let segments = [
        segment(&kernel, at, size),
        segment(&initrd, initrd_at, 0),
        segment(&tree, tree_at, 0),
        segment(&entry, entry_at, 0),
    ];
    let flags = AARCH64 | if only.is_some() { ON_CRASH } else { 0 };
    // SAFETY: each of the segments says where a buffer lies that lives until the call has returned, and how long it is;
    // the kernel copies them.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_kexec_load,
            entry_at,
            segments.len(),
            segments.as_ptr(),
            flags,
        )
    };
    if answer == 0 {
        Ok(())
    } else {
        let why = std::io::Error::last_os_error();
        Err(format!("the kernel does not take another one: {why}"))
    }
}
