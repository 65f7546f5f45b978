//! What each owner has, in words.

use super::memory::FREE;
use super::svg::{Anchor, Font, Rect, Svg};
use super::{EDGE, FAINT, HYPERVISOR, INK, MARGIN, WIDTH, colour};
use crate::draft::{Action, KINDS, word};
use crate::model::{Caller, Partition, Preemption, SPMC_ID, System};
use crate::plan::left;
use crate::units::{PAGE, show_duration, show_range, show_size};

const ROW: f64 = 26.0;
/// From one line of a cell to the next.
const LINE: f64 = 16.0;

/// Columns: heading and left edge.
const COLUMNS: [(&str, f64); 6] = [
    ("owner", 48.0),
    ("memory", 216.0),
    ("called by", 448.0),
    ("borrows up to", 604.0),
    ("preempted", 790.0),
    ("devices, interrupts", 936.0),
];

/// Draws from `top` on; the lowest used coordinate.
pub fn draw(svg: &mut Svg, system: &System, top: f64) -> f64 {
    let mut y = top + 14.0;
    for (heading, x) in COLUMNS {
        svg.text(x, y, heading, Font::sans(12.0).bold(), FAINT, Anchor::Start);
    }
    let range = system.hypervisor;
    let memory = show_range(range.base, range.end());
    let log = match system.board.log() {
        None => "no log".to_owned(),
        Some((device, false)) => format!("{} (log)", device.name),
        Some((device, true)) => format!("{} (log, shared)", device.name),
    };
    let nothing = String::new;
    y = row(
        svg,
        y,
        HYPERVISOR,
        &[
            "Bulkhead".to_owned(),
            memory,
            nothing(),
            nothing(),
            nothing(),
            log,
        ],
    );
    for (index, partition) in system.partitions.iter().enumerate() {
        y = row(svg, y, colour(index), &cells(system, partition));
    }
    y = row(svg, y, FREE, &left(system));
    let y = not_built(svg, system, y);
    machines(svg, system, y)
}

/// What nobody has.
fn left(system: &System) -> [String; 6] {
    let (sum, _) = left::free(system);
    let owned = [left::devices(system), left::interrupts(system)];
    let owned: Vec<&str> = owned
        .iter()
        .map(String::as_str)
        .filter(|names| !names.is_empty())
        .collect();
    let memory = if sum == 0 {
        "no memory".to_owned()
    } else {
        show_size(sum)
    };
    let free = system
        .board
        .firmware
        .packages
        .saturating_sub(system.partitions.len());
    [
        "left".to_owned(),
        format!("{memory}, {}", super::count(free, "package")),
        String::new(),
        String::new(),
        String::new(),
        if owned.is_empty() {
            "none".to_owned()
        } else {
            owned.join(", ")
        },
    ]
}

/// Whether the hypervisor does all that the table asks for.
fn not_built(svg: &mut Svg, system: &System, above: f64) -> f64 {
    let count = system.not_built.len();
    if count == 0 {
        return above;
    }
    let y = above + ROW + 8.0;
    let text = format!(
        "Not built yet: the table asks for {} that the hypervisor does not do.",
        super::count(count, "thing")
    );
    svg.text(
        MARGIN,
        y,
        &text,
        Font::sans(12.5).bold(),
        "#b4551a",
        Anchor::Start,
    );
    y
}

/// What keeps virtual machines apart, where there are some.
fn machines(svg: &mut Svg, system: &System, above: f64) -> f64 {
    if system.machines.is_empty() {
        return above;
    }
    let y = above + ROW + 8.0;
    let text = "Virtual machines are told apart by a hypervisor in the normal world only: without one, any software \
                there can use any of their IDs.";
    svg.text(MARGIN, y, text, Font::sans(12.5).bold(), "#b4551a", Anchor::Start);
    y
}

/// A caller's name, with what it may send if that is less than the partition takes; a dash for nothing.
fn called_by(system: &System, partition: &Partition, caller: &Caller) -> String {
    let name = system.endpoint_name(caller.id);
    if partition.takes_all_from(caller) {
        return name.to_owned();
    }
    let kinds: Vec<&str> = caller.messages.iter().map(|kind| word(KINDS, *kind)).collect();
    let kinds = if kinds.is_empty() {
        "–".to_owned()
    } else {
        kinds.join(" and ")
    };
    format!("{name} ({kinds})")
}

/// What a partition may hold of the normal world's memory and of each other partition's.
fn borrows(system: &System, partition: &Partition) -> String {
    let mut text = format!(
        "{} in {} shares",
        show_size(partition.window.size),
        partition.shares
    );
    for lender in partition.callers.iter().filter(|caller| caller.id > SPMC_ID) {
        let pages = lender.pages.unwrap_or_default();
        if pages > 0 {
            let name = system.endpoint_name(lender.id);
            text += &format!(", {} of {name}", show_size(u64::from(pages) * PAGE));
        }
    }
    text
}

fn cells(system: &System, partition: &Partition) -> [String; 6] {
    let ranges = partition
        .memory
        .iter()
        .map(|region| show_range(region.range.base, region.range.end()));
    let callers = partition.callers.iter();
    let callers: Vec<String> = callers
        .map(|caller| called_by(system, partition, caller))
        .collect();
    let devices = partition.devices.iter().map(|device| device.name.clone());
    let interrupts = partition
        .interrupts
        .iter()
        .map(|interrupt| format!("{} ({})", interrupt.name, interrupt.intid));
    let queued = (partition.action == Action::Queued).then(|| "queued behind others".to_owned());
    let owned: Vec<String> = devices.chain(interrupts).chain(queued).collect();
    [
        partition.name.clone(),
        ranges.collect::<Vec<_>>().join(", "),
        if callers.is_empty() {
            "nobody".to_owned()
        } else {
            callers.join(", ")
        },
        borrows(system, partition),
        match partition.preemption {
            Preemption::AtOnce => "at once".to_owned(),
            Preemption::ManagedExit { limit_us } => {
                format!("managed exit {}", show_duration(limit_us.into()))
            }
            Preemption::Queued { limit_us } => format!("queued {}", show_duration(limit_us.into())),
        },
        if owned.is_empty() {
            "none".to_owned()
        } else {
            owned.join(", ")
        },
    ]
}

fn row(svg: &mut Svg, above: f64, fill: &str, cells: &[String; 6]) -> f64 {
    let y = above + ROW;
    svg.line((MARGIN, y - 17.5), (WIDTH - MARGIN, y - 17.5), EDGE);
    svg.rect(
        Rect {
            x: MARGIN,
            y: y - 9.5,
            width: 10.0,
            height: 10.0,
            radius: 2.0,
        },
        fill,
        if fill == FREE { FAINT } else { "none" },
    );
    let mut lowest = y;
    for (index, (text, (_, x))) in cells.iter().zip(COLUMNS).enumerate() {
        let font = match index {
            0 => Font::sans(12.5).bold(),
            1 => Font::mono(12.0),
            _ => Font::sans(12.5),
        };
        let right = COLUMNS.get(index + 1).map_or(WIDTH - MARGIN, |(_, x)| *x - 6.0);
        let mut line = y;
        for part in font.wrap(text, right - x) {
            svg.text(x, line, &part, font, INK, Anchor::Start);
            lowest = lowest.max(line);
            line += LINE;
        }
    }
    lowest
}
