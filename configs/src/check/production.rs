//! A table for what is sold: nothing in it may be open.

use crate::board::{Board, Secret};
use crate::draft::{Draft, Image, Partition, Profile, Signer, Tee};
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::Span;

/// Checks a table that says that it is one for production.
pub fn check(draft: &Draft, board: &Board, faults: &mut Faults) {
    let profile = draft.profile.as_ref();
    let Some(profile) = profile.filter(|profile| profile.value == Profile::Production) else {
        return;
    };
    let mut open = |what: String, span: &Span, label: &str, help: &str| {
        let fault = Diagnostic::new(Rule::Production, what).at(span, label.to_owned());
        faults.push(fault.help(help));
    };
    if board.secret == Secret::Test {
        let title = format!("everybody knows the root secret of the board `{}`", board.name);
        let help = "describe the product's board, with its own root secret or none";
        open(title, &profile.span, "for production", help);
    }
    if let Some((device, _)) = board.log() {
        let title = format!("the hypervisor's log leaves by `{}`", device.name);
        open(
            title,
            &profile.span,
            "for production",
            "write `log = \"none\"` in `hypervisor`",
        );
    }
    if draft.allow_unprotected {
        let title = "partitions may have memory that nothing protects".to_owned();
        open(
            title,
            &profile.span,
            "for production",
            "remove `allow-unprotected`",
        );
    }
    for partition in &draft.partitions {
        if let Some(tee) = partition.tee.as_ref().filter(|tee| tee.value == Tee::Test) {
            let title = format!("{} is a test", partition.title());
            open(
                title,
                &tee.span,
                "it does what its caller says",
                "remove the partition",
            );
        }
        if let Some(image) = &partition.image {
            package(partition, image, &mut open);
        }
    }
}

/// Which image runs has to be fixed by the table, or by its vendor's own key and a counter.
fn package(partition: &Partition, image: &Image, open: &mut impl FnMut(String, &Span, &str, &str)) {
    let Some(signed) = &image.signed else {
        if image.sha256.is_none() {
            let title = format!("the image of {} is whatever is built", partition.title());
            open(
                title,
                &image.span,
                "it has no digest",
                "write its `sha256`, or take it `signed` by its vendor",
            );
        }
        return;
    };
    if let Some(by) = signed.by.as_ref().filter(|by| by.value == Signer::Test) {
        let title = format!("everybody can sign the package of {}", partition.title());
        open(
            title,
            &by.span,
            "this key is public",
            "write its vendor's public key",
        );
    }
    if !signed.counted.as_ref().is_some_and(|counted| counted.value) {
        let title = format!("an old package of {} can come back", partition.title());
        open(
            title,
            &signed.span,
            "its version is not counted",
            "write `counted = true`",
        );
    }
}
