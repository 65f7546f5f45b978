//! The keys of a partition table.

use super::{Form, Key, Table, words};
use crate::draft::{
    ACTIONS, ALL_CORES, AT_ONCE, DELIVERIES, FAILURES, KINDS, MESSAGES, POWER, PROFILES, RIGHTS, TEES,
    TEST_KEY,
};

/// A partition table's file.
pub static FILE: Table = Table {
    title: "the file",
    doc: "A partition table: one system on one board.",
    keys: &[
        Key::required("system", Form::Table(&SYSTEM), "What holds for the whole system."),
        Key::optional(
            "partition",
            Form::Each(&Form::Table(&PARTITION)),
            "none, and a table needs one",
            "The compartments, each with its TEE.",
        ),
        Key::optional(
            "virtual-machine",
            Form::Each(&Form::Table(&VIRTUAL_MACHINE)),
            "the normal world is one caller",
            "Virtual machines of the normal world that are callers of their own.",
        ),
    ],
};

pub static SYSTEM: Table = Table {
    title: "`[system]`",
    doc: "What holds for the whole system.",
    keys: &[
        Key::required(
            "name",
            Form::Name,
            "Name of the system; its artefacts go to `target/bulkhead/<name>`.",
        ),
        Key::required("board", Form::Name, "A folder of `boards/`."),
        Key::required("hypervisor", Form::Table(&HYPERVISOR), "What the hypervisor has."),
        Key::optional(
            "profile",
            Form::Words(|| words(PROFILES)),
            "development",
            "What the table is for; one for `production` is refused where anything in it is open.",
        ),
        Key::optional(
            "trusted-boot",
            Form::Flag,
            "false",
            "Whether firmware checks the hypervisor with its table before it runs (TF-A's trusted boot). The hypervisor reads every package itself then.",
        ),
        Key::optional(
            "allow-unprotected",
            Form::Flag,
            "false",
            "Lets partitions use secure memory that the board's hardware does not protect.",
        ),
    ],
};

pub static HYPERVISOR: Table = Table {
    title: "`hypervisor`",
    doc: "What the hypervisor has.",
    keys: &[
        Key::required(
            "memory",
            Form::Size,
            "The hypervisor's memory, from the address to which the board's firmware loads it.",
        ),
        Key::optional(
            "log",
            Form::Name,
            "the board's device for it",
            "Where its log leaves: one of the board's `other-logs` leaves the board's own device for it to a partition; `none`: nowhere.",
        ),
    ],
};

pub static VIRTUAL_MACHINE: Table = Table {
    title: "a virtual machine",
    doc: "A virtual machine of the normal world, whose hypervisor vouches for its ID.",
    keys: &[
        Key::required("name", Form::Name, "A unique name."),
        Key::required(
            "id",
            Form::Integer(0x0001, 0x7fff),
            "FF-A endpoint ID with which its hypervisor relays its calls.",
        ),
        Key::optional(
            "contexts",
            Form::Integer(1, 64),
            "8",
            "The most execution contexts (vCPUs) that it may have.",
        ),
    ],
};

