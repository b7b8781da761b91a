//! What the three processes of a manager take of memory, all together: their
//! shares (PSS), in which a page that several have is divided among those.
#![forbid(unsafe_code)]

use ham_benches::figures;
use ham_benches::manager::{Manager, scratch};
use ham_benches::{Error, end};
use ham_snapshot::header::Field;
use lexopt::prelude::*;
use std::fs;
use std::process::ExitCode;

const HELP: &str = "\
Measures the memory (PSS) of reaper, monitor and guardian.

Usage: memory [OPTIONS]

  --entities N,N,…  how many run (1,1000,10000)
  -h, --help        print this

In KiB, for each number: of each of the three after the start; then of all
together after the start, after a takeover, and after `hamctl status` has shown
every entity. In brackets what of it are pages of the shared state that they
have mapped; these exist once, mapped or not.

The programs are not built by this one:
  cargo build --release -p ham -p hamctl
";

fn main() -> ExitCode {
    end("memory", measure())
}

fn measure() -> Result<(), Error> {
    let mut sizes = vec![1, 1_000, 10_000];
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("entities") => {
                let list = parser.value()?.string()?;
                sizes = list.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let head = ["entities", "reaper", "monitor", "guardian", "started", "taken over", "shown"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for size in sizes {
        eprintln!("memory: {size} entities");
        rows.push(row(size)?);
    }
    figures::print(&rows);
    Ok(())
}

fn row(size: usize) -> Result<Vec<String>, Error> {
    let place = scratch("memory")?;
    for number in 0..size {
        let unit = "[entity]\ncommand = [\"/bin/sleep\", \"infinity\"]\nrestart = \"always\"\n";
        fs::write(place.join("units").join(format!("sleeper-{number:05}.toml")), unit)?;
    }
    let manager = Manager::start(place)?;
    manager.wait_for_processes(size)?;
    manager.wait_until_settled()?;
    let first = Shares::of(&manager)?;
    let monitor = manager.process(Field::MonitorPid)?;
    let takeovers = manager.state().get(Field::Takeovers);
    monitor.send(ham_sys::signals::SIGKILL)?;
    ham_benches::manager::wait_until("a takeover", || {
        manager.state().get(Field::Takeovers) > takeovers
    })?;
    manager.wait_until_settled()?;
    let taken_over = Shares::of(&manager)?;
    manager.hamctl(&["--json", "status"])?;
    manager.wait_until_settled()?;
    let shown = Shares::of(&manager)?;
    let [reaper, monitor, guardian] = first.each;
    let each = [size as u64, reaper, monitor, guardian].map(|number| number.to_string());
    Ok(each.into_iter().chain([first, taken_over, shown].map(|shares| shares.cell())).collect())
}

/// In KiB.
struct Shares {
    each: [u64; 3],
    state: u64,
}

impl Shares {
    fn of(manager: &Manager) -> Result<Shares, Error> {
        let word = |field| manager.state().get(field);
        let pids = [u64::from(manager.pid()), word(Field::MonitorPid), word(Field::GuardianPid)];
        let mut shares = Shares { each: [0; 3], state: 0 };
        for (each, pid) in shares.each.iter_mut().zip(pids) {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let kib = |name: &str| {
                let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
                let words = lines.next().and_then(|line| line.split_whitespace().next());
                words.and_then(|number| number.parse::<u64>().ok()).unwrap_or(0)
            };
            *each = kib("Pss:");
            shares.state += kib("Pss_Shmem:");
        }
        Ok(shares)
    }

    fn cell(&self) -> String {
        format!("{} ({})", self.each.iter().sum::<u64>(), self.state)
    }
}
