//! Whether a graph of entities starts as wide as its order allows: measured
//! beside its critical path, which no supervisor can be faster than.
#![forbid(unsafe_code)]

use ham_benches::figures::{self, Times, milliseconds};
use ham_benches::manager::{Manager, scratch, wait_until};
use ham_benches::{Error, end};
use ham_sys::clock;
use ham_sys::process;
use lexopt::prelude::*;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
Measures how long graphs of entities take to start.

Usage: order [OPTIONS]

  --entities N   how many (200)
  --layers N     of the random graph (12)
  --rounds N     starts of each graph (5)
  --seed N       of the graphs (2026)
  -h, --help     print this

Every entity needs a known time of 20 to 200 milliseconds, sleeping, until it is
up; every second one is a one-shot, the others say through a descriptor that they
are ready. The graphs: one in which each entity requires one to three of earlier
layers; all in a row, each after the one before; and all at once, with no order.

  critical path  the longest way through the graph, as the sum of those times
  sum            of all of those times: what one after the other would take
  measured       from the first entity's start until the last one is up, the best
                 and the worst of the rounds
  ratio          the best, divided by the critical path
  step           from when the last one that an entity waited for was up until
                 the first instruction of its main: median / 99th percentile

All in milliseconds. The programs are not built by this one:
  cargo build --release -p ham -p hamctl
";

/// The shortest and the longest time that an entity needs, in milliseconds.
const NEEDS: (u64, u64) = (20, 200);

/// How entities depend on each other: for each its time in milliseconds, and
/// the numbers of those that it requires, all lower than its own.
struct Graph {
    name: &'static str,
    entities: Vec<(u64, Vec<usize>)>,
}

fn main() -> ExitCode {
    let began = clock::monotonic();
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "role-entity") {
        return end("entity", entity(&words, began));
    }
    end("order", measure())
}

