//! Memory that clients share on a context which reaches several TEEs.
//!
//! Such memory is registered with a TEE when a call to that TEE first uses it, so that no TEE gets memory which only
//! another one is called with. Where the kernel or the hypervisor does not let two TEEs have the same pages, the stock
//! library registers a buffer of its own and copies.

use std::cell::Cell;
use std::ffi::c_int;
use std::ptr::null_mut;

use super::layout::*;
use super::state::{self, Registered};
use super::stock::Stock;

/// The `id` of such memory: none that the kernel gives, and not the library's "none". `allocated_size` is its number.
const LED: c_int = c_int::MIN;
/// The library's mark of memory that it allocated.
const ALLOCATED: u32 = 1;

thread_local! {
    /// Whether this thread is inside of the stock library, which calls its own functions through the drop-in.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether a call comes from the stock library itself.
pub fn is_inside() -> bool {
    INSIDE.get()
}

/// `TEEC_RegisterSharedMemory` on a led context. Refuses what stock refuses.
pub fn register(memory: &mut Memory) -> u32 {
    if !good(memory.flags) || memory.buffer.is_null() {
        return TEEC_ERROR_BAD_PARAMETERS;
    }
    keep(memory, -1, 0)
}

/// `TEEC_AllocateSharedMemory` on a led context. Refuses what stock refuses.
pub fn allocate(memory: &mut Memory) -> u32 {
    if !good(memory.flags) {
        return TEEC_ERROR_BAD_PARAMETERS;
    }
    let page = page();
    let Some(size) = memory.size.max(8).checked_next_multiple_of(page) else {
        return TEEC_ERROR_OUT_OF_MEMORY;
    };
    let mut buffer = null_mut();
    // SAFETY: the pointer is ours to write; a page is a power of two.
    if unsafe { libc::posix_memalign(&raw mut buffer, page, size) } != 0 {
        return TEEC_ERROR_OUT_OF_MEMORY;
    }
    memory.buffer = buffer;
    keep(memory, -1, ALLOCATED)
}

/// `TEEC_RegisterSharedMemoryFileDescriptor` on a led context: memory of a device, by its file.
pub fn register_file(memory: &mut Memory, file: c_int) -> u32 {
    // SAFETY: seeking in whatever file the client passed; a file that is no buffer says so.
    let size = unsafe { libc::lseek(file, 0, libc::SEEK_END) };
    let Some(size) = usize::try_from(size)
        .ok()
        .filter(|size| *size > 0 && good(memory.flags))
    else {
        return TEEC_ERROR_BAD_PARAMETERS;
    };
    // SAFETY: the file is open, as the seek has shown.
    let own = unsafe { libc::fcntl(file, libc::F_DUPFD_CLOEXEC, 0) };
    if own < 0 {
        return TEEC_ERROR_BAD_PARAMETERS;
    }
    memory.buffer = null_mut();
    memory.size = size;
    keep(memory, own, 0)
}

/// The size of a page in bytes: allocations share none.
fn page() -> usize {
    // SAFETY: asks for a constant of the system.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(64 << 10)
}

fn good(flags: u32) -> bool {
    flags != 0 && flags & !(MEM_INPUT | MEM_OUTPUT) == 0
}

fn keep(memory: &mut Memory, registered_fd: c_int, flags: u32) -> u32 {
    memory.internal = Internal {
        id: LED,
        allocated_size: state::lock().registry.add_memory(),
        shadow_buffer: null_mut(),
        registered_fd,
        flags,
    };
    TEEC_SUCCESS
}

/// `TEEC_ReleaseSharedMemory`.
///
/// # Safety
/// `memory` is NULL, or memory of the API that no call uses.
pub unsafe fn release(stock: &Stock, memory: *mut Memory) {
    // SAFETY: not NULL, and the caller's to read.
    if memory.is_null() || unsafe { (*memory).internal.id } != LED {
        // SAFETY: as the caller promises.
        return unsafe { (stock.release)(memory) };
    }
    // SAFETY: as the caller promises; nothing else uses it meanwhile.
    let memory = unsafe { &mut *memory };
    let copies = state::lock()
        .registry
        .remove_memory(memory.internal.allocated_size);
    // SAFETY: the registry no longer has them, and no call uses the memory.
    unsafe { release_copies(stock, copies) };
    if memory.internal.flags & ALLOCATED != 0 {
        // SAFETY: `allocate` took it from the C heap, and no TEE has it any more.
        unsafe { libc::free(memory.buffer) };
    }
    if memory.internal.registered_fd >= 0 {
        // SAFETY: `register_file` made this descriptor.
        unsafe { libc::close(memory.internal.registered_fd) };
    }
    memory.buffer = null_mut();
    memory.internal = Internal::NONE;
}

/// Releases what was registered with TEEs.
///
/// # Safety
/// The registry no longer has them, and no call uses them.
pub unsafe fn release_copies(stock: &Stock, copies: Vec<Registered>) {
    for copy in copies {
        // SAFETY: `registered` boxed it, and the stock library filled it.
        unsafe {
            (stock.release)(copy.0);
            drop(Box::from_raw(copy.0));
        }
    }
}

/// Makes a call of the stock library to the TEE of `context`, with led memory in `operation` as registered there.
///
/// `Err` is the `TEEC_Result` of a registration that failed; the call was not made then.
///
/// # Safety
/// `operation` is NULL or the API's, `context` is an initialised context.
pub unsafe fn with_copies(
    stock: &Stock,
    operation: *mut Operation,
    context: *mut Context,
    call: impl FnOnce() -> u32,
) -> Result<u32, u32> {
    let mut parents = [null_mut(); 4];
    let mut result = Ok(());
    for (index, parent) in parents.iter_mut().enumerate() {
        // SAFETY: as the caller promises.
        let Some(memory) = (unsafe { led_parent(operation, index) }) else {
            continue;
        };
        // SAFETY: as the caller promises; the memory is led.
        match unsafe { registered(stock, memory, context) } {
            Ok(copy) => {
                *parent = memory;
                // SAFETY: the operation is not NULL, for it has a parent at this place.
                unsafe { (*operation).parameters[index].registered.parent = copy };
            }
            Err(code) => {
                result = Err(code);
                break;
            }
        }
    }
    let result = result.map(|()| {
        INSIDE.set(true);
        let code = call();
        INSIDE.set(false);
        code
    });
    for (index, parent) in parents
        .into_iter()
        .enumerate()
        .filter(|(_, parent)| !parent.is_null())
    {
        // SAFETY: the operation is not NULL, for it had a parent at this place; clients see their own there again.
        unsafe { (*operation).parameters[index].registered.parent = parent };
    }
    result
}

/// The memory that a parameter refers to, if it is led.
unsafe fn led_parent(operation: *mut Operation, index: usize) -> Option<*mut Memory> {
    // SAFETY: NULL or the API's, as the caller promises. Only a reference to registered memory is read as one.
    unsafe {
        let operation = operation
            .as_ref()
            .filter(|operation| operation.is_registered(index))?;
        let parent = operation.parameters[index].registered.parent;
        (!parent.is_null() && (*parent).internal.id == LED).then_some(parent)
    }
}

/// Led memory as registered with the TEE of `context`.
unsafe fn registered(stock: &Stock, memory: *mut Memory, context: *mut Context) -> Result<*mut Memory, u32> {
    // SAFETY: both are the API's, as the caller promises.
    let (memory, descriptor) = unsafe { (&*memory, (*context).fd) };
    let number = memory.internal.allocated_size;
    let known = state::lock().registry.copy(number, descriptor);
    if let Some(copy) = known {
        return Ok(copy.0);
    }
    let copy = Box::into_raw(Box::new(Memory {
        buffer: memory.buffer,
        size: memory.size,
        flags: memory.flags,
        internal: Internal::NONE,
    }));
    // SAFETY: an initialised context, and memory that stays where it is until it is released.
    let code = unsafe {
        match stock.register_file.filter(|_| memory.internal.registered_fd >= 0) {
            Some(register_file) => register_file(context, copy, memory.internal.registered_fd),
            None => (stock.register)(context, copy),
        }
    };
    if code != TEEC_SUCCESS {
        // SAFETY: boxed above, and known to nobody.
        drop(unsafe { Box::from_raw(copy) });
        return Err(code);
    }
    let added = state::lock()
        .registry
        .add_copy(number, descriptor, Registered(copy));
    let (keep, extra) = match added {
        Some((keep, extra)) => (Some(keep), extra),
        None => (None, Some(Registered(copy))),
    };
    // SAFETY: the registry does not have it, and no call uses it.
    unsafe { release_copies(stock, extra.into_iter().collect()) };
    keep.map(|copy| copy.0).ok_or(TEEC_ERROR_BAD_PARAMETERS)
}
