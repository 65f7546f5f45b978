//! Which calls of FF-A are answered with which error, and why: a part of the book's error catalogue (`docs/errors.md`),
//! which `cargo xtask` makes and includes this file for. [`has`] is asked about every error that any test of the
//! dispatcher sees, the random ones included, so that none is missing.

use super::function as f;

/// An error, its name, and what it says of any call.
pub const CODES: [(i32, &str, &str); 8] = [
    (
        -1,
        "NOT_SUPPORTED",
        "The call, this form of it (SMC32, SMC64), or this call from this side does not exist here. Ask with FFA_FEATURES.",
    ),
    (
        -2,
        "INVALID_PARAMETERS",
        "A parameter is wrong, or names whom or what the caller cannot know: an endpoint that does not list the caller \
         in its `callers` does not exist for it.",
    ),
    (
        -3,
        "NO_MEMORY",
        "No room is left: a quota of the table is used up, or a buffer is too small.",
    ),
    (
        -4,
        "BUSY",
        "What was asked for is in use; the same call may succeed later.",
    ),
    (
        -6,
        "DENIED",
        "The caller may not ask for this, or not in the state in which it is.",
    ),
    (
        -7,
        "RETRY",
        "Something changed meanwhile, and nothing was done: begin again.",
    ),
    (
        -8,
        "ABORTED",
        "The partition that should have answered has failed, or was stopped; what was asked is lost.",
    ),
    (-9, "NO_DATA", "There is nothing to return."),
];

/// Why some calls are answered with an error.
pub struct Why {
    /// The calls, by the names of the conformance page.
    pub calls: &'static [&'static str],
    /// The error's name.
    pub code: &'static str,
    /// When it is the answer.
    pub when: &'static str,
}

const fn why(calls: &'static [&'static str], code: &'static str, when: &'static str) -> Why {
    Why { calls, code, when }
}

const REQUESTS: &[&str] = &["FFA_MSG_SEND_DIRECT_REQ", "FFA_MSG_SEND_DIRECT_REQ2"];
const RESPONSES: &[&str] = &["FFA_MSG_SEND_DIRECT_RESP", "FFA_MSG_SEND_DIRECT_RESP2"];
const GIVING: &[&str] = &[
    "FFA_MEM_SHARE",
    "FFA_MEM_LEND",
    "FFA_MEM_DONATE",
    "FFA_MEM_FRAG_TX",
];

const BITMAP: &[&str] = &["FFA_NOTIFICATION_BITMAP_CREATE, _DESTROY"];
const BIND: &[&str] = &["FFA_NOTIFICATION_BIND, _UNBIND"];

