//! Any text as a board's file under a good table: an answer that can be shown, never a panic.
#![no_main]

use std::path::Path;

use bulkhead_configs::{Images, emit, load_bytes, picture, plan};
use libfuzzer_sys::fuzz_target;

const TABLE: &str = include_str!("../../tests/rules/good.toml");

fuzz_target!(|board: &str| {
    match load_bytes(
        Path::new("table.toml"),
        "table.toml",
        TABLE.as_bytes(),
        Some(board),
    ) {
        Err(report) => {
            let _ = report.to_string();
        }
        Ok(system) => {
            let _ = (picture(&system), plan::text(&system), plan::html(&system));
            let images = system
                .partitions
                .iter()
                .map(|partition| (partition.name.clone(), vec![1; 64]));
            let _ = emit(&system, &images.collect::<Images>());
        }
    }
});
