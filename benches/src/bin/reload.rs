//! How long a reload takes, with so many units of which none, or one, has
//! changed; beside a call that does nothing.
#![forbid(unsafe_code)]

use ham_benches::figures::{self, Times, milliseconds};
use ham_benches::manager::{Manager, scratch, wait_until};
use ham_benches::{Error, end};
use ham_snapshot::header::Field;
use ham_sys::clock;
use lexopt::prelude::*;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

const HELP: &str = "\
Measures how long units take to be loaded again.

Usage: reload [OPTIONS]

  --units N,N,…  how many there are (1000,10000)
  --rounds N     of each reload (20)
  -h, --help     print this

In milliseconds, median / 99th percentile, from the start of hamctl until its end:

  nothing   a call that the manager answers at once: what hamctl itself takes
  same      `hamctl apply` when no file has changed
  changed   `hamctl apply` after one file was written anew
  added     `hamctl apply` after one was made
  removed   `hamctl apply` after that was removed

and from the write of a file until its plan is in force, without any call, of
which 100 are waited on purpose, for more:

  edited    one file written anew

and, in KiB, what the monitor has of its own (private memory), before the first
and after the last of them. The units start nothing.

The programs are not built by this one:
  cargo build --release -p ham -p hamctl
";

fn main() -> ExitCode {
    end("reload", measure())
}

fn measure() -> Result<(), Error> {
    let (mut sizes, mut rounds) = (vec![1_000, 10_000], 20);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("units") => {
                let list = parser.value()?.string()?;
                sizes = list.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            Long("rounds") => rounds = parser.value()?.parse()?,
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let head =
        ["units", "nothing", "same", "changed", "added", "removed", "edited", "before", "after"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for size in sizes {
        eprintln!("reload: {size} units");
        rows.push(row(size, rounds)?);
    }
    figures::print(&rows);
    Ok(())
}

fn unit(number: usize, seconds: usize) -> String {
    format!(
        "description = \"Sleeper {number}\"\n\n[entity]\ncommand = [\"/bin/sleep\", \"{seconds}\"]\n\
         start = \"manual\"\nstop = {{ timeout = \"2s\" }}\n\n\
         [[condition]]\non = \"failure\"\nname = \"told\"\nactions = [{{ log = \"{{entity}}: {{status}}\" }}]\n"
    )
}

fn row(size: usize, rounds: usize) -> Result<Vec<String>, Error> {
    let place = scratch("reload")?;
    let units = place.join("units");
    for number in 0..size {
        fs::write(units.join(format!("sleeper-{number:05}.toml")), unit(number, 100))?;
    }
    let manager = Manager::start(place)?;
    wait_until("a plan", || manager.state().plan_word() != 0)?;
    manager.wait_until_settled()?;
    let before = private(&manager)?;
    let one = units.join("sleeper-00000.toml");
    let other = units.join("other.toml");
    let mut times: [Times; 6] = Default::default();
    let [nothing, same, changed, added, removed, edited] = &mut times;
    for round in 0..rounds {
        call(&manager, &["verbosity"], nothing)?;
        call(&manager, &["apply"], same)?;
        write(&one, &unit(0, 200 + round))?;
        call(&manager, &["apply"], changed)?;
        write(&other, &unit(size, 100))?;
        call(&manager, &["apply"], added)?;
        fs::remove_file(&other)?;
        call(&manager, &["apply"], removed)?;
        manager.wait_until_settled()?;
        let word = manager.state().plan_word();
        let began = clock::monotonic();
        write(&one, &unit(0, 1_000 + round))?;
        wait_until("the plan of an edit", || manager.state().plan_word() != word)?;
        edited.add(clock::monotonic().saturating_sub(began));
    }
    manager.wait_until_settled()?;
    let after = private(&manager)?;
    let mut row = vec![size.to_string()];
    let cell = |times: &Times| {
        let [median, worst] = [50, 99].map(|percent| milliseconds(times.percentile(percent)));
        format!("{median} / {worst}")
    };
    row.extend(times.iter().map(cell));
    row.extend([before, after].map(|kib| kib.to_string()));
    Ok(row)
}

/// As editors do.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let beside = path.with_extension("toml~");
    fs::write(&beside, text)?;
    Ok(fs::rename(beside, path)?)
}

fn call(manager: &Manager, words: &[&str], times: &mut Times) -> Result<(), Error> {
    let began = clock::monotonic();
    let output = manager.hamctl(words)?;
    times.add(clock::monotonic().saturating_sub(began));
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("hamctl {}: {said}", words.join(" ")).into())
}

/// What the monitor shares with nobody, in KiB.
fn private(manager: &Manager) -> Result<u64, Error> {
    let pid = manager.state().get(Field::MonitorPid);
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let kib = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
        let words = lines.next().and_then(|line| line.split_whitespace().next());
        words.and_then(|number| number.parse::<u64>().ok()).unwrap_or(0)
    };
    Ok(kib("Private_Dirty:") + kib("Private_Clean:"))
}
