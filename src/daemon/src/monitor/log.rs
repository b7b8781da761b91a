//! The log: a thread writes the history to standard error (or a file), so
//! that a reader who does not read stops nobody but itself. How far it has
//! come is in shared memory: a successor's log goes on where this one's ended.

use crate::board::kmsg::{self, Kmsg};
use crate::facts::{self, Weight};
use crate::lines::{Instant, Look, Origin};
use crate::options::{LogFormat, Options, Stamps};
use crate::say::say;
use crate::shared::Shared;
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_snapshot::history::Entry;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Texts beside the history (diagnostics of units) that wait to be written;
/// more are dropped, and that is said.
const BLOCKS: usize = 256;

/// How long its file may take to be closed.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Log {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: &'static Shared,
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Wanted {
    blocks: Vec<String>,
    dropped: usize,
    /// The file that it is written to; `None` inside: standard error. Before that
    /// is known nothing is written.
    file: Option<Option<PathBuf>>,
    /// There may be something to write.
    work: bool,
    idle: bool,
}

impl Log {
    pub(super) fn start(shared: &'static Shared) -> Log {
        let inner = Arc::new(Inner {
            shared,
            // The first to wake it is the monitor: a guardian writes nothing.
            wanted: Mutex::new(Wanted {
                file: shared.options.log_file.clone().map(Some),
                ..Wanted::default()
            }),
            changed: Condvar::new(),
        });
        let thread = Arc::clone(&inner);
        // Without a thread there is no log; the history is still there.
        let _ = std::thread::Builder::new()
            .name("ham-log".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || thread.run());
        Log { inner }
    }

    /// The history has grown.
    pub(super) fn wake(&self) {
        let mut wanted = self.inner.lock();
        if !wanted.work {
            wanted.work = true;
            drop(wanted);
            self.inner.changed.notify_all();
        }
    }

    /// A text of several lines, written as it is.
    pub(super) fn block(&self, text: String) {
        let mut wanted = self.inner.lock();
        if wanted.blocks.len() < BLOCKS {
            wanted.blocks.push(text);
        } else {
            wanted.dropped += 1;
        }
        wanted.work = true;
        drop(wanted);
        self.inner.changed.notify_all();
    }

    /// Writes to a file from here on, or to standard error.
    pub(super) fn write_to(&self, file: Option<PathBuf>) {
        self.inner.lock().file = Some(file);
        self.inner.changed.notify_all();
    }

    /// Lets go of the file that it is written to. What comes after that goes where
    /// it would without one.
    pub(super) fn close(&self) {
        self.write_to(None);
        self.flush(CLOSED_WITHIN);
    }

    /// Waits, not for ever, until everything is written: at the very end.
    pub(super) fn flush(&self, patience: Duration) {
        self.wake();
        let mut wanted = self.inner.lock();
        // Who ends before that is known has no other place.
        wanted.file.get_or_insert(None);
        self.inner.changed.notify_all();
        let _ = self
            .inner
            .changed
            .wait_timeout_while(wanted, patience, |wanted| wanted.work || !wanted.idle);
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut out = open(None);
        let mut opened: Option<PathBuf> = None;
        let usual = look(self.shared);
        // The kernel's lines are of text, and have a stamp.
        let of_kernel = Look { format: LogFormat::Text, stamps: Stamps::None, ..usual };
        loop {
            let (blocks, dropped, file) = {
                let mut wanted = self.lock();
                let file = loop {
                    if let (Some(file), true) = (&wanted.file, wanted.work) {
                        break file.clone();
                    }
                    wanted.idle = true;
                    self.changed.notify_all();
                    wanted = self.changed.wait(wanted).unwrap_or_else(PoisonError::into_inner);
                };
                wanted.work = false;
                wanted.idle = false;
                let blocks = std::mem::take(&mut wanted.blocks);
                (blocks, std::mem::take(&mut wanted.dropped), file)
            };
            if file != opened {
                out = open(file.as_deref());
                opened = file;
            }
            let look = if opened.is_none() && kmsg::is_on() { of_kernel } else { usual };
            out.weigh(Weight::Always);
            for block in blocks {
                match look.format {
                    LogFormat::Text => {
                        let _ = out.write_all(block.as_bytes());
                    }
                    LogFormat::Json => remark(&mut out, &look, block.trim_end()),
                }
            }
            if dropped > 0 {
                remark(&mut out, &look, &format!("{dropped} reports were dropped"));
            }
            self.write_history(out.as_mut(), &look);
            let _ = out.flush();
        }
    }

    fn write_history(&self, out: &mut dyn Out, look: &Look) {
        let state: State = self.shared.state;
        let mut next = state.get(Field::HistoryLogged);
        loop {
            let oldest = state.history_oldest();
            let Some(there) = state.history_from(next.max(oldest)) else { break };
            if next < there {
                remark(out, look, &format!("{} lines of the log were lost", there - next));
                next = there;
            }
            // Overwritten while it was read: more are lost, which is seen above.
            let Some(entry) = state.history(next) else { continue };
            if let Some((line, weight)) = render(&entry, look, state) {
                out.weigh(weight);
                let _ = out.write_all(&line);
            }
            next += 1;
            state.set(Field::HistoryLogged, next);
        }
    }
}

/// Where the log goes.
trait Out: Write {
    /// What is written from here on weighs so much; to most that is nothing.
    fn weigh(&mut self, _weight: Weight) {}
}

impl Out for std::io::Stderr {}
impl Out for std::fs::File {}

impl Out for Kmsg {
    fn weigh(&mut self, weight: Weight) {
        Kmsg::weigh(self, weight);
    }
}

/// A log that cannot be opened is one on standard error; on a board, in the
/// kernel's.
fn open(file: Option<&Path>) -> Box<dyn Out> {
    let Some(path) = file else {
        return match kmsg::is_on().then(Kmsg::open) {
            Some(Ok(kernel)) => Box::new(kernel),
            Some(Err(_)) | None => Box::new(std::io::stderr()),
        };
    };
    match std::fs::File::options().create(true).append(true).open(path) {
        Ok(file) => Box::new(file),
        Err(error) => {
            say(format_args!("could not open the log {}: {error}", path.display()));
            open(None)
        }
    }
}

/// How lines of this manager look.
pub(super) fn look(shared: &Shared) -> Look {
    let Options { format, stamps, .. } = shared.options;
    Look { format, stamps, started: shared.state.get(Field::StartedMono) }
}

/// About the log itself: it has no stamp as text, since nobody knows when it
/// was.
fn remark(out: &mut dyn Write, look: &Look, text: &str) {
    let look = Look { stamps: Stamps::None, ..*look };
    let line = look.line(Instant::now(), "ham", Origin::Log, text.as_bytes(), false);
    let _ = out.write_all(&line);
}

/// One line, or nothing when the verbosity is too low for it.
fn render(entry: &Entry, look: &Look, state: State) -> Option<(Vec<u8>, Weight)> {
    let (name, text, weight) = facts::line(entry);
    let needed = match weight {
        Weight::Always => 0,
        Weight::Event => 1,
        Weight::Detail => 2,
    };
    let at = Instant { mono: entry.mono, real: entry.real };
    let is_wanted = state.get(Field::Verbosity) >= needed;
    is_wanted.then(|| (look.line(at, &name, Origin::Log, text.as_bytes(), false), weight))
}
