//! The path watcher: a helper process that tells when paths come into being.
//! It touches paths that users named, which may hang, so the monitor does not;
//! nor does the loop here, but threads of which some may hang for ever.
//!
//! It is asked `+NUMBER SINCE PATH`, or `?NUMBER SINCE PATH` when a look at this
//! path has hung before, and `-NUMBER`; one packet each on descriptor 3. It
//! answers `NUMBER` when it is there, `!NUMBER` when a look at it hangs and
//! `~NUMBER` when that has come back; and `*` when all threads hang, as its last
//! word: another helper has others. It ends when the monitor closes the channel.
//!
//! With a SINCE other than 0 (nanoseconds since 1970) a path counts only if it
//! is not older: changed since then, or seen to be made, changed or moved there.
//! So the socket that a killed daemon has left says nothing about the next one.

mod look;
mod looks;
mod waits;

use crate::say::say;
use look::Sought;
use looks::{Job, Looks};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use waits::{Outcome, Waits};

use ham_sys::poller::{Interest, Poller, Ready};
use ham_sys::{Errno, clock, process, socket};

/// The descriptor that the helper is given.
const CHANNEL_NUMBER: i32 = 3;
/// The longest path (`PATH_MAX` less its NUL).
pub(crate) const PATH_BYTES: usize = 4_095;
/// A path and what stands before it: two numbers of up to 20 digits.
pub(crate) const MESSAGE_BYTES: usize = 4_200;

/// How long to pause when the monitor has not taken an answer yet.
const PAUSE: Duration = Duration::from_millis(1);

const CHANNEL: u64 = 0;
const CHANGED: u64 = 1;
const MOUNTS: u64 = 2;
const LOOKED: u64 = 3;

/// What the helper says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The path is there.
    There(u64),
    /// A look at it does not come back.
    Hangs(u64),
    /// That has come back; it is not there yet.
    Answers(u64),
    /// No more looks are possible: this helper ends.
    AllHang,
}

impl Answer {
    fn text(self) -> String {
        match self {
            Answer::There(number) => number.to_string(),
            Answer::Hangs(number) => format!("!{number}"),
            Answer::Answers(number) => format!("~{number}"),
            Answer::AllHang => "*".to_owned(),
        }
    }

    /// `None`: it is no answer.
    pub(crate) fn parse(packet: &[u8]) -> Option<Answer> {
        let text = std::str::from_utf8(packet).ok()?;
        if text == "*" {
            return Some(Answer::AllHang);
        }
        let (word, number): (fn(u64) -> Answer, _) = match text.split_at_checked(1)? {
            ("!", number) => (Answer::Hangs, number),
            ("~", number) => (Answer::Answers, number),
            _ => (Answer::There, text),
        };
        number.parse().ok().map(word)
    }
}

/// The message that asks for a path. `suspect`: a look at it has hung.
pub(crate) fn ask_message(number: u64, since: u64, path: &str, suspect: bool) -> Vec<u8> {
    let word = if suspect { '?' } else { '+' };
    format!("{word}{number} {since} {path}").into_bytes()
}

/// The message that nobody waits for it any more.
pub(crate) fn forget_message(number: u64) -> Vec<u8> {
    format!("-{number}").into_bytes()
}

/// `ham watch`.
pub(crate) fn main() -> ExitCode {
    let _ = process::set_name(c"ham-watch");
    let run = || -> Result<(), Box<dyn std::error::Error>> {
        let channel = process::inherited(CHANNEL_NUMBER)?;
        Helper::new(channel)?.run()
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // The monitor has gone: the next one starts a helper of its own.
        Err(error) if is_broken_pipe(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("watch: {error}"));
            ExitCode::FAILURE
        }
    }
}

struct Helper {
    channel: OwnedFd,
    poller: Poller,
    looks: Looks,
    waits: Waits,
    _mounts: Option<File>,
}

impl Helper {
    fn new(channel: OwnedFd) -> Result<Helper, Box<dyn std::error::Error>> {
        let looks = Looks::new()?;
        let poller = Poller::new()?;
        poller.add(&channel, CHANNEL, Interest::READ)?;
        poller.add(looks.directories(), CHANGED, Interest::READ)?;
        poller.add(looks.wake(), LOOKED, Interest::READ)?;
        // A mount brings paths without any event in the directory.
        let mounts = File::open("/proc/self/mountinfo").ok();
        if let Some(mounts) = &mounts {
            let priority = Interest { read: false, write: false, priority: true, edge: false };
            poller.add(mounts, MOUNTS, priority)?;
        }
        Ok(Helper { channel, poller, looks, waits: Waits::default(), _mounts: mounts })
    }

