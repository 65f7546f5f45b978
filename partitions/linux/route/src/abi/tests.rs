//! The C functions over a stock library made of memory: it keeps the rules by which the real one and the kernel know
//! contexts, sessions and memory, and says which TEE each call came to.

#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "every pointer of a test is to its own live variables"
)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{c_char, c_int, c_void};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::ptr::{null, null_mut};
use std::sync::Mutex;

use super::*;

const TABLE: &str = "default='a'
[[tee]]\nname='a'\nendpoint=0x8001
[[tee]]\nname='b'\nendpoint=0x8002\napplications=['00000000-0000-0000-0000-00000000000b']
[[tee]]\nname='c'\nendpoint=0x8003\napplications=['00000000-0000-0000-0000-00000000000c']
[[tee]]\nname='dead'\nendpoint=0x80dd\napplications=['00000000-0000-0000-0000-00000000000d']";

const A: u16 = 0x8001;
const B: u16 = 0x8002;
const C: u16 = 0x8003;
/// Its device cannot be opened.
const DEAD: u16 = 0x80dd;
/// Where the stock function's first device leads.
const FIRST: u16 = 1;
/// A command to which the trusted application answers with this result.
const CANCELLED: u32 = 0xffff_0002;

/// What the kernel would know.
#[derive(Default)]
struct Kernel {
    /// Endpoint of each open device.
    devices: BTreeMap<c_int, u16>,
    /// Device and buffer of each registered memory.
    memories: BTreeMap<c_int, (c_int, usize)>,
    last: c_int,
    /// Buffers that no TEE takes.
    full: Vec<usize>,
}

static KERNEL: Mutex<Kernel> = Mutex::new(Kernel {
    devices: BTreeMap::new(),
    memories: BTreeMap::new(),
    last: 0,
    full: Vec::new(),
});

thread_local! {
    static TEXT: RefCell<String> = RefCell::new(TABLE.into());
}

fn kernel() -> std::sync::MutexGuard<'static, Kernel> {
    KERNEL.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn descriptor() -> c_int {
    std::fs::File::open("/dev/null").expect("null").into_raw_fd()
}

fn device(endpoint: u16) -> Context {
    let fd = descriptor();
    kernel().devices.insert(fd, endpoint);
    Context {
        fd,
        reg_mem: true,
        memref_null: true,
    }
}

pub fn machine() -> Machine {
    static STOCK: Stock = Stock {
        initialize,
        finalize,
        open: open_session,
        invoke,
        close,
        cancel,
        register,
        register_file: Some(register_file),
        allocate,
        release,
    };
    Machine {
        stock: || Some(&STOCK),
        open: |route| match route.endpoint {
            DEAD => Err("there is no device".into()),
            endpoint => Ok(device(endpoint)),
        },
        table: || Ok(TEXT.with_borrow(|text| Routes::parse(text)).expect("good")),
    }
}

unsafe extern "C" fn initialize(name: *const c_char, context: *mut Context) -> u32 {
    if !name.is_null() {
        return TEEC_ERROR_ITEM_NOT_FOUND;
    }
    unsafe { context.write(device(FIRST)) };
    TEEC_SUCCESS
}

unsafe extern "C" fn finalize(context: *mut Context) {
    if context.is_null() {
        return;
    }
    let fd = unsafe { (*context).fd };
    kernel().devices.remove(&fd);
    unsafe { libc::close(fd) };
}

unsafe extern "C" fn register(context: *mut Context, memory: *mut Memory) -> u32 {
    let (fd, memory) = unsafe { ((*context).fd, &mut *memory) };
    let mut kernel = kernel();
    let buffer = memory.buffer.addr();
    if !kernel.devices.contains_key(&fd) || kernel.full.contains(&buffer) {
        return TEEC_ERROR_OUT_OF_MEMORY;
    }
    // As with the hypervisor: only one TEE has a page; the library then copies.
    let taken = kernel.memories.values().any(|(_, other)| *other == buffer);
    kernel.last += 1;
    let id = kernel.last;
    kernel.memories.insert(id, (fd, if taken { 0 } else { buffer }));
    let shadow_buffer = if taken {
        unsafe { libc::malloc(memory.size.max(8)) }
    } else {
        null_mut()
    };
    memory.internal = Internal {
        id,
        allocated_size: memory.size,
        shadow_buffer,
        registered_fd: descriptor(),
        flags: 0,
    };
    TEEC_SUCCESS
}

