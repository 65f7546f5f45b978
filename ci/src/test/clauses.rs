//! Every clause of a specification that a comment or a page names has to be one that exists: this test
//! knows the sections, tables and chapters that are cited, and what they are about.

use std::fs;
use std::path::{Path, PathBuf};

/// Chapters, sections and tables of FF-A 1.2 (DEN0077A 1.2 REL0) that may be cited.
const FFA: &str = "\
    4.7 execution contexts; 5.2 manifests; 5.2.1 of partitions; 5.4 boot information; 6.1 IDs; 6.2 discovery; \
    7.2 RX and TX buffers; 7.3 indirect messages; 7.4 direct messages; 8.1 run-time models; 8.2 of FFA_RUN; \
    8.3 of direct requests; 8.4 of secure interrupts; 8.5 of initialisation; 9.2 call chains and cycles; \
    9.2.3 allocation of cycles; 9.2.4 chains of partitions; 9.3 interrupts; 9.3.1 non-secure ones, managed exit; \
    9.3.2 secure ones; 10.3 bitmaps; 10.4 set-up; 10.4.1 its interrupts; 10.4.2 binding; 10.5 signalling; \
    10.7 support of notifications; 10.8 framework notifications; 10.8.1 RX buffer full; 10.9 without a hypervisor; \
    10.10 with one; 11.2 reserved parameters; 12.2 FFA_ERROR; \
    12.3 FFA_SUCCESS; 13.2 VERSION; 13.2.2 its usage; 13.3 FEATURES; 13.4 RX_ACQUIRE; 13.5 RX_RELEASE; \
    13.6 RXTX_MAP; 13.7 RXTX_UNMAP; 13.8 PARTITION_INFO_GET; 13.9 PARTITION_INFO_GET_REGS; 13.10 ID_GET; \
    13.11 SPM_ID_GET; 13.12 CONSOLE_LOG; 14.1 MSG_WAIT; 14.2 YIELD; 14.3 RUN; 14.4 INTERRUPT; \
    14.5 NORMAL_WORLD_RESUME; 15.1 MSG_SEND2; 15.2 DIRECT_REQ; 15.3 DIRECT_RESP; 15.4 DIRECT_REQ2; \
    15.5 DIRECT_RESP2; 16.1 BITMAP_CREATE; 16.2 BITMAP_DESTROY; 16.3 BIND; 16.4 UNBIND; 16.5 SET; \
    16.5.1 delayed interrupt; 16.6 GET; 16.7 INFO_GET; 17.1 EL3_INTR_HANDLE; 18.2 power management; \
    18.2.2 secondary boot; 18.2.3 warm boot; 18.2.4 its messages; 18.3 availability of VMs; 18.3.2 its messages; \
    18.3.3 who hears of it; 18.5 older versions; 18.5.1 the partitions of 1.0; 18.5.2 its buffers; \
    table 5.1 partition properties; table 5.8 boot information; table 5.9 its header; table 6.1 partitions; \
    table 6.2 their properties; table 12.2 error codes; table 13.27 RX/TX descriptor; table 14.3 MSG_WAIT; \
    table 14.9 YIELD; table 18.6 power requests; table 18.7 warm boot; table 18.8 power responses; table 18.22 the partitions of 1.0; \
    chapter 4; chapter 5; chapter 6; chapter 7; chapter 8; chapter 9; chapter 10; chapter 11; chapter 12; \
    chapter 13; chapter 14; chapter 15; chapter 16; chapter 17; chapter 18";