fn measure() -> Result<(), Error> {
    let (mut entities, mut layers, mut rounds, mut random) = (200, 12, 5, 2026);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("entities") => entities = parser.value()?.parse()?,
            Long("layers") => layers = parser.value()?.parse()?,
            Long("rounds") => rounds = parser.value()?.parse()?,
            Long("seed") => random = parser.value()?.parse()?,
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if !(1..=entities).contains(&layers) {
        return Err("--layers: from 1 to the number of entities".into());
    }
    let head = ["graph", "entities", "edges", "critical path", "sum", "measured", "ratio", "step"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let graphs = [
        Graph::layered(entities, layers, &mut random),
        Graph::plain("all at once", entities, &mut random, |_| Vec::new()),
        Graph::plain("all in a row", entities, &mut random, |index| {
            index.checked_sub(1).into_iter().collect()
        }),
    ];
    for graph in graphs {
        eprintln!("order: {}", graph.name);
        rows.push(graph.row(rounds)?);
    }
    figures::print(&rows);
    Ok(())
}

impl Graph {
    /// Each requires one to three of earlier layers, at least one of them of
    /// the layer before.
    fn layered(count: usize, layers: usize, random: &mut u64) -> Graph {
        let layer = |index: usize| index * layers / count;
        let below = |number: usize| (0..count).find(|index| layer(*index) == number);
        let entities = (0..count).map(|index| {
            let start = below(layer(index)).unwrap_or(0);
            let before = layer(index).checked_sub(1).and_then(below).unwrap_or(0);
            let mut requires = Vec::new();
            if start > 0 {
                requires.push(between(before as u64, start as u64 - 1, random) as usize);
                for _ in 0..between(0, 2, random) {
                    requires.push(between(0, start as u64 - 1, random) as usize);
                }
            }
            requires.sort_unstable();
            requires.dedup();
            (between(NEEDS.0, NEEDS.1, random), requires)
        });
        Graph { name: "layered", entities: entities.collect() }
    }

    fn plain(
        name: &'static str,
        count: usize,
        random: &mut u64,
        requires: impl Fn(usize) -> Vec<usize>,
    ) -> Graph {
        let entity = |index| (between(NEEDS.0, NEEDS.1, random), requires(index));
        Graph { name, entities: (0..count).map(entity).collect() }
    }

    /// The longest way, in milliseconds.
    fn critical_path(&self) -> u64 {
        let mut ends: Vec<u64> = Vec::new();
        for (needs, requires) in &self.entities {
            let begin = requires.iter().filter_map(|other| ends.get(*other)).max();
            ends.push(begin.copied().unwrap_or(0) + needs);
        }
        ends.into_iter().max().unwrap_or(0)
    }

    fn row(&self, rounds: usize) -> Result<Vec<String>, Error> {
        let (mut wholes, mut steps) = (Times::default(), Times::default());
        for _ in 0..rounds {
            let told = self.start()?;
            let first = told.iter().map(|(began, _)| *began).min().unwrap_or(0);
            let last = told.iter().map(|(_, up)| *up).max().unwrap_or(0);
            wholes.add(last.saturating_sub(first));
            for ((began, _), (_, requires)) in told.iter().zip(&self.entities) {
                let up = requires.iter().filter_map(|other| told.get(*other));
                if let Some(up) = up.map(|(_, up)| *up).max() {
                    if *began < up {
                        return Err(format!("{}: an entity started too early", self.name).into());
                    }
                    steps.add(began - up);
                }
            }
        }
        let (best, worst) = (wholes.percentile(1), wholes.percentile(100));
        let critical = self.critical_path();
        Ok(vec![
            self.name.to_owned(),
            self.entities.len().to_string(),
            self.entities.iter().map(|(_, requires)| requires.len()).sum::<usize>().to_string(),
            critical.to_string(),
            self.entities.iter().map(|(needs, _)| needs).sum::<u64>().to_string(),
            format!("{} to {}", milliseconds(best), milliseconds(worst)),
            format!("{:.3}", best as f64 / (critical as f64 * 1e6)),
            steps.cell(),
        ])
    }

    /// Starts all of it under a manager of its own; when each began and was up.
    fn start(&self) -> Result<Vec<(u64, u64)>, Error> {
        let place = scratch("order")?;
        let program = std::env::current_exe()?.display().to_string();
        for (index, (needs, requires)) in self.entities.iter().enumerate() {
            let report = report(&place, index).display().to_string();
            let oneshot = index % 2 == 0;
            let kind =
                if oneshot { "type = \"oneshot\"\nremain = true" } else { "ready = { fd = 3 }" };
            let requires: Vec<String> = requires.iter().map(|other| name(*other)).collect();
            let unit = format!(
                "[entity]\ncommand = [{program:?}, \"role-entity\", \"{needs}\", {report:?}, \
                 \"{oneshot}\"]\n{kind}\nrequires = {requires:?}\nrestart = \"no\"\n"
            );
            fs::write(place.join("units").join(format!("{}.toml", name(index))), unit)?;
        }
        let manager = Manager::start(place)?;
        let mut told = Vec::new();
        wait_until("all entities are up", || {
            while let Some(times) = read(&report(manager.scratch(), told.len())) {
                told.push(times);
            }
            told.len() == self.entities.len()
        })?;
        Ok(told)
    }
}

fn name(index: usize) -> String {
    format!("entity-{index}")
}

fn report(place: &Path, index: usize) -> PathBuf {
    place.join(format!("{}.times", name(index)))
}

/// What an entity has told; nothing when it has not yet.
fn read(report: &Path) -> Option<(u64, u64)> {
    let text = fs::read_to_string(report).ok()?;
    let (began, up) = text.strip_suffix('\n')?.split_once(' ')?;
    Some((began.parse().ok()?, up.parse().ok()?))
}

/// An entity: `role-entity MILLISECONDS REPORT ONESHOT`.
fn entity(words: &[String], began: u64) -> Result<(), Error> {
    let [_, needs, report, oneshot] = words else {
        return Err("role-entity takes three words".into());
    };
    std::thread::sleep(Duration::from_millis(needs.parse()?));
    let up = clock::monotonic();
    fs::write(report, format!("{began} {up}\n"))?;
    if oneshot == "true" {
        return Ok(());
    }
    File::from(process::inherited(3)?).write_all(b"\n")?;
    loop {
        std::thread::park();
    }
}

/// A number of this range, both ends included (splitmix64).
fn between(from: u64, to: u64, random: &mut u64) -> u64 {
    *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *random;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    from + (mixed ^ (mixed >> 31)) % (to - from + 1)
}