unsafe extern "C" fn register_file(context: *mut Context, memory: *mut Memory, file: c_int) -> u32 {
    // Its "buffer" is the number of the file, which stands for the device's memory.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    if unsafe { libc::fstat(file, &raw mut stat) } != 0 {
        return TEEC_ERROR_BAD_PARAMETERS;
    }
    let size = stat.st_size as usize;
    unsafe { (*memory).size = size };
    unsafe { register(context, memory) }
}

unsafe extern "C" fn allocate(context: *mut Context, memory: *mut Memory) -> u32 {
    let size = unsafe { (*memory).size };
    unsafe { (*memory).buffer = libc::malloc(size) };
    unsafe { register(context, memory) }
}

unsafe extern "C" fn release(memory: *mut Memory) {
    let Some(memory) = (unsafe { memory.as_mut() }) else {
        return;
    };
    assert!(
        kernel().memories.remove(&memory.internal.id).is_some(),
        "released twice"
    );
    unsafe { libc::free(memory.internal.shadow_buffer) };
    unsafe { libc::close(memory.internal.registered_fd) };
    memory.internal = Internal::NONE;
}

unsafe extern "C" fn open_session(
    context: *mut Context,
    session: *mut Session,
    _: *const TeecUuid,
    _: u32,
    _: *const c_void,
    operation: *mut Operation,
    origin: *mut u32,
) -> u32 {
    unsafe { session.write(Session { context, id: 7 }) };
    unsafe { call(context, operation, origin) }
}

unsafe extern "C" fn invoke(
    session: *mut Session,
    command: u32,
    operation: *mut Operation,
    origin: *mut u32,
) -> u32 {
    if command == CANCELLED {
        return CANCELLED;
    }
    unsafe { call((*session).context, operation, origin) }
}

unsafe extern "C" fn close(session: *mut Session) {
    unsafe { (*session).id = 0 };
}

unsafe extern "C" fn cancel(operation: *mut Operation) {
    unsafe { (*operation).started = CANCELLED };
}

/// The TEE writes its endpoint into all that it is given: values, and the first two bytes of memory that it may write.
unsafe fn call(context: *mut Context, operation: *mut Operation, origin: *mut u32) -> u32 {
    let fd = unsafe { (*context).fd };
    let Some(endpoint) = kernel().devices.get(&fd).copied() else {
        return unsafe { answer(TEEC_ERROR_GENERIC, origin, ORIGIN_COMMS) };
    };
    let Some(operation) = (unsafe { operation.as_mut() }) else {
        return TEEC_SUCCESS;
    };
    for (index, parameter) in operation.parameters.iter_mut().enumerate() {
        match operation.types >> (4 * index) & 0xf {
            0x2 => parameter.value = [endpoint.into(), 0],
            0x7 => {
                let given = unsafe { parameter.temporary };
                let mut memory = memory(given.buffer, given.size);
                // The real library calls itself through the drop-in.
                assert_eq!(
                    unsafe { TEEC_RegisterSharedMemory(context, &raw mut memory) },
                    TEEC_SUCCESS
                );
                assert_eq!(
                    kernel().memories.get(&memory.internal.id).map(|known| known.0),
                    Some(fd)
                );
                unsafe { given.buffer.cast::<u16>().write_unaligned(endpoint) };
                unsafe { TEEC_ReleaseSharedMemory(&raw mut memory) };
            }
            0xc..=0xf => {
                let reference = unsafe { parameter.registered };
                let parent = unsafe { &*reference.parent };
                if kernel().memories.get(&parent.internal.id).map(|known| known.0) != Some(fd) {
                    return unsafe { answer(TEEC_ERROR_BAD_PARAMETERS, origin, ORIGIN_COMMS) };
                }
                let shadow = parent.internal.shadow_buffer;
                let seen = if shadow.is_null() { parent.buffer } else { shadow };
                if !seen.is_null() {
                    unsafe { seen.cast::<u16>().write_unaligned(endpoint) };
                    unsafe { std::ptr::copy(seen, parent.buffer, 2) };
                }
                parameter.registered.size = 2;
            }
            _ => {}
        }
    }
    TEEC_SUCCESS
}

