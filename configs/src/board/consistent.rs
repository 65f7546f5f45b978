//! What has to be true of a board's description by itself.

use super::parts::Named;
use super::{Device, Interrupt, Memory};
use crate::reader::{Faults, nearest};
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::{At, Span};
use crate::units::PAGE;

pub fn find_name<T>(all: &[Named<T>], name: &At<String>, what: &str, faults: &mut Faults) -> Option<usize> {
    let found = all.iter().position(|named| named.name.value == name.value);
    if found.is_none() {
        faults.push(wrong(
            &format!("there is no {what} `{}`", name.value),
            &name.span,
            "this name",
        ));
    }
    found
}

pub fn refuse_repeats<T>(all: &[Named<T>], what: &str, faults: &mut Faults) {
    for (index, named) in all.iter().enumerate() {
        if let Some(first) = all[..index]
            .iter()
            .find(|other| other.name.value == named.name.value)
        {
            let title = format!("the {what} `{}` is described twice", named.name.value);
            faults.push(wrong(&title, &named.name.span, "again here").at(&first.name.span, "first here"));
        }
    }
}

pub fn refuse_overlaps(all: &[Named<Memory>], faults: &mut Faults) {
    for (index, named) in all.iter().enumerate() {
        if let Some(first) = all[..index]
            .iter()
            .find(|other| other.item.range.overlaps(&named.item.range))
        {
            let title = format!(
                "the memory `{}` overlaps the memory `{}`",
                named.name.value, first.name.value
            );
            faults.push(wrong(&title, &named.name.span, "this memory").at(&first.name.span, "and this one"));
        }
    }
}

pub fn aligned(value: &At<u64>, faults: &mut Faults) -> Option<u64> {
    if value.value.is_multiple_of(PAGE) {
        return Some(value.value);
    }
    faults.push(wrong(
        "addresses and sizes of a board are multiples of 4 KiB",
        &value.span,
        "this number",
    ));
    None
}

pub fn wrong(title: &str, span: &Span, label: &str) -> Diagnostic {
    Diagnostic::new(Rule::Board, title)
        .at(span, label)
        .help("mend the board file")
}

/// Refuses devices with interrupts that the board does not have.
pub fn refuse_unknown(devices: &[Named<Device>], interrupts: &[Named<Interrupt>], faults: &mut Faults) {
    let known = || interrupts.iter().map(|named| named.name.value.as_str());
    for device in devices {
        for name in &device.item.interrupts {
            if !known().any(|interrupt| interrupt == name) {
                let title = format!("the device `{}` has no interrupt `{name}`", device.name.value);
                let fault = wrong(&title, &device.name.span, "this device");
                faults.push(match nearest(name, known()) {
                    Some(near) => fault.help(format!("did you mean `{near}`?")),
                    None => fault.help("describe it as an `[[interrupt]]`"),
                });
            }
        }
    }
}
