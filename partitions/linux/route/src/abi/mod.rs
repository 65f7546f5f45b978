//! The C side: the functions that clients call, and the calls that they make. All `unsafe` of this crate is here.
//!
//! Nothing here may panic: the release profile would end the client.

mod device;
mod layout;
mod memory;
mod state;
mod stock;
#[cfg(test)]
mod tests;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use crate::choice::{self, Choice, Wish};
use crate::registry::Destination;
use crate::routes::{self, Fault, Route, Routes};

use layout::*;
use state::Place;
use stock::Stock;

/// What the drop-in stands on.
struct Machine {
    /// The stock library.
    stock: fn() -> Option<&'static Stock>,
    /// Opens the device of a TEE.
    open: fn(&Route) -> Result<Context, String>,
    /// Reads the table.
    table: fn() -> Result<Routes, Fault>,
}

/// This machine.
const REAL: Machine = Machine {
    stock: stock::loaded,
    open: device::open,
    table: || Routes::load(Path::new(routes::PATH)),
};

#[cfg(not(test))]
fn machine() -> Machine {
    REAL
}

#[cfg(test)]
use tests::machine;

/// `TEEC_InitializeContext` of the GlobalPlatform TEE Client API 1.0: connects a client to a TEE.
///
/// Returns `TEEC_ERROR_BAD_PARAMETERS` without a context, `TEEC_ERROR_BAD_FORMAT` when the table cannot be used,
/// `TEEC_ERROR_COMMUNICATION` when the TEE has no usable device, and otherwise what the stock function returns,
/// which is `TEEC_ERROR_ITEM_NOT_FOUND` for unknown names. Says on standard error what is wrong with the machine.
///
/// # Safety
/// `name` is NULL or a C string, `context` is NULL or points to a `TEEC_Context`, as the API states.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TEEC_InitializeContext(name: *const c_char, context: *mut Context) -> u32 {
    if context.is_null() {
        return TEEC_ERROR_BAD_PARAMETERS;
    }
    let argument = if name.is_null() {
        None
    } else {
        // SAFETY: the caller passes a C string that lives through this call.
        Some(unsafe { CStr::from_ptr(name) }.to_bytes())
    };
    let wish = Wish::new(argument, environment());
    match choice::choose(wish, (machine().table)()) {
        Choice::Open(route) => match open(&route) {
            Ok(opened) => {
                // SAFETY: not NULL, and the caller passes memory for a context.
                unsafe { context.write(opened) };
                TEEC_SUCCESS
            }
            Err(why) => refuse(&why, TEEC_ERROR_COMMUNICATION),
        },
        // SAFETY: as the caller promises.
        Choice::Stock(name) => unsafe { initialize(name.as_deref(), context) },
        // SAFETY: as the caller promises.
        Choice::ByApplication(routes) => unsafe { lead(routes, context) },
        Choice::Refuse(fault) => refuse(&fault.to_string(), TEEC_ERROR_BAD_FORMAT),
    }
}

/// Makes a context whose sessions go where the table places their trusted applications.
unsafe fn lead(routes: Routes, context: *mut Context) -> u32 {
    let (here, elsewhere) = match routes.default_route() {
        None => {
            // SAFETY: as the caller promises.
            let code = unsafe { initialize(None, context) };
            if code != TEEC_SUCCESS {
                return code;
            }
            (None, None)
        }
        // Without the default TEE, the clients of the others go on.
        Some(route) => {
            let opened = open(route).map(|opened| (opened, Some(route.endpoint), None));
            match opened.or_else(|_| Ok((device::nowhere()?, None, Some(route.clone())))) {
                Ok((opened, here, elsewhere)) => {
                    // SAFETY: not NULL, and the caller passes memory for a context.
                    unsafe { context.write(opened) };
                    (here, elsewhere)
                }
                Err::<_, String>(why) => return refuse(&why, TEEC_ERROR_COMMUNICATION),
            }
        }
    };
    state::survive_forks();
    // SAFETY: initialised above.
    let descriptor = unsafe { (*context).fd };
    state::lock()
        .registry
        .add_context(descriptor, routes, here, elsewhere);
    TEEC_SUCCESS
}

/// The TEE that the environment names; nothing for a client that runs with more rights than its caller.
fn environment() -> Option<Vec<u8>> {
    // SAFETY: reads a constant of the process.
    if unsafe { libc::getauxval(libc::AT_SECURE) } != 0 {
        return None;
    }
    std::env::var_os(choice::VARIABLE).map(OsStringExt::into_vec)
}

/// Opens the device of a TEE. The error names the TEE.
fn open(route: &Route) -> Result<Context, String> {
    (machine().open)(route).map_err(|why| format!("{}: {why}", route.name))
}

/// Calls the stock library's function.
unsafe fn initialize(name: Option<&[u8]>, context: *mut Context) -> u32 {
    let Some(stock) = (machine().stock)() else {
        return refuse("the client is not linked with libteec", TEEC_ERROR_ITEM_NOT_FOUND);
    };
    let Ok(name) = name.map(CString::new).transpose() else {
        return TEEC_ERROR_ITEM_NOT_FOUND;
    };
    // SAFETY: the name lives through the call, and the context is the caller's, checked not to be NULL.
    unsafe { (stock.initialize)(name.as_deref().map_or(std::ptr::null(), CStr::as_ptr), context) }
}

