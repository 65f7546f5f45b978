//! The calls of FF-A: who may make each, what of it is supported, and which tests of the host say so.
//!
//! The conformance page of the book is made of these rows and of the cases that ran on QEMU
//! (`conformance_page.rs`). `conformance_holds.rs` holds them against the dispatcher and the files of
//! tests that they name. `cargo xtask` includes this file, too.

use super::function as f;

/// One call.
pub struct Row {
    pub name: &'static str,
    /// Its function IDs: SMC32, SMC64.
    pub ids: &'static [u32],
    /// Who may make it.
    pub normal: bool,
    pub partition: bool,
    /// What is served of it, and what is not and why.
    pub what: &'static str,
    /// Tests of the host: file and function.
    pub host: &'static [&'static str],
    /// Section of DEN0077A 1.2, where no other document is named.
    pub clause: &'static str,
}

const BOTH: (bool, bool) = (true, true);
const NORMAL: (bool, bool) = (true, false);
const PARTITION: (bool, bool) = (false, true);
const NOBODY: (bool, bool) = (false, false);

type Names = &'static [&'static str];

const fn row(
    name: &'static str,
    ids: &'static [u32],
    who: (bool, bool),
    what: &'static str,
    host: Names,
    clause: &'static str,
) -> Row {
    Row {
        name,
        ids,
        normal: who.0,
        partition: who.1,
        what,
        host,
        clause,
    }
}