/// All of them but NOT_SUPPORTED, which each call has.
pub const ROWS: &[Why] = &[
    why(
        REQUESTS,
        "INVALID_PARAMETERS",
        "Nobody whom the caller may send such a message has that ID or offers that service; the sender's ID is not the \
         caller's own; a flag or a reserved register is not zero.",
    ),
    why(
        REQUESTS,
        "DENIED",
        "The partition takes no messages of this kind (`receives`), has no context on this core and is not forwarded to, or \
         no core of its is on; from a partition also: the call would close a circle, or it is told of its core's power.",
    ),
    why(
        REQUESTS,
        "BUSY",
        "The normal world: all tickets of the partition are taken by calls that nobody comes for with FFA_RUN. A \
         partition: the callee's context works for somebody else.",
    ),
    why(
        REQUESTS,
        "ABORTED",
        "The partition was stopped, failed before it answered, or rests before its restart. The log has why.",
    ),
    why(
        RESPONSES,
        "INVALID_PARAMETERS",
        "Sender, receiver or flags are not those of the request.",
    ),
    why(
        RESPONSES,
        "DENIED",
        "There is no request to answer, or it is of another form.",
    ),
    why(
        &["FFA_SUCCESS"],
        "INVALID_PARAMETERS",
        "As the end of a request: a register is not zero.",
    ),
    why(
        &["FFA_SUCCESS"],
        "DENIED",
        "There is no request to end, or it is the framework's.",
    ),
    why(
        &["FFA_ERROR"],
        "DENIED",
        "There is no request that it could answer.",
    ),
    why(
        &["FFA_RUN"],
        "INVALID_PARAMETERS",
        "No such partition or context, or none that the caller may give cycles to; the number of a ticket that is nobody's.",
    ),
    why(
        &["FFA_RUN"],
        "DENIED",
        "The context cannot run on this core, was never started, or waits for a call of a partition of its own.",
    ),
    why(
        &["FFA_RUN"],
        "BUSY",
        "The context runs on another core, or works for somebody else.",
    ),
    why(
        &["FFA_RUN"],
        "ABORTED",
        "The partition has failed, or was restarted, since the call that is resumed: its answer will never come.",
    ),
    why(
        &["FFA_RUN"],
        "RETRY",
        "It is the partition's own answer to the call that is resumed.",
    ),
    why(&["FFA_MSG_WAIT"], "DENIED", "A request has to be answered first."),
    why(&["FFA_YIELD"], "INVALID_PARAMETERS", "A register is not zero."),
    why(
        &["FFA_YIELD"],
        "DENIED",
        "During a start, or while the partition is told of its core's power.",
    ),
    why(
        &["FFA_MSG_SEND2"],
        "INVALID_PARAMETERS",
        "The caller has no buffers; the header is not in order; another sender than the caller; a receiver or a service that \
         does not exist for it.",
    ),
    why(
        &["FFA_MSG_SEND2"],
        "DENIED",
        "The receiver or the sender takes no indirect messages, or the receiver has no buffers.",
    ),
    why(
        &["FFA_MSG_SEND2"],
        "BUSY",
        "The receiver has not read its last message.",
    ),
    why(
        &["FFA_MSG_SEND2"],
        "NO_MEMORY",
        "The message does not fit into the receiver's buffer.",
    ),
    why(&["FFA_MSG_SEND2"], "ABORTED", "The receiver was stopped."),
    why(
        &["FFA_MSG_SEND2"],
        "RETRY",
        "Another core of the caller sent meanwhile.",
    ),
    why(
        &["FFA_RXTX_MAP"],
        "INVALID_PARAMETERS",
        "Not one page each, the same page twice, not aligned, or not the caller's own memory; for a virtual machine that the \
         table does not have, or with a descriptor that is not in order.",
    ),
    why(
        &["FFA_RXTX_MAP"],
        "DENIED",
        "There are buffers already, or one of the pages is lent, or somebody else's buffer.",
    ),
    why(
        &["FFA_RXTX_UNMAP"],
        "INVALID_PARAMETERS",
        "No buffers are registered, or they are somebody else's.",
    ),
    why(
        &["FFA_RX_ACQUIRE", "FFA_RX_RELEASE"],
        "INVALID_PARAMETERS",
        "No buffers, or an endpoint for which the caller does not speak.",
    ),
    why(
        &["FFA_RX_ACQUIRE"],
        "DENIED",
        "The buffer is full: its owner has it.",
    ),
    why(
        &["FFA_RX_RELEASE"],
        "DENIED",
        "Nothing was written to the buffer: there is nothing to give back.",
    ),
    why(
        &["FFA_PARTITION_INFO_GET"],
        "INVALID_PARAMETERS",
        "No partition that the caller may know speaks this protocol, or a flag is unknown.",
    ),
    why(
        &["FFA_PARTITION_INFO_GET"],
        "BUSY",
        "The caller has no RX buffer, or has not released it.",
    ),
    why(
        &["FFA_PARTITION_INFO_GET"],
        "NO_MEMORY",
        "The list is longer than the buffer.",
    ),
    why(
        &["FFA_PARTITION_INFO_GET_REGS"],
        "INVALID_PARAMETERS",
        "No partition that the caller may know speaks this protocol, or it is asked from behind the end of the list.",
    ),
    why(
        &["FFA_PARTITION_INFO_GET_REGS"],
        "RETRY",
        "The tag is of no list that was told.",
    ),
    why(
        GIVING,
        "INVALID_PARAMETERS",
        "The descriptor is not in order, or names a receiver that does not exist or takes no memory from this sender; the \
         ranges overlap; there is no such unfinished transmission.",
    ),
    why(
        GIVING,
        "DENIED",
        "The sender does not own the memory, has lent it already, or has its buffers there; it is device memory; a receiver \
         cannot be given it.",
    ),
    why(
        GIVING,
        "NO_MEMORY",
        "A quota of the table is used up: the receiver's `shares`, the caller's `pages`, or room for ranges.",
    ),
    why(
        &["FFA_MEM_RETRIEVE_REQ"],
        "INVALID_PARAMETERS",
        "The request is not in order, does not match what the owner sent, or names a transaction of others.",
    ),
    why(
        &["FFA_MEM_RETRIEVE_REQ"],
        "DENIED",
        "It is retrieved already, or more is asked for than was offered.",
    ),
    why(
        &["FFA_MEM_RETRIEVE_REQ"],
        "NO_MEMORY",
        "The window has no free run that is long enough, or the buffer is too small.",
    ),
    why(
        &["FFA_MEM_RETRIEVE_REQ", "FFA_MEM_FRAG_RX"],
        "BUSY",
        "The caller has no RX buffer, or has not released it.",
    ),
    why(
        &["FFA_MEM_FRAG_RX"],
        "INVALID_PARAMETERS",
        "Nothing was retrieved by this handle, or there is nothing at this offset.",
    ),
    why(
        &["FFA_MEM_RELINQUISH"],
        "INVALID_PARAMETERS",
        "The descriptor is not in order, or names other endpoints or a transaction of others.",
    ),
    why(
        &["FFA_MEM_RELINQUISH"],
        "DENIED",
        "It was not retrieved, is the caller's own by now, or is to be cleared and was lent to be read.",
    ),
    why(
        &["FFA_MEM_RECLAIM"],
        "INVALID_PARAMETERS",
        "No such transaction of the caller's, or a reserved flag.",
    ),
    why(
        &["FFA_MEM_RECLAIM"],
        "DENIED",
        "A receiver still has the memory, or owns it now. A receiver that was stopped has nothing.",
    ),
    why(
        BITMAP,
        "INVALID_PARAMETERS",
        "No such virtual machine; CREATE: no contexts.",
    ),
    why(
        BITMAP,
        "NO_MEMORY",
        "CREATE: more contexts than the table gives the virtual machine, or than there is room for.",
    ),
    why(
        BITMAP,
        "DENIED",
        "CREATE: there is a bitmap already. DESTROY: there is none, or something in it is pending.",
    ),
    why(
        BIND,
        "INVALID_PARAMETERS",
        "No bits, a flag that is unknown, or an endpoint with which the caller has no notifications.",
    ),
    why(
        BIND,
        "DENIED",
        "The receiver has no bitmap. BIND: a bit is bound already. UNBIND: a bit is not bound to this sender, or is pending.",
    ),
    why(
        &["FFA_NOTIFICATION_SET"],
        "INVALID_PARAMETERS",
        "No bits; a flag or a context that does not exist; an endpoint with which the caller has no notifications; a bit that is \
         bound for each context, set for all, or the other way.",
    ),
    why(
        &["FFA_NOTIFICATION_SET"],
        "DENIED",
        "A bit is not bound to this sender, or the receiver has no bitmap.",
    ),
    why(
        &["FFA_NOTIFICATION_GET"],
        "INVALID_PARAMETERS",
        "A flag or a context that does not exist, or another receiver than whom the caller speaks for.",
    ),
    why(
        &["FFA_NOTIFICATION_INFO_GET"],
        "NO_DATA",
        "Nothing is pending that was not told already.",
    ),
    why(
        &["FFA_SECONDARY_EP_REGISTER"],
        "INVALID_PARAMETERS",
        "The address is not in the partition's own executable memory, or no multiple of four.",
    ),
    why(
        &["FFA_SECONDARY_EP_REGISTER"],
        "DENIED",
        "Not the first context before its first FFA_MSG_WAIT.",
    ),
    why(
        &["FFA_CONSOLE_LOG"],
        "INVALID_PARAMETERS",
        "The count of characters is zero, or more than the registers hold.",
    ),
];

