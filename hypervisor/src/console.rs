//! Partitions' consoles: whole lines, each with its partition's name, in the log.

use heapless::Vec;
use spin::Mutex;

use crate::log;
use crate::table::PARTITIONS;

/// Longest line; what is longer is cut into several.
const LINE: usize = 160;

static LINES: [Mutex<Vec<u8, LINE>>; PARTITIONS] = [const { Mutex::new(Vec::new()) }; PARTITIONS];

/// Takes output of a partition, and logs each line that it completes.
pub fn write(partition: usize, bytes: &[u8]) {
    let Some(line) = LINES.get(partition) else { return };
    let mut line = line.lock();
    for byte in bytes {
        match byte {
            b'\n' => flush(partition, &mut line),
            b'\r' | 0 => {}
            _ => {
                if line.push(*byte).is_err() {
                    flush(partition, &mut line);
                    let _ = line.push(*byte);
                }
            }
        }
    }
}

fn flush(partition: usize, line: &mut Vec<u8, LINE>) {
    let name = log::name(partition);
    // What is not text is shown as bytes: a partition may send anything.
    match core::str::from_utf8(line) {
        Ok(text) => defmt::println!("{=str}| {=str}", name, text),
        Err(_) => defmt::println!("{=str}| {=[u8]:a}", name, line.as_slice()),
    }
    line.clear();
}