fn memory(buffer: *mut c_void, size: usize) -> Memory {
    Memory {
        buffer,
        size,
        flags: MEM_INPUT | MEM_OUTPUT,
        internal: Internal {
            id: 77,
            allocated_size: 77,
            shadow_buffer: null_mut(),
            registered_fd: 77,
            flags: 77,
        },
    }
}

fn context() -> Context {
    let mut context = Context {
        fd: -1,
        reg_mem: false,
        memref_null: false,
    };
    assert_eq!(
        unsafe { TEEC_InitializeContext(null(), &raw mut context) },
        TEEC_SUCCESS
    );
    context
}

/// Opens a session to the application of this number; the endpoint that it reached.
fn open_to(context: &mut Context, number: u8) -> Result<(Session, u16), (u32, u32)> {
    let mut uuid = [0_u8; 16];
    uuid[15] = number;
    // SAFETY: a TEEC_UUID is sixteen bytes; all zero but the last is the same in every order of bytes.
    let uuid = unsafe { std::mem::transmute::<[u8; 16], TeecUuid>(uuid) };
    let mut session = Session {
        context: null_mut(),
        id: 0,
    };
    let mut operation = operation(0x2, None);
    let mut origin = 0;
    let code = unsafe {
        TEEC_OpenSession(
            context,
            &raw mut session,
            &raw const uuid,
            0,
            null(),
            &raw mut operation,
            &raw mut origin,
        )
    };
    if code != TEEC_SUCCESS {
        return Err((code, origin));
    }
    Ok((session, unsafe { operation.parameters[0].value }[0] as u16))
}

fn operation(types: u32, parent: Option<&mut Memory>) -> Operation {
    let parent = parent.map_or(null_mut(), |memory| &raw mut *memory);
    Operation {
        started: 0,
        types,
        parameters: std::array::from_fn(|_| Parameter {
            registered: Registered {
                parent,
                size: 4,
                offset: 0,
            },
        }),
        session: null_mut(),
    }
}

/// Calls with the whole of the memory as third parameter.
fn use_memory(session: &mut Session, memory: &mut Memory) -> (u32, u32) {
    let whole = &raw mut *memory;
    let mut operation = operation(0xc00, Some(memory));
    let mut origin = 0;
    let code = unsafe { TEEC_InvokeCommand(session, 1, &raw mut operation, &raw mut origin) };
    let reference = unsafe { operation.parameters[2].registered };
    assert_eq!(reference.parent, whole, "the client finds its own memory again");
    assert!(code != TEEC_SUCCESS || reference.size == 2);
    (code, origin)
}

/// How many TEEs have this buffer itself.
fn holders(buffer: *const c_void) -> usize {
    kernel()
        .memories
        .values()
        .filter(|(_, known)| *known == buffer.addr())
        .count()
}

/// How much memory is registered on these devices, copies too.
fn memories_of(fds: &[c_int]) -> usize {
    kernel()
        .memories
        .values()
        .filter(|(fd, _)| fds.contains(fd))
        .count()
}

#[test]
fn a_client_without_a_context_is_refused() {
    let code = unsafe { TEEC_InitializeContext(null(), null_mut()) };
    assert_eq!(code, TEEC_ERROR_BAD_PARAMETERS);
}

#[test]
fn this_machine_has_neither_libteec_nor_a_tee() {
    assert!((REAL.stock)().is_none(), "this test is not linked with libteec");
    let routes = Routes::parse(TABLE).expect("good");
    assert!((REAL.open)(routes.default_route().expect("a")).is_err());
    assert!(matches!((REAL.table)(), Err(Fault::Missing(_))));
}

#[test]
fn unknown_names_are_not_found() {
    let mut context = device(A);
    let code = unsafe { TEEC_InitializeContext(c"nobody".as_ptr(), &raw mut context) };
    assert_eq!(code, TEEC_ERROR_ITEM_NOT_FOUND);
}

#[test]
fn one_context_reaches_every_tee_by_application() {
    let mut context = context();
    for (number, endpoint) in [(1, A), (0xb, B), (0xc, C), (0xb, B)] {
        let (session, reached) = open_to(&mut context, number).expect("open");
        assert_eq!(reached, endpoint);
        assert_eq!(session.context == &raw mut context, endpoint == A);
    }
}