pub static PARTITION: Table = Table {
    title: "a partition",
    doc: "A compartment with its TEE.",
    keys: &[
        Key::required("name", Form::Name, "A unique name."),
        Key::required("id", Form::Integer(0x8001, 0x80ff), "FF-A endpoint ID."),
        Key::required(
            "tee",
            Form::Words(|| words(TEES)),
            "The kind of TEE: it chooses the defaults of other keys.",
        ),
        Key::required("image", Form::Table(&IMAGE), "The TEE's image."),
        Key::required("uuid", Form::Uuid, "UUID of the package in the FIP."),
        Key::optional(
            "uuids",
            Form::Each(&Form::Uuid),
            "the TEE's",
            "Protocols that discovery reports, 1 to 8.",
        ),
        Key::required(
            "memory",
            Form::Any(&[
                Form::Size,
                Form::Table(&MEMORY),
                Form::Each(&Form::Table(&MEMORY)),
            ]),
            "Secure memory: a size, a region, or a list of 1 to 8 regions; the first one holds the image.",
        ),
        Key::required(
            "cores",
            Form::Any(&[
                Form::Words(|| words(ALL_CORES)),
                Form::Each(&Form::Name),
                Form::Table(&CORES),
            ]),
            "Cores: all of the normal world's, or a list; one execution context on each.",
        ),
        Key::optional(
            "contexts",
            Form::Integer(1, 64),
            "one for each core",
            "Execution contexts: one for each core, or a single one.",
        ),
        Key::optional(
            "window",
            Form::Size,
            "32 MiB (OP-TEE), 8 MiB",
            "Addresses for memory that the normal world lends: 2 MiB to 512 MiB.",
        ),
        Key::optional(
            "shares",
            Form::Integer(1, 256),
            "128; test, other, sel4: 16",
            "Pieces of lent memory that it can hold at once.",
        ),
        Key::optional(
            "quotas",
            Form::Table(&QUOTAS),
            "the hypervisor's",
            "Further limits.",
        ),
        Key::optional(
            "preemption",
            Form::Any(&[Form::Words(|| words(AT_ONCE)), Form::Table(&PREEMPTION)]),
            "managed exit of 10 ms; test, other, sel4: at once",
            "What happens to it when the normal world has an interrupt.",
        ),
        Key::optional(
            "budget",
            Form::Duration,
            "none",
            "The time that one call to it, or one of its interrupts, may take, 1 ms to 60 s.",
        ),
        Key::optional(
            "callers",
            Form::Each(&Form::Any(&[Form::Name, Form::Table(&CALLER)])),
            "the normal world",
            "Who may deal with it: `normal-world`, and names of partitions and virtual machines.",
        ),
        Key::optional(
            "receives",
            Form::Each(&Form::Words(|| words(MESSAGES))),
            "the TEE's",
            "What it is sent: kinds of message from its callers, and word of virtual machines from their hypervisor.",
        ),
        Key::optional(
            "power-messages",
            Form::Each(&Form::Words(|| words(POWER))),
            "none",
            "The changes of its cores' power of which it is told.",
        ),
        Key::optional(
            "notifies",
            Form::Each(&Form::Name),
            "nobody",
            "The partitions to which it sends notifications; each takes them and lists it as a caller.",
        ),
        Key::optional(
            "s-interrupts-action",
            Form::Words(|| words(ACTIONS)),
            "signaled",
            "What its own interrupts do to another partition that has the core: take it at once, or wait until it leaves.",
        ),
        Key::optional(
            "interrupt-interface",
            Form::Words(|| words(DELIVERIES)),
            "paravirtual; sel4: vgic",
            "How interrupts reach it: by hypervisor calls, or by a virtual GICv3.",
        ),
        Key::optional(
            "boot-order",
            Form::Integer(0, 65535),
            "after all that have one",
            "Its place in the order of starts; lower starts first.",
        ),
        Key::optional(
            "devices",
            Form::Each(&Form::Name),
            "none",
            "Devices of the board that it owns.",
        ),
        Key::optional(
            "interrupts",
            Form::Each(&Form::Name),
            "none",
            "Interrupts of the board that it owns.",
        ),
        Key::optional(
            "quiesce",
            Form::Each(&Form::Table(&QUIESCE)),
            "nothing",
            "What is written to its devices when it fails, in this order, so that they are quiet.",
        ),
        Key::optional(
            "on-failure",
            Form::Any(&[Form::Words(|| words(FAILURES)), Form::Table(&RESTART)]),
            "stop",
            "What happens when it fails: it stops, the whole system halts, or it is restarted.",
        ),
        Key::optional(
            "key",
            Form::Flag,
            "false",
            "Whether it is given a key of its own, made from the board's root secret, its name and its digest.",
        ),
        Key::optional(
            "inspects",
            Form::Flag,
            "false",
            "Whether it may ask the hypervisor what runs here: names, IDs, digests and states of all partitions.",
        ),
        Key::optional(
            "quotes",
            Form::Flag,
            "false",
            "Whether it may have the hypervisor sign what was measured at the start, for a nonce, by a key made from the \
             board's root secret.",
        ),
        Key::optional(
            "copies",
            Form::Flag,
            "false; sel4: true",
            "Whether the hypervisor copies between its window and its own memory when it asks: for one that cannot map \
             the normal world's memory.",
        ),
        Key::optional(
            "client",
            Form::Table(&CLIENT),
            "no client reaches it by name",
            "How GlobalPlatform clients find it.",
        ),
    ],
};