/// Those of the memory management protocol (DEN0140 1.2).
const MEMORY: &str = "\
    1.9.2 donating; 1.10.1 access flags; 1.10 properties; 1.10.2 handles and tags; 1.10.3 access; 1.10.4 attributes; \
    1.10.4.1 security state; 1.11 transactions; 1.11.1 handles; 1.11.3 address ranges; 1.11.4 flags; 2.1 DONATE; 2.2 LEND; 2.3 SHARE; \
    2.4 RETRIEVE_REQ; 2.4.3 of a hypervisor; 2.5 RETRIEVE_RESP; 2.6 RELINQUISH; 2.7 RECLAIM; 2.8 PERM_GET; \
    2.9 PERM_SET; 4.1.1 buffers; 4.1.2 fragments; 4.1.3 time slices; 4.2.1 descriptors of 1.0; \
    table 1.13 composites; table 1.14 constituents; table 1.15 permissions; table 1.16 access; \
    table 1.17 access flags; table 1.18 attributes; table 1.19 security state; table 1.20 transactions; \
    table 1.21 flags; table 1.22 flags to retrieve; table 1.23 flags of what is retrieved; \
    table 2.25 relinquishing; table 2.31 reclaiming; table 4.17 the transactions of 1.0; \
    chapter 1; chapter 2; chapter 4";

/// Those of the SMC calling convention (DEN0028 E).
const SMCCC: &str = "2.6 32-bit arguments; 2.7 64-bit arguments";

/// The documents: how they are named in a citation, and what may be cited. The first one is meant where none is
/// named.
const DOCUMENTS: [(&str, &str); 3] = [("DEN0077A", FFA), ("DEN0140", MEMORY), ("DEN0028E", SMCCC)];

/// Other documents, whose clauses are not looked at.
const OTHERS: [&str; 5] = [
    "GPD_SPE_007",
    "IHI0069",
    "USENIX",
    "RFC 5869",
    "Devicetree Specification",
];

/// How many characters before a number its document may be named.
const REACH: usize = 70;

/// The text of comments and pages as one line: a citation may be broken anywhere.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.trim_start();
        line.trim_start_matches(['/', '!', '|', '*', '-', '#']).trim()
    });
    lines.collect::<Vec<_>>().join(" ")
}

/// The last document that is named before a place, and what may be cited of it; none for another document.
fn document(before: &str) -> Option<(&'static str, &'static str)> {
    let start = before.floor_char_boundary(before.len().saturating_sub(REACH));
    let near = &before[start..];
    let last = DOCUMENTS
        .iter()
        .filter_map(|document| Some((near.rfind(document.0)?, document)))
        .max();
    let other = OTHERS.iter().filter_map(|name| near.rfind(name)).max();
    match (last, other) {
        (None, None) => Some(DOCUMENTS[0]),
        (Some((place, document)), other) if other.is_none_or(|other| other < place) => Some(*document),
        _ => None,
    }
}

/// The numbers of a list like `15.2, 15.4 and 15.5`.
fn numbers(list: &str) -> Vec<&str> {
    let mut numbers = Vec::new();
    let mut rest = list;
    loop {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number = rest[..end].trim_end_matches('.');
        if number.is_empty() {
            return numbers;
        }
        numbers.push(number);
        let behind = &rest[number.len()..];
        let joint = [", and ", ", ", " and ", " to ", " or "]
            .iter()
            .find(|joint| behind.starts_with(**joint));
        match joint {
            Some(joint) => rest = &behind[joint.len()..],
            None => return numbers,
        }
    }
}

/// Whether a list of clauses has this one.
fn has(known: &str, clause: &str) -> bool {
    known
        .split(';')
        .map(str::trim)
        .any(|one| one == clause || one.starts_with(&format!("{clause} ")))
}

/// Whether a clause of the memory part follows its document without a version, as cases name it.
fn short(behind: &str) -> bool {
    let (unit, rest) = match behind.strip_prefix(" table ") {
        Some(rest) => ("table ", rest),
        None => ("", behind.trim_start()),
    };
    numbers(rest)
        .iter()
        .any(|number| has(MEMORY, &format!("{unit}{number}")))
}

