//! How GlobalPlatform clients find TEEs: what has to be true of such a TEE, and what each one hosts.

use crate::draft::{Caller, Cores, Draft, Message, Partition, Tee};
use crate::preset;
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::At;

use super::callers::may_send;
use super::messages::{taken, takes};

/// The most protocols of a partition.
const MOST_PROTOCOLS: usize = 8;

/// Checks protocols, clients and trusted applications.
pub fn check(draft: &Draft, faults: &mut Faults) {
    for partition in &draft.partitions {
        protocols(partition, faults);
        if partition.client.is_some() {
            callable(draft, partition, faults);
            protocol(partition, faults);
        }
        if let Some(Cores::Dedicated(_)) = &partition.cores {
            by_notification(partition, faults);
        }
    }
    applications(draft, faults);
}

fn protocols(partition: &Partition, faults: &mut Faults) {
    let Some(list) = &partition.uuids else {
        let tee = partition.tee.as_ref();
        if let Some(tee) = tee.filter(|tee| preset::of(tee.value).uuids.is_empty()) {
            let title = format!("{} names no protocol", partition.title());
            let fault = Diagnostic::new(Rule::Protocols, title);
            let fault = fault.at(&tee.span, "this kind of TEE has none of its own");
            faults.push(fault.help("add `uuids = [\"…\"]` with the UUIDs of what it speaks"));
        }
        return;
    };
    if list.value.is_empty() || list.value.len() > MOST_PROTOCOLS {
        let title = format!("{} names {} protocols", partition.title(), list.value.len());
        let fault = Diagnostic::new(Rule::Protocols, title).at(&list.span, "this list");
        faults.push(fault.help(format!("name 1 to {MOST_PROTOCOLS}")));
    }
    for (index, uuid) in list.value.iter().enumerate() {
        if uuid.value == [0; 16] {
            let title = format!("a protocol of {} is the nil UUID", partition.title());
            let fault = Diagnostic::new(Rule::NilUuid, title).at(&uuid.span, "this UUID");
            faults.push(fault.help("make one with `uuidgen`"));
        }
        if let Some(first) = list.value[..index].iter().find(|first| first.value == uuid.value) {
            let title = format!("{} names a protocol twice", partition.title());
            let fault = Diagnostic::new(Rule::Protocols, title);
            let fault = fault.at(&uuid.span, "again here").at(&first.span, "first here");
            faults.push(fault.help("remove one of the two"));
        }
    }
}

/// Linux sends its clients' calls as direct requests.
fn callable(draft: &Draft, partition: &Partition, faults: &mut Faults) {
    let Some(client) = &partition.client else { return };
    let dedicated = !partition.dedicated().is_empty();
    let known = |caller: &Caller| {
        let name = &caller.from.value;
        draft.is_normal(name) || draft.partition(name).is_some()
    };
    if !partition.callers.iter().flatten().all(known) {
        return;
    }
    // Without a list, the normal world is the one caller, and not limited.
    let callers = partition.callers.as_ref();
    let normal = |holds: &dyn Fn(&Caller) -> bool| {
        callers.is_none_or(|callers| {
            let mut normal = callers
                .iter()
                .filter(|caller| draft.is_normal(&caller.from.value));
            normal.any(holds)
        })
    };
    let shares = |caller: &Caller| caller.pages.as_ref().is_none_or(|pages| pages.value > 0);
    let (title, help) = if !normal(&|_| true) {
        (
            "takes no calls of the normal world",
            "add \"normal-world\" to its `callers`, or remove `client`",
        )
    } else if !takes(partition, Message::Direct) && !dedicated {
        (
            "takes no direct requests",
            "add \"direct\" to its `receives`, or remove `client`",
        )
    } else if !normal(&|caller| may_send(caller, partition, Message::Direct)) && !dedicated {
        (
            "takes no direct requests of the normal world",
            "add \"direct\" to the `messages` of a caller there, or remove `client`",
        )
    } else if !normal(&shares) {
        (
            "takes no memory of the normal world",
            "let a caller there share some `pages`, or remove `client`",
        )
    } else {
        return;
    };
    let title = format!("{} has clients but {title}", partition.title());
    let fault = Diagnostic::new(Rule::ClientCalls, title).at(&client.span, "the clients' name");
    let (span, label) = match &partition.callers {
        Some(callers) if takes(partition, Message::Direct) => match callers.first() {
            Some(caller) => (&caller.from.span, "its callers".to_owned()),
            None => (partition.place(), "nobody may call it".to_owned()),
        },
        _ => taken(partition),
    };
    faults.push(fault.at(span, label).help(help));
}

/// Linux's driver knows one protocol.
fn protocol(partition: &Partition, faults: &mut Faults) {
    let (Some(client), Some(tee)) = (&partition.client, &partition.tee) else {
        return;
    };
    // The test partition's clients are the cases of Bulkhead's own tests.
    let speaks = match &partition.uuids {
        _ if tee.value == Tee::Test => true,
        // An empty list was reported as such.
        Some(list) => {
            let mut uuids = list.value.iter();
            list.value.is_empty() || uuids.any(|uuid| uuid.value == preset::OPTEE_PROTOCOL)
        }
        None => preset::of(tee.value).uuids.contains(&preset::OPTEE_PROTOCOL),
    };
    if !speaks {
        let title = format!(
            "Linux's driver does not know the protocol of {}",
            partition.title()
        );
        let fault = Diagnostic::new(Rule::ClientProtocol, title).at(&client.span, "the clients' name");
        let list = partition.uuids.as_ref().map(|list| &list.span);
        let fault = fault.at(list.unwrap_or(&tee.span), "what it speaks");
        let uuid = uuid::Uuid::from_bytes(preset::OPTEE_PROTOCOL);
        faults.push(fault.help(format!(
            "add {uuid} to its `uuids` if it speaks it, or remove `client`"
        )));
    }
}

/// A partition with cores of its own is told of work by notifications.
fn by_notification(partition: &Partition, faults: &mut Faults) {
    let list = partition.receives.as_ref().map(|list| &list.span);
    let direct = [Message::Direct, Message::Direct2]
        .into_iter()
        .any(|kind| takes(partition, kind));
    let (title, help) = if direct {
        ("takes direct requests", "write `receives = [\"notifications\"]`")
    } else if !takes(partition, Message::Notifications) {
        (
            "takes no notifications",
            "add \"notifications\" to its `receives`",
        )
    } else {
        return;
    };
    let title = format!("{} has cores of its own and {title}", partition.title());
    let fault = Diagnostic::new(Rule::DedicatedCalls, title)
        .at(list.unwrap_or(partition.place()), "what it takes")
        .at(&partition.cores_span, "its cores are dedicated");
    faults.push(fault.help(help));
}

/// A trusted application is hosted by one TEE.
fn applications(draft: &Draft, faults: &mut Faults) {
    let mut seen: Vec<(&Partition, &At<[u8; 16]>)> = Vec::new();
    for partition in &draft.partitions {
        let Some(client) = &partition.client else { continue };
        for uuid in &client.applications {
            if let Some((owner, first)) = seen.iter().find(|(_, first)| first.value == uuid.value) {
                let shown = uuid::Uuid::from_bytes(uuid.value);
                let fault = Diagnostic::new(
                    Rule::ApplicationTwice,
                    format!("the trusted application {shown} is claimed twice"),
                );
                let fault = fault
                    .at(&uuid.span, format!("by {}", partition.title()))
                    .at(&first.span, format!("and by {}", owner.title()));
                faults.push(fault.help("leave it to one TEE; the other one is reached by name"));
            }
            seen.push((partition, uuid));
        }
    }
}
