//! The upper half: compartments side by side, the hypervisor beneath them, firmware beneath everything.

use super::svg::{Anchor, Font, Rect, Svg};
use super::{EDGE, FAINT, FIRMWARE, HYPERVISOR, INK, MARGIN, NORMAL, PANEL, WIDTH, colour};
use crate::model::{Partition, SPMC_ID, System};

const NORMAL_WIDTH: f64 = 232.0;
const GAP: f64 = 12.0;
const HEADER: f64 = 34.0;
const COMPARTMENT: f64 = 142.0;
const BAR: f64 = 44.0;
const CHIP: f64 = 22.0;
/// Clients' names that the normal world's box has room for.
const LISTED: usize = 5;
const WHITE: &str = "#ffffff";

/// Draws from `top` on; the lowest used coordinate.
pub fn draw(svg: &mut Svg, system: &System, top: f64) -> f64 {
    let secure_left = MARGIN + NORMAL_WIDTH + 2.0 * GAP;
    let secure_width = WIDTH - MARGIN - secure_left;
    let inside = COMPARTMENT + GAP + BAR;
    panel(
        svg,
        Rect {
            x: MARGIN,
            y: top,
            width: NORMAL_WIDTH,
            height: HEADER + inside + GAP,
            radius: 10.0,
        },
        "Normal world",
    );
    panel(
        svg,
        Rect {
            x: secure_left,
            y: top,
            width: secure_width,
            height: HEADER + inside + GAP,
            radius: 10.0,
        },
        "Secure world",
    );

    let y = top + HEADER;
    let normal = Rect {
        x: MARGIN + GAP,
        y,
        width: NORMAL_WIDTH - 2.0 * GAP,
        height: inside,
        radius: 7.0,
    };
    normal_world(svg, system, normal);

    let count = system.partitions.iter().fold(0.0, |count, _| count + 1.0);
    let width = (secure_width - GAP - count * GAP) / count;
    let mut x = secure_left + GAP;
    for (index, partition) in system.partitions.iter().enumerate() {
        compartment(
            svg,
            system,
            partition,
            colour(index),
            Rect {
                x,
                y,
                width,
                height: COMPARTMENT,
                radius: 7.0,
            },
        );
        x += width + GAP;
    }

    let bar = Rect {
        x: secure_left + GAP,
        y: y + COMPARTMENT + GAP,
        width: secure_width - 2.0 * GAP,
        height: BAR,
        radius: 7.0,
    };
    layer(
        svg,
        bar,
        HYPERVISOR,
        "Bulkhead",
        &format!("S-EL2 · SPMC {SPMC_ID:#06x} · stage 2, dispatcher, interrupts"),
    );
    let below = top + HEADER + inside + 2.0 * GAP;
    let bar = Rect {
        x: MARGIN,
        y: below,
        width: WIDTH - 2.0 * MARGIN,
        height: BAR,
        radius: 7.0,
    };
    layer(svg, bar, FIRMWARE, "Firmware", "EL3 · TF-A with its SPMD");
    below + BAR
}

fn panel(svg: &mut Svg, at: Rect, name: &str) {
    svg.rect(at, PANEL, EDGE);
    svg.text(
        at.x + GAP,
        at.y + 22.0,
        name,
        Font::sans(13.0).bold(),
        FAINT,
        Anchor::Start,
    );
}

fn layer(svg: &mut Svg, at: Rect, fill: &str, name: &str, facts: &str) {
    svg.rect(at, fill, "none");
    let y = at.y + at.height / 2.0 + 5.0;
    let font = Font::sans(15.0).bold();
    svg.text(at.x + 16.0, y, name, font, WHITE, Anchor::Start);
    svg.text(
        at.x + 32.0 + font.width(name),
        y,
        facts,
        Font::sans(13.0),
        "#e3e8ef",
        Anchor::Start,
    );
}

