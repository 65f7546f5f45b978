//! The keys of a board's description.

use super::{Form, Key, Table, words};
use crate::board::{KINDS, OWNERS, SECRETS, TRIGGERS};

/// A board's file.
pub static BOARD: Table = Table {
    title: "the file",
    doc: "A board: what the machine has, by name.",
    keys: &[
        Key::required("board", Form::Table(&HEAD), "The board itself."),
        Key::required("core", Form::Each(&Form::Table(&CORE)), "Its cores."),
        Key::required("memory", Form::Each(&Form::Table(&MEMORY)), "Its memory."),
        Key::required(
            "hypervisor",
            Form::Table(&HYPERVISOR),
            "What the hypervisor takes of it.",
        ),
        Key::required(
            "gic",
            Form::Table(&GIC),
            "Its interrupt controller, a GICv3 or a later one in its manner.",
        ),
        Key::optional(
            "smmu",
            Form::Table(&SMMU),
            "devices' accesses are not checked",
            "What checks the accesses of devices.",
        ),
        Key::required("firmware", Form::Table(&FIRMWARE), "Limits of its firmware."),
        Key::optional(
            "optee",
            Form::Table(&OPTEE),
            "OP-TEE does not know it",
            "OP-TEE's words for it.",
        ),
        Key::required("device", Form::Each(&Form::Table(&DEVICE)), "Its devices."),
        Key::required(
            "interrupt",
            Form::Each(&Form::Table(&INTERRUPT)),
            "Its interrupts.",
        ),
    ],
};

pub static HEAD: Table = Table {
    title: "`[board]`",
    doc: "The board itself.",
    keys: &[
        Key::required("name", Form::Name, "Its name, the folder's."),
        Key::required(
            "compatible",
            Form::Text,
            "The root `compatible` string of its device tree.",
        ),
        Key::required("boot-core", Form::Name, "The core on which firmware starts."),
        Key::optional(
            "root-secret",
            Form::Words(|| words(SECRETS)),
            "none",
            "The secret from which partitions' keys are made: none, a documented test value, or the hardware's.",
        ),
    ],
};

pub static CORE: Table = Table {
    title: "`[[core]]`",
    doc: "A core.",
    keys: &[
        Key::required("name", Form::Name, "Its name."),
        Key::required("mpidr", Form::Address, "Its affinity in MPIDR_EL1."),
        Key::optional(
            "cluster",
            Form::Name,
            "the board has one cluster",
            "The cluster that it is in.",
        ),
    ],
};

pub static MEMORY: Table = Table {
    title: "`[[memory]]`",
    doc: "A range of memory.",
    keys: &[
        Key::required("name", Form::Name, "Its name."),
        Key::required("base", Form::Address, "Its first address."),
        Key::required("size", Form::Size, "Its length."),
        Key::required(
            "kind",
            Form::Words(|| words(KINDS)),
            "Firmware's own, secure and ours, the store of pristine images, the counters of versions (NOR flash with Intel's commands, two chips of 16 bits side by side), or the normal world's.",
        ),
        Key::optional(
            "protected-by",
            Form::Text,
            "nothing",
            "What keeps the normal world and its devices out of secure memory, in a few words.",
        ),
    ],
};

pub static HYPERVISOR: Table = Table {
    title: "`[hypervisor]`",
    doc: "What the hypervisor takes of the board.",
    keys: &[
        Key::required("load", Form::Address, "Where firmware loads and enters it."),
        Key::required("log", Form::Name, "The device for its log, a PL011."),
        Key::optional(
            "other-logs",
            Form::Each(&Form::Name),
            "none",
            "Further PL011s on which a table may have the log. One of the normal world's is shared with it.",
        ),
        Key::optional(
            "timer",
            Form::Name,
            "the board has none, and nothing is built for it",
            "The interrupt of the secure EL2 physical timer.",
        ),
        Key::required(
            "schedule-receiver",
            Form::Integer(0, 15),
            "The SGI that tells the normal world to schedule a receiver.",
        ),
        Key::required(
            "window",
            Form::Address,
            "Where partitions' windows start: 0, 1, 2 or 3 GiB.",
        ),
        Key::required(
            "device-tree",
            Form::Address,
            "Where firmware leaves its device tree, in non-secure memory.",
        ),
    ],
};

pub static GIC: Table = Table {
    title: "`[gic]`",
    doc: "The interrupt controller.",
    keys: &[
        Key::required("distributor", Form::Address, "Its distributor."),
        Key::required("redistributor", Form::Address, "Its first redistributor."),
        Key::required(
            "redistributor-stride",
            Form::Size,
            "From one core's redistributor to the next.",
        ),
        Key::optional(
            "interface-traps",
            Form::Flag,
            "true",
            "Whether secure EL1's accesses to the CPU interface trap to secure EL2; if not, they are replaced in images.",
        ),
    ],
};

pub static SMMU: Table = Table {
    title: "`[smmu]`",
    doc: "What checks the accesses of devices: an SMMUv3.",
    keys: &[Key::required("base", Form::Address, "Its registers.")],
};

pub static FIRMWARE: Table = Table {
    title: "`[firmware]`",
    doc: "Limits of the boot loader.",
    keys: &[
        Key::required("packages", Form::Integer(1, 64), "Packages that it loads."),
        Key::required("package-size", Form::Size, "The largest package."),
        Key::required("config-size", Form::Size, "The largest configuration tree."),
    ],
};

pub static OPTEE: Table = Table {
    title: "`[optee]`",
    doc: "OP-TEE's words for the board.",
    keys: &[Key::required(
        "platform",
        Form::Text,
        "The value of its make variable `PLATFORM`.",
    )],
};

pub static DEVICE: Table = Table {
    title: "`[[device]]`",
    doc: "A device.",
    keys: &[
        Key::required("name", Form::Name, "Its name."),
        Key::required("base", Form::Address, "Its registers."),
        Key::required("size", Form::Size, "Their length."),
        Key::optional(
            "owner",
            Form::Words(|| words(OWNERS)),
            "a partition may claim it",
            "Who has it.",
        ),
        Key::optional("interrupts", Form::Each(&Form::Name), "none", "Its interrupts."),
        Key::optional(
            "dma",
            Form::Flag,
            "false",
            "Whether it reads or writes memory by itself.",
        ),
        Key::optional(
            "streams",
            Form::Each(&Form::Integer(0, 0xffff_ffff)),
            "none",
            "Stream IDs of its accesses at the SMMU.",
        ),
    ],
};

pub static INTERRUPT: Table = Table {
    title: "`[[interrupt]]`",
    doc: "An interrupt.",
    keys: &[
        Key::required("name", Form::Name, "Its name."),
        Key::required("intid", Form::Integer(0, 1019), "The GIC's number of it."),
        Key::required(
            "trigger",
            Form::Words(|| words(TRIGGERS)),
            "Whether it is a level or an edge.",
        ),
        Key::optional(
            "owner",
            Form::Words(|| words(OWNERS)),
            "a partition may claim it",
            "Who has it.",
        ),
    ],
};