/// The name of a call, by its function ID, as the conformance page has it.
fn name(id: u32) -> Option<&'static str> {
    let mut rows = super::conformance::ROWS.iter().flat_map(|(_, rows)| rows.iter());
    rows.find(|row| row.ids.contains(&id)).map(|row| row.name)
}

/// Whether the catalogue has this error (w2 of FFA_ERROR) as an answer to this call.
pub fn has(id: u32, code: u32) -> bool {
    let code = CODES.iter().find(|(number, ..)| number.cast_unsigned() == code);
    match (code, name(id)) {
        (Some((_, "NOT_SUPPORTED", _)), _) => true,
        (Some((_, code, _)), Some(name)) => {
            let mut rows = ROWS.iter();
            rows.any(|row| row.code == *code && row.calls.contains(&name))
        }
        _ => false,
    }
}

#[test]
fn the_catalogue_knows_its_calls_and_codes() {
    assert!(has(f::MSG_WAIT, (-6_i32).cast_unsigned()));
    assert!(has(0x1234, (-1_i32).cast_unsigned()));
    assert!(!has(f::MSG_WAIT, (-4_i32).cast_unsigned()));
    assert!(!has(f::MSG_WAIT, (-5_i32).cast_unsigned()));
    for row in ROWS {
        assert!(CODES.iter().any(|(_, code, _)| *code == row.code), "{}", row.code);
        for call in row.calls {
            let mut calls = super::conformance::ROWS.iter().flat_map(|(_, rows)| rows.iter());
            assert!(calls.any(|other| other.name == *call), "{call}");
        }
    }
}
