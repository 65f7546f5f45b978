//! The structures of the stock library's header (`tee_client_api.h` of libteec 4.x) and its numbers.

use std::ffi::{c_int, c_void};

use uuid::Uuid;

/// `TEEC_Context`.
#[derive(Debug)]
#[repr(C)]
pub struct Context {
    pub fd: c_int,
    pub reg_mem: bool,
    pub memref_null: bool,
}

/// `TEEC_Session`. The stock library takes a session's device from the context that it names.
#[repr(C)]
pub struct Session {
    pub context: *mut Context,
    pub id: u32,
}

/// `TEEC_SharedMemory`.
#[repr(C)]
pub struct Memory {
    pub buffer: *mut c_void,
    pub size: usize,
    pub flags: u32,
    pub internal: Internal,
}

/// What the library keeps in a `TEEC_SharedMemory`.
#[repr(C)]
pub struct Internal {
    pub id: c_int,
    pub allocated_size: usize,
    pub shadow_buffer: *mut c_void,
    pub registered_fd: c_int,
    pub flags: u32,
}

impl Internal {
    /// Of memory that no TEE has, as the stock library leaves it.
    pub const NONE: Internal = Internal {
        id: -1,
        allocated_size: 0,
        shadow_buffer: std::ptr::null_mut(),
        registered_fd: -1,
        flags: 0,
    };
}

/// `TEEC_UUID`.
#[repr(C)]
pub struct TeecUuid {
    time_low: u32,
    time_mid: u16,
    time_hi_and_version: u16,
    clock_seq_and_node: [u8; 8],
}

impl TeecUuid {
    /// The UUID as others write it.
    pub fn uuid(&self) -> Uuid {
        Uuid::from_fields(
            self.time_low,
            self.time_mid,
            self.time_hi_and_version,
            &self.clock_seq_and_node,
        )
    }
}

/// `TEEC_TempMemoryReference`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Temporary {
    pub buffer: *mut c_void,
    pub size: usize,
}

/// `TEEC_RegisteredMemoryReference`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Registered {
    pub parent: *mut Memory,
    pub size: usize,
    pub offset: usize,
}

/// `TEEC_Parameter`.
#[repr(C)]
pub union Parameter {
    pub temporary: Temporary,
    pub registered: Registered,
    pub value: [u32; 2],
}

/// `TEEC_Operation`.
#[repr(C)]
pub struct Operation {
    pub started: u32,
    pub types: u32,
    pub parameters: [Parameter; 4],
    pub session: *mut Session,
}

impl Operation {
    /// Whether parameter `index` (0 to 3) is a reference to registered memory, whole or partial.
    pub fn is_registered(&self, index: usize) -> bool {
        (MEMREF_WHOLE..=MEMREF_PARTIAL_INOUT).contains(&(self.types >> (4 * index) & 0xf))
    }
}

const _: () = assert!(size_of::<Context>() == 8 && std::mem::offset_of!(Context, memref_null) == 5);
#[cfg(target_pointer_width = "64")]
const _: () = assert!(
    size_of::<Session>() == 16
        && size_of::<Memory>() == 56
        && size_of::<Parameter>() == 24
        && size_of::<Operation>() == 112
);

const MEMREF_WHOLE: u32 = 0xc;
const MEMREF_PARTIAL_INOUT: u32 = 0xf;

pub const MEM_INPUT: u32 = 1;
pub const MEM_OUTPUT: u32 = 2;

pub const TEEC_SUCCESS: u32 = 0;
pub const TEEC_ERROR_GENERIC: u32 = 0xffff_0000;
pub const TEEC_ERROR_BAD_FORMAT: u32 = 0xffff_0005;
pub const TEEC_ERROR_BAD_PARAMETERS: u32 = 0xffff_0006;
pub const TEEC_ERROR_ITEM_NOT_FOUND: u32 = 0xffff_0008;
pub const TEEC_ERROR_OUT_OF_MEMORY: u32 = 0xffff_000c;
pub const TEEC_ERROR_COMMUNICATION: u32 = 0xffff_000e;

pub const ORIGIN_API: u32 = 1;
pub const ORIGIN_COMMS: u32 = 2;