pub static QUIESCE: Table = Table {
    title: "an entry of `quiesce`",
    doc: "A write to a register of a device of the partition's.",
    keys: &[
        Key::required("device", Form::Name, "The device."),
        Key::required(
            "offset",
            Form::Address,
            "The register: bytes from the device's first one.",
        ),
        Key::required("value", Form::Address, "What is written, 32 bits."),
    ],
};

pub static CALLER: Table = Table {
    title: "a caller",
    doc: "An endpoint that may deal with the partition, and how. For all others the partition does not exist. \
          A name alone is the same as a table with `from` alone.",
    keys: &[
        Key::required(
            "from",
            Form::Name,
            "`normal-world`, or the name of a partition or a virtual machine.",
        ),
        Key::optional(
            "messages",
            Form::Each(&Form::Words(|| words(KINDS))),
            "all that the partition takes",
            "The kinds of message that it may send to the partition.",
        ),
        Key::optional(
            "pages",
            Form::Integer(0, 1 << 20),
            "a partition: 0; the normal world: what the window holds",
            "The most pages of 4 KiB that the partition may hold of this caller's memory at any time.",
        ),
    ],
};

pub static IMAGE: Table = Table {
    title: "`image`",
    doc: "Where an image comes from: either `build`, or `file` with `sha256`.",
    keys: &[
        Key::optional(
            "build",
            Form::Words(|| words(TEES)),
            "a file",
            "The image is built here, by this recipe.",
        ),
        Key::optional(
            "file",
            Form::Text,
            "it is built",
            "The image is this file, relative to the table.",
        ),
        Key::optional(
            "sha256",
            Form::Digest,
            "any (a file needs one)",
            "The digest that the image must have.",
        ),
        Key::optional(
            "signed",
            Form::Table(&SIGNED),
            "the table has its digest",
            "The package is signed by its vendor, and read by the hypervisor from the board's store. A `file` is the package then.",
        ),
        Key::optional(
            "symbols",
            Form::Text,
            "none",
            "The ELF file of a `file`, relative to the table: failures are shown with its symbols.",
        ),
        Key::optional(
            "entry",
            Form::Size,
            "0",
            "Where the image is entered: bytes from its start.",
        ),
        Key::optional(
            "settings",
            Form::Each(&Form::Text),
            "none",
            "Settings of OP-TEE's build beside the table's own, each `CFG_NAME=value`.",
        ),
    ],
};

pub static SIGNED: Table = Table {
    title: "`signed`",
    doc: "What holds of a package that its vendor signs.",
    keys: &[
        Key::required(
            "by",
            Form::Any(&[Form::Digest, Form::Words(|| vec![TEST_KEY])]),
            "The vendor's public key (Ed25519, 64 hexadecimal digits); `test` for an image that is built here: by a key that everybody knows.",
        ),
        Key::optional(
            "slots",
            Form::Integer(1, 2),
            "1",
            "Packages of it in the FIP. Of two, the one with the higher version starts, and the other one where that fails its check.",
        ),
        Key::optional(
            "version",
            Form::Integer(0, 3968),
            "0",
            "The version of what is built and signed here.",
        ),
        Key::optional(
            "counted",
            Form::Flag,
            "false",
            "Whether its version is counted in the board's counters, so that a lower one never starts again.",
        ),
    ],
};

