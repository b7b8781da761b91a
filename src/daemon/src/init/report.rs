//! What init says on standard error, which nobody need read: a message that
//! does not fit is dropped rather than waited for. Needs no heap.

use super::arguments::Arguments;
use super::relay::Ended;
use ham_sys::{clock, poller};
use std::fmt::{self, Display, Write};
use std::time::Duration;

/// Why it cannot do its work: then there is time.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a pipe takes in one piece (PIPE_BUF), so that no other line gets into it.
const PART: usize = 4096;

/// Whatever is longer is cut off.
const LONGEST: usize = 512;

/// Who speaks, and how much.
#[derive(Debug)]
pub(super) struct Report {
    name: &'static str,
    verbosity: u32,
}

impl Report {
    /// `verbosity` as tini has it: 1 warnings, 2 what happens, 3 every signal
    /// and orphan.
    pub(super) fn new(name: &'static str, verbosity: u32) -> Report {
        Report { name, verbosity }
    }

    pub(super) fn fatal(&self, text: impl Display) {
        // There may be a long path in it.
        let text = format!("{}: {text}\n", self.name);
        poller::write_within(std::io::stderr(), text.as_bytes(), PATIENCE);
    }

    /// What was asked for by an option of its own.
    pub(super) fn always(&self, text: impl Display) {
        self.say(0, text);
    }

    pub(super) fn warn(&self, text: impl Display) {
        self.say(1, text);
    }

    pub(super) fn info(&self, text: impl Display) {
        self.say(2, text);
    }

    pub(super) fn debug(&self, text: impl Display) {
        self.say(3, text);
    }

    fn say(&self, level: u32, text: impl Display) {
        if self.verbosity < level {
            return;
        }
        let mut line = Line::default();
        // It cuts off, and does not fail.
        let _ = write!(line, "{}: {text}", self.name);
        poller::write_within(std::io::stderr(), line.ended(), Duration::ZERO);
    }
}

/// A line on the stack.
struct Line {
    bytes: [u8; LONGEST],
    used: usize,
}

impl Default for Line {
    fn default() -> Line {
        Line { bytes: [0; LONGEST], used: 0 }
    }
}

impl Line {
    fn ended(&mut self) -> &[u8] {
        // One byte is kept for it.
        let end = self.used.min(LONGEST - 1);
        self.bytes[end] = b'\n';
        &self.bytes[..=end]
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = (LONGEST - 1).saturating_sub(self.used);
        let taken = text.len().min(room);
        self.bytes[self.used..self.used + taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.used += taken;
        Ok(())
    }
}

/// What is counted while it runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Reaped, beside the command.
    pub(super) orphans: u64,
    /// Of those, by KILL at the end of the wait.
    pub(super) killed: u64,
}

/// The line of JSON at the end.
#[derive(Debug)]
pub(super) struct Summary {
    command: String,
    began: u64,
    pub(super) allocations: u64,
}

impl Summary {
    /// Before the loop, since text needs the heap; empty when nobody wants it.
    pub(super) fn prepare(arguments: &Arguments, began: u64) -> Summary {
        let words = || arguments.command.iter().map(|word| word.to_string_lossy());
        let command = if arguments.summary {
            serde_json::Value::from_iter(words()).to_string()
        } else {
            String::new()
        };
        Summary { command, began, allocations: 0 }
    }

    /// `code` is that of init, the others are about the command.
    pub(super) fn write(&self, code: u8, ended: &Ended, counts: &Counts) {
        let duration = clock::monotonic().saturating_sub(self.began);
        let (seconds, rest) = (duration / 1_000_000_000, duration % 1_000_000_000 / 1_000);
        let signal = ended.signal().map_or("null".into(), |signal| format!("\"{signal}\""));
        let exit = match (ended.command, ended.signal()) {
            (Some(_), None) => ended.code().to_string(),
            (Some(_), Some(_)) | (None, _) => "null".to_owned(),
        };
        let line = format!(
            "{{\"command\":{},\"code\":{code},\"exit\":{exit},\"signal\":{signal},\
             \"orphans\":{},\"killed\":{},\"duration\":{seconds}.{rest:06},\"allocations\":{}}}\n",
            self.command, counts.orphans, counts.killed, self.allocations,
        );
        for part in line.as_bytes().chunks(PART) {
            if !poller::write_within(std::io::stderr(), part, PATIENCE) {
                return;
            }
        }
    }
}