#[test]
fn a_moved_context_is_the_same() {
    let mut first = context();
    let (one, _) = open_to(&mut first, 0xb).expect("open");
    let mut moved = Box::new(first);
    let (two, _) = open_to(&mut moved, 0xb).expect("open");
    assert_eq!(one.context, two.context);
}

#[test]
fn a_client_that_names_its_tee_stays_there() {
    let mut context = device(FIRST);
    assert_eq!(
        unsafe { TEEC_InitializeContext(c"a".as_ptr(), &raw mut context) },
        TEEC_SUCCESS
    );
    assert_eq!(open_to(&mut context, 0xb).expect("open").1, A);
}

#[test]
fn without_a_default_stock_finds_the_first_device() {
    TEXT.set(TABLE.replace("default='a'", ""));
    let mut context = context();
    assert_eq!(open_to(&mut context, 1).expect("open").1, FIRST);
    assert_eq!(open_to(&mut context, 0xb).expect("open").1, B);
}

#[test]
fn a_lost_tee_harms_its_own_clients_only() {
    let mut context = context();
    let refused = open_to(&mut context, 0xd).err();
    assert_eq!(refused, Some((TEEC_ERROR_COMMUNICATION, ORIGIN_COMMS)));
    assert_eq!(open_to(&mut context, 0xb).expect("open").1, B);
}

#[test]
fn a_lost_default_harms_its_own_clients_only() {
    TEXT.set(TABLE.replace("default='a'", "default='dead'"));
    let mut context = context();
    let refused = open_to(&mut context, 1).err();
    assert_eq!(refused, Some((TEEC_ERROR_COMMUNICATION, ORIGIN_COMMS)));
    assert_eq!(open_to(&mut context, 0xb).expect("open").1, B);
    let other = self::context();
    assert_ne!(context.fd, other.fd, "each has a descriptor of its own");
}

#[test]
fn memory_goes_to_the_tees_that_are_called_with_it_and_comes_back() {
    let mut context = context();
    let mut buffer = [0_u16; 8];
    let mut memory = memory(buffer.as_mut_ptr().cast(), 16);
    assert_eq!(
        unsafe { TEEC_RegisterSharedMemory(&raw mut context, &raw mut memory) },
        TEEC_SUCCESS
    );
    let mut sessions = [0xb, 1, 0xc].map(|number| open_to(&mut context, number).expect("open").0);
    assert_eq!(holders(memory.buffer), 0, "no TEE has it before it is used");
    for (session, endpoint) in sessions.iter_mut().zip([B, A, C]) {
        for _ in 0..2 {
            assert_eq!(use_memory(session, &mut memory).0, TEEC_SUCCESS);
            assert_eq!(buffer[0], endpoint);
        }
    }
    let fds = sessions.map(|session| unsafe { (*session.context).fd });
    assert_eq!((holders(memory.buffer), memories_of(&fds)), (1, 3));
    unsafe { TEEC_ReleaseSharedMemory(&raw mut memory) };
    assert_eq!((holders(buffer.as_ptr().cast()), memories_of(&fds)), (0, 0));
    assert!(
        memory.buffer.is_null() && memory.internal.id == -1,
        "as stock leaves it"
    );
}

#[test]
fn allocated_memory_is_whole_pages_and_works_at_every_tee() {
    let mut context = context();
    let mut memory = memory(null_mut(), 5000);
    let allocate =
        |context: &mut Context, memory: &mut Memory| unsafe { TEEC_AllocateSharedMemory(context, memory) };
    assert_eq!(allocate(&mut context, &mut memory), TEEC_SUCCESS);
    assert!(memory.buffer.addr().is_multiple_of(4096) && memory.size == 5000);
    for (number, endpoint) in [(1, A), (0xb, B)] {
        let (mut session, _) = open_to(&mut context, number).expect("open");
        assert_eq!(use_memory(&mut session, &mut memory).0, TEEC_SUCCESS);
        assert_eq!(unsafe { memory.buffer.cast::<u16>().read() }, endpoint);
    }
    unsafe { TEEC_ReleaseSharedMemory(&raw mut memory) };
    memory.size = usize::MAX - 100;
    assert_eq!(allocate(&mut context, &mut memory), TEEC_ERROR_OUT_OF_MEMORY);
    memory.size = 0;
    assert_eq!(allocate(&mut context, &mut memory), TEEC_SUCCESS);
    assert!(!memory.buffer.is_null());
    unsafe { TEEC_ReleaseSharedMemory(&raw mut memory) };
}

