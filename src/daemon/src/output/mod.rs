//! The helper for output: it writes what entities say to ham's own standard
//! output, each line with its entity's name. It may wait for whoever reads
//! that, for ever; entities then wait for it, and the monitor for nobody.
//!
//! It is asked by packets on descriptor 3, most with a descriptor: `+NUMBER
//! STREAM NAME` is the pipe of a process, `=TAG` one of those that [`writer`]
//! needs, and `.` says that all is down: to write what is left and to end. It
//! answers `-NUMBER` when nobody writes to a pipe any more.
//!
//! What was not written yet lies in pipes that the reaper holds, too, and never
//! only here: should this process be killed, the next one goes on where it was.
//! That is why a line is left in its pipe until its end is there. When the
//! monitor closes the channel it has died, and this ends without another word.

mod cut;
mod writer;

use crate::lines::{Look, Origin};
use crate::options::{LogFormat, Stamps};
use crate::say::say;
use ham_snapshot::kept::{Kept, Owner};
use ham_sys::poller::{Interest, Poller, Ready};
use ham_sys::{process, rights, socket};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use writer::{Served, Source, Writer};

/// The descriptor that the helper is given.
const CHANNEL_NUMBER: i32 = 3;
/// Standard output.
const OUT_NUMBER: i32 = 1;
/// The longest message: a number, a word and the longest name.
pub(crate) const MESSAGE_BYTES: usize = 512;
/// "Write what is left, and end."
pub(crate) const END: &[u8] = b".";

/// The pipes that the writer needs, by their tags in the reaper's table; their
/// owner is the manager.
pub(crate) const STAGE_IN: u64 = u64::from_le_bytes(*b"stage-in");
pub(crate) const STAGE_OUT: u64 = u64::from_le_bytes(*b"stageout");
pub(crate) const TAKEN_IN: u64 = u64::from_le_bytes(*b"taken-in");
pub(crate) const TAKEN_OUT: u64 = u64::from_le_bytes(*b"takenout");
/// All of them.
pub(crate) const OWN_PIPES: [u64; 4] = [STAGE_IN, STAGE_OUT, TAKEN_IN, TAKEN_OUT];

/// The pipes of a process.
const STDOUT: u64 = u64::from_le_bytes(*b"stdout\0\0");
const STDERR: u64 = u64::from_le_bytes(*b"stderr\0\0");

/// The tag of a process's pipe in the reaper's table.
pub(crate) fn tag(origin: Origin) -> u64 {
    if origin == Origin::Stderr { STDERR } else { STDOUT }
}

/// Which stream a tag is; `None`: it is none.
pub(crate) fn of_tag(tag: u64) -> Option<Origin> {
    match tag {
        STDOUT => Some(Origin::Stdout),
        STDERR => Some(Origin::Stderr),
        _ => None,
    }
}

/// Whether it is a pipe of a process, or of the writer's.
pub(crate) fn is_pipe(kept: Kept) -> bool {
    match kept.owner {
        Owner::Slot { .. } => of_tag(kept.tag).is_some(),
        Owner::Manager => OWN_PIPES.contains(&kept.tag),
        Owner::Entity(_) => false,
    }
}

/// A pipe of the writer's, as a message to this helper.
pub(crate) fn own_pipe_message(tag: u64) -> Vec<u8> {
    format!("={tag}").into_bytes()
}

/// The pipe of a process, likewise.
pub(crate) fn pipe_message(number: u64, origin: Origin, name: &str) -> Vec<u8> {
    format!("+{number} {} {name}", origin.word()).into_bytes()
}

/// The number of the pipe that an answer says is at its end.
pub(crate) fn ended_pipe(answer: &[u8]) -> Option<u64> {
    std::str::from_utf8(answer).ok()?.strip_prefix('-')?.parse().ok()
}

/// The command line that [`look_of`] reads.
pub(crate) fn words(look: Look) -> Vec<OsString> {
    let started = look.started.to_string();
    ["output", look.format.word(), look.stamps.word(), &started].map(OsString::from).to_vec()
}

/// How lines are to look, from the words after `output`.
pub(crate) fn look_of(words: &[OsString]) -> Result<Look, String> {
    let texts: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let look = |format, stamps, started: &str| {
        Some(Look {
            format: LogFormat::from_word(format)?,
            stamps: Stamps::from_word(stamps)?,
            started: started.parse().ok()?,
        })
    };
    match texts.as_slice() {
        [format, stamps, started] => look(format, stamps, started),
        _ => None,
    }
    .ok_or_else(|| "`ham output` is internal: ham starts it itself".to_owned())
}

