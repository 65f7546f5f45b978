//! The properties, each with the tests that try to break it.

use super::{All, Image, Normal, Partition, Property, Table};

/// In the order of their letters.
pub const ROWS: &[Property] = &[
    Property {
        id: "B1",
        says: "every partition is started, and has finished its start, before the normal world runs; one that cannot start does not keep the others from it",
        from: &[Table],
        tests: &[
            (
                Table,
                &[
                    "rule BH064: two that start in one place",
                    "spoilt-package-others-run",
                    "own-core-is-handed-over: one with a core of its own",
                ],
            ),
            (All, &["core tests/boot.rs", "core tests/dedicated.rs"]),
        ],
        missing: "",
    },
    Property {
        id: "B2",
        says: "no image runs whose digest is not the table's, and none changes between its measurement and its first instruction",
        from: &[Image, Partition],
        tests: &[
            (
                Image,
                &[
                    "rule BH071",
                    "spoilt-package-*: one byte is another one in flash",
                    "inspect-spoilt",
                    "signed-*: images, signatures and slots changed in flash, a package of another partition, an older version",
                    "trusted-*: started by TF-A's trusted boot; what is forged below is in the scenarios `trusted-boot-*`",
                    "core package.rs: every bit of what a vendor signs",
                    "rule BH120",
                ],
            ),
            (
                Partition,
                &[
                    "attack-write-neighbour",
                    "attack-*-store: the flash with the images",
                    "restart-is-pristine",
                ],
            ),
            (Normal, &["outside-writes-what-is-secure: flash, too"]),
        ],
        missing: "fuses and counters of firmware, which QEMU lacks ([more](oem.md#trusted-boot))",
    },
    Property {
        id: "B3",
        says: "nobody takes another's place: by name, ID, UUID, or by answering for it",
        from: &[Normal, Partition],
        tests: &[
            (
                Normal,
                &[
                    "direct-from-*",
                    "message-from-another",
                    "share-sender",
                    "notification-set-of-another-sender",
                    "vm-writes-for-another",
                    "vm-buffers-of-somebody-else",
                    "linux names",
                ],
            ),
            (
                Partition,
                &[
                    "response-from-another",
                    "response-to-another",
                    "partition-calls-in-the-name-of-another",
                    "partition-shares-for-another",
                    "message-of-a-partition-from-another",
                    "linux faults: calls in others' names out of a TEE that was taken over",
                ],
            ),
            (
                Table,
                &[
                    "rule BH030: one name twice",
                    "rule BH031: one ID twice",
                    "rule BH033: one UUID twice",
                ],
            ),
            (
                All,
                &[
                    "core tests/policy.rs: each kind of message between any two",
                    "core tests/vm.rs",
                ],
            ),
        ],
        missing: "",
    },
    Property {
        id: "C1",
        says: "a call reaches whom it names, and its answer who waits for it",
        from: &[Normal, Partition],
        tests: &[
            (
                Normal,
                &[
                    "direct-*",
                    "vm-*",
                    "all-cores-call-at-once",
                    "calls-from-all-cores-at-once-to-two",
                    "call-*-from-a-core-not-listed",
                    "call-from-a-core-not-listed",
                    "call-again-while-preempted",
                    "driver-*",
                    "sel4-*",
                    "linux applications: which TEE serves whom, from many threads and processes",
                ],
            ),
            (
                Partition,
                &[
                    "partition-calls-*",
                    "call-chain-*",
                    "attack-answer-twice",
                    "response-*",
                    "held-*",
                ],
            ),
            (
                All,
                &[
                    "core tests/concurrent.rs",
                    "core tests/agree.rs: a model of endpoints, contexts and chains",
                ],
            ),
        ],
        missing: "",
    },
    Property {
        id: "C2",
        says: "the normal world's registers, those of EL1 included, come back",
        from: &[Partition],
        tests: &[(
            Partition,
            &[
                "general-registers",
                "el1-registers",
                "vector-registers",
                "vector-registers-when-preempted",
                "residue-*: at each point at which a partition leaves the core",
                "timers-of-the-normal-world",
                "linux sve",
            ],
        )],
        missing: "",
    },
    Property {
        id: "C3",
        says: "nothing of a partition's state is seen or changed by anyone else, at any point at which it leaves the core",
        from: &[Normal, Partition],
        tests: &[
            (
                Normal,
                &[
                    "registers-not-shown",
                    "partitions-keep-theirs",
                    "outside-sets-traps: all of EL2 that is about EL1",
                    "outside-watches-a-partition: debug",
                    "outside-counts-a-partition: performance counters",
                    "outside-reads-secure-registers",
                    "outside-cleans-by-set-way",
                ],
            ),
            (
                Partition,
                &[
                    "partitions-see-nothing",
                    "residue-*: at each point at which it leaves the core",
                    "call-another-while-preempted",
                    "attack-keys",
                    "attack-read-keys",
                    "attack-sign-with-keys",
                    "attack-read-counters",
                    "attack-read-watchpoint",
                    "attack-profiling",
                    "attack-trace-buffer",
                    "attack-registers-of-the-hypervisor",
                    "attack-counters",
                    "attack-debug-registers",
                    "attack-breakpoint",
                    "attack-os-lock",
                    "attack-trace",
                    "attack-sve",
                    "identification-registers",
                    "attack-set-way",
                    "attack-secure-timer",
                    "attack-error-records",
                    "attack-activity-monitors",
                    "attack-ordering-regions",
                    "attack-auxiliary-control",
                    "attack-unknown-register",
                    "attack-undefined-instruction",
                    "attack-firmware",
                    "gic-timers-of-two",
                ],
            ),
        ],
        missing: "partitions have no pointer authentication: it is trapped",
    },
    Property {
        id: "C4",
        says: "cores that act at once on one partition, share or notification see one order",
        from: &[Normal, Partition],
        tests: &[
            (Normal, &["two-cores-*", "all-cores-*"]),
            (
                Partition,
                &[
                    "two-cores-retrieve",
                    "two-cores-retrieve-and-reclaim",
                    "two-cores-relinquish*",
                    "two-cores-set-and-*",
                ],
            ),
            (All, &["core tests/concurrent.rs"]),
        ],
        missing: "",
    },
    Property {
        id: "M1",
        says: "a secure page is reached by its owner and by those to whom it is granted, with the granted rights, as long as it is",
        from: &[Normal, Partition],
        tests: &[
            (
                Normal,
                &[
                    "outside-reads-what-is-secure",
                    "outside-writes-what-is-secure",
                    "share-secure-memory",
                    "lend-secure-memory",
                    "donate-secure-memory",
                    "rxtx-map-secure-memory",
                ],
            ),
            (
                Partition,
                &[
                    "attack-*-hypervisor",
                    "attack-read-firmware",
                    "attack-write-neighbour",
                    "owner-reads-what-it-lent",
                    "owner-reads-what-it-donated",
                    "third-one-reads-what-is-shared",
                    "borrower-*",
                    "window-copy-of-another-s-memory",
                    "linux faults: a TEE that was taken over and turns its MMU off",
                ],
            ),
        ],
        missing: "",
    },
    Property {
        id: "M2",
        says: "who owns memory changes by the specified calls only; what changes hands is cleared where they say so",
        from: &[Normal, Partition],
        tests: &[
            (
                Normal,
                &[
                    "share-*",
                    "lend-*",
                    "donate*",
                    "fragment*",
                    "reclaim-*",
                    "hypervisor-retrieves*",
                ],
            ),
            (
                Partition,
                &[
                    "retrieve-*",
                    "relinquish-*",
                    "partition-shares-*",
                    "partition-lends-*",
                    "partition-donates-*",
                    "partition-reclaims-*",
                    "partition-retrieves-*",
                    "partition-relinquishes-*",
                ],
            ),
            (
                All,
                &[
                    "core memory/tests: each field of each descriptor wrong once; a model of who owns and who reaches each page",
                    "fuzz descriptors",
                ],
            ),
        ],
        missing: "",
    },
    Property {
        id: "M3",
        says: "shared memory is read once: no change made meanwhile gets past a check",
        from: &[Normal, Partition],
        tests: &[
            (
                Normal,
                &[
                    "share-while-it-changes: another core changes the descriptor",
                    "fragments-while-they-change",
                    "message-while-it-changes",
                    "hypervisor-retrieves-while-it-changes",
                ],
            ),
            (Partition, &["partition-*-while-it-changes"]),
            (All, &["core tests/once.rs: buffers that change behind each read"]),
        ],
        missing: "",
    },
    Property {
        id: "M4",
        says: "a partition gets at memory of the normal world only where that gave it",
        from: &[Partition],
        tests: &[
            (
                Partition,
                &[
                    "attack-read-normal-world",
                    "share-one-page",
                    "share-read-only",
                    "relinquish",
                    "window-copy-*",
                    "partition-shares-what-is-not-its-own",
                ],
            ),
            (
                All,
                &["core tests/copy.rs: a window that is copied, and taken away meanwhile"],
            ),
        ],
        missing: "",
    },
    Property {
        id: "I1",
        says: "a partition's interrupt reaches it and nobody else, whatever runs, in the bound that the table states",
        from: &[Normal, Partition],
        tests: &[
            (
                Normal,
                &[
                    "edge-*: [the matrix](internals.md#which-interrupt-preempts-whom)",
                    "level-*",
                    "timer-*",
                    "sgi-*",
                    "device-*",
                    "private-interrupt-*",
                    "outside-resets-the-interrupt-controller",
                ],
            ),
            (
                Partition,
                &[
                    "gic-*",
                    "devices-of-two-at-once",
                    "timer-by-hypervisor-call",
                    "managed-exit-caller-of-one-at-once",
                ],
            ),
            (
                All,
                &[
                    "core tests/interrupt.rs",
                    "core tests/paravirtual.rs",
                    "core vgic/tests: a second GIC beside the first",
                    "fuzz vgic",
                ],
            ),
        ],
        missing: "list registers",
    },
    Property {
        id: "I2",
        says: "only the table decides who owns an interrupt; a storm on a line hurts its owner only",
        from: &[Normal, Partition],
        tests: &[
            (
                Normal,
                &[
                    "outside-resets-the-interrupt-controller",
                    "interrupt-often: a storm of its own",
                ],
            ),
            (
                Partition,
                &[
                    "attack-send-interrupt",
                    "attack-interrupt-priority",
                    "gic-hides-others",
                    "gic-odd-accesses",
                    "gic-*-stops",
                    "storm-*",
                    "storms-are-counted",
                    "interrupt-that-went-away",
                ],
            ),
            (Table, &["rule BH053: two owners"]),
            (All, &["core tests/storm.rs"]),
        ],
        missing: "",
    },
    Property {
        id: "D1",
        says: "a partition's device is out of reach of everyone else",
        from: &[Normal, Partition],
        tests: &[
            (
                Normal,
                &[
                    "outside-reads-what-is-secure: devices, too",
                    "outside-reads-a-device",
                    "outside-writes-what-is-secure",
                    "share-a-device",
                    "rxtx-map-a-device",
                ],
            ),
            (
                Partition,
                &[
                    "device-of-another-stops",
                    "attack-read-log",
                    "attack-write-distributor",
                    "partition-shares-what-is-not-its-own",
                ],
            ),
            (Table, &["rule BH051: two owners", "rule BH057: one page"]),
        ],
        missing: "DMA: QEMU's `virt` has nothing that could stop it",
    },
    Property {
        id: "T1",
        says: "no partition keeps a core from the normal world, or from a peer, longer than the table allows",
        from: &[Partition],
        tests: &[
            (
                Partition,
                &[
                    "attack-hang",
                    "attack-sleep",
                    "linux faults: TEEs that hang with everything masked",
                    "interrupt-*",
                    "managed-exit*",
                    "gic-managed-exit*",
                    "a-handler-that-is-late-goes-on",
                    "queued-*",
                    "call-chain-managed-exit*",
                    "budget-*",
                    "long-call-from-a-core-not-listed",
                    "core-off-is-told-in-time",
                    "own-core-*: who has a core of its own keeps it, and it only",
                    "linux sensors: 10,000 periods beside a busy Linux",
                ],
            ),
            (
                All,
                &[
                    "core tests/queued.rs",
                    "core tests/restart.rs",
                    "core tests/power.rs",
                    "core tests/forward.rs",
                ],
            ),
        ],
        missing: "",
    },
    Property {
        id: "T2",
        says: "nobody uses up what another was promised: handles, shares, notifications, buffers, log space, time",
        from: &[Normal, Partition],
        tests: &[
            (
                Normal,
                &[
                    "exhaust-*: what it uses up of one partition's, another one and other callers still have",
                    "share-until-full",
                    "retrieve-until-the-window-is-full",
                    "driver-session-*",
                ],
            ),
            (
                Partition,
                &[
                    "exhaust-shares-of-a-partition",
                    "exhaust-by-an-unfinished-offer",
                    "exhaust-log",
                    "linux faults: floods of calls, shares, notifications and lines",
                    "partition-shares-more-than-its-quota",
                    "storm-*",
                ],
            ),
            (
                All,
                &["core memory/tests", "core tests/console.rs: a flood of the log"],
            ),
        ],
        missing: "",
    },
    Property {
        id: "R1",
        says: "a partition that fails is contained, its callers are told, it comes back pristine; its record is neither forged nor lost",
        from: &[Partition],
        tests: &[
            (
                Partition,
                &[
                    "attack-*: its peers answer afterwards, and each failure has its record, whole and with its place in the program",
                    "attack-forges-records",
                    "restart-*",
                    "a-partition-that-may-fail-is-called: while scenarios make it fail",
                    "scenario crash",
                    "scenario hang",
                    "scenario optee-crash",
                    "device-of-who-*",
                    "call-chain-callee-*",
                    "partition-gives-up",
                    "gic-of-who-came-back",
                    "linux sel4: a command that does not end",
                    "linux faults: crashes, hangs, attacks and wrong data while Linux uses all TEEs ([more](clients.md#tees-that-fail))",
                    "linux again: notifications behind a restart, and a driver that is bound anew",
                ],
            ),
            (
                All,
                &[
                    "core tests/restart.rs",
                    "core tests/ghost.rs",
                    "core tests/lives.rs",
                    "core memory/tests",
                    "fuzz lives",
                ],
            ),
        ],
        missing: "",
    },
    Property {
        id: "R2",
        says: "a normal world that crashes and boots its kernel again finds the TEEs usable, with nothing of its old shares left",
        from: &[Normal],
        tests: &[
            (
                Normal,
                &[
                    "anew-*: shares, loans, bindings, messages, requests and calls outstanding",
                    "linux kernels: a kernel that is replaced, and one that crashes, with clients in calls of every TEE",
                ],
            ),
            (
                All,
                &[
                    "core tests/renewal.rs: also of those that start anew with it",
                    "core tests/version.rs",
                    "core tests/vm.rs: the buffers and bitmaps of its machines",
                ],
            ),
        ],
        missing: "",
    },
    Property {
        id: "K1",
        says: "each partition's key and random numbers are its own",
        from: &[Partition, Image],
        tests: &[
            (Partition, &["key-of-its-own", "key-not-given", "random-*"]),
            (
                Image,
                &[
                    "spoilt-package-does-not-run: so it never asks",
                    "linux sealed: directories of two TEEs of one image copied, and an image changed",
                ],
            ),
            (Normal, &["key-for-partitions-only"]),
            (Table, &["rule BH083"]),
            (All, &["core tests/service.rs"]),
        ],
        missing: "a root secret of the hardware's ([more](secrets.md))",
    },
    Property {
        id: "A1",
        says: "what runs can be told from outside, by measurements that no partition forges",
        from: &[Normal, Partition],
        tests: &[
            (
                Normal,
                &[
                    "inspect-not-outside",
                    "quote-not-outside",
                    "linux info: also as an event log in the TCG's form",
                    "linux sealed: a quote of another nonce, and one with a changed log, are refused",
                ],
            ),
            (
                Partition,
                &[
                    "inspect-*",
                    "quote-*",
                    "linux sealed: a machine that runs another image is known by its quote",
                ],
            ),
            (
                All,
                &[
                    "core tests/inspect.rs",
                    "core tests/quote.rs",
                    "core signature.rs: RFC 8032",
                ],
            ),
        ],
        missing: "a root secret that firmware hands to the right hypervisor alone ([more](measured.md))",
    },
];
