//! What heartbeats cost: the program that sends one, and the monitor that
//! watches many of them.
#![forbid(unsafe_code)]

use ham_benches::figures;
use ham_benches::manager::{Manager, scratch, wait_until};
use ham_benches::{Error, end};
use ham_snapshot::header::Field;
use ham_sys::clock;
use lexopt::prelude::*;
use std::fs;
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::Duration;

const HELP: &str = "\
Measures what heartbeats cost.

Usage: heartbeats [OPTIONS]

  --entities N   how many are watched (10000)
  --seconds N    how long (20)
  --beats N      heartbeats that one program stores (100000000), and a thousandth
                 of so many messages that it sends
  -h, --help     print this

Two tables. The first: one program, which is an entity, stores heartbeats in its
page through libham, and sends WATCHDOG=1 as messages as sd_notify(3) does, from a
socket that it keeps open.

  beat     nanoseconds from one to the next
  monitor  nanoseconds of processor that the monitor has used for each

The second: N entities that do nothing. First without heartbeats; then with an
interval of 100 ms, all of them stored ten times a second by one program that has
the pages of all. Of the monitor with all its threads, in each second:

  processor  milliseconds
  wake-ups   times that it waited for something and went on
  turns      events that its state machine was told

The programs are not built by this one:
  cargo build --release -p ham -p hamctl
";

/// A period, and how often all beat.
const PERIOD_NS: u64 = 100_000_000;
/// From when on heartbeats count: until then all pages have been asked for.
const GRACE: Duration = Duration::from_secs(60);
/// Those that beat do so in so many parts, in the middle of a period.
const PARTS: usize = 10;
const FIRST_NS: u64 = 25_000_000;
const PART_NS: u64 = 5_000_000;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["role-one", beats, report] => end("one", one(beats, Path::new(report))),
        ["role-all", run, count] => end("all", all(Path::new(run), count)),
        _ => end("heartbeats", measure()),
    }
}

fn measure() -> Result<(), Error> {
    let (mut entities, mut seconds, mut beats) = (10_000, 20, 100_000_000u64);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("entities") => entities = parser.value()?.parse()?,
            Long("seconds") => seconds = parser.value()?.parse::<u64>()?.max(1),
            Long("beats") => beats = parser.value()?.parse::<u64>()?.max(1_000),
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    eprintln!("heartbeats: of one program");
    figures::print(&of_one(beats)?);
    println!();
    let head = ["heartbeats", "processor", "wake-ups", "turns"].map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    for with in [false, true] {
        eprintln!("heartbeats: of {entities} entities: {with}");
        rows.push(of_all(entities, seconds, with)?);
    }
    figures::print(&rows);
    Ok(())
}

fn of_one(beats: u64) -> Result<Vec<Vec<String>>, Error> {
    let place = scratch("heartbeats")?;
    let program = std::env::current_exe()?.display().to_string();
    let report = place.join("report");
    // Nothing is counted while it is busy: the cost of a look is the other table.
    let unit = format!(
        "[entity]\ncommand = [{program:?}, \"role-one\", \"{beats}\", {:?}]\n\
         restart = \"no\"\n[heartbeat]\ninterval = \"1h\"\n",
        report.display().to_string()
    );
    fs::write(place.join("units").join("one.toml"), unit)?;
    let manager = Manager::start(place)?;
    manager.wait_until_settled()?;
    let mut rows = vec![["", "beat", "monitor"].map(str::to_owned).to_vec()];
    for (name, which, count) in
        [("stored by libham", "stored", beats), ("WATCHDOG=1", "sent", beats / 1_000)]
    {
        let before = Used::by_monitor(&manager)?;
        fs::write(report.with_extension(which), "")?;
        let told = report.with_extension(format!("{which}-told"));
        wait_until("the heartbeats of one program", || told.exists())?;
        let used = Used::by_monitor(&manager)?.since(before);
        let time: u64 = fs::read_to_string(&told)?.trim().parse()?;
        let each = |time: u64| format!("{:.2}", time as f64 / count as f64);
        rows.push(vec![name.to_owned(), each(time), each(used.processor)]);
    }
    Ok(rows)
}

/// An entity: `role-one BEATS REPORT`. Begins each part when it is told to.
fn one(beats: &str, report: &Path) -> Result<(), Error> {
    let beats: u64 = beats.parse()?;
    let heart = libham::Ham::connect()?.heart()?;
    let tell = |which: &str, time: u64| -> Result<(), Error> {
        let hidden = report.with_extension("hidden");
        fs::write(&hidden, time.to_string())?;
        Ok(fs::rename(hidden, report.with_extension(format!("{which}-told")))?)
    };
    wait_until("a word", || report.with_extension("stored").exists())?;
    let begin = clock::monotonic();
    for _ in 0..beats {
        black_box(&heart).beat();
    }
    tell("stored", clock::monotonic() - begin)?;
    wait_until("a word", || report.with_extension("sent").exists())?;
    let (socket, path) = (UnixDatagram::unbound()?, std::env::var("NOTIFY_SOCKET")?);
    socket.connect(path)?;
    let begin = clock::monotonic();
    for _ in 0..beats / 1_000 {
        socket.send(b"WATCHDOG=1")?;
    }
    tell("sent", clock::monotonic() - begin)?;
    loop {
        std::thread::park();
    }
}

