//! The hypervisor's view for people, as a table, and for programs, as JSON.

use std::fmt::Write;

use super::page::{Partition, System};

/// Digits of a digest that people see.
const SHORT: usize = 16;

/// For people: a line about the system, and a table of the partitions.
pub fn table(system: &System) -> String {
    let mut out = format!(
        "Bulkhead {}, FF-A {}, table {} {} on {}; memory lent: {} pages in {} shares\n\n",
        version(&system.hypervisor),
        version(&system.ffa),
        system.table,
        &hex(&system.sha256)[..SHORT],
        system.board,
        system.pages,
        system.shares,
    );
    let head = [
        "NAME", "ID", "STATE", "RESTARTS", "CORES", "SHARES", "PAGES", "IN USE", "SENT", "IMAGE",
    ];
    let mut rows = vec![head.map(String::from)];
    rows.extend(system.partitions.iter().map(row));
    let widths: Vec<usize> = (0..head.len())
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    for row in rows {
        let mut line = String::new();
        for (text, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{text:<width$}  ");
        }
        out += line.trim_end();
        out.push('\n');
    }
    out += &budgets(system);
    out += &failures(system);
    out
}

/// A line for each partition whose calls have a budget.
fn budgets(system: &System) -> String {
    let bounded = system
        .partitions
        .iter()
        .filter_map(|partition| Some((partition, partition.budget?)));
    let lines: Vec<String> = bounded
        .map(|(partition, budget)| {
            format!(
                "\na call of {} may take {} ms; the longest took {}.{:03} ms",
                partition.name,
                budget.most / 1_000,
                budget.longest / 1_000,
                budget.longest % 1_000
            )
        })
        .collect();
    match lines.len() {
        0 => String::new(),
        _ => lines.concat() + "\n",
    }
}

/// A line for each partition that has failed.
fn failures(system: &System) -> String {
    let failed = system
        .partitions
        .iter()
        .filter_map(|partition| Some((partition, partition.failure?)));
    let mut out = String::new();
    for (partition, failure) in failed {
        let _ = write!(
            out,
            "\n{} has failed {}, last {} s ago on core {}: {}",
            partition.name,
            times(failure.count),
            failure.ago / 1_000_000,
            failure.core,
            failure.why()
        );
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

fn times(count: u32) -> String {
    match count {
        1 => "once".into(),
        2 => "twice".into(),
        _ => format!("{count} times"),
    }
}

fn row(partition: &Partition) -> [String; 10] {
    [
        partition.name.clone(),
        format!("{:#06x}", partition.id),
        partition.state.word(),
        partition.restarts.to_string(),
        cores(partition.cores),
        partition.shares.to_string(),
        partition.pages.to_string(),
        partition.retrieved.to_string(),
        partition.sent.to_string(),
        hex(&partition.sha256)[..SHORT].to_owned(),
    ]
}

/// Numbers of the bits that are set, runs of them as `0-3`.
fn cores(mask: u64) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut core = 0;
    while core < 64 {
        let first = core;
        while core < 64 && mask >> core & 1 == 1 {
            core += 1;
        }
        match core - first {
            0 => {}
            1 => parts.push(first.to_string()),
            _ => parts.push(format!("{first}-{}", core - 1)),
        }
        core += 1;
    }
    parts.join(",")
}

/// For programs: one JSON object on one line. Keys are only ever added.
pub fn json(system: &System) -> String {
    let partitions: Vec<String> = system.partitions.iter().map(object).collect();
    // Names have letters, digits and dashes only: there is nothing to escape.
    format!(
        "{{\"hypervisor\":\"{}\",\"ffa\":\"{}\",\"table\":\"{}\",\"board\":\"{}\",\"sha256\":\"{}\",\"shares\":{},\"pages\":{},\
         \"partitions\":[{}]}}\n",
        version(&system.hypervisor),
        version(&system.ffa),
        system.table,
        system.board,
        hex(&system.sha256),
        system.shares,
        system.pages,
        partitions.join(",")
    )
}

fn object(partition: &Partition) -> String {
    let Partition {
        name,
        id,
        restarts,
        cores,
        shares,
        pages,
        retrieved,
        sent,
        ..
    } = partition;
    let interrupts = partition.interrupts.map_or(String::new(), |(came, held)| {
        format!(",\"interrupts\":{came},\"held\":{held}")
    });
    let failure = partition.failure.map_or(String::new(), |last| {
        format!(
            ",\"failures\":{},\"failed\":{{\"cause\":\"{}\",\"core\":{},\"detail\":{},\"microseconds-ago\":{}}}",
            last.count,
            last.word(),
            last.core,
            last.detail,
            last.ago
        )
    });
    let budget = partition.budget.map_or(String::new(), |budget| {
        format!(",\"budget\":{},\"longest\":{}", budget.most, budget.longest)
    });
    format!(
        "{{\"name\":\"{name}\",\"id\":{id},\"state\":\"{}\",\"restarts\":{restarts},\"cores\":{cores},\"sha256\":\"{}\",\
         \"shares\":{shares},\"pages\":{pages},\"retrieved\":{retrieved},\"sent\":{sent}{interrupts}{budget}{failure}}}",
        partition.state.word(),
        hex(&partition.sha256),
    )
}

/// A version's parts with dots between them.
pub fn version(parts: &[u16]) -> String {
    let parts: Vec<String> = parts.iter().map(u16::to_string).collect();
    parts.join(".")
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::page::{read, tests::answer};
    use super::*;

    #[test]
    fn people_get_an_aligned_table() {
        let text = table(&read(answer).expect("good"));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "Bulkhead 1.3.4, FF-A 1.2, table phone efcdab8967452301 on qemu-virt; memory lent: 40 pages in 3 shares",
                "",
                "NAME      ID      STATE    RESTARTS  CORES  SHARES  PAGES  IN USE  SENT  IMAGE",
                "vendor-a  0x8001  running  0         0-3    3       40     8       0     ffffffffffffffff",
                "vendor-b  0x8002  stopped  5         0      0       0      0       1     ffffffffffffffff",
                "",
                "a call of vendor-a may take 100 ms; the longest took 12.345 ms",
                "",
                "vendor-b has failed 6 times, last 1 s ago on core 3: it did what it must not: a store (0x92000047)",
            ]
        );
    }

    #[test]
    fn programs_get_json() {
        let text = json(&read(answer).expect("good"));
        assert!(text.starts_with(
            r#"{"hypervisor":"1.3.4","ffa":"1.2","table":"phone","board":"qemu-virt","sha256":"efcdab"#
        ));
        let b = r#"{"name":"vendor-b","id":32770,"state":"stopped","restarts":5,"cores":1,"sha256":"ff"#;
        assert!(text.contains(b), "{text}");
        assert!(
            text.ends_with(
                "\"shares\":0,\"pages\":0,\"retrieved\":0,\"sent\":1,\"interrupts\":0,\"held\":0,\"failures\":6,\"failed\":\
                 {\"cause\":\"fault\",\"core\":3,\"detail\":2449473607,\"microseconds-ago\":1500000}}]}\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn cores_are_runs() {
        for (mask, text) in [
            (0, ""),
            (1, "0"),
            (0b1111, "0-3"),
            (0b1101, "0,2-3"),
            (u64::MAX, "0-63"),
            (1 << 63, "63"),
        ] {
            assert_eq!(cores(mask), text, "{mask:#x}");
        }
    }
}
