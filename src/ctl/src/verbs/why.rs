//! `hamctl why NAME`: one sentence about how an entity came into its state.

use super::is::one_name;
use crate::connection::{Manager, Manner};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::render::why::{Explained, explain};
use crate::zone::{self, Zone};
use ham_core::wire::{
    EntityStatus, History, HistoryFact, HistoryParameters, Names, OneName, Refusal, Shown, Status,
};
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
    let others = match shown.status.waits_for.as_slice() {
        [] => Vec::new(),
        names => waited_for(manager, names)?,
    };
    let (zone, now) = (Zone::local(), zone::now());
    let Explained { sentence, facts } = explain(&shown, &history.facts, &others, &zone, now);
    if output.json {
        let name = &shown.status.name;
        output.print_document(&Why { name, sentence: &sentence, status: &shown.status, facts })?;
    } else {
        output.print_line(&sentence)?;
    }
    Ok(Exit::Success)
}

/// Those that an entity waits for, as they are.
fn waited_for(manager: &Manager, names: &[String]) -> Result<Vec<EntityStatus>, Error> {
    let asked = Names { names: names.to_vec(), wait: true, request: None };
    match manager.call("Status", &asked, Manner::AT_ONCE) {
        Ok(reply) => Ok(reply.read::<Status>()?.entities),
        // One of them has gone since.
        Err(Error::Refused(Refusal::UnknownEntity { .. })) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
