//! The lists of IDs that FFA_NOTIFICATION_INFO_GET returns (DEN0077A 1.2, section 16.7).
//!
//! Each list is an endpoint ID and up to three vCPU IDs behind it, 16 bits each, packed from w3 or
//! x3 on; the second result register says how many lists there are and how many vCPU IDs each has.

use crate::function;
use crate::reply::Reply;

/// IDs in w3 to w7, and in x3 to x7.
const IDS_32: usize = 10;
const IDS_64: usize = 20;
/// vCPU IDs of one list.
const VCPUS: u8 = 3;
/// Lists under construction.
pub(crate) struct IdList {
    wide: bool,
    ids: [u16; IDS_64],
    used: usize,
    /// vCPU IDs of each list.
    lengths: [u8; IDS_64],
    lists: usize,
    /// Endpoint of the last list.
    last: Option<u16>,
}

impl IdList {
    pub(crate) fn new(wide: bool) -> Self {
        Self {
            wide,
            ids: [0; IDS_64],
            used: 0,
            lengths: [0; IDS_64],
            lists: 0,
            last: None,
        }
    }

    fn room(&self) -> usize {
        (if self.wide { IDS_64 } else { IDS_32 }).saturating_sub(self.used)
    }

    fn push(&mut self, id: u16) {
        if let Some(place) = self.ids.get_mut(self.used) {
            *place = id;
            self.used = self.used.saturating_add(1);
        }
    }

    /// Adds an endpoint, or one of its contexts; false when there is no room.
    pub(crate) fn put(&mut self, endpoint: u16, vcpu: Option<u16>) -> bool {
        let Some(vcpu) = vcpu else {
            if self.room() < 1 {
                return false;
            }
            self.open(endpoint);
            // A list of its own, which no vCPU ID may follow.
            self.last = None;
            return true;
        };
        let place = self.lists.saturating_sub(1);
        let open = self.last == Some(endpoint) && self.lengths.get(place).is_some_and(|n| *n < VCPUS);
        if self.room() < if open { 1 } else { 2 } {
            return false;
        }
        if !open {
            self.open(endpoint);
        }
        self.push(vcpu);
        let place = self.lists.saturating_sub(1);
        if let Some(length) = self.lengths.get_mut(place) {
            *length = length.saturating_add(1);
        }
        true
    }

    /// Begins a list. Where there is room for an ID there is for a list, which has one at least.
    fn open(&mut self, endpoint: u16) {
        self.push(endpoint);
        self.lists = self.lists.saturating_add(1);
        self.last = Some(endpoint);
    }

    /// The answer; none where nothing is listed.
    pub(crate) fn reply(&self, more: bool) -> Option<Reply> {
        if self.lists == 0 {
            return None;
        }
        let mut info = u64::from(more) | (self.lists as u64) << 7;
        for (place, length) in self.lengths.iter().take(self.lists).enumerate() {
            info |= u64::from(*length) << (12 + 2 * place);
        }
        let mut regs = [0; 8];
        regs[0] = u64::from(if self.wide {
            function::SUCCESS_64
        } else {
            function::SUCCESS_32
        });
        regs[2] = info;
        let per_register = if self.wide { 4 } else { 2 };
        for (to, ids) in regs.iter_mut().skip(3).zip(self.ids.chunks(per_register)) {
            *to = ids.iter().rev().fold(0, |value, id| value << 16 | u64::from(*id));
        }
        Some(Reply::Short(regs))
    }
}
