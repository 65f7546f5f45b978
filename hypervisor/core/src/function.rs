//! Function IDs of FF-A calls (DEN0077A 1.2, chapters 12 to 18; DEN0140 1.2, chapter 2) and of the
//! paravirtual interrupt calls.

/// Bit of a function ID that marks the SMC64 form (DEN0028E, function identifiers).
pub const SMC64: u32 = 1 << 30;
/// Hint that no SVE state is live (SMCCC 1.3); it is no part of the function's number.
pub const SVE_HINT: u32 = 1 << 16;

/// FFA_ERROR
pub const ERROR: u32 = 0x8400_0060;
/// FFA_SUCCESS, SMC32
pub const SUCCESS_32: u32 = 0x8400_0061;
/// FFA_SUCCESS, SMC64
pub const SUCCESS_64: u32 = 0xc400_0061;
/// FFA_INTERRUPT
pub const INTERRUPT: u32 = 0x8400_0062;
/// FFA_VERSION
pub const VERSION: u32 = 0x8400_0063;
/// FFA_FEATURES
pub const FEATURES: u32 = 0x8400_0064;
/// FFA_RX_RELEASE
pub const RX_RELEASE: u32 = 0x8400_0065;
/// FFA_RXTX_MAP, SMC32
pub const RXTX_MAP_32: u32 = 0x8400_0066;
/// FFA_RXTX_MAP, SMC64
pub const RXTX_MAP_64: u32 = 0xc400_0066;
/// FFA_RXTX_UNMAP
pub const RXTX_UNMAP: u32 = 0x8400_0067;
/// FFA_PARTITION_INFO_GET
pub const PARTITION_INFO_GET: u32 = 0x8400_0068;
/// FFA_ID_GET
pub const ID_GET: u32 = 0x8400_0069;
/// FFA_MSG_WAIT
pub const MSG_WAIT: u32 = 0x8400_006b;
/// FFA_YIELD
pub const YIELD: u32 = 0x8400_006c;
/// FFA_RUN
pub const RUN: u32 = 0x8400_006d;
/// FFA_MSG_SEND_DIRECT_REQ, SMC32
pub const DIRECT_REQ_32: u32 = 0x8400_006f;
/// FFA_MSG_SEND_DIRECT_REQ, SMC64
pub const DIRECT_REQ_64: u32 = 0xc400_006f;
/// FFA_MSG_SEND_DIRECT_RESP, SMC32
pub const DIRECT_RESP_32: u32 = 0x8400_0070;
/// FFA_MSG_SEND_DIRECT_RESP, SMC64
pub const DIRECT_RESP_64: u32 = 0xc400_0070;
/// FFA_MEM_DONATE, SMC32
pub const MEM_DONATE_32: u32 = 0x8400_0071;
/// FFA_MEM_DONATE, SMC64
pub const MEM_DONATE_64: u32 = 0xc400_0071;
/// FFA_MEM_LEND, SMC32
pub const MEM_LEND_32: u32 = 0x8400_0072;
/// FFA_MEM_LEND, SMC64
pub const MEM_LEND_64: u32 = 0xc400_0072;
/// FFA_MEM_SHARE, SMC32
pub const MEM_SHARE_32: u32 = 0x8400_0073;
/// FFA_MEM_SHARE, SMC64
pub const MEM_SHARE_64: u32 = 0xc400_0073;
/// FFA_MEM_RETRIEVE_REQ, SMC32
pub const MEM_RETRIEVE_REQ_32: u32 = 0x8400_0074;
/// FFA_MEM_RETRIEVE_REQ, SMC64
pub const MEM_RETRIEVE_REQ_64: u32 = 0xc400_0074;
/// FFA_MEM_RETRIEVE_RESP
pub const MEM_RETRIEVE_RESP: u32 = 0x8400_0075;
/// FFA_MEM_RELINQUISH
pub const MEM_RELINQUISH: u32 = 0x8400_0076;
/// FFA_MEM_RECLAIM
pub const MEM_RECLAIM: u32 = 0x8400_0077;
/// FFA_MEM_FRAG_RX
pub const MEM_FRAG_RX: u32 = 0x8400_007a;
/// FFA_MEM_FRAG_TX
pub const MEM_FRAG_TX: u32 = 0x8400_007b;
/// FFA_NORMAL_WORLD_RESUME, between SPMC and SPMD only
pub const NORMAL_WORLD_RESUME: u32 = 0x8400_007c;
/// FFA_NOTIFICATION_BITMAP_CREATE
pub const NOTIFICATION_BITMAP_CREATE: u32 = 0x8400_007d;
/// FFA_NOTIFICATION_BITMAP_DESTROY
pub const NOTIFICATION_BITMAP_DESTROY: u32 = 0x8400_007e;
/// FFA_NOTIFICATION_BIND
pub const NOTIFICATION_BIND: u32 = 0x8400_007f;
/// FFA_NOTIFICATION_UNBIND
pub const NOTIFICATION_UNBIND: u32 = 0x8400_0080;
/// FFA_NOTIFICATION_SET
pub const NOTIFICATION_SET: u32 = 0x8400_0081;
/// FFA_NOTIFICATION_GET
pub const NOTIFICATION_GET: u32 = 0x8400_0082;
/// FFA_NOTIFICATION_INFO_GET, SMC32
pub const NOTIFICATION_INFO_GET_32: u32 = 0x8400_0083;
/// FFA_NOTIFICATION_INFO_GET, SMC64
pub const NOTIFICATION_INFO_GET_64: u32 = 0xc400_0083;
/// FFA_RX_ACQUIRE
pub const RX_ACQUIRE: u32 = 0x8400_0084;
/// FFA_SPM_ID_GET
pub const SPM_ID_GET: u32 = 0x8400_0085;
/// FFA_MSG_SEND2
pub const MSG_SEND2: u32 = 0x8400_0086;
/// FFA_SECONDARY_EP_REGISTER, SMC32
pub const SECONDARY_EP_REGISTER_32: u32 = 0x8400_0087;
/// FFA_SECONDARY_EP_REGISTER, SMC64
pub const SECONDARY_EP_REGISTER_64: u32 = 0xc400_0087;
/// FFA_CONSOLE_LOG, SMC32
pub const CONSOLE_LOG_32: u32 = 0x8400_008a;
/// FFA_CONSOLE_LOG, SMC64
pub const CONSOLE_LOG_64: u32 = 0xc400_008a;
/// FFA_ABORT, SMC32 (FF-A 1.3)
pub const ABORT_32: u32 = 0x8400_0090;
/// FFA_ABORT, SMC64
pub const ABORT_64: u32 = 0xc400_0090;
/// FFA_PARTITION_INFO_GET_REGS
pub const PARTITION_INFO_GET_REGS: u32 = 0xc400_008b;
/// FFA_MSG_SEND_DIRECT_REQ2
pub const DIRECT_REQ2: u32 = 0xc400_008d;
/// FFA_MSG_SEND_DIRECT_RESP2
pub const DIRECT_RESP2: u32 = 0xc400_008e;

