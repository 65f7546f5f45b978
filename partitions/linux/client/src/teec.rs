//! Safe calls of the GlobalPlatform TEE Client API 1.0, in the ABI of the stock libteec (4.x).

use std::cell::UnsafeCell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// `TEEC_MEM_INPUT`: the trusted application reads the memory.
pub const MEM_INPUT: u32 = 1;
/// `TEEC_MEM_OUTPUT`: the trusted application writes the memory.
pub const MEM_OUTPUT: u32 = 2;

/// A trusted application's UUID, as the API lays it out.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Uuid {
    time_low: u32,
    time_mid: u16,
    time_hi_and_version: u16,
    clock_seq_and_node: [u8; 8],
}

impl Uuid {
    /// From the number that the usual notation writes.
    pub const fn new(number: u128) -> Uuid {
        Uuid {
            time_low: (number >> 96) as u32,
            time_mid: (number >> 80) as u16,
            time_hi_and_version: (number >> 64) as u16,
            clock_seq_and_node: (number as u64).to_be_bytes(),
        }
    }
}

/// A call that failed: its name, the `TEEC_Result` and where it came from (`TEEC_ORIGIN_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    call: &'static str,
    /// `TEEC_Result`.
    pub code: u32,
    /// 1 API, 2 communication, 3 TEE, 4 trusted application.
    pub origin: u32,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} gave {:#010x} from origin {}",
            self.call, self.code, self.origin
        )
    }
}

fn result(call: &'static str, code: u32, origin: u32) -> Result<(), Error> {
    if code == 0 {
        Ok(())
    } else {
        Err(Error { call, code, origin })
    }
}

#[repr(C)]
struct RawContext {
    fd: c_int,
    reg_mem: bool,
    memref_null: bool,
}

#[repr(C)]
struct RawSession {
    context: *mut RawContext,
    id: u32,
}

#[repr(C)]
struct RawMemory {
    buffer: *mut c_void,
    size: usize,
    flags: u32,
    internal: Internal,
}