fn normal_world(svg: &mut Svg, system: &System, at: Rect) {
    svg.rect(at, WHITE, NORMAL);
    svg.rect(
        Rect {
            height: 6.0,
            radius: 3.0,
            ..at
        },
        NORMAL,
        "none",
    );
    svg.text(
        at.x + 14.0,
        at.y + 34.0,
        "Linux",
        Font::sans(17.0).bold(),
        INK,
        Anchor::Start,
    );
    svg.text(
        at.x + 14.0,
        at.y + 54.0,
        "FF-A and OP-TEE drivers",
        Font::sans(12.0),
        FAINT,
        Anchor::Start,
    );
    let mut y = at.y + 86.0;
    if !system.machines.is_empty() {
        let names: Vec<&str> = system
            .machines
            .iter()
            .map(|machine| machine.name.as_str())
            .collect();
        let font = Font::sans(12.0);
        let text = font.fit(&format!("VMs: {}", names.join(", ")), at.width - 28.0);
        svg.text(at.x + 14.0, y - 16.0, &text, font, FAINT, Anchor::Start);
        y += 14.0;
    }
    let clients = system
        .partitions
        .iter()
        .enumerate()
        .filter_map(|(index, each)| Some((index, each.client.as_ref()?)));
    let dedicated = dedicated_cores(system);
    if !dedicated.is_empty() {
        let text = format!("without core {}", dedicated.join(", "));
        svg.text(
            at.x + 14.0,
            y - 16.0,
            &text,
            Font::sans(12.0),
            FAINT,
            Anchor::Start,
        );
        y += 14.0;
    }
    let count = clients.clone().count();
    let listed = if system.machines.is_empty() {
        LISTED
    } else {
        LISTED - 1
    };
    let shown = if count > listed { listed - 1 } else { count };
    if clients.clone().next().is_some() {
        svg.text(
            at.x + 14.0,
            y,
            "TEEs by name",
            Font::sans(12.0).bold(),
            FAINT,
            Anchor::Start,
        );
    }
    for (index, client) in clients.take(shown) {
        y += 20.0;
        svg.rect(
            Rect {
                x: at.x + 14.0,
                y: y - 9.0,
                width: 9.0,
                height: 9.0,
                radius: 2.0,
            },
            colour(index),
            "none",
        );
        let name = if client.default {
            format!("{} (default)", client.name)
        } else {
            client.name.clone()
        };
        let font = Font::sans(12.0);
        svg.text(
            at.x + 30.0,
            y,
            &font.fit(&name, at.width - 40.0),
            font,
            INK,
            Anchor::Start,
        );
    }
    if count > shown {
        let text = format!("and {} more", count - shown);
        svg.text(
            at.x + 30.0,
            y + 20.0,
            &text,
            Font::sans(12.0),
            FAINT,
            Anchor::Start,
        );
    }
}

/// Numbers of the cores that the normal world does not have.
fn dedicated_cores(system: &System) -> Vec<String> {
    let owners = system.partitions.iter().filter(|partition| partition.dedicated);
    let mut cores: Vec<usize> = owners
        .flat_map(|partition| partition.cores.iter().copied())
        .collect();
    cores.sort_unstable();
    cores.iter().map(usize::to_string).collect()
}

fn compartment(svg: &mut Svg, system: &System, partition: &Partition, colour: &str, at: Rect) {
    svg.rect(at, WHITE, colour);
    svg.rect(
        Rect {
            height: 6.0,
            radius: 3.0,
            ..at
        },
        colour,
        "none",
    );
    let room = at.width - 24.0;
    let line = |svg: &mut Svg, y: f64, text: &str, font: Font, ink: &str| {
        svg.text(
            at.x + 14.0,
            at.y + y,
            &font.fit(text, room),
            font,
            ink,
            Anchor::Start,
        );
    };
    let title = Font::sans(17.0).bold();
    let title = title.fitting(&[17.0, 14.0, 12.0, 10.5], &partition.name, room);
    line(svg, 34.0, &partition.name, title, INK);
    let kind = partition.tee.title();
    let long = format!("S-EL1 · {kind}");
    let small = Font::sans(12.0);
    line(
        svg,
        54.0,
        [long.as_str(), kind]
            .into_iter()
            .find(|text| small.width(text) <= room)
            .unwrap_or(partition.tee.word()),
        small,
        FAINT,
    );
    line(
        svg,
        74.0,
        &format!("{:#06x}", partition.id),
        Font::mono(12.0),
        FAINT,
    );
    chips(
        svg,
        system,
        partition,
        colour,
        Rect {
            x: at.x + 14.0,
            y: at.y + at.height - CHIP - 14.0,
            ..at
        },
    );
    let (label, short) = if partition.dedicated {
        ("cores of its own", "own cores")
    } else {
        ("contexts on cores", "cores")
    };
    let label = if Font::sans(11.0).width(label) > room {
        short
    } else {
        label
    };
    line(svg, at.height - CHIP - 21.0, label, Font::sans(11.0), FAINT);
}

/// One chip for each core of the board, filled where the partition has a context; smaller chips, at last
/// without numbers, where the room is small.
fn chips(svg: &mut Svg, system: &System, partition: &Partition, colour: &str, at: Rect) {
    let count = system.board.cores.iter().fold(0.0, |count, _| count + 1.0);
    let pitch = (CHIP + 6.0).min((at.width - 22.0) / count);
    let size = pitch - pitch * 6.0 / (CHIP + 6.0);
    let mut x = at.x;
    for core in 0..system.board.cores.len() {
        let (fill, stroke, ink) = if partition.cores.contains(&core) {
            (colour, colour, WHITE)
        } else {
            (WHITE, EDGE, EDGE)
        };
        svg.rect(
            Rect {
                x,
                y: at.y,
                width: size,
                height: CHIP,
                radius: size / 4.5,
            },
            fill,
            stroke,
        );
        if size >= 12.0 {
            let font = Font::mono(size.min(12.0)).bold();
            svg.text(
                x + size / 2.0,
                at.y + 15.5,
                &core.to_string(),
                font,
                ink,
                Anchor::Middle,
            );
        }
        x += pitch;
    }
}
