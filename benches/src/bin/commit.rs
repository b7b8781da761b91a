//! What the commit of one turn costs that changes one entity: its record is
//! written and the commit word stored, as the monitor's store does.
#![forbid(unsafe_code)]

use ham_benches::figures;
use ham_benches::{Error, end};
use ham_snapshot::State;
use ham_snapshot::history::Entry;
use ham_snapshot::layout::{self, BODY_WORDS};
use ham_snapshot::records::{Body, Head};
use ham_sys::clock;
use ham_sys::shm::Map;
use lexopt::prelude::*;
use std::process::ExitCode;

const HELP: &str = "\
Measures the commit of a turn that changes one entity's record, with so many
entities recorded, in a memory file as ham's own.

Usage: commit [OPTIONS]

  --entities N,N,…  how many (10,100,1000,10000)
  --turns N         commits measured for each number (200000)
  -h, --help        print this

The times in nanoseconds of one commit, the best and the median of ten series:

  same      the same entity every time
  any       an entity at random
  history   an entity at random, and one entry of the history
";

fn main() -> ExitCode {
    end("commit", measure())
}

fn measure() -> Result<(), Error> {
    let (mut sizes, mut turns) = (vec![10, 100, 1_000, 10_000], 200_000);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("entities") => {
                let list = parser.value()?.string()?;
                sizes = list.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            Long("turns") => turns = parser.value()?.parse()?,
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let mut rows = vec![["entities", "same", "any", "history"].map(str::to_owned).to_vec()];
    for size in sizes {
        let (map, _fd) = Map::memfd(c"bench", layout::TOTAL * layout::WORD)?;
        let mut bench = Bench { state: State::format(map.words())?, size, random: 1 };
        for entity in 0..size {
            bench.commit(entity, None);
        }
        let entry =
            Entry { kind: 6, text: "sleeper-00001\u{1f}died".to_owned(), ..Entry::default() };
        let cells = [
            bench.series(turns, false, None),
            bench.series(turns, true, None),
            bench.series(turns, true, Some(&entry)),
        ];
        rows.push([size.to_string()].into_iter().chain(cells).collect());
    }
    figures::print(&rows);
    Ok(())
}

struct Bench {
    state: State,
    size: usize,
    random: u64,
}

impl Bench {
    fn commit(&mut self, entity: usize, entry: Option<&Entry>) {
        let records = self.state.records();
        let turn = records.committed() + 1;
        let head = Head { due: 0, slot: turn, open: false, active: true };
        let mut body: Body = [0; BODY_WORDS];
        body[0] = turn;
        // Record 0 is the manager's own.
        records.write(1 + entity, turn, Some((&head, &body)));
        if let Some(entry) = entry {
            self.state.push_history(turn, entry);
        }
        records.commit(turn);
    }

    fn series(&mut self, turns: usize, any: bool, entry: Option<&Entry>) -> String {
        let mut costs: Vec<f64> =
            (0..10).map(|_| self.one_series(turns / 10, any, entry)).collect();
        costs.sort_by(f64::total_cmp);
        format!("{:.0} / {:.0}", costs[0], costs[costs.len() / 2])
    }

    fn one_series(&mut self, turns: usize, any: bool, entry: Option<&Entry>) -> f64 {
        let began = clock::monotonic();
        for _ in 0..turns {
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let drawn = usize::try_from(self.random >> 33).unwrap_or(0) % self.size;
            self.commit(if any { drawn } else { 0 }, entry);
        }
        clock::monotonic().saturating_sub(began) as f64 / turns.max(1) as f64
    }
}
