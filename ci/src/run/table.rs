//! The table of TEEs that a run ends with.

use crate::build::Firmware;
use bulkhead_configs::Partition;
use std::collections::BTreeMap;

/// What a run found out about one TEE.
#[derive(Default, Clone)]
pub struct Outcome {
    /// Its device in Linux.
    pub device: String,
    /// Whether its client was answered rightly; none where there was no client.
    pub ok: Option<bool>,
    /// In words.
    pub detail: String,
}

/// Renders the table: one line for each partition.
pub fn render(firmware: &Firmware, outcomes: &BTreeMap<String, Outcome>) -> String {
    let head = [
        "TEE",
        "ID",
        "UUID",
        "image SHA-256",
        "cores",
        "secure memory",
        "device",
        "result",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    for partition in &firmware.system.partitions {
        let outcome = outcomes.get(&partition.name).cloned().unwrap_or_default();
        rows.push(row(firmware, partition, &outcome));
    }
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<_> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"))
            .collect();
        text += cells.join("  ").trim_end();
        text += "\n";
        if number == 0 {
            text += &"-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1));
            text += "\n";
        }
    }
    text
}

fn row(firmware: &Firmware, partition: &Partition, outcome: &Outcome) -> [String; 8] {
    let digest = firmware
        .digests
        .get(&partition.name)
        .map(String::as_str)
        .unwrap_or_default();
    let cores: Vec<_> = partition.cores.iter().map(usize::to_string).collect();
    let memory: Vec<_> = partition
        .memory
        .iter()
        .map(|region| format!("{:#010x}+{}", region.range.base, size(region.range.size)))
        .collect();
    let result = match outcome.ok {
        Some(true) => format!("ok: {}", outcome.detail),
        Some(false) => format!("FAILED: {}", outcome.detail),
        None if partition.dedicated => "not called: its core is its own".to_owned(),
        None if partition.client.is_none() => "not called: clients have no name for it".to_owned(),
        None => "no answer".to_owned(),
    };
    [
        partition.name.clone(),
        format!("{:#06x}", partition.id),
        partition.package_uuid_text(),
        digest
            .get(..16)
            .map_or(digest.to_owned(), |start| format!("{start}…")),
        cores.join(","),
        memory.join(" "),
        if outcome.device.is_empty() {
            "-".to_owned()
        } else {
            outcome.device.clone()
        },
        result,
    ]
}

/// A size in the largest unit that divides it.
fn size(bytes: u64) -> String {
    match bytes {
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_short() {
        assert_eq!(super::size(6 << 20), "6 MiB");
        assert_eq!(super::size(4608 << 10), "4608 KiB");
    }
}