#[test]
fn memory_behind_a_file_works_after_the_client_closed_it() {
    let mut context = context();
    let file = tempfile::tempfile().expect("file");
    let mut memory = memory(null_mut(), 0);
    let share = |context: &mut Context, memory: &mut Memory, fd| unsafe {
        TEEC_RegisterSharedMemoryFileDescriptor(context, memory, fd)
    };
    let fd = file.as_raw_fd();
    assert_eq!(share(&mut context, &mut memory, -1), TEEC_ERROR_BAD_PARAMETERS);
    assert_eq!(
        share(&mut context, &mut memory, fd),
        TEEC_ERROR_BAD_PARAMETERS,
        "it is empty"
    );
    file.set_len(4096).expect("size");
    assert_eq!(share(&mut context, &mut memory, fd), TEEC_SUCCESS);
    assert_eq!((memory.size, memory.buffer), (4096, null_mut()));
    drop(file);
    let own = memory.internal.registered_fd;
    let (mut session, _) = open_to(&mut context, 0xb).expect("open");
    assert_eq!(use_memory(&mut session, &mut memory).0, TEEC_SUCCESS);
    unsafe { TEEC_ReleaseSharedMemory(&raw mut memory) };
    assert_eq!(
        unsafe { libc::fcntl(own, libc::F_GETFD) },
        -1,
        "the drop-in's own is closed"
    );
}

#[test]
fn what_stock_refuses_is_refused() {
    let mut context = context();
    let mut buffer = [0_u8; 8];
    for flags in [0, 4, 7] {
        let mut memory = memory(buffer.as_mut_ptr().cast(), 8);
        memory.flags = flags;
        let code = unsafe { TEEC_RegisterSharedMemory(&raw mut context, &raw mut memory) };
        assert_eq!(code, TEEC_ERROR_BAD_PARAMETERS);
        let code = unsafe { TEEC_AllocateSharedMemory(&raw mut context, &raw mut memory) };
        assert_eq!(code, TEEC_ERROR_BAD_PARAMETERS);
    }
    let mut memory = memory(null_mut(), 8);
    let code = unsafe { TEEC_RegisterSharedMemory(&raw mut context, &raw mut memory) };
    assert_eq!(code, TEEC_ERROR_BAD_PARAMETERS);
}

#[test]
fn a_tee_that_takes_no_memory_fails_the_call_alone() {
    let mut context = context();
    let mut buffer = [0_u8; 8];
    let mut memory = memory(buffer.as_mut_ptr().cast(), 8);
    unsafe { TEEC_RegisterSharedMemory(&raw mut context, &raw mut memory) };
    let (mut session, _) = open_to(&mut context, 0xb).expect("open");
    kernel().full.push(memory.buffer.addr());
    assert_eq!(
        use_memory(&mut session, &mut memory),
        (TEEC_ERROR_OUT_OF_MEMORY, ORIGIN_API)
    );
    kernel().full.retain(|full| *full != memory.buffer.addr());
    assert_eq!(use_memory(&mut session, &mut memory).0, TEEC_SUCCESS);
    unsafe { TEEC_ReleaseSharedMemory(&raw mut memory) };
}

#[test]
fn temporary_memory_is_the_stock_s_at_every_tee() {
    let mut context = context();
    for (number, endpoint) in [(1, A), (0xb, B)] {
        let (mut session, _) = open_to(&mut context, number).expect("open");
        let mut buffer = [0_u16; 4];
        let mut operation = operation(0x7, None);
        operation.parameters[0].temporary = Temporary {
            buffer: buffer.as_mut_ptr().cast(),
            size: 8,
        };
        let code = unsafe { TEEC_InvokeCommand(&raw mut session, 1, &raw mut operation, null_mut()) };
        assert_eq!((code, buffer[0]), (TEEC_SUCCESS, endpoint));
    }
}

