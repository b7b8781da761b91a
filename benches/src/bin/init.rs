//! What `ham init` costs, beside tini, dumb-init and catatonit: orphans that it
//! reaps, the time until its command runs, and memory.
#![forbid(unsafe_code)]

use ham_benches::figures::{self, Times};
use ham_benches::{Error, end};
use ham_sys::process::{self, Forked};
use ham_sys::{clock, reap};
use lexopt::prelude::*;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

const HELP: &str = "\
Measures inits that run one command.

Usage: init [OPTIONS]

  --orphans N   how many each reaps, in a PID namespace of its own (100000)
  --starts N    how often each starts a command (300)
  --ham PATH    the ham to measure (beside this program)
  -h, --help    print this

Each line is one of those that are installed. `processor`: what the init has used
while it reaped all orphans, in milliseconds, and of that for one orphan in
microseconds. `zombies`: the most children that it had at once, of those moments
in which 50 more were made; no more are made while there are more than 100, so
there are never 200. `start`: from the moment before an init is made to the first
instruction of its command, median and 99th percentile in milliseconds, and how
much that is above the same without any init. `pss` and `private`: of an init that
waits, in KiB.

Namespaces need root. The program is not built by this one:
  cargo build --release -p ham
";

/// Orphans that are made at once.
const BATCH: u32 = 50;
/// Children of the init above which it is waited for.
const MOST: usize = 100;

struct Options {
    orphans: u32,
    starts: u32,
    ham: PathBuf,
}

fn main() -> ExitCode {
    end("init", measure())
}

