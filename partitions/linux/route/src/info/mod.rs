//! What runs in the secure world, as the hypervisor itself says: read from a TEE that serves it.
//!
//! [`page`] decodes the pages of the hypervisor's call (docs/inspect.md), [`call`] asks a TEE device for them,
//! [`show`] prints them, [`log`] puts the measurements into a
//! standard form, [`expected`] compares them with what the table's compiler said would run.

pub mod call;
pub mod expected;
pub mod log;
pub mod page;
pub mod show;
