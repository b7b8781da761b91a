//! `hamctl why NAME`: one sentence about how an entity came into its state.

use super::is::one_name;
use crate::connection::{Manager, Manner};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::render::why::{Explained, explain};
use crate::zone::{self, Zone};
use ham_core::wire::{EntityStatus, History, HistoryFact, HistoryParameters, OneName, Shown};
use serde::Serialize;

/// What `--json` prints.
#[derive(Serialize)]
struct Why<'a> {
    name: &'a str,
    sentence: &'a str,
    status: &'a EntityStatus,
    facts: Vec<&'a HistoryFact>,
}

/// See the file.
pub(super) fn run(manager: &Manager, name: String, output: Output) -> Result<Exit, Error> {
    one_name(&name)?;
    let asked = HistoryParameters { names: vec![name.clone()], ..HistoryParameters::default() };
    let shown: Shown = manager.call("Show", &OneName { name }, Manner::AT_ONCE)?.read()?;
    let history: History = manager.call("History", &asked, Manner::AT_ONCE)?.read()?;
    let zone = Zone::local();
    let Explained { sentence, facts } = explain(&shown, &history.facts, &zone, zone::now());
    if output.json {
        let name = &shown.status.name;
        output.print_document(&Why { name, sentence: &sentence, status: &shown.status, facts })?;
    } else {
        output.print_line(&sentence)?;
    }
    Ok(Exit::Success)
}