/// What libteec keeps with registered memory.
#[repr(C)]
struct Internal {
    id: c_int,
    allocated_size: usize,
    shadow_buffer: *mut c_void,
    registered_fd: c_int,
    flags: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Temporary {
    buffer: *mut c_void,
    size: usize,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Registered {
    parent: *mut RawMemory,
    size: usize,
    offset: usize,
}

#[repr(C)]
union RawParameter {
    temporary: Temporary,
    registered: Registered,
    value: [u32; 2],
}

#[repr(C)]
struct Operation {
    started: u32,
    types: u32,
    parameters: [RawParameter; 4],
    session: *mut RawSession,
}

impl Operation {
    /// With these parameters; those that are not named are not used.
    fn of<const N: usize>(parameters: &mut [Parameter<'_>; N]) -> Operation {
        const { assert!(N <= 4) };
        let mut operation = Operation {
            started: 0,
            types: 0,
            parameters: std::array::from_fn(|_| RawParameter {
                registered: Registered::NONE,
            }),
            session: std::ptr::null_mut(),
        };
        for (i, parameter) in parameters.iter_mut().enumerate() {
            let (kind, raw) = parameter.raw();
            operation.types |= kind << (4 * i);
            operation.parameters[i] = raw;
        }
        operation
    }
}

const _: () =
    assert!(size_of::<RawMemory>() == 56 && size_of::<Operation>() == 112 && size_of::<RawSession>() == 16);

#[link(name = "teec", kind = "dylib")]
unsafe extern "C" {
    fn TEEC_InitializeContext(name: *const c_char, context: *mut RawContext) -> u32;
    fn TEEC_FinalizeContext(context: *mut RawContext);
    fn TEEC_OpenSession(
        context: *mut RawContext,
        session: *mut RawSession,
        destination: *const Uuid,
        method: u32,
        data: *const c_void,
        operation: *mut Operation,
        origin: *mut u32,
    ) -> u32;
    fn TEEC_CloseSession(session: *mut RawSession);
    fn TEEC_InvokeCommand(
        session: *mut RawSession,
        command: u32,
        operation: *mut Operation,
        origin: *mut u32,
    ) -> u32;
    fn TEEC_RegisterSharedMemory(context: *mut RawContext, memory: *mut RawMemory) -> u32;
    fn TEEC_AllocateSharedMemory(context: *mut RawContext, memory: *mut RawMemory) -> u32;
    fn TEEC_ReleaseSharedMemory(memory: *mut RawMemory);
    fn TEEC_RequestCancellation(operation: *mut Operation);
}

/// A connection to a TEE.
pub struct Context {
    // In a box: sessions keep its address.
    raw: Box<UnsafeCell<RawContext>>,
}

impl Context {
    /// Connects to the TEE with this name, or with `-` to the one that a client gets which names none.
    pub fn new(name: &str) -> Result<Context, Error> {
        let unnameable = Error {
            call: "a name with a zero byte",
            code: 0xffff_0006,
            origin: 1,
        };
        let name = CString::new(name).map_err(|_| unnameable)?;
        let raw = Box::new(UnsafeCell::new(RawContext {
            fd: -1,
            reg_mem: false,
            memref_null: false,
        }));
        let pointer = if name.as_bytes() == b"-" {
            std::ptr::null()
        } else {
            name.as_ptr()
        };
        // SAFETY: a C string or NULL, and a context that is ours.
        let code = unsafe { TEEC_InitializeContext(pointer, raw.get()) };
        result("TEEC_InitializeContext", code, 1)?;
        Ok(Context { raw })
    }

    /// The file descriptor of the TEE's device.
    pub fn descriptor(&self) -> i32 {
        // SAFETY: nothing writes the context after its making.
        unsafe { (*self.raw.get()).fd }
    }
}

// SAFETY: the API's functions may be called with one context from several threads, and nothing else writes it.
unsafe impl Sync for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context was initialised, and no session or memory outlives it.
        unsafe { TEEC_FinalizeContext(self.raw.get()) }
    }
}

/// Memory that is registered with a TEE for many calls.
pub struct Memory<'c> {
    raw: Box<UnsafeCell<RawMemory>>,
    /// The client's own buffer; memory that the library allocated has none.
    _buffer: Option<UnsafeCell<Vec<u8>>>,
    context: PhantomData<&'c Context>,
}

impl<'c> Memory<'c> {
    /// Registers a buffer, for the directions in `flags` (`MEM_INPUT`, `MEM_OUTPUT`).
    pub fn register(context: &'c Context, buffer: Vec<u8>, flags: u32) -> Result<Memory<'c>, Error> {
        let whole = 0..buffer.len();
        Memory::register_part(context, buffer, whole, flags)
    }

    /// Registers a part of a buffer, which has to lie in it.
    pub fn register_part(
        context: &'c Context,
        mut buffer: Vec<u8>,
        part: Range<usize>,
        flags: u32,
    ) -> Result<Memory<'c>, Error> {
        let bytes = &mut buffer[part];
        let raw = Memory::raw(bytes.as_mut_ptr(), bytes.len(), flags);
        // SAFETY: the context is initialised; the buffer stays where it is until the memory is released.
        let code = unsafe { TEEC_RegisterSharedMemory(context.raw.get(), raw.get()) };
        result("TEEC_RegisterSharedMemory", code, 1)?;
        Ok(Memory {
            raw,
            _buffer: Some(UnsafeCell::new(buffer)),
            context: PhantomData,
        })
    }

