//! The stock library's functions, found behind the drop-in.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::transmute;
use std::sync::OnceLock;

use super::layout::{Context, Memory, Operation, Session, TeecUuid};

pub type Initialize = unsafe extern "C" fn(*const c_char, *mut Context) -> u32;
pub type Finalize = unsafe extern "C" fn(*mut Context);
pub type Open = unsafe extern "C" fn(
    *mut Context,
    *mut Session,
    *const TeecUuid,
    u32,
    *const c_void,
    *mut Operation,
    *mut u32,
) -> u32;
pub type Invoke = unsafe extern "C" fn(*mut Session, u32, *mut Operation, *mut u32) -> u32;
pub type Close = unsafe extern "C" fn(*mut Session);
pub type Cancel = unsafe extern "C" fn(*mut Operation);
pub type Share = unsafe extern "C" fn(*mut Context, *mut Memory) -> u32;
pub type ShareFile = unsafe extern "C" fn(*mut Context, *mut Memory, c_int) -> u32;
pub type Release = unsafe extern "C" fn(*mut Memory);

/// All of the API, which the drop-in stands before.
#[derive(Clone, Copy)]
pub struct Stock {
    pub initialize: Initialize,
    pub finalize: Finalize,
    pub open: Open,
    pub invoke: Invoke,
    pub close: Close,
    pub cancel: Cancel,
    pub register: Share,
    /// Not every libteec 4.x has it.
    pub register_file: Option<ShareFile>,
    pub allocate: Share,
    pub release: Release,
}

/// The stock library, once it is there.
pub fn loaded() -> Option<&'static Stock> {
    static LOADED: OnceLock<Stock> = OnceLock::new();
    if LOADED.get().is_none() {
        let found = find()?;
        return Some(LOADED.get_or_init(|| found));
    }
    LOADED.get()
}

fn find() -> Option<Stock> {
    // SAFETY: each function has the type that the API states for its name.
    unsafe {
        Some(Stock {
            initialize: transmute::<*mut c_void, Initialize>(symbol(c"TEEC_InitializeContext")?),
            finalize: transmute::<*mut c_void, Finalize>(symbol(c"TEEC_FinalizeContext")?),
            open: transmute::<*mut c_void, Open>(symbol(c"TEEC_OpenSession")?),
            invoke: transmute::<*mut c_void, Invoke>(symbol(c"TEEC_InvokeCommand")?),
            close: transmute::<*mut c_void, Close>(symbol(c"TEEC_CloseSession")?),
            cancel: transmute::<*mut c_void, Cancel>(symbol(c"TEEC_RequestCancellation")?),
            register: transmute::<*mut c_void, Share>(symbol(c"TEEC_RegisterSharedMemory")?),
            register_file: symbol(c"TEEC_RegisterSharedMemoryFileDescriptor")
                .map(|function| transmute::<*mut c_void, ShareFile>(function)),
            allocate: transmute::<*mut c_void, Share>(symbol(c"TEEC_AllocateSharedMemory")?),
            release: transmute::<*mut c_void, Release>(symbol(c"TEEC_ReleaseSharedMemory")?),
        })
    }
}

/// Where the stock library is when the drop-in stands in its place under its name.
static PLACES: [&CStr; 5] = [
    c"libteec.so.2",
    c"/usr/lib/aarch64-linux-gnu/libteec.so.2",
    c"/usr/lib64/libteec.so.2",
    c"/usr/lib/libteec.so.2",
    c"/lib/libteec.so.2",
];

/// The next definition of a function after the drop-in's. A program may have loaded libteec for itself alone (with
/// `dlopen`, as tools load PKCS#11 modules); then it is asked by its name, and then by its place.
fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: the symbol is a C string; RTLD_NEXT is a valid handle.
    let next = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    if is_another_s(next) {
        return Some(next);
    }
    PLACES.iter().find_map(|place| {
        // SAFETY: the name is a C string; a library that is loaded already is not loaded again.
        let library = unsafe { libc::dlopen(place.as_ptr(), libc::RTLD_NOW) };
        if library.is_null() {
            return None;
        }
        // SAFETY: the handle is open and is never closed; the symbol is a C string.
        let found = unsafe { libc::dlsym(library, name.as_ptr()) };
        is_another_s(found).then_some(found)
    })
}

/// Whether a function is there, and not the drop-in's own.
fn is_another_s(function: *mut c_void) -> bool {
    !function.is_null() && object(function) != object((&raw const PLACES).cast_mut().cast())
}

/// Where the library or program is loaded that an address belongs to.
fn object(address: *mut c_void) -> *mut c_void {
    // SAFETY: all-zero bytes are a valid Dl_info.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: any address may be asked about, and the answer is ours to write.
    unsafe { libc::dladdr(address, &raw mut info) };
    info.dli_fbase
}
