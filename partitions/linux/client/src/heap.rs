//! What an OP-TEE says of its own memory: its heap, and the memory of its trusted applications.

use bulkhead_client::options::Options;

use crate::teec::{Context, Parameter, Session, Uuid};

/// OP-TEE's pseudo-application of statistics (`CFG_WITH_STATS`), and its command for allocations.
const STATISTICS: Uuid = Uuid::new(0xd96a5b40_e2c7_b1af_8794_1002a5d5c61b);
const ALLOCATIONS: u32 = 1;
/// The pools that say something, as the command numbers them from 1: the core's heap, and trusted applications.
const POOLS: [(u32, &str); 2] = [(1, "heap"), (3, "applications")];
/// `struct pta_stats_alloc`: a description, a 64-bit sum, then 32-bit words: allocated, most ever, size, failures.
const RECORD: usize = 64;
const ALLOCATED: usize = 40;
const FAILURES: usize = 52;

/// Prints a line for each pool: its name, the bytes in use, and how many allocations have failed.
pub fn run(options: &Options) -> Result<(), String> {
    if options.kind.is_ours() {
        return Err("the Rust TEE has no heap".into());
    }
    let plain = |error: crate::teec::Error| error.to_string();
    let context = Context::new(&options.tee).map_err(plain)?;
    let mut session = Session::open(&context, STATISTICS).map_err(plain)?;
    for (pool, name) in POOLS {
        let (mut record, mut size) = ([0; RECORD], 0);
        let parameters = [
            Parameter::ValueIn(pool, 0),
            Parameter::Out(&mut record, &mut size),
        ];
        session.invoke(ALLOCATIONS, parameters).map_err(plain)?;
        if size != RECORD {
            return Err(format!("a record of {size} bytes, and {RECORD} were expected"));
        }
        let word =
            |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
        println!("{name} {} {}", word(ALLOCATED), word(FAILURES));
    }
    Ok(())
}