    /// Memory that the library allocates, filled with `bytes`.
    pub fn allocate(context: &'c Context, bytes: &[u8], flags: u32) -> Result<Memory<'c>, Error> {
        let raw = Memory::raw(std::ptr::null_mut(), bytes.len(), flags);
        // SAFETY: the context is initialised.
        let code = unsafe { TEEC_AllocateSharedMemory(context.raw.get(), raw.get()) };
        result("TEEC_AllocateSharedMemory", code, 1)?;
        // SAFETY: the library allocated as many bytes, and no call uses them yet.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), (*raw.get()).buffer.cast(), bytes.len()) };
        Ok(Memory {
            raw,
            _buffer: None,
            context: PhantomData,
        })
    }

    fn raw(buffer: *mut u8, size: usize, flags: u32) -> Box<UnsafeCell<RawMemory>> {
        Box::new(UnsafeCell::new(RawMemory {
            buffer: buffer.cast(),
            size,
            flags,
            internal: Internal {
                id: 0,
                allocated_size: 0,
                shadow_buffer: std::ptr::null_mut(),
                registered_fd: -1,
                flags: 0,
            },
        }))
    }

    /// A copy of what is in it.
    pub fn copy(&self) -> Vec<u8> {
        // SAFETY: no reference to the buffer is ever handed out, and no call runs: `Memory` stays on one thread. The
        // buffer has `size` bytes, the client's own or the library's.
        unsafe {
            let raw = &*self.raw.get();
            std::slice::from_raw_parts(raw.buffer.cast::<u8>(), raw.size).to_vec()
        }
    }
}

impl Drop for Memory<'_> {
    fn drop(&mut self) {
        // SAFETY: the memory was registered, and calls that use it have ended (they borrow it).
        unsafe { TEEC_ReleaseSharedMemory(self.raw.get()) }
    }
}

