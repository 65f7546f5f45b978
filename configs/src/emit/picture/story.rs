//! What happens in a system, step by step, as lanes with arrows between them: made from its table, so that the names, IDs and
//! limits are those of the system that is pictured.

use super::svg::{Anchor, Font, Rect, Svg};
use super::{EDGE, FAINT, FIRMWARE, HYPERVISOR, INK, MARGIN, NORMAL, PANEL, WIDTH, colour};
use crate::model::{Partition, Preemption, System};
use crate::units::{show_duration, show_range, show_size};

/// A story that can be drawn of any system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// From reset to Linux.
    Boot,
    /// A client's call of the first TEE that clients know.
    Call,
    /// A client's memory on its way to that TEE and back.
    Share,
    /// An interrupt of the normal world while that TEE works.
    Interrupt,
}

const HEAD: f64 = 74.0;
const STEP: f64 = 40.0;

struct Lane {
    name: String,
    below: &'static str,
    colour: &'static str,
}

/// From one lane to another, or within one.
struct Step(usize, usize, String);

/// Draws a story as SVG; none where no client knows a TEE of the system.
#[must_use]
pub fn draw(system: &System, story: Story) -> Option<String> {
    let (index, tee) = system
        .partitions
        .iter()
        .enumerate()
        .find(|(_, partition)| partition.client.is_some())?;
    let (title, lanes, steps) = match story {
        Story::Boot => boot(system),
        Story::Call => ("A call", lanes(index, tee), call(tee)),
        Story::Share => ("Memory that a client lends", lanes(index, tee), share(tee)),
        Story::Interrupt => (
            "An interrupt of Linux while a TEE works",
            lanes(index, tee),
            interrupt(tee),
        ),
    };
    Some(render(&format!("{title}: {}", system.name), &lanes, &steps))
}

fn lane(name: impl Into<String>, below: &'static str, colour: &'static str) -> Lane {
    Lane {
        name: name.into(),
        below,
        colour,
    }
}

/// The lanes of a call.
fn lanes(index: usize, tee: &Partition) -> Vec<Lane> {
    vec![
        lane("client", "Linux, EL0", NORMAL),
        lane("TEE driver", "Linux, EL1", NORMAL),
        lane("TF-A's SPMD", "EL3", FIRMWARE),
        lane("Bulkhead", "S-EL2", HYPERVISOR),
        lane(tee.name.clone(), "S-EL1", colour(index)),
    ]
}

fn boot(system: &System) -> (&'static str, Vec<Lane>, Vec<Step>) {
    let mut lanes = vec![
        lane("TF-A", "EL3", FIRMWARE),
        lane("Bulkhead", "S-EL2", HYPERVISOR),
        lane("Linux", "NS-EL1", NORMAL),
    ];
    let mut steps = vec![
        Step(
            0,
            0,
            "BL2 loads Bulkhead and a package for each partition from the FIP".into(),
        ),
        Step(0, 1, "BL31 enters Bulkhead".into()),
        Step(1, 1, format!("is this machine {}?", system.board.name)),
    ];
    let mut order: Vec<(usize, &Partition)> = system.partitions.iter().enumerate().collect();
    order.sort_by_key(|(_, partition)| partition.boot_order);
    for (_, partition) in &order {
        let place = partition
            .memory
            .first()
            .map(|region| show_range(region.range.base, region.range.base + region.range.size));
        let place = place.unwrap_or_default();
        steps.push(Step(
            1,
            1,
            format!("{}: SHA-256 is the table's? moved to {place}", partition.name),
        ));
    }
    for (index, partition) in order {
        lanes.insert(
            lanes.len() - 1,
            lane(partition.name.clone(), "S-EL1", colour(index)),
        );
        let at = lanes.len() - 2;
        steps.push(Step(1, at, "enter the first context".into()));
        steps.push(Step(at, 1, "FFA_MSG_WAIT: ready".into()));
    }
    let linux = lanes.len() - 1;
    steps.extend([
        Step(1, 0, "FFA_MSG_WAIT: all have started".into()),
        Step(0, linux, "BL33, then Linux".into()),
        Step(linux, 0, "PSCI CPU_ON, for each further core".into()),
        Step(
            0,
            1,
            "that core comes up: contexts of the TEEs start on it".into(),
        ),
    ]);
    ("From reset to Linux", lanes, steps)
}

fn call(tee: &Partition) -> Vec<Step> {
    let id = tee.id;
    vec![
        Step(0, 1, "TEEC_InvokeCommand".into()),
        Step(1, 2, format!("FFA_MSG_SEND_DIRECT_REQ to {id:#06x}")),
        Step(2, 3, "EL2's registers of the other world".into()),
        Step(3, 3, "may it call? does the context of this core wait?".into()),
        Step(3, 4, "EL1's registers, stage 2, then ERET".into()),
        Step(4, 3, "FFA_MSG_SEND_DIRECT_RESP, trapped".into()),
        Step(3, 3, "is it the answer to this request?".into()),
        Step(3, 2, "EL1's registers back".into()),
        Step(2, 1, "the answer".into()),
        Step(1, 0, "TEEC_Result".into()),
    ]
}

