//! The drop-in by which an unmodified GlobalPlatform client names its TEE.
//!
//! Stock libteec opens the first device that it finds, so with several TEEs a client cannot choose. This shared
//! library stands before libteec (`LD_PRELOAD`), or in its place under its name, and decides in `TEEC_InitializeContext`:
//!
//! - a name of the system's table (`/etc/bulkhead/tees.toml`) opens the device of that TEE;
//! - a client that passes NULL gets the TEE named in `BULKHEAD_TEE`; without one, each of its sessions goes to the TEE
//!   in which the table places the trusted application, else to the table's default, else to what stock finds;
//! - any other name goes to the stock function, which knows `optee-tz` and refuses the rest.
//!
//! The context is filled as stock libteec 4.x fills it, and every call to a TEE is the stock library's. A session's
//! structure names a stock context, so a session at another TEE is the stock library's too: the drop-in opens it on a
//! context of its own, which the client never sees, and steps in where memory of the client's context is used there.
//! A client that runs with more rights than its caller (set-user-ID) never takes a name from the environment.

mod abi;
pub mod choice;
pub mod devices;
pub mod info;
mod registry;
pub mod routes;
