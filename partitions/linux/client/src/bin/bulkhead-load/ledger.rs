//! Compares what is lent to each TEE with what was before the load.

use std::time::Instant;

use crate::{SUITE, say};
use bulkhead_client::lent::{KEPT, Lent, lent};
use bulkhead_client::tees::Tee;

/// Compares with what was lent before the load, when the same clients had been and gone.
pub fn report(tees: &[Tee], before: &[Lent], start: Instant) -> Result<bool, String> {
    let mut ok = true;
    for ((tee, before), after) in tees.iter().zip(before).zip(lent(tees)?) {
        say::figure(
            SUITE,
            &tee.name,
            "shares in the hypervisor's ledger before",
            before.shares,
        );
        say::figure(
            SUITE,
            &tee.name,
            "shares in the hypervisor's ledger after",
            after.shares,
        );
        let good = after.shares <= before.shares + KEPT;
        let detail = format!("{before:?}, then {after:?}");
        ok &= say::case(SUITE, &tee.name, "no share is left behind", good, start, &detail);
    }
    Ok(ok)
}
