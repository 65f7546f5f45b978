//! The attacks that are known of TEEs and of what is under them, each with its tests.

use super::Attack;

/// The attacks.
pub const ROWS: &[Attack] = &[
    Attack {
        what: "mapping another TEE's memory",
        normal: &[
            "share-secure-memory",
            "lend-secure-memory",
            "donate-secure-memory",
            "rxtx-map-secure-memory",
            "outside-*-what-is-secure",
        ],
        partition: &[
            "attack-write-neighbour",
            "partition-shares-what-is-not-its-own",
            "third-one-reads-what-is-shared",
            "window-copy-of-another-s-memory",
        ],
    },
    Attack {
        what: "mapping the normal world's memory",
        normal: &["share-some-of-another", "vm-buffers-of-somebody-else"],
        partition: &[
            "attack-read-normal-world",
            "retrieve-unknown",
            "window-copy-of-nothing",
            "borrower-reads-what-it-gave-back",
        ],
    },
    Attack {
        what: "reading the hypervisor, or firmware",
        normal: &[
            "outside-reads-what-is-secure",
            "share-secure-memory",
            "outside-reads-secure-registers",
        ],
        partition: &[
            "attack-*-hypervisor",
            "attack-read-firmware",
            "window-copy-of-another-s-memory",
        ],
    },
    Attack {
        what: "forged sender IDs",
        normal: &[
            "direct-from-*",
            "message-from-another",
            "share-sender",
            "notification-set-of-another-sender",
            "vm-writes-for-another",
        ],
        partition: &[
            "partition-calls-in-the-name-of-another",
            "partition-shares-for-another",
            "message-of-a-partition-from-another",
            "response-from-another",
            "retrieve-sender",
        ],
    },
    Attack {
        what: "stolen and guessed handles",
        normal: &[
            "reclaim-guessed",
            "reclaim-unknown",
            "fragment-for-another",
            "hypervisor-retrieves-unknown",
            "hypervisor-retrieves-of-partitions",
        ],
        partition: &[
            "retrieve-of-another",
            "retrieve-for-another",
            "relinquish-of-another",
            "partition-retrieves-of-another",
            "partition-reclaims-of-another",
            "partition-reclaims-of-the-normal-world",
        ],
    },
    Attack {
        what: "double retrieve, double release",
        normal: &["two-cores-reclaim", "share-twice"],
        partition: &[
            "retrieve-twice",
            "two-cores-retrieve",
            "relinquish-twice",
            "partition-shares-twice",
        ],
    },
    Attack {
        what: "buffers that change while they are read",
        normal: &[
            "share-while-it-changes",
            "fragments-while-they-change",
            "message-while-it-changes",
            "hypervisor-retrieves-while-it-changes",
        ],
        partition: &["partition-*-while-it-changes"],
    },
    Attack {
        what: "secure registers",
        normal: &["outside-reads-secure-registers"],
        partition: &[
            "attack-firmware",
            "attack-registers-of-the-hypervisor",
            "attack-secure-timer",
            "attack-error-records",
            "attack-ordering-regions",
            "attack-auxiliary-control",
            "attack-unknown-register",
        ],
    },
    Attack {
        what: "cache maintenance by set and way",
        normal: &["outside-cleans-by-set-way"],
        partition: &["attack-set-way"],
    },
    Attack {
        what: "interrupts of others",
        normal: &[
            "outside-resets-the-interrupt-controller",
            "outside-raises-an-interrupt",
        ],
        partition: &[
            "attack-send-interrupt",
            "attack-interrupt-priority",
            "gic-hides-others",
            "device-of-another-stops",
        ],
    },
    Attack {
        what: "debug and trace registers",
        normal: &["outside-watches-a-partition"],
        partition: &[
            "attack-debug-registers",
            "attack-breakpoint",
            "attack-read-watchpoint",
            "attack-os-lock",
            "attack-trace-buffer",
            "attack-profiling",
            "attack-trace",
        ],
    },
    Attack {
        what: "performance counters",
        normal: &["outside-counts-a-partition"],
        partition: &[
            "attack-counters",
            "attack-read-counters",
            "attack-activity-monitors",
        ],
    },
    Attack {
        what: "replay of stale responses and resumptions",
        normal: &[
            "restart-waits-for-no-dead-call",
            "anew-while-a-call-is-preempted",
            "run-no-parked-request",
            "partitions-calls-of-the-normal-world",
        ],
        partition: &[
            "attack-answer-twice",
            "response-to-another",
            "response-of-another-kind",
            "held-*",
            "core tests/chain.rs",
        ],
    },
    Attack {
        what: "exhaustion of handles, shares, window, notifications, requests, log space and time",
        normal: &[
            "exhaust-shares-of-one",
            "exhaust-ranges-of-one",
            "exhaust-window-of-one",
            "exhaust-requests-of-one",
            "exhaust-shares-of-the-normal-world",
            "retrieve-until-the-window-is-full",
            "driver-session-busy",
        ],
        partition: &[
            "notification-info-of-many",
            "own-core-keeps-its-period-in-a-storm-of-*",
            "exhaust-shares-of-a-partition",
            "exhaust-by-an-unfinished-offer",
            "exhaust-log",
            "partition-shares-more-than-its-quota",
            "storm-*",
            "budget-*",
            "core tests/console.rs",
        ],
    },
    Attack {
        what: "calls from two cores at once",
        normal: &["two-cores-*", "all-cores-*"],
        partition: &[
            "two-cores-retrieve",
            "two-cores-relinquish*",
            "calls-from-all-cores-at-once-to-two",
        ],
    },
    Attack {
        what: "what is left in FP/SIMD, system and pointer-authentication registers",
        normal: &[
            "general-registers",
            "el1-registers",
            "vector-registers*",
            "registers-not-shown",
            "residue-*",
        ],
        partition: &[
            "partitions-see-nothing",
            "call-another-while-preempted",
            "residue-*",
            "attack-keys",
            "attack-read-keys",
            "attack-sign-with-keys",
        ],
    },
    Attack {
        what: "a normal world whose kernel crashes and boots again, with shares outstanding",
        normal: &["anew-*", "linux kernels"],
        partition: &["none: no partition has a say in it"],
    },
];
