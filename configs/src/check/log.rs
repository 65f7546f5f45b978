//! Where a table has the hypervisor's log leave.

use crate::board::Board;
use crate::draft::Draft;
use crate::reader::Faults;
use crate::rule::Rule;

/// The word for no log at all.
const NONE: &str = "none";

/// Gives the log the device that the table names: the board's own one stays where it names none.
pub fn choose(draft: &Draft, board: &mut Board, faults: &mut Faults) {
    let Some(name) = &draft.log else {
        return;
    };
    if name.value == NONE {
        return board.give_log(None);
    }
    let places: Vec<usize> = board
        .log
        .into_iter()
        .chain(board.other_logs.iter().copied())
        .collect();
    let called = |place: usize| board.devices.get(place).map(|device| device.name.as_str());
    match places
        .iter()
        .find(|place| called(**place) == Some(name.value.as_str()))
    {
        Some(place) => board.give_log(Some(*place)),
        None => {
            let mut known: Vec<&str> = places.iter().filter_map(|place| called(*place)).collect();
            known.push(NONE);
            faults.push(super::unknown(Rule::Log, "place for the log", name, &known));
        }
    }
}