/// One parameter of a command that is used.
pub enum Parameter<'a> {
    /// Two numbers to the TEE.
    ValueIn(u32, u32),
    /// Two numbers from the TEE.
    ValueOut(&'a mut [u32; 2]),
    /// Two numbers there and back.
    ValueInOut(&'a mut [u32; 2]),
    /// Temporary memory that the TEE reads.
    In(&'a [u8]),
    /// Temporary memory that the TEE writes, and how much it wrote or wants.
    Out(&'a mut [u8], &'a mut usize),
    /// Temporary memory that the TEE changes.
    InOut(&'a mut [u8]),
    /// A part of registered memory (offset, length) that the TEE reads.
    PartIn(&'a Memory<'a>, usize, usize),
    /// A part of registered memory (offset, length) that the TEE writes.
    PartOut(&'a Memory<'a>, usize, usize),
    /// A part of registered memory (offset) that the TEE writes, of this length; how much it wrote or wants.
    PartOutSized(&'a Memory<'a>, usize, &'a mut usize),
    /// A part of registered memory (offset, length) that the TEE changes.
    PartInOut(&'a Memory<'a>, usize, usize),
    /// All of registered memory, in the directions for which it was registered, and how much the TEE wrote or wants.
    Whole(&'a Memory<'a>, &'a mut usize),
    /// Temporary memory that is nowhere, of this length, in the directions of the API's type (5 to 7).
    Nowhere(u32, &'a mut usize),
    /// A type that the API does not have.
    Wrong(u32),
}

impl Parameter<'_> {
    /// The API's type, and its form.
    fn raw(&mut self) -> (u32, RawParameter) {
        let temporary = |buffer: *mut u8, size| RawParameter {
            temporary: Temporary {
                buffer: buffer.cast(),
                size,
            },
        };
        match self {
            Parameter::ValueIn(a, b) => (0x1, RawParameter { value: [*a, *b] }),
            Parameter::ValueOut(value) => (0x2, RawParameter { value: **value }),
            Parameter::ValueInOut(value) => (0x3, RawParameter { value: **value }),
            Parameter::In(buffer) => (0x5, temporary(buffer.as_ptr().cast_mut(), buffer.len())),
            Parameter::Out(buffer, _) => (0x6, temporary(buffer.as_mut_ptr(), buffer.len())),
            Parameter::InOut(buffer) => (0x7, temporary(buffer.as_mut_ptr(), buffer.len())),
            Parameter::PartIn(memory, offset, size) => (0xd, part(memory, *offset, *size)),
            Parameter::PartOut(memory, offset, size) => (0xe, part(memory, *offset, *size)),
            Parameter::PartOutSized(memory, offset, size) => (0xe, part(memory, *offset, **size)),
            Parameter::PartInOut(memory, offset, size) => (0xf, part(memory, *offset, *size)),
            Parameter::Whole(memory, _) => (0xc, part(memory, 0, 0)),
            Parameter::Nowhere(kind, size) => (*kind, temporary(std::ptr::null_mut(), **size)),
            Parameter::Wrong(kind) => (*kind, temporary(std::ptr::null_mut(), 0)),
        }
    }

    /// Takes over what the TEE returned.
    fn update(&mut self, raw: &RawParameter) {
        // SAFETY: each arm reads the form that `raw` wrote for this parameter, which libteec keeps.
        unsafe {
            match self {
                Parameter::ValueOut(value) | Parameter::ValueInOut(value) => **value = raw.value,
                Parameter::Out(_, size) | Parameter::Nowhere(_, size) => **size = raw.temporary.size,
                Parameter::PartOutSized(_, _, size) | Parameter::Whole(_, size) => {
                    **size = raw.registered.size;
                }
                _ => {}
            }
        }
    }
}

fn part(memory: &Memory<'_>, offset: usize, size: usize) -> RawParameter {
    RawParameter {
        registered: Registered {
            parent: memory.raw.get(),
            size,
            offset,
        },
    }
}

/// How a client says who it is.
#[derive(Clone, Copy)]
pub enum Login {
    /// Nobody in particular.
    Public,
    /// The user of this process.
    User,
    /// A group of this process.
    Group(u32),
    /// A method by its number, without data.
    Other(u32),
}

/// A session with a trusted application.
pub struct Session<'c> {
    raw: RawSession,
    context: PhantomData<&'c Context>,
}

// SAFETY: the API lets several threads invoke commands in one session, and nothing writes it after its opening.
unsafe impl Sync for Session<'_> {}
// SAFETY: a session belongs to no thread.
unsafe impl Send for Session<'_> {}

impl<'c> Session<'c> {
    /// Opens a public session.
    pub fn open(context: &'c Context, application: Uuid) -> Result<Session<'c>, Error> {
        Session::open_with(context, application, Login::Public, [])
    }

    /// Opens a session with a login and parameters.
    pub fn open_with<const N: usize>(
        context: &'c Context,
        application: Uuid,
        login: Login,
        mut parameters: [Parameter<'_>; N],
    ) -> Result<Session<'c>, Error> {
        let mut operation = Operation::of(&mut parameters);
        let (method, group) = match login {
            Login::Public => (0, None),
            Login::User => (1, None),
            Login::Group(group) => (2, Some(group)),
            Login::Other(method) => (method, None),
        };
        let data = group
            .as_ref()
            .map_or(std::ptr::null(), |group| std::ptr::from_ref(group).cast());
        let mut raw = RawSession {
            context: std::ptr::null_mut(),
            id: 0,
        };
        let mut origin = 1;
        // SAFETY: an initialised context, a session that is ours, login data where the method takes some, and an operation
        // whose buffers are borrowed until the call ends.
        let code = unsafe {
            TEEC_OpenSession(
                context.raw.get(),
                &raw mut raw,
                &raw const application,
                method,
                data,
                &raw mut operation,
                &raw mut origin,
            )
        };
        result("TEEC_OpenSession", code, origin)?;
        Ok(Session {
            raw,
            context: PhantomData,
        })
    }

    /// The file descriptor of the TEE's device that the session is on.
    pub fn descriptor(&self) -> i32 {
        // SAFETY: the context of an open session lives.
        unsafe { (*self.raw.context).fd }
    }

    /// Invokes a command, and asks for its cancellation again and again once `delay` has passed.
    pub fn invoke_and_cancel<const N: usize>(
        &mut self,
        command: u32,
        mut parameters: [Parameter<'_>; N],
        delay: Duration,
    ) -> Result<(), Error> {
        /// The operation's address, for the thread that cancels it.
        struct Shared(*mut Operation);
        // SAFETY: the API lets another thread cancel an operation that runs.
        unsafe impl Send for Shared {}
        let mut operation = Operation::of(&mut parameters);
        let operation = &raw mut operation;
        let shared = Shared(operation);
        let done = AtomicBool::new(false);
        let mut origin = 1;
        let code = std::thread::scope(|scope| {
            scope.spawn(|| {
                let shared = shared;
                std::thread::sleep(delay);
                while !done.load(Ordering::SeqCst) {
                    // SAFETY: the operation lives until this thread has ended.
                    unsafe { TEEC_RequestCancellation(shared.0) };
                    std::thread::sleep(Duration::from_millis(100));
                }
            });
            // SAFETY: an open session; the buffers in the operation are borrowed until the call ends.
            let code = unsafe { TEEC_InvokeCommand(&raw mut self.raw, command, operation, &raw mut origin) };
            done.store(true, Ordering::SeqCst);
            code
        });
        result("TEEC_InvokeCommand", code, origin)
    }

    /// Invokes a command, and closes the session while it runs, once `delay` has passed.
    pub fn invoke_and_close<const N: usize>(
        self,
        command: u32,
        mut parameters: [Parameter<'_>; N],
        delay: Duration,
    ) -> Result<(), Error> {
        let mut operation = Operation::of(&mut parameters);
        let session = ManuallyDrop::new(self);
        let shared = &*session;
        let mut origin = 1;
        let code = std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(delay);
                // SAFETY: an open session, which nobody closes again: it is not dropped.
                unsafe { TEEC_CloseSession((&raw const shared.raw).cast_mut()) };
            });
            let session = (&raw const shared.raw).cast_mut();
            // SAFETY: the session's structure lives; the buffers in the operation are borrowed until the call ends.
            unsafe { TEEC_InvokeCommand(session, command, &raw mut operation, &raw mut origin) }
        });
        result("TEEC_InvokeCommand", code, origin)
    }

    /// Leaves the session to the kernel, which closes it with its context.
    pub fn abandon(self) {
        let _ = ManuallyDrop::new(self);
    }

    /// The session's number in the driver, for calls that go around the library.
    #[cfg(target_arch = "aarch64")]
    pub fn id(&self) -> u32 {
        self.raw.id
    }

    /// Invokes a command. Parameters that the call does not name are not used.
    pub fn invoke<const N: usize>(
        &mut self,
        command: u32,
        parameters: [Parameter<'_>; N],
    ) -> Result<(), Error> {
        self.invoke_beside(command, parameters, false)
    }

    /// Invokes a command while other threads may invoke others, or, with `cancelled`, asks for its cancellation before
    /// it has begun.
    pub fn invoke_beside<const N: usize>(
        &self,
        command: u32,
        mut parameters: [Parameter<'_>; N],
        cancelled: bool,
    ) -> Result<(), Error> {
        let mut operation = Operation::of(&mut parameters);
        let mut origin = 1;
        let session = (&raw const self.raw).cast_mut();
        if cancelled {
            // SAFETY: an operation that names no session yet.
            unsafe { TEEC_RequestCancellation(&raw mut operation) };
        }
        // SAFETY: an open session, which the call only reads; the buffers in the operation are borrowed until it ends.
        let code = unsafe { TEEC_InvokeCommand(session, command, &raw mut operation, &raw mut origin) };
        for (parameter, raw) in parameters.iter_mut().zip(&operation.parameters) {
            parameter.update(raw);
        }
        result("TEEC_InvokeCommand", code, origin)
    }
}

impl Registered {
    const NONE: Registered = Registered {
        parent: std::ptr::null_mut(),
        size: 0,
        offset: 0,
    };
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // SAFETY: the session is open, and its context lives (it is borrowed).
        unsafe { TEEC_CloseSession(&raw mut self.raw) }
    }
}
