//! The books that entities and commands keep: one line for each start, written
//! by one write to a file that is only appended to. What stands there is the
//! truth that ham is compared with.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// One life of an entity.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    /// Its process id, as it sees it.
    pub(crate) pid: u64,
    /// When it began, CLOCK_MONOTONIC, ns.
    pub(crate) mono: u64,
    /// It was begun when all had been told to stay.
    pub(crate) stays: bool,
    /// Its `HAM_INVOCATION`: slot and generation are part of it.
    pub(crate) invocation: String,
}

/// One command of an action.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    /// The entity.
    pub(crate) name: String,
    /// The condition.
    pub(crate) condition: String,
    /// The step.
    pub(crate) number: u64,
    /// The process whose end set it going.
    pub(crate) pid: u64,
    /// When it ran, CLOCK_MONOTONIC, ns.
    pub(crate) mono: u64,
    /// Its own `HAM_INVOCATION`.
    pub(crate) invocation: String,
    /// What it was told of the end (`HAM_STATUS`).
    pub(crate) status: String,
}

/// Bytes of a line about a life: all are equally long, so that the length of
/// the file tells the number of the next life.
pub(crate) const LINE: u64 = 96;

/// The line of a life.
pub(crate) fn line(life: &Life) -> String {
    let Life { pid, mono, stays, invocation } = life;
    let text = format!("{pid} {mono} {} {invocation}", u8::from(*stays));
    let width = usize::try_from(LINE).unwrap_or(0).saturating_sub(1);
    format!("{text:<width$}\n")
}

/// Where the lives of an entity are noted.
pub(crate) fn of(folder: &Path, name: &str) -> PathBuf {
    folder.join("lives").join(name)
}

/// Appends to a book, in one write.
pub(crate) fn append(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(text.as_bytes())
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// The lives of an entity in their order.
pub(crate) fn lives(folder: &Path, name: &str) -> Vec<Life> {
    text(&of(folder, name)).lines().filter_map(parse_life).collect()
}

fn parse_life(line: &str) -> Option<Life> {
    let mut words = line.split_ascii_whitespace();
    let pid = words.next()?.parse().ok()?;
    let mono = words.next()?.parse().ok()?;
    let stays = words.next()? == "1";
    let invocation = words.next().unwrap_or("").to_owned();
    Some(Life { pid, mono, stays, invocation })
}

/// The last life of an entity, without reading the others.
pub(crate) fn last_life(folder: &Path, name: &str) -> Option<Life> {
    use std::os::unix::fs::FileExt;
    let file = fs::File::open(of(folder, name)).ok()?;
    let whole = file.metadata().ok()?.len() / LINE * LINE;
    let mut bytes = vec![0; usize::try_from(LINE).ok()?];
    file.read_exact_at(&mut bytes, whole.checked_sub(LINE)?).ok()?;
    parse_life(&String::from_utf8_lossy(&bytes))
}

/// The book of the commands.
pub(crate) fn acts_of(folder: &Path) -> PathBuf {
    folder.join("acts")
}

/// The line of a command.
pub(crate) fn act_line(act: &Act) -> String {
    let Act { name, condition, number, pid, mono, invocation, status } = act;
    format!("{name}\t{condition}\t{number}\t{pid}\t{mono}\t{invocation}\t{status}\n")
}

/// All commands in the order in which they wrote.
pub(crate) fn acts(folder: &Path) -> Vec<Act> {
    let parse = |line: &str| {
        let mut cells = line.split('\t');
        Some(Act {
            name: cells.next()?.to_owned(),
            condition: cells.next()?.to_owned(),
            number: cells.next()?.parse().ok()?,
            pid: cells.next()?.parse().ok()?,
            mono: cells.next()?.parse().ok()?,
            invocation: cells.next()?.to_owned(),
            status: cells.next()?.to_owned(),
        })
    };
    text(&acts_of(folder)).lines().filter_map(parse).collect()
}

/// Something that an entity has told ham.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// The entity.
    pub(crate) name: String,
    /// `state` or `raise`.
    pub(crate) what: String,
    /// Its number: the state, or the class of the event.
    pub(crate) number: u64,
    /// When it was about to be told, CLOCK_MONOTONIC, ns.
    pub(crate) begin: u64,
    /// When the answer was there.
    pub(crate) end: u64,
    /// `yes`: accepted; else what was answered.
    pub(crate) answer: String,
}

/// The book of what was told.
pub(crate) fn said_of(folder: &Path) -> PathBuf {
    folder.join("said")
}

/// The line of that.
pub(crate) fn said_line(said: &Said) -> String {
    let Said { name, what, number, begin, end, answer } = said;
    format!("{name}\t{what}\t{number}\t{begin}\t{end}\t{answer}\n")
}

/// All that was told, in its order.
pub(crate) fn said(folder: &Path) -> Vec<Said> {
    let parse = |line: &str| {
        let mut cells = line.split('\t');
        Some(Said {
            name: cells.next()?.to_owned(),
            what: cells.next()?.to_owned(),
            number: cells.next()?.parse().ok()?,
            begin: cells.next()?.parse().ok()?,
            end: cells.next()?.parse().ok()?,
            answer: cells.next()?.to_owned(),
        })
    };
    text(&said_of(folder)).lines().filter_map(parse).collect()
}

/// Where instances note that another one lives beside them.
pub(crate) fn doubles_of(folder: &Path) -> PathBuf {
    folder.join("doubles")
}

/// Those notes.
pub(crate) fn doubles(folder: &Path) -> Vec<String> {
    text(&doubles_of(folder)).lines().map(str::to_owned).collect()
}

/// Where the recorder notes the signals that it was sent.
pub(crate) fn signals_of(folder: &Path) -> PathBuf {
    folder.join("signals")
}

/// How many signals came with which value.
pub(crate) fn signals(folder: &Path) -> BTreeMap<u32, u64> {
    let mut counts = BTreeMap::new();
    for value in text(&signals_of(folder)).lines().filter_map(|line| line.parse().ok()) {
        *counts.entry(value).or_insert(0) += 1;
    }
    counts
}

/// The file that lets all begin.
pub(crate) fn go(folder: &Path) -> PathBuf {
    folder.join("go")
}

/// The file that tells all who start from now on to stay.
pub(crate) fn stay(folder: &Path) -> PathBuf {
    folder.join("stay")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_lives_are_equally_long() {
        let invocation = format!("{:016x}-65535-4294967295", u64::MAX);
        let life = Life { pid: 4_194_304, mono: u64::MAX, stays: true, invocation };
        let line = line(&life);
        assert_eq!(line.len() as u64, LINE);
        let read = parse_life(&line).unwrap();
        assert_eq!((read.pid, read.mono, read.stays), (life.pid, life.mono, true));
        assert_eq!(read.invocation, life.invocation);
    }
}