    fn run(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let mut ready = [Ready::default(); 4];
        loop {
            let count = self.poller.wait(&mut ready, self.patience())?;
            // What has changed before somebody waited for it says nothing.
            self.take_changes()?;
            self.take_looks()?;
            for event in ready.iter().take(count) {
                if event.token == CHANNEL && !self.read()? {
                    return Ok(());
                }
                if event.token == MOUNTS {
                    self.waits.look_at_all();
                }
            }
            let now = clock::monotonic();
            for (number, sought, suspect) in self.waits.begin(now) {
                self.looks.begin(Job { number, sought, suspect });
            }
            for number in self.looks.look_after(now) {
                if self.waits.hangs(number) {
                    self.answer(Answer::Hangs(number))?;
                }
            }
            if self.looks.all_hang() {
                return Ok(self.answer(Answer::AllHang)?);
            }
        }
    }

    /// How long nothing is to be done unless something happens.
    fn patience(&self) -> Option<Duration> {
        let due = [self.looks.due(), self.waits.due()].into_iter().flatten().min()?;
        Some(Duration::from_nanos(due.saturating_sub(clock::monotonic())))
    }

    /// False when the monitor has closed the channel.
    fn read(&mut self) -> Result<bool, Box<dyn std::error::Error>> {
        let mut buffer = [0u8; MESSAGE_BYTES];
        while let Some(count) = socket::receive_packet(&self.channel, &mut buffer)? {
            if count == 0 {
                return Ok(false);
            }
            let text = String::from_utf8_lossy(buffer.get(..count).unwrap_or_default());
            let Some((word, rest)) = text.split_at_checked(1) else { continue };
            match word {
                "-" => self.forget(rest),
                "+" => self.seek(rest, false),
                "?" => self.seek(rest, true),
                _ => {}
            }
        }
        Ok(true)
    }

    fn seek(&mut self, words: &str, suspect: bool) {
        if let Some((number, rest)) = words.split_once(' ')
            && let Some((since, path)) = rest.split_once(' ')
            && let (Ok(number), Ok(since)) = (number.parse(), since.parse::<u64>())
        {
            // Even a file of 1969 is there.
            let since = if since == 0 { i128::MIN } else { i128::from(since) };
            let sought = Sought { path: PathBuf::from(path), since, came: false };
            self.waits.insert(number, sought, suspect);
        }
    }

    fn forget(&mut self, number: &str) {
        let Ok(number) = number.parse() else { return };
        self.looks.forget(number);
        if let Some(watch) = self.waits.remove(number) {
            self.looks.unwatch(watch);
        }
    }

    fn take_changes(&mut self) -> ham_sys::Result<()> {
        loop {
            let changes = self.looks.directories().read()?;
            if changes.missed {
                self.waits.look_at_all();
            }
            if changes.all.is_empty() && !changes.missed {
                return Ok(());
            }
            changes.all.into_iter().for_each(|change| self.waits.changed(change));
        }
    }

    fn take_looks(&mut self) -> ham_sys::Result<()> {
        let now = clock::monotonic();
        let mut unwatched = Vec::new();
        for (number, seen) in self.looks.take() {
            match self.waits.returned(number, seen, now, &mut unwatched) {
                Outcome::Found => self.answer(Answer::There(number))?,
                Outcome::Answers => self.answer(Answer::Answers(number))?,
                Outcome::Nothing => {}
            }
        }
        unwatched.into_iter().for_each(|watch| self.looks.unwatch(watch));
        if !self.looks.any_open() {
            self.waits.forget_changes();
        }
        Ok(())
    }

    fn answer(&self, answer: Answer) -> ham_sys::Result<()> {
        // Waiting is fine here: the monitor reads, or is dead.
        while !socket::send_packet(&self.channel, answer.text().as_bytes())? {
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<ham_sys::SysError>().is_some_and(|error| error.errno == Errno::EPIPE)
}

#[cfg(test)]
mod tests;
