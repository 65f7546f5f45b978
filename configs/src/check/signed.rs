//! Packages that their vendors sign: what they need of the board, and that a file is one.

use std::path::Path;

use crate::board::Board;
use crate::draft::{Draft, Image, Partition, Signed, Signer};
use crate::emit::signed::{Unsigned, open};
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::resolve::beside;
use crate::rule::Rule;
use crate::source::Span;
use crate::units::hex;

/// Bounds of `slots` and `version`.
const SLOTS: std::ops::RangeInclusive<u64> = 1..=2;
const VERSIONS: std::ops::RangeInclusive<u64> = 0..=bulkhead_core::counter::MOST as u64;

/// Checks every partition's `signed`.
pub fn check(table: &Path, draft: &Draft, board: Option<&Board>, faults: &mut Faults) {
    for partition in &draft.partitions {
        let Some(image) = &partition.image else { continue };
        let Some(signed) = &image.signed else { continue };
        if let Some(board) = board {
            means(partition, signed, board, faults);
        }
        keys(partition, image, signed, faults);
        package(table, partition, image, signed, faults);
    }
}

fn fault(partition: &Partition, what: &str, span: &Span, label: &str, help: &str) -> Diagnostic {
    let title = format!("the package of {} {what}", partition.title());
    Diagnostic::new(Rule::Signed, title)
        .at(span, label.to_owned())
        .help(help)
}

/// What the board has to have for it.
fn means(partition: &Partition, signed: &Signed, board: &Board, faults: &mut Faults) {
    let board_has = |what: &str| format!("the board `{}` has no memory of the kind `{what}`", board.name);
    if !board.has_store() {
        let what = "cannot be read by the hypervisor";
        let help = "remove `signed`, or describe the board's store";
        faults.push(fault(partition, what, &signed.span, &board_has("store"), help));
    }
    let counted = signed.counted.as_ref().filter(|counted| counted.value);
    if let Some(counted) = counted.filter(|_| board.counters().is_none()) {
        let help = "remove `counted`";
        faults.push(fault(
            partition,
            "cannot be counted",
            &counted.span,
            &board_has("counters"),
            help,
        ));
    }
}

/// Which keys go together.
fn keys(partition: &Partition, image: &Image, signed: &Signed, faults: &mut Faults) {
    let mut wrong = |what: &str, span: &Span, label: &str, help: &str| {
        faults.push(fault(partition, what, span, label, help));
    };
    if let Some(slots) = signed
        .slots
        .as_ref()
        .filter(|slots| !SLOTS.contains(&slots.value))
    {
        wrong(
            "has no such number of slots",
            &slots.span,
            "this number",
            "use 1 or 2",
        );
    }
    if let Some(version) = signed
        .version
        .as_ref()
        .filter(|version| !VERSIONS.contains(&version.value))
    {
        wrong(
            "has a version that cannot be counted",
            &version.span,
            "this number",
            "use 0 to 3968",
        );
    }
    if let Some(digest) = &image.sha256 {
        let label = "and the table its digest";
        wrong(
            "is signed, which lets it be updated",
            &digest.span,
            label,
            "remove `sha256`, or `signed`",
        );
    }
    match (&image.build, &signed.by) {
        (Some(_), Some(by)) if by.value != Signer::Test => {
            let help = "write `by = \"test\"`, or take the vendor's package as `file`";
            let label = "its private key is not here";
            wrong("is built here, and a vendor signs it", &by.span, label, help);
        }
        (None, Some(by)) if by.value == Signer::Test => {
            let help = "write the vendor's public key";
            wrong(
                "is a file, and the test key signs what is built",
                &by.span,
                "this key",
                help,
            );
        }
        _ => {}
    }
    if let (None, Some(version)) = (&image.build, &signed.version) {
        wrong(
            "says its version itself",
            &version.span,
            "this one has no effect",
            "remove `version`",
        );
    }
}

/// A file has to be a package that this key signed.
fn package(table: &Path, partition: &Partition, image: &Image, signed: &Signed, faults: &mut Faults) {
    let (Some(file), Some(by), Some(uuid)) = (&image.file, &signed.by, &partition.uuid) else {
        return;
    };
    let Signer::Key(key) = by.value else { return };
    // One that cannot be read was reported.
    let Ok(content) = std::fs::read(beside(table, &file.value)) else {
        return;
    };
    let label = match open(&content, &key, &uuid.value) {
        Ok(_) => return,
        Err(Unsigned::NoPackage) => "this file is no signed package".to_owned(),
        Err(Unsigned::Refused(refusal)) => refusal.sentence().to_owned(),
        Err(Unsigned::Digest) => "its image is not the one that was signed".to_owned(),
    };
    let help = format!(
        "take the package that was signed with {} for this UUID",
        &hex(&key)[..16]
    );
    faults.push(fault(partition, "is not its vendor's", &file.span, &label, &help));
}