/// SYSTEM_OFF (PSCI, DEN0022)
pub const SYSTEM_OFF: u32 = 0x8400_0008;
/// SYSTEM_RESET
pub const SYSTEM_RESET: u32 = 0x8400_0009;
/// SYSTEM_RESET2, SMC32
pub const SYSTEM_RESET2_32: u32 = 0x8400_0012;
/// SYSTEM_RESET2, SMC64
pub const SYSTEM_RESET2_64: u32 = 0xc400_0012;

/// SMCCC_VERSION (DEN0028E)
pub const SMCCC_VERSION: u32 = 0x8000_0000;
/// SMCCC_ARCH_FEATURES
pub const SMCCC_ARCH_FEATURES: u32 = 0x8000_0001;
/// TRNG_VERSION (DEN0098)
pub const TRNG_VERSION: u32 = 0x8400_0050;
/// TRNG_FEATURES
pub const TRNG_FEATURES: u32 = 0x8400_0051;
/// TRNG_GET_UUID
pub const TRNG_GET_UUID: u32 = 0x8400_0052;
/// TRNG_RND32
pub const TRNG_RND_32: u32 = 0x8400_0053;
/// TRNG_RND64
pub const TRNG_RND_64: u32 = 0xc400_0053;
/// All functions of the TRNG firmware interface.
pub const TRNG: [u32; 5] = [
    TRNG_VERSION,
    TRNG_FEATURES,
    TRNG_GET_UUID,
    TRNG_RND_32,
    TRNG_RND_64,
];
/// Bulkhead's own: the calling partition's key. x0: 0, or NOT_SUPPORTED (-1) where the table gives it none;
/// x1 to x4: the key's 32 bytes, each register in little-endian order.
pub const PARTITION_KEY: u32 = 0xc600_0001;
/// Bulkhead's own: what the hypervisor knows of the system, a page at a time (`inspect`). x0: 0 with the page in x1 to
/// x7, NOT_SUPPORTED (-1) for a partition that the table does not let inspect, INVALID_PARAMETER (-3) where there is
/// no such page.
pub const INSPECT: u32 = 0xc600_0002;
/// Bulkhead's own: copies from the calling partition's window to its memory (`copy`). x0: 0, NOT_SUPPORTED (-1) for a
/// partition that the table does not let copy, INVALID_PARAMETER (-3).
pub const WINDOW_READ: u32 = 0xc600_0003;
/// Bulkhead's own: the same from its memory to its window.
pub const WINDOW_WRITE: u32 = 0xc600_0004;
/// Both of them.
pub const WINDOW: [u32; 2] = [WINDOW_READ, WINDOW_WRITE];
/// Bulkhead's own: half of a signature of what was measured at the start, for a verifier's nonce (`quote`). x0: 0 with 32
/// bytes in x1 to x4, NOT_SUPPORTED (-1) for a partition that the table lets have none, INVALID_PARAMETER (-3).
pub const QUOTE: u32 = 0xc600_0005;

/// Whether a function ID lies in the range that SMCCC reserves for FF-A (0x60 to 0xef of the
/// standard secure services).
#[must_use]
pub const fn is_ffa(id: u32) -> bool {
    id & 0xbfff_0000 == 0x8400_0000 && id & 0xffff >= 0x60 && id & 0xffff <= 0xef
}

/// Paravirtual: enable or disable a virtual interrupt.
pub const INTERRUPT_ENABLE: u32 = 0xff03;
/// Paravirtual: take the next pending interrupt.
pub const INTERRUPT_GET: u32 = 0xff04;
/// Paravirtual: an interrupt was dealt with.
pub const INTERRUPT_DEACTIVATE: u32 = 0xff08;
/// Paravirtual: change an owned interrupt.
pub const INTERRUPT_RECONFIGURE: u32 = 0xff09;