/// What is wrong with the citations of a text.
fn faults(text: &str) -> Vec<String> {
    let line = one_line(text);
    let mut faults = Vec::new();
    for (place, name) in line
        .match_indices("DEN0077A")
        .chain(line.match_indices("DEN0140"))
    {
        let behind = &line[place + name.len()..];
        let bare = behind.starts_with([')', '"', '`']) || behind.is_empty();
        if !(behind.starts_with(" 1.2") || bare || (name == "DEN0140" && short(behind))) {
            let end = behind.floor_char_boundary(behind.len().min(30));
            faults.push(format!("{name}{}: which version?", &behind[..end]));
        }
    }
    for unit in ["section", "table", "chapter"] {
        let words = [
            format!("{unit} "),
            format!("{unit}s "),
            format!("{}{} ", unit[..1].to_uppercase(), &unit[1..]),
        ];
        for (place, word) in words.iter().flat_map(|word| line.match_indices(word.as_str())) {
            let Some((document, known)) = document(&line[..place]) else {
                continue;
            };
            for number in numbers(&line[place + word.len()..]) {
                let wanted = if unit == "section" {
                    number.to_owned()
                } else {
                    format!("{unit} {number}")
                };
                if !has(known, &wanted) {
                    faults.push(format!(
                        "{document}, {unit} {number}: no such clause is known here (clauses.rs)"
                    ));
                }
            }
        }
    }
    faults
}

/// All sources and pages below a folder.
fn texts(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if !["target", ".git", "corpus"]
                .iter()
                .any(|skipped| name == *skipped)
            {
                texts(&path, into);
            }
        } else if path.extension().is_some_and(|end| end == "rs" || end == "md") {
            into.push(path);
        }
    }
}

#[test]
fn every_clause_that_is_cited_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    texts(root, &mut files);
    assert!(
        files.len() > 100,
        "only {} files under {}",
        files.len(),
        root.display()
    );
    let mut all = Vec::new();
    for file in files
        .iter()
        .filter(|file| !file.ends_with("ci/src/test/clauses.rs"))
    {
        let text = fs::read_to_string(file).unwrap();
        let name = file.strip_prefix(root).unwrap().display();
        all.extend(faults(&text).into_iter().map(|fault| format!("{name}: {fault}")));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// What cases check is in short: "13.2", and "DEN0140 2.3" or "DEN0140 table 1.13" of the memory part.
#[test]
fn every_clause_of_a_case_exists() {
    let cases = include_str!("../../../partitions/ns-boot/src/cases/clause.rs");
    let clauses: Vec<_> = cases
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split('"').nth(1))
        .collect();
    assert!(clauses.len() > 20, "{clauses:?}");
    for clause in clauses {
        let (known, number) = match clause.strip_prefix("DEN0140 ") {
            Some(number) => (MEMORY, number),
            None => (FFA, clause),
        };
        assert!(has(known, number), "no clause {clause} is known here");
    }
}

#[test]
fn wrong_citations_are_found() {
    let good = "/// FFA_RUN (DEN0077A 1.2, section 14.3; FFA_MEM_SHARE: DEN0140 1.2,\n/// table 1.20).";
    assert_eq!(faults(good), Vec::<String>::new());
    assert_eq!(
        faults("(DEN0077A 1.2, sections 15.2 and 15.4) and Section 13.3."),
        Vec::<String>::new()
    );
    for bad in [
        "(DEN0077A, section 14.3)",
        "(DEN0077A 1.1, section 14.3)",
        "(DEN0077A 1.2, section 14.9)",
        "(DEN0077A 1.2, sections 14.3, 14.4 and 14.6)",
        "(DEN0077A 1.2, table 13.39)",
        "(DEN0140 1.2,\n/// section 13.2)",
        "Section 17.7: lists",
    ] {
        assert_eq!(faults(bad).len(), 1, "{bad}: {:?}", faults(bad));
    }
    assert_eq!(faults("(GPD_SPE_007, section 4.4)"), Vec::<String>::new());
    assert_eq!(faults("(IHI0069, sections 12.9 and 12.11)"), Vec::<String>::new());
}
