//! The drop-in by which an unmodified GlobalPlatform client names its TEE.
//!
//! Stock libteec opens the first device that it finds, so with several TEEs a client cannot choose. This shared
//! library stands before libteec (`LD_PRELOAD`) and replaces one function, `TEEC_InitializeContext`:
//!
//! - a name of the system's table (`/etc/bulkhead/tees.toml`) opens the device of that TEE;
//! - a client that passes NULL gets the TEE named in `BULKHEAD_TEE`, else the table's default, else what stock does;
//! - any other name goes to the stock function, which knows `optee-tz` and refuses the rest.
//!
//! The context is filled as stock libteec 4.x fills it, and every later call is the stock library's. A client that
//! runs with more rights than its caller (set-user-ID) never takes a name from the environment.

mod abi;
pub mod choice;
pub mod devices;
pub mod routes;