pub static MEMORY: Table = Table {
    title: "`memory`",
    doc: "A region of secure memory.",
    keys: &[
        Key::optional("base", Form::Address, "placed, see below", "Its first address."),
        Key::required("size", Form::Size, "Its length."),
        Key::optional(
            "rights",
            Form::Words(|| words(RIGHTS)),
            "rwx for the first region, else rw",
            "What stage 2 lets the partition do with it.",
        ),
    ],
};

pub static CORES: Table = Table {
    title: "`cores`",
    doc: "Cores of which the kind is said: either `called` or `dedicated`.",
    keys: &[
        Key::optional(
            "called",
            Form::Each(&Form::Name),
            "it has dedicated ones",
            "Cores that it borrows while the normal world waits for it.",
        ),
        Key::optional(
            "forward",
            Form::Flag,
            "false",
            "Calls of the normal world from cores that are not listed are carried to one that is.",
        ),
        Key::optional(
            "dedicated",
            Form::Each(&Form::Name),
            "it has called ones",
            "Cores that belong to it alone; the normal world never sees them.",
        ),
    ],
};

pub static QUOTAS: Table = Table {
    title: "`quotas`",
    doc: "Further limits of what a partition can take of the hypervisor.",
    keys: &[
        Key::optional(
            "ranges",
            Form::Integer(1, 65536),
            "what the hypervisor has, for all together",
            "Ranges of addresses in the memory that it holds.",
        ),
        Key::optional(
            "log",
            Form::Size,
            "64 KiB",
            "Bytes of log in a second, and at once, 64 B to 1 MiB; what is more is dropped.",
        ),
    ],
};

pub static PREEMPTION: Table = Table {
    title: "`preemption`",
    doc: "What happens to a partition when the normal world has an interrupt: one of these.",
    keys: &[
        Key::optional(
            "managed-exit",
            Form::Duration,
            "the other one",
            "It is told, and given this long to leave: 1 us to 1 s.",
        ),
        Key::optional(
            "queued",
            Form::Duration,
            "the other one",
            "The interrupt waits while it runs, but no longer than this: 1 us to 1 s.",
        ),
    ],
};

pub static RESTART: Table = Table {
    title: "`on-failure`",
    doc: "It is restarted from its pristine image.",
    keys: &[
        Key::required(
            "restart",
            Form::Integer(1, 1000),
            "How often it is restarted; then it stops.",
        ),
        Key::optional(
            "back-off",
            Form::Duration,
            "100 ms",
            "How long it rests before the first restart; twice as long before each next one.",
        ),
        Key::optional(
            "within",
            Form::Duration,
            "for ever",
            "Counting and resting begin anew at a failure that comes later than this after the one before, 1 s to 3600 s.",
        ),
        Key::optional(
            "with-normal-world",
            Form::Flag,
            "false",
            "Whether it is restarted, too, without a rest, when the normal world starts anew without a word.",
        ),
        Key::optional(
            "repeats",
            Form::Integer(0, 0xffff_ffff),
            "for `optee` 5, its driver's request to enable notifications; else nothing",
            "How a request of the normal world begins (w3) that each new instance is given again: what a driver says once.",
        ),
        Key::optional(
            "rebind",
            Form::Flag,
            "false",
            "Whether Linux then closes its clients, stops its supplicant and binds its driver anew: for a TEE that needs it.",
        ),
    ],
};

pub static CLIENT: Table = Table {
    title: "`client`",
    doc: "How GlobalPlatform clients find a TEE.",
    keys: &[
        Key::required("name", Form::Name, "The name that clients use."),
        Key::optional(
            "default",
            Form::Flag,
            "false",
            "Whether clients that name no TEE get this one.",
        ),
        Key::optional(
            "applications",
            Form::Each(&Form::Uuid),
            "none are named",
            "Trusted applications that it hosts: clients that name no TEE reach them here.",
        ),
    ],
};
