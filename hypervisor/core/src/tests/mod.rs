//! Tests of the dispatcher: a machine without hardware, and events as the shell makes them.
extern crate std;

mod boot;
mod console;
mod direct;
mod discovery;
mod machine;
mod memory;
mod notification;
mod paravirtual;
mod preemption;
mod random;
mod rxtx;
mod table;
mod ticket;