fn name(number: usize) -> String {
    format!("sleeper-{number:05}")
}

fn of_all(count: usize, seconds: u64, with: bool) -> Result<Vec<String>, Error> {
    let place = scratch("heartbeats")?;
    for number in 0..count {
        let mut unit =
            "[entity]\ncommand = [\"/bin/sleep\", \"infinity\"]\nrestart = \"always\"\n".to_owned();
        if with {
            unit += &format!(
                "[heartbeat]\ninterval = \"{}ms\"\ngrace = \"{}s\"\n",
                PERIOD_NS / 1_000_000,
                GRACE.as_secs()
            );
        }
        fs::write(place.join("units").join(format!("{}.toml", name(number))), unit)?;
    }
    let manager = Manager::start(place)?;
    manager.wait_for_processes(count)?;
    manager.wait_until_settled()?;
    let beater = with.then(|| Beater::start(&manager, count)).transpose()?;
    if with {
        // Then those that were up last are watched too.
        sleep(GRACE + Duration::from_secs(2));
    }
    let before = Used::by_monitor(&manager)?;
    let began = clock::monotonic();
    sleep(Duration::from_secs(seconds));
    let used = Used::by_monitor(&manager)?.since(before);
    let took = (clock::monotonic() - began) as f64 / 1e9;
    if with {
        let healthy = manager.hamctl(&["--json", "status"])?.stdout;
        let healthy = String::from_utf8(healthy)?.matches("\"level\":\"healthy\"").count();
        if healthy != count {
            return Err(format!("only {healthy} of {count} heartbeats are healthy").into());
        }
    }
    drop(beater);
    let each = |number: f64| format!("{:.2}", number / took);
    Ok(vec![
        if with { format!("{count}, ten times a second") } else { "none".to_owned() },
        each(used.processor as f64 / 1e6),
        each(used.wakeups as f64),
        each(used.turns as f64),
    ])
}

/// The process that stores all heartbeats.
struct Beater(Child);

impl Beater {
    fn start(manager: &Manager, count: usize) -> Result<Beater, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("role-all")
            .arg(manager.scratch().join("run"))
            .arg(count.to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take();
        let beater = Beater(child);
        let mut line = String::new();
        BufReader::new(output.ok_or("no output")?).read_line(&mut line)?;
        if line.trim() != "beats" { Err("not all pages could be had".into()) } else { Ok(beater) }
    }
}

impl Drop for Beater {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `role-all RUNTIME-DIRECTORY COUNT`: has the pages of all, and beats for them.
fn all(run: &Path, count: &str) -> Result<(), Error> {
    let count: usize = count.parse()?;
    let mut ham = libham::Ham::at(&run.join("control"))?;
    let mut hearts = Vec::new();
    for number in 0..count {
        hearts.push(ham.heart_of(Some(&name(number)))?);
    }
    println!("beats");
    let mut period = clock::monotonic() / PERIOD_NS;
    loop {
        period += 1;
        let mut due = period * PERIOD_NS + FIRST_NS;
        for part in hearts.chunks(count.div_ceil(PARTS)) {
            sleep(Duration::from_nanos(due.saturating_sub(clock::monotonic())));
            for heart in part {
                heart.beat();
            }
            due += PART_NS;
        }
    }
}

/// What the monitor has used so far.
#[derive(Clone, Copy)]
struct Used {
    processor: u64,
    wakeups: u64,
    turns: u64,
}

impl Used {
    fn by_monitor(manager: &Manager) -> Result<Used, Error> {
        let pid = manager.state().get(Field::MonitorPid);
        let turns = manager.state().get(Field::Pulse);
        let mut used = Used { processor: 0, wakeups: 0, turns };
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?.path();
            // Nanoseconds on a processor come first (sched-stats.rst).
            let text = fs::read_to_string(task.join("schedstat"))?;
            used.processor += text.split_whitespace().next().unwrap_or("0").parse::<u64>()?;
            let text = fs::read_to_string(task.join("status"))?;
            let mut lines = text.lines();
            let switches = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            used.wakeups += switches.unwrap_or("0").trim().parse::<u64>()?;
        }
        Ok(used)
    }

    fn since(self, before: Used) -> Used {
        Used {
            processor: self.processor.saturating_sub(before.processor),
            wakeups: self.wakeups.saturating_sub(before.wakeups),
            turns: self.turns.saturating_sub(before.turns),
        }
    }
}
