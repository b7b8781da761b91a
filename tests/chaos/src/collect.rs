//! The history as ham tells it, collected while it runs, since it holds the
//! last few thousand facts only: from `hamctl events --follow`, where hamctl
//! knows that, else from the ring in the shared state. What was overwritten
//! before it was read is counted, and makes a run fail: it would prove nothing.

use crate::facts::Fact;
use crate::state::{Found, State};
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// The ring holds about a second of a run.
const PAUSE: Duration = Duration::from_millis(10);
/// How long `hamctl` may take to end after ham has.
const END: Duration = Duration::from_secs(10);

/// All that was seen of a history.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// The facts in the order of their numbers.
    pub(crate) facts: Vec<Fact>,
    /// So many were overwritten before they were read.
    pub(crate) unseen: u64,
    /// Facts that came twice, or after later ones.
    pub(crate) again: u64,
}

/// Where facts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `hamctl events --follow --json`.
    Events,
    /// The shared state.
    Ring,
}

impl Source {
    /// As options and messages name it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Source::Events => "events",
            Source::Ring => "ring",
        }
    }
}

/// A collection in progress.
#[derive(Debug)]
pub(crate) struct Collector {
    stop: Arc<AtomicBool>,
    next: Arc<AtomicU64>,
    thread: JoinHandle<Collected>,
    hamctl: Option<Child>,
}

/// The better source that this hamctl has.
pub(crate) fn source(hamctl: &Path) -> Source {
    let words = ["events", "--follow", "--help"];
    match Command::new(hamctl).args(words).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Source::Events,
        _ => Source::Ring,
    }
}

impl Collector {
    /// Begins to read the history of the ham on this runtime directory.
    pub(crate) fn start(runtime: &Path, hamctl: &Path, source: Source) -> io::Result<Collector> {
        let stop = Arc::new(AtomicBool::new(false));
        let next = Arc::new(AtomicU64::new(0));
        let (wanted, read) = (Arc::clone(&stop), Arc::clone(&next));
        let builder = thread::Builder::new().name("collector".to_owned());
        match source {
            Source::Ring => {
                let state = State::open(runtime)?;
                let thread = builder.spawn(move || from_ring(&state, &wanted, &read))?;
                Ok(Collector { stop, next, thread, hamctl: None })
            }
            Source::Events => {
                let mut child = Command::new(hamctl)
                    .arg("--runtime-dir")
                    .arg(runtime)
                    .args(["--json", "events", "--follow", "--lines", "4000"])
                    .env_remove("HAM_RUNTIME_DIR")
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .spawn()?;
                let output = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
                let thread = builder.spawn(move || from_events(output, &read))?;
                Ok(Collector { stop, next, thread, hamctl: Some(child) })
            }
        }
    }

    /// How many facts were read so far: a run is quiet when this stands still.
    pub(crate) fn read(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    /// Everything, when ham has ended.
    pub(crate) fn finish(mut self) -> Collected {
        self.stop.store(true, Ordering::Release);
        if let Some(child) = &mut self.hamctl {
            let end = Instant::now() + END;
            while Instant::now() < end && matches!(child.try_wait(), Ok(None)) {
                sleep(PAUSE);
            }
            // Whether it has ended or not: nobody is left behind.
            let _ = child.kill();
            let _ = child.wait();
        }
        self.thread.join().unwrap_or_default()
    }
}

fn from_ring(state: &State, stop: &AtomicBool, next: &AtomicU64) -> Collected {
    let mut collected = Collected::default();
    loop {
        // Asked before, so that a last look follows.
        let last = stop.load(Ordering::Acquire);
        loop {
            match state.history(next.load(Ordering::Acquire)) {
                Found::Fact(fact) => collected.facts.push(fact),
                Found::Gone => collected.unseen += 1,
                Found::NotYet => break,
            }
            next.fetch_add(1, Ordering::AcqRel);
        }
        if last {
            return collected;
        }
        sleep(PAUSE);
    }
}

fn from_events(output: ChildStdout, next: &AtomicU64) -> Collected {
    let mut collected = Collected::default();
    for line in BufReader::new(output).lines() {
        let Ok(line) = line else { break };
        let Some(fact) = Fact::from_json(&line) else {
            eprintln!("ham-chaos: no fact: {line}");
            collected.unseen += 1;
            continue;
        };
        let expected = next.load(Ordering::Acquire);
        if fact.number < expected {
            collected.again += 1;
            continue;
        }
        collected.unseen += fact.number - expected;
        next.store(fact.number + 1, Ordering::Release);
        collected.facts.push(fact);
    }
    collected
}