/// `TEEC_FinalizeContext`: disconnects a client, from all TEEs that this context reached.
///
/// # Safety
/// `context` is NULL or an initialised context, and no call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TEEC_FinalizeContext(context: *mut Context) {
    let Some(stock) = (machine().stock)() else { return };
    // SAFETY: NULL or an initialised context.
    if let Some(descriptor) = unsafe { context.as_ref() }.map(|context| context.fd) {
        let (places, copies) = forget(descriptor);
        // SAFETY: the registry no longer has them, and no call uses the client's context.
        unsafe { memory::release_copies(stock, copies) };
        for place in places {
            // SAFETY: as above.
            unsafe { close(stock, place) };
        }
    }
    // SAFETY: as the caller promises.
    unsafe { (stock.finalize)(context) };
}

/// Takes all that belongs to a client's context out of the registry.
fn forget(descriptor: c_int) -> (Vec<Place>, Vec<state::Registered>) {
    let mut state = state::lock();
    let places = state.registry.remove_context(descriptor);
    let mut copies = state.registry.remove_copies(descriptor);
    for place in &places {
        // SAFETY: a place always holds a context.
        let descriptor = unsafe { (*place.0).fd };
        copies.extend(state.registry.remove_copies(descriptor));
    }
    (places, copies)
}

/// Closes a context at another TEE that the registry no longer has.
unsafe fn close(stock: &Stock, place: Place) {
    // SAFETY: a place always holds a context.
    unsafe { (stock.finalize)(place.0) };
    state::lock().give_back(place);
}

/// `TEEC_OpenSession`: opens a session to a trusted application, at the TEE that hosts it.
///
/// Returns what the stock function returns; `TEEC_ERROR_COMMUNICATION` when the TEE has no usable device.
///
/// # Safety
/// As the API states: an initialised context, memory for a session, a UUID, and an operation and an origin or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TEEC_OpenSession(
    context: *mut Context,
    session: *mut Session,
    destination: *const TeecUuid,
    method: u32,
    data: *const c_void,
    operation: *mut Operation,
    origin: *mut u32,
) -> u32 {
    let Some(stock) = (machine().stock)() else {
        // SAFETY: as the caller promises.
        return unsafe { answer(TEEC_ERROR_GENERIC, origin, ORIGIN_API) };
    };
    // SAFETY: NULL or as the API states.
    let context = match unsafe { (context.as_ref(), destination.as_ref()) } {
        (Some(known), Some(destination)) => match target(stock, known.fd, destination) {
            Ok(found) => found.map_or(context, |place| place.0),
            Err(why) => {
                // SAFETY: as the caller promises.
                return unsafe { answer(refuse(&why, TEEC_ERROR_COMMUNICATION), origin, ORIGIN_COMMS) };
            }
        },
        _ => context,
    };
    // SAFETY: as the caller promises, and the context is one of the stock library's.
    let result = unsafe {
        memory::with_copies(stock, operation, context, || {
            (stock.open)(context, session, destination, method, data, operation, origin)
        })
    };
    // SAFETY: as the caller promises.
    result.unwrap_or_else(|code| unsafe { answer(code, origin, ORIGIN_API) })
}

/// The context for a session to this trusted application; `None` is the client's own.
fn target(stock: &Stock, descriptor: c_int, application: &TeecUuid) -> Result<Option<Place>, String> {
    let destination = state::lock().registry.destination(descriptor, application.uuid());
    let route = match destination {
        Destination::Here => return Ok(None),
        Destination::Opened(place) => return Ok(Some(place)),
        Destination::Open(route) => route,
    };
    let opened = open(&route)?;
    let (place, extra) = {
        let mut state = state::lock();
        let place = state.place(opened);
        match state.registry.add_opened(descriptor, route.endpoint, place) {
            Some((place, extra)) => (Some(place), extra),
            None => (None, Some(place)),
        }
    };
    if let Some(extra) = extra {
        // SAFETY: the registry does not have it, and no session uses it.
        unsafe { close(stock, extra) };
    }
    Ok(place)
}

/// `TEEC_CloseSession`: the stock function's. A session's structure says on which device it is.
///
/// # Safety
/// `session` is NULL or an open session, and no call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TEEC_CloseSession(session: *mut Session) {
    if let Some(stock) = (machine().stock)() {
        // SAFETY: as the caller promises.
        unsafe { (stock.close)(session) };
    }
}

/// `TEEC_RequestCancellation`: the stock function's. An operation names the session that it runs in.
///
/// # Safety
/// `operation` is NULL or an operation whose session lives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TEEC_RequestCancellation(operation: *mut Operation) {
    if let Some(stock) = (machine().stock)() {
        // SAFETY: as the caller promises.
        unsafe { (stock.cancel)(operation) };
    }
}