fn share(tee: &Partition) -> Vec<Step> {
    let name = &tee.name;
    vec![
        Step(0, 1, "TEEC_RegisterSharedMemory".into()),
        Step(1, 3, "FFA_MEM_SHARE: the pages".into()),
        Step(
            3,
            3,
            format!(
                "ledger: Linux owns them, {name} may have them; {} shares at most",
                tee.shares
            ),
        ),
        Step(3, 1, "a handle".into()),
        Step(1, 4, "a request that names the handle".into()),
        Step(4, 3, "FFA_MEM_RETRIEVE_REQ".into()),
        Step(
            3,
            3,
            format!(
                "mapped as one run of its window of {}",
                show_size(tee.window.size)
            ),
        ),
        Step(3, 4, "where they are".into()),
        Step(4, 3, "FFA_MEM_RELINQUISH: unmapped".into()),
        Step(1, 3, "FFA_MEM_RECLAIM: forgotten".into()),
    ]
}

fn interrupt(tee: &Partition) -> Vec<Step> {
    let mut steps = vec![
        Step(1, 4, "a request that takes long".into()),
        Step(3, 3, "an interrupt of Linux comes to EL2".into()),
    ];
    match tee.preemption {
        Preemption::AtOnce => {}
        Preemption::ManagedExit { limit_us } => {
            steps.push(Step(
                3,
                4,
                format!(
                    "virtual interrupt 4: leave within {}",
                    show_duration(limit_us.into())
                ),
            ));
            steps.push(Step(
                4,
                3,
                "its state is put away: an answer that says `resume me`".into(),
            ));
            steps.push(Step(3, 3, "or the time is over: preempted where it is".into()));
        }
        Preemption::Queued { limit_us } => steps.push(Step(
            3,
            3,
            format!(
                "it waits until the TEE leaves, {} at most",
                show_duration(limit_us.into())
            ),
        )),
    }
    steps.extend([
        Step(3, 1, "FFA_INTERRUPT, or that answer".into()),
        Step(1, 1, "Linux takes its interrupt, and may move the thread".into()),
        Step(
            1,
            4,
            "FFA_RUN, or the request to resume, on any core of its".into(),
        ),
        Step(4, 1, "the answer".into()),
    ]);
    steps
}

fn render(title: &str, lanes: &[Lane], steps: &[Step]) -> String {
    let mut svg = Svg::new();
    svg.text(MARGIN, 42.0, title, Font::sans(22.0).bold(), INK, Anchor::Start);
    let room = (WIDTH - 2.0 * MARGIN) / lanes.len() as f64;
    let middle = |lane: usize| MARGIN + room * (lane as f64 + 0.5);
    let end = HEAD + 52.0 + STEP * steps.len() as f64;
    for (at, lane) in lanes.iter().enumerate() {
        let x = middle(at);
        svg.line((x, HEAD + 40.0), (x, end), EDGE);
        let place = Rect {
            x: x - room * 0.42,
            y: HEAD - 12.0,
            width: room * 0.84,
            height: 46.0,
            radius: 8.0,
        };
        svg.rect(place, lane.colour, "none");
        let name = Font::sans(14.0).bold();
        svg.text(
            x,
            HEAD + 8.0,
            &name.fit(&lane.name, room * 0.8),
            name,
            "#ffffff",
            Anchor::Middle,
        );
        svg.text(
            x,
            HEAD + 25.0,
            lane.below,
            Font::sans(11.0),
            "#ffffff",
            Anchor::Middle,
        );
    }
    for (number, Step(from, to, text)) in steps.iter().enumerate() {
        let y = HEAD + 76.0 + STEP * number as f64;
        step(&mut svg, (middle(*from), middle(*to)), y, text);
    }
    svg.finish(WIDTH, end + MARGIN, title)
}

/// An arrow with its text above it, or a box where a lane is busy with itself.
fn step(svg: &mut Svg, (from, to): (f64, f64), y: f64, text: &str) {
    let font = Font::sans(12.5);
    let width = font.width(text) + 16.0;
    let centre = ((from + to) / 2.0).clamp(MARGIN + width / 2.0, WIDTH - MARGIN - width / 2.0);
    if (from - to).abs() < 1.0 {
        let place = Rect {
            x: centre - width / 2.0,
            y: y - 22.0,
            width,
            height: 26.0,
            radius: 6.0,
        };
        svg.rect(place, PANEL, EDGE);
        svg.text(centre, y - 5.0, text, font, INK, Anchor::Middle);
        return;
    }
    let back = if to > from { -8.0 } else { 8.0 };
    svg.line((from, y), (to, y), FAINT);
    svg.line((to + back, y - 5.0), (to, y), FAINT);
    svg.line((to + back, y + 5.0), (to, y), FAINT);
    // What crosses a lane on its way would be hard to read without a ground of its own.
    let ground = Rect {
        x: centre - width / 2.0,
        y: y - 20.0,
        width,
        height: 17.0,
        radius: 0.0,
    };
    svg.rect(ground, "#ffffff", "none");
    svg.text(centre, y - 7.0, text, font, INK, Anchor::Middle);
}
