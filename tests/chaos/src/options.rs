//! What the command line says.

use crate::aim::Way;
use crate::collect::{self, Source};
use crate::scenario::Scenario;
use lexopt::prelude::*;
use std::path::PathBuf;

/// The summary.
pub(crate) const HELP: &str = "\
Kills the processes of ham at any instant, and compares what its entities wrote
of themselves with what ham says. Exits with 0 only when nothing was lost,
doubled, misattributed, wrong, out of order or late.

Usage: ham-chaos [OPTIONS]

  --kills N        kills in all, divided over the scenarios (2000)
  --seed N         what is drawn follows from this, as far as timing allows (1)
  --scenario NAME  only this one; may be repeated:
                   plain, as-pid1, no-clone3, reaper-segv
  --as-pid1, --no-clone3, --reaper-segv   short for --scenario
  --without NAME   all but this one; may be repeated
  --only WAY       kill only at such moments; may be repeated:
                   random, clone, made, commit, effect, takeover, exact,
                   exact-takeover
  --stops N        stop so many processes instead of killing them, which takes
                   some six seconds each (2)
  --ham PATH       the program; by default the one beside this program
  --hamctl PATH    likewise
  --history FROM   where the history is read: `events` (hamctl events), or
                   `ring` (the shared state); by default the first, where hamctl
                   knows it
  --keep           keep the directories with logs and ledgers, and say where
  --json           print the result as JSON
  -h, --help       print this

The programs are not built by this one:
  cargo build --release -p ham -p hamctl
  cargo run --release -p ham-chaos -- --kills 2000
";

/// The options.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) kills: u64,
    pub(crate) seed: u64,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) ways: Vec<Way>,
    pub(crate) stops: u64,
    pub(crate) source: Source,
    pub(crate) ham: PathBuf,
    pub(crate) hamctl: PathBuf,
    pub(crate) keep: bool,
    pub(crate) json: bool,
    pub(crate) help: bool,
}

/// Reads them; `Err`: what is wrong with them.
pub(crate) fn parse() -> Result<Options, String> {
    let beside = std::env::current_exe().map_err(|error| format!("who am I: {error}"))?;
    let mut options = Options {
        kills: 2_000,
        seed: 1,
        scenarios: Vec::new(),
        ways: Vec::new(),
        stops: 2,
        source: Source::Ring,
        ham: beside.with_file_name("ham"),
        hamctl: beside.with_file_name("hamctl"),
        keep: false,
        json: false,
        help: false,
    };
    let (mut without, mut from) = (Vec::new(), None);
    read(&mut options, &mut without, &mut from).map_err(|error| error.to_string())?;
    if options.scenarios.is_empty() {
        options.scenarios = Scenario::ALL.to_vec();
    }
    options.scenarios.retain(|scenario| !without.contains(scenario));
    if options.ways.is_empty() {
        options.ways = Way::ALL.to_vec();
    }
    for program in [&options.ham, &options.hamctl] {
        if !options.help && !program.exists() {
            let build = "build it: cargo build --release -p ham -p hamctl";
            return Err(format!("{} is not there; {build}", program.display()));
        }
    }
    if !options.help {
        options.source = from.unwrap_or_else(|| collect::source(&options.hamctl));
    }
    Ok(options)
}

fn read(
    options: &mut Options,
    without: &mut Vec<Scenario>,
    from: &mut Option<Source>,
) -> Result<(), lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("kills") => options.kills = parser.value()?.parse()?,
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("scenario") => options.scenarios.push(parser.value()?.parse_with(scenario)?),
            Long("as-pid1") => options.scenarios.push(Scenario::Pid1),
            Long("no-clone3") => options.scenarios.push(Scenario::NoClone3),
            Long("reaper-segv") => options.scenarios.push(Scenario::ReaperFault),
            Long("without") => without.push(parser.value()?.parse_with(scenario)?),
            Long("only") => options.ways.push(parser.value()?.parse_with(way)?),
            Long("stops") => options.stops = parser.value()?.parse()?,
            Long("history") => *from = Some(parser.value()?.parse_with(source)?),
            Long("ham") => options.ham = parser.value()?.into(),
            Long("hamctl") => options.hamctl = parser.value()?.into(),
            Long("keep") => options.keep = true,
            Long("json") => options.json = true,
            Short('h') | Long("help") => options.help = true,
            other => return Err(other.unexpected()),
        }
    }
    Ok(())
}

fn scenario(word: &str) -> Result<Scenario, String> {
    let found = Scenario::ALL.into_iter().find(|scenario| scenario.word() == word);
    found.ok_or_else(|| "no such scenario".to_owned())
}

fn source(word: &str) -> Result<Source, String> {
    let found = [Source::Events, Source::Ring].into_iter().find(|source| source.word() == word);
    found.ok_or_else(|| "no such source".to_owned())
}

fn way(word: &str) -> Result<Way, String> {
    Way::ALL.into_iter().find(|way| way.word() == word).ok_or_else(|| "no such way".to_owned())
}