/// `TEEC_InvokeCommand`: calls a trusted application. Returns what the stock function returns.
///
/// # Safety
/// As the API states: an open session, and an operation and an origin or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TEEC_InvokeCommand(
    session: *mut Session,
    command: u32,
    operation: *mut Operation,
    origin: *mut u32,
) -> u32 {
    let Some(stock) = (machine().stock)() else {
        // SAFETY: as the caller promises.
        return unsafe { answer(TEEC_ERROR_GENERIC, origin, ORIGIN_API) };
    };
    // SAFETY: NULL or an open session.
    let Some(context) = (unsafe { session.as_ref() }).map(|session| session.context) else {
        // SAFETY: as the caller promises.
        return unsafe { (stock.invoke)(session, command, operation, origin) };
    };
    // SAFETY: as the caller promises; an open session has an initialised context.
    let result = unsafe {
        memory::with_copies(stock, operation, context, || {
            (stock.invoke)(session, command, operation, origin)
        })
    };
    // SAFETY: as the caller promises.
    result.unwrap_or_else(|code| unsafe { answer(code, origin, ORIGIN_API) })
}

/// `TEEC_RegisterSharedMemory`: memory of the client that calls on this context may use.
///
/// Returns what the stock function returns. On a context that reaches several TEEs the memory goes to a TEE with the
/// first call that uses it there, and what the kernel says against it is that call's result.
///
/// # Safety
/// As the API states: an initialised context, and memory with its buffer, size and flags.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TEEC_RegisterSharedMemory(context: *mut Context, memory: *mut Memory) -> u32 {
    let Some(stock) = (machine().stock)() else {
        return TEEC_ERROR_GENERIC;
    };
    // SAFETY: as the caller promises.
    match unsafe { led(context, memory) } {
        Some(memory) => memory::register(memory),
        // SAFETY: as the caller promises.
        None => unsafe { (stock.register)(context, memory) },
    }
}

/// `TEEC_RegisterSharedMemoryFileDescriptor`, an extension of libteec: memory behind a file, such as a DMA buffer.
///
/// Returns what the stock function returns, and `TEEC_ERROR_GENERIC` where it has none. As
/// [`TEEC_RegisterSharedMemory`] on a context that reaches several TEEs.
///
/// # Safety
/// As for [`TEEC_RegisterSharedMemory`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TEEC_RegisterSharedMemoryFileDescriptor(
    context: *mut Context,
    memory: *mut Memory,
    file: c_int,
) -> u32 {
    let Some(register_file) = (machine().stock)().and_then(|stock| stock.register_file) else {
        return TEEC_ERROR_GENERIC;
    };
    // SAFETY: as the caller promises.
    match unsafe { led(context, memory) } {
        Some(memory) => memory::register_file(memory, file),
        // SAFETY: as the caller promises.
        None => unsafe { register_file(context, memory, file) },
    }
}

/// `TEEC_AllocateSharedMemory`: memory of the library that calls on this context may use.
///
/// Returns what the stock function returns. As [`TEEC_RegisterSharedMemory`] on a context that reaches several TEEs.
///
/// # Safety
/// As the API states: an initialised context, and memory with its size and flags.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TEEC_AllocateSharedMemory(context: *mut Context, memory: *mut Memory) -> u32 {
    let Some(stock) = (machine().stock)() else {
        return TEEC_ERROR_GENERIC;
    };
    // SAFETY: as the caller promises.
    match unsafe { led(context, memory) } {
        Some(memory) => memory::allocate(memory),
        // SAFETY: as the caller promises.
        None => unsafe { (stock.allocate)(context, memory) },
    }
}

/// The client's memory, where the context reaches several TEEs and the client itself calls.
unsafe fn led<'a>(context: *mut Context, memory: *mut Memory) -> Option<&'a mut Memory> {
    // SAFETY: NULL or an initialised context.
    let descriptor = unsafe { context.as_ref() }?.fd;
    if memory::is_inside() || !state::lock().registry.is_led(descriptor) {
        return None;
    }
    // SAFETY: NULL or the caller's memory, which nothing else uses during the call.
    unsafe { memory.as_mut() }
}

/// `TEEC_ReleaseSharedMemory`: takes memory back from every TEE.
///
/// # Safety
/// `memory` is NULL, or was registered or allocated, and no call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TEEC_ReleaseSharedMemory(memory: *mut Memory) {
    if let Some(stock) = (machine().stock)() {
        // SAFETY: as the caller promises.
        unsafe { memory::release(stock, memory) };
    }
}

/// A result and where it came from.
unsafe fn answer(code: u32, origin: *mut u32, from: u32) -> u32 {
    if !origin.is_null() {
        // SAFETY: the API's clients pass NULL or memory for the origin.
        unsafe { origin.write(from) };
    }
    code
}

/// Tells people why a client is refused, and the client by a code. A closed standard error is no reason to end it.
fn refuse(why: &str, code: u32) -> u32 {
    let _ = writeln!(std::io::stderr(), "bulkhead: {why}");
    code
}