fn measure() -> Result<(), Error> {
    let own = std::env::current_exe()?;
    let mut options = Options { orphans: 100_000, starts: 300, ham: own.with_file_name("ham") };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("orphans") => options.orphans = parser.value()?.parse()?,
            Long("starts") => options.starts = parser.value()?.parse()?,
            Long("ham") => options.ham = parser.value()?.into(),
            // The command of an init that is measured.
            Value(word) if word == "make-orphans" => {
                return make_orphans(parser.value()?.parse()?);
            }
            Value(word) if word == "tell-time" => {
                println!("{}", clock::monotonic());
                return Ok(());
            }
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let own = own.to_str().ok_or("a path that is no text")?;
    let inits = installed(&options);
    let mut starts: Vec<Times> = inits.iter().map(|_| Times::default()).collect();
    let mut bare = Times::default();
    // In turn, so that whatever else the machine does is the same for all.
    for _ in 0..options.starts {
        bare.add(start(&[], own)?);
        for (init, times) in inits.iter().zip(&mut starts) {
            times.add(start(&init.words, own)?);
        }
    }
    let head = ["init", "processor", "each", "zombies", "start", "above none", "pss", "private"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut none = vec!["none".to_owned(), "-".into(), "-".into(), "-".into(), bare.cell()];
    none.extend(["-", "-", "-"].map(str::to_owned));
    rows.push(none);
    for (init, times) in inits.iter().zip(&starts) {
        eprintln!("init: {}", init.name);
        let reaped = reaped(init, own, options.orphans)?;
        let (pss, private) = memory(init)?;
        let above = times.percentile(50).saturating_sub(bare.percentile(50));
        rows.push(vec![
            init.name.to_owned(),
            figures::milliseconds(reaped.processor),
            format!("{:.2}", reaped.processor as f64 / 1e3 / f64::from(options.orphans.max(1))),
            reaped.most.to_string(),
            times.cell(),
            figures::milliseconds(above),
            pss.to_string(),
            private.to_string(),
        ]);
    }
    figures::print(&rows);
    Ok(())
}

struct Init {
    name: &'static str,
    words: Vec<String>,
}

/// Those that are there.
fn installed(options: &Options) -> Vec<Init> {
    let ham = options.ham.display().to_string();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let all: [(&'static str, Vec<String>); 5] = [
        ("ham init", words(&[&ham, "init", "--"])),
        ("tini", words(&["tini", "-s", "--"])),
        ("tini-static", words(&["tini-static", "-s", "--"])),
        ("dumb-init", words(&["dumb-init", "--"])),
        ("catatonit", words(&["catatonit", "--"])),
    ];
    let runs = |words: &Vec<String>| {
        let program = words.first().map_or("", String::as_str);
        let mut command = Command::new(program);
        let command = command.args(words.get(1..).unwrap_or_default()).arg("true");
        let result = command.stderr(Stdio::null()).status();
        if result.is_err() {
            eprintln!("init: SKIPPED: {program} is not installed");
        }
        result.is_ok()
    };
    all.into_iter()
        .filter(|(_, words)| runs(words))
        .map(|(name, words)| Init { name, words })
        .collect()
}

/// The command of these words and those.
fn command<'a>(words: &'a [String], more: &[&'a str]) -> Result<Command, Error> {
    let mut all = words.iter().map(String::as_str).chain(more.iter().copied());
    let mut command = Command::new(all.next().ok_or("no command")?);
    command.args(all).stdin(Stdio::null());
    Ok(command)
}

/// Nanoseconds until the command behind `words` runs.
fn start(words: &[String], own: &str) -> Result<u64, Error> {
    let mut command = command(words, &[own, "tell-time"])?;
    let before = clock::monotonic();
    let output = command.stderr(Stdio::null()).output()?;
    let began: u64 = String::from_utf8(output.stdout)?.trim().parse()?;
    Ok(began.saturating_sub(before))
}

struct Reaped {
    /// In nanoseconds.
    processor: u64,
    most: usize,
}

fn reaped(init: &Init, own: &str, count: u32) -> Result<Reaped, Error> {
    let unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child=KILL"];
    let words: Vec<String> =
        unshare.iter().map(|word| (*word).to_owned()).chain(init.words.iter().cloned()).collect();
    let count = count.to_string();
    let output = command(&words, &[own, "make-orphans", &count])?.output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    match numbers.as_slice() {
        [processor, most] => Ok(Reaped { processor: *processor, most: usize::try_from(*most)? }),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}

/// As the command of the init of a namespace: makes orphans, and tells what that
/// has cost the init, and how many children it had at most.
fn make_orphans(count: u32) -> Result<(), Error> {
    let before = processor_of_init()?;
    let mut most = 0;
    for _ in 0..count / BATCH {
        match process::fork()? {
            Forked::Child => {
                for _ in 0..BATCH {
                    if matches!(process::fork(), Ok(Forked::Child)) {
                        process::exit_now(0);
                    }
                }
                process::exit_now(0);
            }
            Forked::Parent(pid) => {
                while !reap::collect(pid) {
                    std::thread::yield_now();
                }
            }
        }
        loop {
            // One of them is this process.
            let waiting = children_of_init()?.saturating_sub(1);
            most = most.max(waiting);
            if waiting <= MOST {
                break;
            }
            std::thread::yield_now();
        }
    }
    while children_of_init()? > 1 {
        std::thread::yield_now();
    }
    println!("{} {most}", processor_of_init()?.saturating_sub(before));
    Ok(())
}

/// Nanoseconds that it has run (proc(5), schedstat).
fn processor_of_init() -> Result<u64, Error> {
    let text = fs::read_to_string("/proc/1/schedstat")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

fn children_of_init() -> Result<usize, Error> {
    Ok(fs::read_to_string("/proc/1/task/1/children")?.split_whitespace().count())
}

/// PSS and private pages of an init that waits, in KiB.
fn memory(init: &Init) -> Result<(u64, u64), Error> {
    let mut child = Killed(command(&init.words, &["sleep", "60"])?.spawn()?);
    let pid = child.0.id();
    let command = || {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let text = fs::read_to_string(path).unwrap_or_default();
        let command: Option<u32> = text.split_whitespace().next()?.parse().ok();
        let path = fs::read_link(format!("/proc/{}/exe", command?)).ok()?;
        path.ends_with("sleep").then_some(command?)
    };
    while command().is_none() {
        if child.0.try_wait()?.is_some() {
            return Err("an init ended at once".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // What it still does beside its command.
    std::thread::sleep(Duration::from_millis(100));
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let kib = |name: &str| -> u64 {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
        let words = lines.next().and_then(|line| line.split_whitespace().next());
        words.and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    let figures = (kib("Pss:"), kib("Private_Clean:") + kib("Private_Dirty:"));
    if let Some(command) = command() {
        // The init ends with it.
        process::PidFd::open(i32::try_from(command)?)?.send(ham_sys::signals::SIGKILL)?;
    }
    child.0.wait()?;
    Ok(figures)
}

/// A child that does not stay when something fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