#[test]
fn memory_of_stock_contexts_stays_the_stock_s() {
    let mut context = device(FIRST);
    unsafe { TEEC_InitializeContext(c"b".as_ptr(), &raw mut context) };
    let mut buffer = [0_u16; 4];
    let mut memory = memory(buffer.as_mut_ptr().cast(), 8);
    unsafe { TEEC_RegisterSharedMemory(&raw mut context, &raw mut memory) };
    assert_eq!(holders(memory.buffer), 1);
    let (mut session, _) = open_to(&mut context, 1).expect("open");
    assert_eq!(use_memory(&mut session, &mut memory).0, TEEC_SUCCESS);
    unsafe { TEEC_ReleaseSharedMemory(&raw mut memory) };
    assert_eq!(memory.internal.id, -1);
}

#[test]
fn results_of_the_tee_are_passed_on() {
    let mut context = context();
    let (mut session, _) = open_to(&mut context, 0xb).expect("open");
    let code = unsafe { TEEC_InvokeCommand(&raw mut session, CANCELLED, null_mut(), null_mut()) };
    assert_eq!(code, CANCELLED);
}

#[test]
fn closing_and_cancelling_are_the_stock_s() {
    let mut context = context();
    let (mut session, _) = open_to(&mut context, 0xb).expect("open");
    let mut operation = operation(0, None);
    unsafe { TEEC_RequestCancellation(&raw mut operation) };
    unsafe { TEEC_CloseSession(&raw mut session) };
    assert_eq!((operation.started, session.id), (CANCELLED, 0));
}

#[test]
fn finalizing_closes_every_tee() {
    let mut context = context();
    let mut buffer = [0_u8; 8];
    let mut memory = memory(buffer.as_mut_ptr().cast(), 8);
    unsafe { TEEC_RegisterSharedMemory(&raw mut context, &raw mut memory) };
    let mut sessions = [0xb, 1, 0xc].map(|number| open_to(&mut context, number).expect("open").0);
    for session in &mut sessions {
        use_memory(session, &mut memory);
    }
    let fds = sessions.map(|session| unsafe { (*session.context).fd });
    unsafe { TEEC_FinalizeContext(&raw mut context) };
    assert_eq!(memories_of(&fds), 0);
    assert_eq!(holders(memory.buffer), 0);
    unsafe { TEEC_ReleaseSharedMemory(&raw mut memory) };
    unsafe { TEEC_FinalizeContext(null_mut()) };
}

#[test]
fn threads_share_a_context() {
    let mut context = context();
    let address = (&raw mut context).expose_provenance();
    let places: Vec<usize> = std::thread::scope(|scope| {
        let worker = move |number| {
            let context = std::ptr::with_exposed_provenance_mut::<Context>(address);
            let mut last = 0;
            for _ in 0..50 {
                let mut buffer = [0_u16; 8];
                let mut memory = memory(buffer.as_mut_ptr().cast(), 16);
                assert_eq!(
                    unsafe { TEEC_RegisterSharedMemory(context, &raw mut memory) },
                    TEEC_SUCCESS
                );
                let (mut session, _) = open_to(unsafe { &mut *context }, number).expect("open");
                assert_eq!(use_memory(&mut session, &mut memory).0, TEEC_SUCCESS);
                unsafe { TEEC_ReleaseSharedMemory(&raw mut memory) };
                last = session.context.addr();
            }
            last
        };
        let threads: Vec<_> = (0..8)
            .map(|i| scope.spawn(move || worker([0xb, 0xc][i % 2])))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("thread"))
            .collect()
    });
    let mut places = places;
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 2, "one context for each TEE, whoever was first");
}

#[test]
fn a_child_process_goes_on_while_the_parent_s_threads_work() {
    let mut context = context();
    let (session, _) = open_to(&mut context, 0xb).expect("open");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    drop(state::lock());
                }
            });
        }
        for _ in 0..50 {
            // SAFETY: the child calls the drop-in's lookups only, whose lock it has whole, and ends.
            let child = unsafe { libc::fork() };
            if child == 0 {
                unsafe { libc::alarm(20) };
                let uuid = unsafe { std::mem::transmute::<[u8; 16], TeecUuid>([0; 16]) };
                let own = state::lock().registry.destination(context.fd, uuid.uuid());
                let known = state::lock().registry.is_led(context.fd);
                let right = own == Destination::Here && known && !session.context.is_null();
                unsafe { libc::_exit(i32::from(!right)) };
            }
            let mut status = -1;
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0, "the child waited for the lock, or forgot");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
