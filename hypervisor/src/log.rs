//! The policy's notes as lines of the log.

use bulkhead_core::api::Note;

use crate::record;
use crate::table::TABLE;

/// A partition's name.
pub fn name(partition: usize) -> &'static str {
    TABLE.partitions.get(partition).map_or("?", |p| p.name)
}

/// Logs a note.
pub fn note(note: Note) {
    match note {
        Note::Started { partition } => defmt::debug!("{=str}: entered", name(partition)),
        Note::Ready { partition } => defmt::info!("{=str}: ready", name(partition)),
        Note::PowerTimeout { partition } => {
            defmt::warn!("{=str}: did not answer a power message in time", name(partition));
        }
        Note::Failed(failure) => record::keep(&failure),
        Note::Rests { partition, micros } => {
            defmt::warn!("{=str}: restarted in {=u64} us", name(partition), micros);
        }
        Note::Renewed { partition } => {
            defmt::warn!("{=str}: restarted with the normal world", name(partition));
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
            longest,
            since,
        } => defmt::info!(
            "{=str}: cleared, restored and measured in {=u32} slices of {=u64} us together, the longest {=u64} us, {=u64} us after its failure",
            name(partition),
            slices,
            micros,
            longest,
            since
        ),
        Note::Restarted { partition, since } => {
            defmt::info!(
                "{=str}: ready again {=u64} us after its failure",
                name(partition),
                since
            );
        }
        Note::NoManagedExit { partition } => defmt::warn!(
            "{=str}: leaves its managed exits unfinished: it is preempted at once from now on",
            name(partition)
        ),
        Note::Dropped { partition, bytes } => defmt::warn!(
            "{=str}: {=u64} bytes of its log were dropped: more than its quota",
            name(partition),
            bytes
        ),
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