/// `ham output`.
pub(crate) fn main(look: Look) -> ExitCode {
    let _ = process::set_name(c"ham-output");
    let run = || -> ham_sys::Result<()> {
        let channel = process::inherited(CHANNEL_NUMBER)?;
        let mut helper = Helper::new(channel, look)?;
        helper.run()
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.errno == ham_sys::Errno::EPIPE => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("output: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// No number of a pipe.
const CHANNEL: u64 = u64::MAX;

struct Helper {
    channel: OwnedFd,
    poller: Poller,
    look: Look,
    /// Pipes of the writer's, until all are there.
    own: BTreeMap<u64, OwnedFd>,
    writer: Option<Writer>,
    /// By number.
    sources: BTreeMap<u64, Source>,
    /// Sources that may have something.
    ready: VecDeque<u64>,
    /// All is down.
    ending: bool,
}

/// What the channel has said.
enum Heard {
    GoOn,
    MonitorGone,
}

impl Helper {
    fn new(channel: OwnedFd, look: Look) -> ham_sys::Result<Helper> {
        let poller = Poller::new()?;
        poller.add(&channel, CHANNEL, Interest::READ)?;
        Ok(Helper {
            channel,
            poller,
            look,
            own: BTreeMap::new(),
            writer: None,
            sources: BTreeMap::new(),
            ready: VecDeque::new(),
            ending: false,
        })
    }

    fn run(&mut self) -> ham_sys::Result<()> {
        let mut ready = [Ready::default(); 64];
        loop {
            let busy = self.writer.is_some() && !self.ready.is_empty();
            if self.ending && !busy {
                return Ok(());
            }
            let patience = busy.then_some(std::time::Duration::ZERO);
            let count = self.poller.wait(&mut ready, patience)?;
            for event in ready.iter().take(count) {
                if event.token == CHANNEL {
                    if let Heard::MonitorGone = self.hear()? {
                        return Ok(());
                    }
                    continue;
                }
                if let Some(source) = self.sources.get_mut(&event.token) {
                    // Not for ever: another process may go on in its pipe.
                    source.ended = event.hangup;
                    self.queue(event.token);
                }
            }
            self.serve_next()?;
        }
    }

    fn queue(&mut self, number: u64) {
        if !self.ready.contains(&number) {
            self.ready.push_back(number);
        }
    }

    /// One gets its turn, then the next.
    fn serve_next(&mut self) -> ham_sys::Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let Some(number) = self.ready.pop_front() else { return Ok(()) };
        let Some(source) = self.sources.get_mut(&number) else { return Ok(()) };
        match writer.serve(source, self.ending)? {
            Served::Some => self.ready.push_back(number),
            // It tells when there is more.
            Served::Nothing => {}
            Served::End => {
                self.sources.remove(&number);
                let answer = format!("-{number}");
                // The monitor reads, or is dead.
                while !socket::send_packet(&self.channel, answer.as_bytes())? {
                    std::thread::yield_now();
                }
            }
        }
        Ok(())
    }

    fn hear(&mut self) -> ham_sys::Result<Heard> {
        let mut buffer = [0; MESSAGE_BYTES];
        while let Some((count, passed)) = rights::receive_with(&self.channel, &mut buffer)? {
            if count == 0 {
                return Ok(Heard::MonitorGone);
            }
            let bytes = buffer.get(..count).unwrap_or_default();
            if bytes == END {
                self.ending = true;
                let all: Vec<u64> = self.sources.keys().copied().collect();
                all.into_iter().for_each(|number| self.queue(number));
            } else if let Some(fd) = passed {
                self.take(&String::from_utf8_lossy(bytes), fd)?;
            }
        }
        Ok(Heard::GoOn)
    }

    fn take(&mut self, text: &str, fd: OwnedFd) -> ham_sys::Result<()> {
        if let Some(tag) = text.strip_prefix('=').and_then(|tag| tag.parse().ok()) {
            self.own.insert(tag, fd);
            self.begin_writing()?;
        } else if let Some((number, rest)) =
            text.strip_prefix('+').and_then(|text| text.split_once(' '))
            && let Some((origin, name)) = rest.split_once(' ')
            && let (Ok(number), Some(origin)) = (number.parse(), Origin::from_word(origin))
        {
            // Once for everything that comes: a line without its end stays in
            // the pipe, and must not wake anybody again.
            self.poller.add(&fd, number, Interest::ARRIVALS)?;
            self.sources.insert(number, Source::new(fd, name, origin));
        }
        Ok(())
    }

    fn begin_writing(&mut self) -> ham_sys::Result<()> {
        if self.writer.is_some() || !OWN_PIPES.iter().all(|tag| self.own.contains_key(tag)) {
            return Ok(());
        }
        let mut take = |tag| self.own.remove(&tag);
        if let (Some(stage_in), Some(stage_out), Some(taken_in), Some(taken_out)) =
            (take(STAGE_IN), take(STAGE_OUT), take(TAKEN_IN), take(TAKEN_OUT))
        {
            let out = process::inherited(OUT_NUMBER)?;
            let mut writer =
                Writer::new([stage_in, stage_out], [taken_in, taken_out], out, self.look)?;
            writer.go_on()?;
            self.writer = Some(writer);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
