//! The policy's notes as lines of the log.

use bulkhead_core::api::Note;

use crate::table::TABLE;

fn name(partition: usize) -> &'static str {
    TABLE.partitions.get(partition).map_or("?", |p| p.name)
}

/// What a partition did, in words, by the exception class of ESR_EL2 (DDI0487, ESR_EL2).
fn what(syndrome: u64) -> &'static str {
    const WRITE: u64 = 1 << 6;
    match syndrome >> 26 & 0x3f {
        0x00 => "an undefined instruction or a system error",
        0x01 => "waiting for an interrupt or event",
        0x07 | 0x19 | 0x1d => "a vector or matrix instruction",
        0x09 => "pointer authentication",
        0x18 => "a trapped system register or cache instruction",
        0x20 | 0x21 => "fetching an instruction",
        0x24 | 0x25 if syndrome & WRITE != 0 => "a store",
        0x24 | 0x25 => "a load",
        0x2f => "a system error",
        _ => "a trapped exception",
    }
}

/// Logs a note.
pub fn note(note: Note) {
    match note {
        Note::Started { partition } => defmt::debug!("{=str}: entered", name(partition)),
        Note::Ready { partition } => defmt::info!("{=str}: ready", name(partition)),
        Note::StartFailed { partition } => {
            defmt::error!("{=str}: failed to start", name(partition));
        }
        Note::StartTimeout { partition } => {
            defmt::error!("{=str}: did not start in time", name(partition));
        }
        Note::OverBudget { context } => defmt::error!(
            "{=str}: failed on core {=u8}: a call took longer than its budget",
            name(context.partition),
            context.home
        ),
        Note::PowerTimeout { partition } => {
            defmt::warn!("{=str}: did not answer a power message in time", name(partition));
        }
        Note::Stopped { context, fault } => defmt::error!(
            "{=str}: failed on core {=u8} by {=str}: syndrome {=u64:#x} pc {=u64:#x} address {=u64:#x} ipa {=u64:#x}",
            name(context.partition),
            context.home,
            what(fault.syndrome),
            fault.syndrome,
            fault.pc,
            fault.address,
            fault.ipa
        ),
        Note::Aborted { context, code } => defmt::error!(
            "{=str}: gave itself up on core {=u8} with code {=u32:#x}",
            name(context.partition),
            context.home,
            code
        ),
        Note::Rests { partition, micros } => {
            defmt::warn!("{=str}: restarted in {=u64} us", name(partition), micros);
        }
        Note::GivenUp { partition } => {
            defmt::error!(
                "{=str}: has failed more often than it is restarted; it stays stopped",
                name(partition)
            );
        }
        Note::NotRestored { partition } => defmt::error!(
            "{=str}: the stored image's SHA-256 is not the table's; it stays stopped",
            name(partition)
        ),
        Note::Restored {
            partition,
            slices,
            micros,
            since,
        } => defmt::info!(
            "{=str}: cleared, restored and measured in {=u32} slices of {=u64} us together, {=u64} us after its failure",
            name(partition),
            slices,
            micros,
            since
        ),
        Note::Restarted { partition, since } => {
            defmt::info!(
                "{=str}: ready again {=u64} us after its failure",
                name(partition),
                since
            );
        }
        Note::UnownedInterrupt { intid } => {
            defmt::warn!("interrupt {=u32} has no owner: it is disabled", intid);
        }
        Note::Storm {
            partition,
            intid: Some(intid),
            held,
        } => defmt::warn!(
            "{=str}: interrupt {=u32} comes too often, and was held back: {=u32} times by now",
            name(partition),
            intid,
            held
        ),
        Note::Storm { partition, held, .. } => defmt::warn!(
            "{=str}: its SGIs and timers come too often, and were held back: {=u32} times by now",
            name(partition),
            held
        ),
        Note::Preemptions {
            partition,
            total,
            managed,
            forced,
            migrated,
        } => defmt::debug!(
            "{=str}: preempted {=u32} managed {=u32} forced {=u32} migrated {=u32}",
            name(partition),
            total,
            managed,
            forced,
            migrated
        ),
    }
}
