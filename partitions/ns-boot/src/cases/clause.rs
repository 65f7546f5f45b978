//! Sections of the specification that cases check: of DEN0077A 1.2 where no other document is named.

/// Execution contexts.
pub const CONTEXTS: &str = "4.7";
/// Run-time models and call chains.
pub const CHAIN: &str = "8.3";
/// What a partition does with an interrupt of the normal world; managed exit.
pub const MANAGED_EXIT: &str = "9.3.1";
/// Status codes; calls that are not implemented.
pub const STATUS: &str = "12.2";
/// FFA_VERSION.
pub const VERSION: &str = "13.2";
/// FFA_FEATURES.
pub const FEATURES: &str = "13.3";
/// FFA_RX_ACQUIRE.
pub const RX_ACQUIRE: &str = "13.4";
/// FFA_RX_RELEASE.
pub const RX_RELEASE: &str = "13.5";
/// FFA_RXTX_MAP.
pub const RXTX_MAP: &str = "13.6";
/// FFA_RXTX_UNMAP.
pub const RXTX_UNMAP: &str = "13.7";
/// FFA_PARTITION_INFO_GET.
pub const INFO_GET: &str = "13.8";
/// FFA_PARTITION_INFO_GET_REGS.
pub const INFO_GET_REGS: &str = "13.9";
/// FFA_ID_GET.
pub const ID_GET: &str = "13.10";
/// FFA_SPM_ID_GET.
pub const SPM_ID_GET: &str = "13.11";
/// FFA_CONSOLE_LOG.
pub const CONSOLE_LOG: &str = "13.12";
/// FFA_MSG_WAIT.
pub const MSG_WAIT: &str = "14.1";
/// FFA_YIELD.
pub const YIELD: &str = "14.2";
/// FFA_RUN.
pub const RUN: &str = "14.3";
/// FFA_INTERRUPT.
pub const INTERRUPT: &str = "14.4";
/// FFA_MSG_SEND2.
pub const SEND2: &str = "15.1";
/// FFA_MSG_SEND_DIRECT_REQ.
pub const DIRECT_REQ: &str = "15.2";
/// FFA_MSG_SEND_DIRECT_RESP.
pub const DIRECT_RESP: &str = "15.3";
/// FFA_MSG_SEND_DIRECT_REQ2.
pub const DIRECT_REQ2: &str = "15.4";
/// FFA_MSG_SEND_DIRECT_RESP2.
pub const DIRECT_RESP2: &str = "15.5";
/// FFA_NOTIFICATION_BITMAP_CREATE.
pub const BITMAP_CREATE: &str = "16.1";
/// FFA_NOTIFICATION_BITMAP_DESTROY.
pub const BITMAP_DESTROY: &str = "16.2";
/// FFA_NOTIFICATION_BIND.
pub const BIND: &str = "16.3";
/// FFA_NOTIFICATION_UNBIND.
pub const UNBIND: &str = "16.4";
/// FFA_NOTIFICATION_SET.
pub const SET: &str = "16.5";
/// FFA_NOTIFICATION_GET.
pub const GET: &str = "16.6";
/// FFA_NOTIFICATION_INFO_GET.
pub const INFO_GET_N: &str = "16.7";
/// Framework messages of power management.
pub const POWER: &str = "18.2";
/// FFA_SECONDARY_EP_REGISTER.
pub const SECONDARY_EP: &str = "18.2";
/// FFA_MEM_DONATE.
pub const DONATE: &str = "DEN0140 2.1";
/// FFA_MEM_LEND.
pub const LEND: &str = "DEN0140 2.2";
/// FFA_MEM_SHARE.
pub const SHARE: &str = "DEN0140 2.3";
/// FFA_MEM_RETRIEVE_REQ.
pub const RETRIEVE: &str = "DEN0140 2.4";
/// FFA_MEM_RELINQUISH.
pub const RELINQUISH: &str = "DEN0140 2.6";
/// FFA_MEM_RECLAIM.
pub const RECLAIM: &str = "DEN0140 2.7";
/// Descriptors in fragments.
pub const FRAGMENTS: &str = "DEN0140 4.1.2";
/// Composite memory region descriptor.
pub const COMPOSITE: &str = "DEN0140 table 1.13";
/// Constituent memory region descriptor.
pub const CONSTITUENT: &str = "DEN0140 table 1.14";
/// Permissions.
pub const PERMISSIONS: &str = "DEN0140 table 1.15";
/// Endpoint memory access descriptor.
pub const RECEIVER: &str = "DEN0140 table 1.16";
/// Memory region attributes.
pub const ATTRIBUTES: &str = "DEN0140 table 1.18";
/// Memory transaction descriptor.
pub const TRANSACTION: &str = "DEN0140 table 1.20";
/// Flags of FFA_MEM_SHARE, LEND and DONATE.
pub const FLAGS: &str = "DEN0140 table 1.21";
/// Flags of FFA_MEM_RETRIEVE_REQ.
pub const RETRIEVE_FLAGS: &str = "DEN0140 table 1.22";
/// Handle and tag.
pub const HANDLE: &str = "DEN0140 1.10.2";
