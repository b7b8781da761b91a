//! The start of the manager as two tables: the critical path, and what took
//! longest.

use super::{Bar, Boot, moment, summary};
use crate::output::Look;
use crate::table::{Cell, Column, Style, harmless, render};

/// How many of the slowest are listed: more than a person mends at a time.
const SLOWEST: usize = 10;

const COLUMNS: [Column; 5] = [
    Column { heading: "WAITED", right: true },
    Column { heading: "BEGAN AT", right: true },
    Column { heading: "TOOK", right: true },
    Column { heading: "UP AT", right: true },
    // The last one is clipped to the terminal, and names can be long.
    Column { heading: "ENTITY", right: false },
];

/// The tables.
pub(crate) fn text(boot: &Boot, look: Look) -> String {
    let mut text = format!("{}\n", summary(boot));
    if !boot.critical.is_empty() {
        text.push_str("\nCritical path, each after the one above it:\n");
        text.push_str(&critical(boot, look));
        text.push_str("\nSlowest:\n");
        text.push_str(&slowest(boot, look));
    }
    let open: Vec<&Bar> =
        boot.entities.iter().filter(|bar| bar.up_ns.is_none() || bar.is_failed()).collect();
    if !open.is_empty() {
        let names: Vec<String> =
            open.iter().map(|bar| format!("{} ({})", bar.name, bar.state)).collect();
        text.push_str(&format!("\nNot up: {}\n", harmless(&names.join(", "))));
    }
    if !boot.later.is_empty() {
        text.push_str(&format!("\nStarted again later: {}\n", harmless(&boot.later.join(", "))));
    }
    text
}

/// The critical path alone.
fn critical(boot: &Boot, look: Look) -> String {
    let find = |name: &String| boot.entities.iter().find(|bar| bar.name == *name);
    let rows: Vec<Vec<Cell>> = boot.critical.iter().filter_map(find).map(row).collect();
    render(&COLUMNS, &rows, look)
}

fn slowest(boot: &Boot, look: Look) -> String {
    let mut bars: Vec<&Bar> = boot.entities.iter().filter(|bar| bar.took().is_some()).collect();
    bars.sort_by(|a, b| b.took().cmp(&a.took()).then_with(|| a.name.cmp(&b.name)));
    let rows: Vec<Vec<Cell>> = bars.into_iter().take(SLOWEST).map(row).collect();
    render(&COLUMNS, &rows, look)
}

fn row(bar: &Bar) -> Vec<Cell> {
    let time = |at: Option<u64>| {
        at.map_or_else(|| Cell::new("-", Style::Faint), |at| Cell::plain(moment(at)))
    };
    let name = if bar.critical { Style::Passing } else { Style::Plain };
    vec![
        time(bar.waited()),
        time(bar.begun_ns),
        time(bar.took()),
        time(bar.up_ns),
        Cell::new(named(bar), name),
    ]
}

/// `web (waited for /run/db.sock 3.20s)`: no other entity, and not the start.
fn named(bar: &Bar) -> String {
    match bar.waited_for_path() {
        Some((path, took)) => format!("{} (waited for {path} {})", bar.name, moment(took)),
        None => bar.name.clone(),
    }
}
