//! `hamctl events [-f] [NAMES…]`: the last facts of the history, and what
//! comes, one a line.

use crate::connection::{Manager, Manner, Reply};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, complain};
use crate::render;
use crate::zone::Zone;
use ham_core::wire::{History, HistoryParameters};
use serde::Deserialize;
use serde_json::value::RawValue;

/// An answer whose facts stay as they were written.
#[derive(Deserialize)]
struct Facts {
    facts: Vec<Box<RawValue>>,
}

/// See the file.
pub(super) fn run(
    program: &str,
    manager: &Manager,
    names: Vec<String>,
    follow: bool,
    lines: u64,
    output: Output,
) -> Result<Exit, Error> {
    let zone = Zone::local();
    let asked = HistoryParameters { names, limit: Some(lines), ..HistoryParameters::default() };
    let print = |reply: &Reply| {
        let history: History = reply.read()?;
        if history.lost > 0 {
            complain(program, &format!("{} facts were overwritten before they came", history.lost));
        }
        if output.json {
            let Facts { facts } = reply.read()?;
            output.print(&facts.iter().map(|fact| format!("{fact}\n")).collect::<String>())?;
        } else {
            output.print(&render::history::lines(&history.facts, &zone, output.look))?;
        }
        Ok(history.next)
    };
    if follow {
        manager.follow(asked, print)?;
    } else {
        print(&manager.call("History", &asked, Manner::AT_ONCE)?)?;
    }
    Ok(Exit::Success)
}