/// All calls, by subject.
pub const ROWS: &[(&str, &[Row])] = &[
    (
        "Set-up and discovery",
        &[
            row(
                "FFA_ERROR",
                &[f::ERROR],
                BOTH,
                "As an answer to a call; from a partition also as the answer to a request, or as the end of a \
                 start that failed.",
                &[
                    "direct::an_error_is_an_answer",
                    "chain::an_error_is_an_answer",
                    "boot::a_partition_that_cannot_start_does_not_keep_the_others",
                ],
                "12.2",
            ),
            row(
                "FFA_SUCCESS",
                &[f::SUCCESS_32, f::SUCCESS_64],
                BOTH,
                "As an answer to a call; from a partition also as the end of a request that gets no response.",
                &[
                    "discovery::what_is_no_result_is_preserved",
                    "direct::a_request_can_end_without_a_response",
                    "runtime::each_call_in_each_model",
                ],
                "12.3",
            ),
            row(
                "FFA_VERSION",
                &[f::VERSION],
                BOTH,
                "1.0, 1.1 and 1.2, each endpoint its own, again and late; a partition that has called something \
                 else since, or has buffers, is refused another version. The normal world's next kernel may speak \
                 another one than the last. From there it comes as the SPMD's framework message, too.",
                &[
                    "discovery::versions_are_negotiated_until_buffers_are_registered",
                    "version::a_partition_negotiates_until_it_calls_something_else",
                    "version::the_next_kernel_may_speak_another_one",
                    "version::a_kernel_that_goes_on_speaks_what_it_spoke",
                    "version::without_buffers_any_version_will_do",
                    "boot::the_spmd_is_answered",
                    "renewal::what_one_life_does_twice_is_refused",
                ],
                "13.2",
            ),
            row(
                "FFA_FEATURES",
                &[f::FEATURES],
                BOTH,
                "Function IDs, feature IDs 1 to 3, and what FFA_RXTX_MAP and FFA_MEM_RETRIEVE_REQ return.",
                &[
                    "discovery::features_have_input_properties",
                    "discovery::features_depend_on_the_caller",
                    "discovery::the_size_of_buffers_is_told_from_1_2_on",
                ],
                "13.3",
            ),
            row(
                "FFA_ID_GET",
                &[f::ID_GET],
                BOTH,
                "All of it.",
                &["discovery::ids"],
                "13.10",
            ),
            row(
                "FFA_SPM_ID_GET",
                &[f::SPM_ID_GET],
                BOTH,
                "All of it.",
                &["discovery::ids"],
                "13.11",
            ),
            row(
                "FFA_RXTX_MAP",
                &[f::RXTX_MAP_32, f::RXTX_MAP_64],
                BOTH,
                "One page each, in the caller's own memory. As a hypervisor forwards it (all zero, the endpoint \
                 RX/TX descriptor of its version in its TX buffer) for each virtual machine in the table. FFA_VERSION and then this call over registered \
                 buffers is a normal world that starts anew; a mere second call is DENIED.",
                &[
                    "vm::its_buffers_are_registered_by_the_hypervisor",
                    "vm::descriptors_that_are_not_in_order",
                    "vm::pages_that_are_not_the_normal_worlds",
                    "vm::a_hypervisor_without_buffers_registers_none",
                    "vm::a_hypervisor_of_1_0_lists_ranges",
                    "rxtx::buffers_have_to_be_pages_of_the_caller",
                    "rxtx::only_low_halves_count_in_the_32_bit_form",
                    "rxtx::a_partitions_buffers_are_in_its_own_memory",
                    "renewal::it_finds_everything_as_at_first",
                ],
                "13.6",
            ),
            row(
                "FFA_RXTX_UNMAP",
                &[f::RXTX_UNMAP],
                BOTH,
                "Of the caller's own buffers, or of a virtual machine's.",
                &[
                    "rxtx::unmapped_once",
                    "vm::its_buffers_are_registered_by_the_hypervisor",
                    "vm::one_that_the_table_does_not_list_does_not_exist",
                ],
                "13.7",
            ),
            row(
                "FFA_RX_ACQUIRE",
                &[f::RX_ACQUIRE],
                NORMAL,
                "For a virtual machine's RX buffer, or the hypervisor's own.",
                &[
                    "rxtx::an_acquired_buffer_is_not_written",
                    "vm::its_buffer_is_acquired_and_released_by_the_hypervisor",
                ],
                "13.4",
            ),
            row(
                "FFA_RX_RELEASE",
                &[f::RX_RELEASE],
                BOTH,
                "Of the caller's own buffer, or of a virtual machine's.",
                &[
                    "vm::its_buffer_is_acquired_and_released_by_the_hypervisor",
                    "rxtx::a_buffer_that_is_not_full_cannot_be_released",
                    "indirect::the_normal_world_writes_to_a_partition",
                ],
                "13.5",
            ),
            row(
                "FFA_PARTITION_INFO_GET",
                &[f::PARTITION_INFO_GET],
                BOTH,
                "Any UUID, the nil UUID, the count only; descriptors of the caller's version. A caller sees whom \
                 it may call, with what it may send, and itself. The call does not say for whom a hypervisor asks: \
                 it sees what any endpoint of the normal world may send to a partition that lists ID 0.",
                &[
                    "policy::properties_are_what_the_caller_may_use",
                    "discovery::information_in_the_formats_of_two_versions",
                    "discovery::one_protocol_is_asked_for",
                    "discovery::without_buffers_only_the_count_is_told",
                    "discovery::a_partition_sees_itself_and_whom_it_may_call",
                    "discovery::a_full_buffer_is_not_overwritten",
                ],
                "13.8",
            ),
            row(
                "FFA_PARTITION_INFO_GET_REGS",
                &[f::PARTITION_INFO_GET_REGS],
                BOTH,
                "From any index; five descriptors a call. The tag is always zero: what it tells changes by a \
                 partition's end only; another one is RETRY.",
                &["discovery::information_in_registers"],
                "13.9",
            ),
            row(
                "FFA_CONSOLE_LOG",
                &[f::CONSOLE_LOG_32, f::CONSOLE_LOG_64],
                PARTITION,
                "24, 48 or 128 characters by form and version. The SPMD does not forward the normal world's.",
                &["console::lengths_depend_on_form_and_version"],
                "13.12",
            ),
            row(
                "FFA_SECONDARY_EP_REGISTER",
                &[f::SECONDARY_EP_REGISTER_32, f::SECONDARY_EP_REGISTER_64],
                PARTITION,
                "During the start, into own executable memory; in every version.",
                &[
                    "boot::the_secondary_entry_is_checked",
                    "boot::further_contexts_start_on_their_core_once",
                ],
                "18.2",
            ),
        ],
    ),
    (
        "Messages and cycles",
        &[
            row(
                "FFA_MSG_SEND_DIRECT_REQ",
                &[f::DIRECT_REQ_32, f::DIRECT_REQ_64],
                BOTH,
                "Normal world to partition, partition to partition (same context number; a circle is DENIED). A \
                 request of the normal world for a busy context, or from a core that a partition with forwarding \
                 does not list, is parked and answered with FFA_INTERRUPT; BUSY only where eight for each core of \
                 the board are parked at a partition. \
                 By the kinds that the table gives each caller. Framework messages: virtual machine created and \
                 destroyed, for machines in the table, to partitions that want them; CPU_OFF, CPU_SUSPEND and warm boot \
                 (section 18.2.4) from the SPMC to partitions that asked for them. TF-A forwards cores that came up \
                 and cores that go off; the rest is tested on the host.",
                &[
                    "direct::a_request_enters_the_context_of_this_core",
                    "direct::forms_carry_what_they_say",
                    "direct::whom_a_caller_may_not_call_does_not_exist",
                    "chain::a_partition_calls_another_and_gets_its_answer",
                    "chain::a_chain_does_not_close_to_a_circle",
                    "chain::the_table_says_who_may_call",
                    "ticket::a_parked_request_is_delivered_when_the_context_is_free",
                    "policy::direct_requests_of_the_normal_world",
                    "policy::direct_requests_of_partitions",
                    "vm::a_virtual_machine_calls_where_the_table_lists_it",
                    "vm::a_partition_hears_of_virtual_machines",
                    "vm::what_it_had_goes_when_it_is_destroyed",
                    "forward::a_request_is_carried_to_a_listed_core",
                    "forward::wrong_requests_are_not_carried",
                    "forward::where_no_listed_core_is_on_it_is_denied",
                    "forward::a_full_pool_is_busy_and_drains",
                    "power::a_core_that_goes_off_is_told_to_who_wants_it",
                    "power::a_suspension_is_told_before_and_after",
                    "power::who_takes_too_long_loses_it_and_the_core_goes",
                    "power::nobody_else_sends_such_messages",
                    "runtime::each_call_in_each_model",
                    "agree::with_the_model_of_endpoints",
                ],
                "15.2",
            ),
            row(
                "FFA_MSG_SEND_DIRECT_RESP",
                &[f::DIRECT_RESP_32, f::DIRECT_RESP_64],
                PARTITION,
                "To who asked, in the kind that was asked.",
                &[
                    "direct::only_the_one_who_was_asked_answers_and_only_to_the_one_who_asked",
                    "chain::only_the_one_who_is_asked_answers",
                    "chain::a_deep_chain_unwinds_in_order",
                ],
                "15.3",
            ),
            row(
                "FFA_MSG_SEND_DIRECT_REQ2",
                &[f::DIRECT_REQ2],
                BOTH,
                "With the service's UUID, which the partition must have, or the nil UUID.",
                &[
                    "direct::only_messages_that_the_partition_takes",
                    "chain::extended_requests_name_a_service",
                ],
                "15.4",
            ),
            row(
                "FFA_MSG_SEND_DIRECT_RESP2",
                &[f::DIRECT_RESP2],
                PARTITION,
                "All of it.",
                &[
                    "direct::forms_carry_what_they_say",
                    "chain::extended_requests_name_a_service",
                ],
                "15.5",
            ),
            row(
                "FFA_MSG_SEND2",
                &[f::MSG_SEND2],
                BOTH,
                "Normal world and partitions, either way and among partitions; headers of 1.1 and 1.2 are \
                 translated. Delayed schedule-receiver interrupt. Virtual machines send and receive in buffers of \
                 their own, in the hypervisor's version.",
                &[
                    "vm::it_writes_from_its_own_buffer",
                    "vm::a_partition_writes_to_it",
                    "policy::indirect_messages",
                    "indirect::the_normal_world_writes_to_a_partition",
                    "indirect::a_partition_writes_to_the_normal_world_and_to_another",
                    "indirect::headers_that_are_not_in_order",
                    "indirect::who_may_write_to_whom",
                    "indirect::without_room_buffers_or_version",
                ],
                "15.1",
            ),
            row(
                "FFA_MSG_WAIT",
                &[f::MSG_WAIT],
                PARTITION,
                "Ends a start, cycles, or the handling of an interrupt; releases RX unless the flag retains it.",
                &[
                    "rxtx::waiting_releases_the_buffer_unless_it_is_told_not_to",
                    "preemption::cycles_for_a_context_that_waits",
                    "indirect::waiting_gives_the_buffer_back_unless_it_is_kept",
                ],
                "14.1",
            ),
            row(
                "FFA_RUN",
                &[f::RUN],
                BOTH,
                "Cycles for a context that waits; resumes a preempted or yielded one, or the chain that it is \
                 part of, on any core that the partition lists; a call that waits or was preempted elsewhere, by its \
                 ticket. A partition runs its own callee that has yielded, and nobody else's; nor does anybody \
                 else, until a request has waited for that context for a second.",
                &[
                    "preemption::a_preempted_context_goes_on_on_another_core",
                    "preemption::contexts_that_do_not_exist_cannot_be_run",
                    "chain::a_chain_is_preempted_and_resumed_as_one",
                    "forward::a_preempted_call_goes_on_though_its_caller_has_moved_away",
                    "held::a_yield_goes_to_the_caller_who_runs_the_callee_again",
                    "held::only_its_caller_runs_a_held_context",
                    "held::a_request_does_not_wait_for_ever_for_a_held_context",
                    "runtime::each_call_of_the_normal_world_in_each_state",
                ],
                "14.3",
            ),
            row(
                "FFA_YIELD",
                &[f::YIELD],
                PARTITION,
                "To the partition that called, else to the normal world. Not during a start or a power message; who works \
                 on a secure interrupt has nobody to yield to, and goes on at once. To a driver of 1.2 also where its call has \
                 waited for a millisecond.",
                &[
                    "preemption::a_yield_is_continued_by_run",
                    "held::the_innermost_of_a_deep_chain_yields_to_the_one_above",
                    "interrupt::its_owner_is_entered_from_the_normal_world",
                    "forward::a_yield_is_told_once",
                    "forward::who_has_waited_for_a_while_is_told_to_sleep",
                ],
                "14.2",
            ),
            row(
                "FFA_INTERRUPT",
                &[f::INTERRUPT],
                BOTH,
                "To the normal world, for a preempted call; to a partition, for a secure interrupt of its own.",
                &[
                    "preemption::without_managed_exit_the_core_goes_back_at_once",
                    "interrupt::its_owner_is_entered_from_the_normal_world",
                    "interrupt::another_partition_is_displaced_and_goes_on",
                    "interrupt::a_handler_that_takes_too_long_loses_the_core",
                ],
                "14.4",
            ),
            row(
                "FFA_ABORT (1.3)",
                &[f::ABORT_32, f::ABORT_64],
                PARTITION,
                "The partition stops; who called it gets ABORTED.",
                &["chain::a_callee_that_fails_is_told_to_its_caller"],
                "of FF-A 1.3",
            ),
        ],
    ),
    (
        "Memory",
        &[
            row(
                "FFA_MEM_SHARE",
                &[f::MEM_SHARE_32, f::MEM_SHARE_64],
                BOTH,
                "Normal world or partition to one or several partitions; descriptors of 1.0, 1.1 and 1.2, in TX \
                 only. A partition's memory keeps its address, and goes to partitions that have its owner as a \
                 caller with pages to share; never to the normal world.",
                &[
                    "memory/between::shared_lent_and_taken_back",
                    "memory/between::each_field_wrong",
                    "memory/between::what_a_partition_cannot_offer",
                    "memory/between::pages_and_entries_are_limited",
                    "memory/between::buffers_stay",
                    "memory/random::agrees_with_the_reference",
                    "memory::partitions_share_memory",
                    "memory/fields::share_1_0",
                    "memory/fields::share_1_1",
                    "memory/fields::share_1_2",
                    "memory/fields::several_borrowers",
                    "memory/fields::ownership",
                    "memory/flows::linux_shares_and_op_tee_retrieves",
                ],
                "DEN0140 2.3",
            ),
            row(
                "FFA_MEM_LEND",
                &[f::MEM_LEND_32, f::MEM_LEND_64],
                BOTH,
                "As FFA_MEM_SHARE, with clearing. A partition loses its own access at once; the normal world's \
                 cannot be taken away without a hypervisor or a memory controller there.",
                &[
                    "memory/between::shared_lent_and_taken_back",
                    "memory/between::several_borrow",
                    "memory/fields::lend_and_donate",
                    "memory/flows::memory_is_cleared_before_and_after",
                ],
                "DEN0140 2.2",
            ),
            row(
                "FFA_MEM_DONATE",
                &[f::MEM_DONATE_32, f::MEM_DONATE_64],
                BOTH,
                "To one partition, with clearing. A partition that has retrieved another's memory owns it and may \
                 offer it again, back too.",
                &[
                    "memory/between::donated_from_hand_to_hand",
                    "memory/between::deeds_are_limited",
                    "memory/flows::donated_memory_does_not_come_back",
                    "memory/fields::lend_and_donate",
                ],
                "DEN0140 2.1",
            ),
            row(
                "FFA_MEM_RETRIEVE_REQ",
                &[f::MEM_RETRIEVE_REQ_32, f::MEM_RETRIEVE_REQ_64],
                BOTH,
                "By a borrower, permissions and attributes narrowed: the normal world's memory into its window, a \
                 partition's at its address, never executable; by a hypervisor in the normal world, to learn what a \
                 handle means.",
                &[
                    "memory/between::retrieved_with_less",
                    "memory/fields::retrieve",
                    "memory/fields::retrieve_lent",
                    "memory/fields::retrieve_among_several",
                    "memory/fields::retrieve_states",
                    "memory::a_hypervisor_asks_what_a_handle_means",
                    "memory/describe::it_is_what_was_sent",
                ],
                "DEN0140 2.4",
            ),
            row(
                "FFA_MEM_RELINQUISH",
                &[f::MEM_RELINQUISH],
                PARTITION,
                "For one endpoint, with clearing.",
                &[
                    "memory/between::cleared_before_and_after",
                    "memory/fields::relinquish",
                    "memory::borrowers_calls_are_not_the_normal_worlds",
                ],
                "DEN0140 2.6",
            ),
            row(
                "FFA_MEM_RECLAIM",
                &[f::MEM_RECLAIM],
                BOTH,
                "With clearing.",
                &["memory/fields::reclaim", "memory/between::handles_of_others"],
                "DEN0140 2.7",
            ),
            row(
                "FFA_MEM_FRAG_TX",
                &[f::MEM_FRAG_TX],
                BOTH,
                "Any number of fragments; an error ends the transmission.",
                &[
                    "memory/between::fragments_both_ways",
                    "memory::a_descriptor_in_two_fragments",
                    "memory/flows::linux_sends_fragments",
                    "memory/flows::fragments_that_are_wrong",
                ],
                "DEN0140 4.1.2",
            ),
            row(
                "FFA_MEM_FRAG_RX",
                &[f::MEM_FRAG_RX],
                BOTH,
                "For a hypervisor in the normal world, and for a partition that retrieves another's memory. What it \
                 retrieves of the normal world's is one range of its window: that answer fits one fragment.",
                &[
                    "memory/between::fragments_both_ways",
                    "memory::a_hypervisor_asks_what_a_handle_means",
                    "memory/describe::parts_are_parts_of_the_whole",
                ],
                "DEN0140 4.1.2",
            ),
            row(
                "FFA_MEM_OP_PAUSE, _RESUME",
                &[0x8400_0078, 0x8400_0079],
                NOBODY,
                "Time slicing is optional: here every operation is one step, and the flag that allows it means nothing.",
                &[],
                "DEN0140 4.1.3",
            ),
            row(
                "FFA_MEM_PERM_GET, _SET",
                &[0x8400_0088, 0x8400_0089],
                NOBODY,
                "For S-EL0 partitions; here all are at S-EL1.",
                &["discovery::what_does_not_exist_is_not_supported"],
                "DEN0140 2.8 and 2.9",
            ),
        ],
    ),
    (
        "Notifications",
        &[
            row(
                "FFA_NOTIFICATION_BITMAP_CREATE, _DESTROY",
                &[f::NOTIFICATION_BITMAP_CREATE, f::NOTIFICATION_BITMAP_DESTROY],
                NORMAL,
                "For the operating system or hypervisor (ID 0), and for the virtual machines of the table with no \
                 more contexts than it gives them.",
                &[
                    "notification::bitmaps_are_made_once",
                    "vm::it_has_no_more_contexts_than_the_table_says",
                ],
                "16.1 and 16.2",
            ),
            row(
                "FFA_NOTIFICATION_BIND, _UNBIND",
                &[f::NOTIFICATION_BIND, f::NOTIFICATION_UNBIND],
                BOTH,
                "Global and per context, of senders whose notifications the table lets through; by a hypervisor for \
                 its virtual machines.",
                &[
                    "notification::who_binds_is_the_receiver",
                    "policy::notifications",
                    "vm::it_is_notified_and_notifies",
                ],
                "16.3 and 16.4",
            ),
            row(
                "FFA_NOTIFICATION_SET",
                &[f::NOTIFICATION_SET],
                BOTH,
                "With the delayed schedule-receiver interrupt, of partitions; by a hypervisor for its virtual machines.",
                &[
                    "notification::the_normal_world_cannot_delay",
                    "policy::notifications",
                    "vm::it_is_notified_and_notifies",
                    "notification::a_partition_notifies_the_normal_world",
                    "notification::the_normal_world_notifies_a_partition",
                    "notification::wrong_sets",
                    "notification::the_schedule_receiver_interrupt_can_wait_for_the_core",
                ],
                "16.5",
            ),
            row(
                "FFA_NOTIFICATION_GET",
                &[f::NOTIFICATION_GET],
                BOTH,
                "64 of partitions, 64 of the normal world, and RX buffer full: the SPMC's for a message of a \
                 partition, the hypervisor's for one of the normal world. For a virtual machine only what partitions \
                 and the SPMC send: the rest its hypervisor has.",
                &[
                    "vm::it_is_notified_and_notifies",
                    "vm::a_partition_writes_to_it",
                    "notification::notifications_for_one_vcpu",
                    "notification::partitions_and_the_normal_world_have_notifications_of_their_own",
                    "notification::wrong_gets",
                    "indirect::the_normal_world_writes_to_a_partition",
                ],
                "16.6",
            ),
            row(
                "FFA_NOTIFICATION_INFO_GET",
                &[f::NOTIFICATION_INFO_GET_32, f::NOTIFICATION_INFO_GET_64],
                NORMAL,
                "Lists that do not fit are continued; contexts with a secure interrupt that could not be entered \
                 are listed too, and virtual machines.",
                &[
                    "vm::it_is_notified_and_notifies",
                    "notification::an_endpoint_with_many_contexts_has_two_lists",
                    "notification::lists_that_do_not_fit_are_continued",
                    "interrupt::a_handler_that_takes_too_long_loses_the_core",
                ],
                "16.7",
            ),
        ],
    ),
];
