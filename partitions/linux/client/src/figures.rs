//! A record of a period, for people and scripts: a line for each figure, its name first.

use sensors::record::{Record, start};
use std::fmt::Write;

/// The shares of periods that are told, of a million, and their names.
const SHARES: [(u64, &str); 4] = [
    (500_000, "median-ns"),
    (990_000, "p99-ns"),
    (999_000, "p99.9-ns"),
    (999_900, "p99.99-ns"),
];

/// The lines. `least-ns` and `most-ns` are those since the start of the sensors; the others are of the record's periods,
/// lateness as the end of its bucket. `late-from-ns` is a bucket that is not empty: where it starts, and how many
/// periods are in it.
#[must_use]
pub fn lines(record: &Record) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: u64| {
        let _ = writeln!(text, "{name} {value}");
    };
    line("period-ns", record.period);
    line("periods", record.periods);
    line("missed", record.missed);
    line("asked", record.asked);
    line("least-ns", record.least);
    for (share, name) in SHARES {
        line(name, record.at_most(share).unwrap_or(0));
    }
    line("latest-ns", record.at_most(1_000_000).unwrap_or(0));
    line("most-ns", record.most);
    for (bucket, count) in record.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
        let from = if bucket == 0 { 0 } else { start(bucket) };
        let _ = writeln!(text, "late-from-ns {from} {count}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_its_line() {
        let mut record = Record::new(1_000_000);
        for late in [10, 2_000, 2_100, 1_200_000] {
            record.began(late);
        }
        let text = "period-ns 1000000\nperiods 4\nmissed 1\nasked 0\nleast-ns 10\nmedian-ns 2047\np99-ns 1200000\n\
                    p99.9-ns 1200000\np99.99-ns 1200000\nlatest-ns 1200000\nmost-ns 1200000\nlate-from-ns 0 1\n\
                    late-from-ns 1792 1\nlate-from-ns 2048 1\nlate-from-ns 1048576 1\n";
        assert_eq!(lines(&record), text);
    }
}
