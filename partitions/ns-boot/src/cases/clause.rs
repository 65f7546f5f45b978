//! Sections of the specification that cases check: of DEN0077A 1.2 where no other document is named.

/// Status codes; calls that are not implemented.
pub const STATUS: &str = "12.2";
/// FFA_VERSION.
pub const VERSION: &str = "13.2";
/// FFA_FEATURES.
pub const FEATURES: &str = "13.3";
/// FFA_RX_RELEASE.
pub const RX_RELEASE: &str = "13.5";
/// FFA_RXTX_MAP.
pub const RXTX_MAP: &str = "13.6";
/// FFA_PARTITION_INFO_GET.
pub const INFO_GET: &str = "13.8";
/// FFA_PARTITION_INFO_GET_REGS.
pub const INFO_GET_REGS: &str = "13.9";
/// FFA_ID_GET.
pub const ID_GET: &str = "13.10";
/// FFA_SPM_ID_GET.
pub const SPM_ID_GET: &str = "13.11";
/// FFA_YIELD.
pub const YIELD: &str = "14.2";
/// FFA_RUN.
pub const RUN: &str = "14.3";
/// FFA_INTERRUPT.
pub const INTERRUPT: &str = "14.4";
/// FFA_MSG_SEND_DIRECT_REQ.
pub const DIRECT_REQ: &str = "15.2";
/// FFA_MSG_SEND_DIRECT_RESP.
pub const DIRECT_RESP: &str = "15.3";
/// FFA_MSG_SEND_DIRECT_REQ2.
pub const DIRECT_REQ2: &str = "15.4";
/// What a partition does with an interrupt of the normal world; managed exit.
pub const MANAGED_EXIT: &str = "9.3.1";
/// Framework messages of power management.
pub const POWER: &str = "18.2";
/// Execution contexts.
pub const CONTEXTS: &str = "4.7";
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
/// FFA_NOTIFICATION_BITMAP_CREATE.
pub const BITMAP_CREATE: &str = "16.1";
/// FFA_NOTIFICATION_BIND.
pub const BIND: &str = "16.3";
/// FFA_NOTIFICATION_SET.
pub const SET: &str = "16.5";
