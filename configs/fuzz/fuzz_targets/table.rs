//! Any bytes as a table: an answer that can be shown, never a panic; and what is accepted is drawn, expanded and made.
#![no_main]

use std::path::Path;

use bulkhead_configs::{Images, Severity, emit, expand, load_bytes, picture, plan};
use libfuzzer_sys::fuzz_target;

const BOARD: &str = include_str!("../../../boards/qemu-virt/board.toml");

fuzz_target!(|bytes: &[u8]| {
    let table = Path::new("table.toml");
    match load_bytes(table, "table.toml", bytes, Some(BOARD)) {
        Err(report) => {
            assert!(!report.diagnostics.is_empty());
            let _ = (report.to_string(), report.json(Severity::Error));
        }
        Ok(system) => {
            let again = load_bytes(table, "table.toml", expand(&system).as_bytes(), Some(BOARD));
            let again = again.expect("what is expanded is as good as the table");
            assert_eq!(plan::diff(&system, &again), "");
            let _ = (picture(&system), plan::text(&system), plan::html(&system));
            let images = system
                .partitions
                .iter()
                .map(|partition| (partition.name.clone(), vec![1; 64]));
            let _ = emit(&system, &images.collect::<Images>());
        }
    }
});
