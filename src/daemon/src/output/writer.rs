//! From the pipes of processes to ham's own standard output, each line once,
//! however often this process is killed on the way. Two pipes make that so,
//! which outlive it:
//!
//! 1. *Stage*: the finished lines are written here first.
//! 2. *Taken*: then their raw bytes are moved here, out of the pipe of the
//!    process, by one system call. From here on they count as written.
//! 3. What is in the stage is moved to standard output, and then what was taken
//!    is thrown away.
//!
//! Something taken means that 3 is to be finished. Something in the stage alone
//! was not taken yet, and is thrown away: it is still where it came from.
//!
//! To a file the stage is copied instead, and a kill between the copy and its
//! removal from the stage writes that part twice: moving there takes no notice
//! of others who write to the same file, ham's own log for one, nor can it
//! append.

use super::cut::{self, PAGE, Packets, Rest};
use crate::lines::{Instant, Look, Origin};
use crate::say::say;
use ham_sys::{Result, pipe};
use std::os::fd::OwnedFd;

/// What a pipe can hold by default on all machines with pages of 4 KiB.
const MOST: usize = 64 * 1024;

/// What a process writes to.
#[derive(Debug)]
pub(super) struct Source {
    pipe: OwnedFd,
    name: String,
    origin: Origin,
    /// Nobody writes to it any more.
    pub(super) ended: bool,
}

impl Source {
    pub(super) fn new(pipe: OwnedFd, name: &str, origin: Origin) -> Source {
        Source { pipe, name: name.to_owned(), origin, ended: false }
    }
}

/// What became of a source's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    /// There may be more.
    Some,
    /// There is no whole line at the moment.
    Nothing,
    /// There will never be anything again.
    End,
}

/// A pipe with both of its ends.
#[derive(Debug)]
struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) look: Look,
    stage: Pipe,
    taken: Pipe,
    /// Where bytes are looked at: of this process alone.
    shown: Pipe,
    /// Where all goes.
    out: OwnedFd,
    /// Nothing can be moved to standard output, only written.
    copies: bool,
    /// The last write has failed: that was said.
    failing: bool,
    buffer: Vec<u8>,
}

impl Writer {
    /// The pipes each as reading and writing end; `out` is where all goes.
    pub(super) fn new(
        stage: [OwnedFd; 2],
        taken: [OwnedFd; 2],
        out: OwnedFd,
        look: Look,
    ) -> Result<Writer> {
        let pair = |[reader, writer]: [OwnedFd; 2]| Pipe { reader, writer };
        let (reader, writer) = pipe::new()?;
        let copies = is_file(&out);
        Ok(Writer {
            look,
            stage: pair(stage),
            taken: pair(taken),
            shown: Pipe { reader, writer },
            out,
            copies,
            failing: false,
            buffer: vec![0; MOST],
        })
    }

    /// Finishes what a killed one has begun.
    pub(super) fn go_on(&mut self) -> Result<()> {
        if pipe::waiting(&self.taken.reader)? > 0 { self.write_out() } else { self.empty_stage() }
    }

    /// Writes out what whole lines a source has, as many as fit at once.
    /// `all`: also what is no whole line.
    pub(super) fn serve(&mut self, source: &Source, all: bool) -> Result<Served> {
        let Some(count) = self.look_into(source)? else { return Ok(Served::Nothing) };
        if count == 0 {
            return Ok(Served::End);
        }
        let full = !pipe::has_room(&self.shown.writer);
        let bytes = read_whole(&self.shown, &mut self.buffer, count)?;
        let rest = match (all || source.ended, full) {
            // More may follow that was not shown.
            (_, true) => Rest::GoesOn,
            (true, false) => Rest::Ends,
            (false, false) => Rest::Waits,
        };
        let at = Instant::now();
        let mut packets = Packets::for_pipe(pipe::size(&self.stage.writer)?.min(MOST));
        let mut done = 0;
        while let Some((text, more, taken)) = cut::next(bytes.get(done..).unwrap_or_default(), rest)
        {
            // What would go on after other lines waits for them.
            if done > 0 && more && taken < cut::LINE - 3 {
                break;
            }
            let line = self.look.line(at, &source.name, source.origin, text, more);
            if !packets.add(line) {
                if done == 0 {
                    // A single one, longer than the stage: control characters
                    // in JSON, where the system allows small pipes only.
                    let short = text.get(..PAGE / 16).unwrap_or(text);
                    let line = self.look.line(at, &source.name, source.origin, short, true);
                    packets.add(line);
                    done = short.len();
                }
                break;
            }
            done += taken;
        }
        if done == 0 {
            return Ok(Served::Nothing);
        }
        for packet in packets.iter() {
            write_whole(&self.stage, packet)?;
        }
        self.take(source, done)?;
        self.write_out()?;
        Ok(Served::Some)
    }

    /// Shows what lies in a source: how many bytes.
    fn look_into(&mut self, source: &Source) -> Result<Option<usize>> {
        // Not more room than the source has, so that it shows whether that is
        // full; and none that the other pipes do not have.
        let most = pipe::size(&self.taken.writer)?.min(MOST);
        let wanted = pipe::size(&source.pipe)?.min(most);
        if pipe::size(&self.shown.writer)? != wanted {
            // Where that is refused, lines may be cut sooner.
            let _ = pipe::resize(&self.shown.writer, wanted);
        }
        pipe::show(&source.pipe, &self.shown.writer, MOST)
    }

    /// Moves what is in the stage out of the pipe where it came from.
    fn take(&mut self, source: &Source, count: usize) -> Result<()> {
        let mut left =
            count - pipe::carry(&source.pipe, &self.taken.writer, count)?.unwrap_or(0).min(count);
        // It has room for all that was shown; should it not, nothing waits.
        while left > 0 {
            let most = left.min(self.buffer.len());
            let buffer = self.buffer.get_mut(..most).unwrap_or_default();
            match pipe::take(&source.pipe, buffer)? {
                Some(0) | None => break,
                Some(some) => left -= some,
            }
        }
        Ok(())
    }

    /// The stage goes to standard output, what was taken nowhere.
    fn write_out(&mut self) -> Result<()> {
        loop {
            let left = pipe::waiting(&self.stage.reader)?;
            if left == 0 {
                break;
            }
            match self.write_some(left) {
                Ok(()) => self.failing = false,
                Err(error) => {
                    // Entities are not to wait for a disk that is full, nor to
                    // learn that nobody reads.
                    self.empty_stage()?;
                    if !self.failing {
                        self.failing = true;
                        say(format_args!("output of entities is lost: {error}"));
                    }
                }
            }
        }
        empty(&self.taken, &mut self.buffer)
    }

    fn write_some(&mut self, count: usize) -> Result<()> {
        if !self.copies {
            match pipe::carry(&self.stage.reader, &self.out, count) {
                Ok(Some(_)) => return Ok(()),
                // Somebody has made it non-blocking, for all who share it.
                Ok(None) => {
                    pipe::wait_for_room(&self.out);
                    return Ok(());
                }
                Err(error) if pipe::is_not_for_moving(&error) => self.copies = true,
                Err(error) => return Err(error),
            }
        }
        let Some(shown) = pipe::show(&self.stage.reader, &self.shown.writer, count)? else {
            return Ok(());
        };
        let bytes = read_whole(&self.shown, &mut self.buffer, shown)?;
        let written = pipe::put(&self.out, bytes)?;
        let buffer = self.buffer.get_mut(..written).unwrap_or_default();
        pipe::take(&self.stage.reader, buffer).map(|_| ())
    }

    fn empty_stage(&mut self) -> Result<()> {
        empty(&self.stage, &mut self.buffer)
    }
}

fn is_file(fd: &OwnedFd) -> bool {
    let copy = fd.try_clone().map(std::fs::File::from);
    copy.and_then(|file| file.metadata()).is_ok_and(|status| status.is_file())
}

fn empty(pipe: &Pipe, buffer: &mut [u8]) -> Result<()> {
    while pipe::take(&pipe.reader, buffer)?.is_some_and(|count| count > 0) {}
    Ok(())
}

/// Takes so many bytes out of a pipe that holds them.
fn read_whole<'a>(pipe: &Pipe, buffer: &'a mut [u8], count: usize) -> Result<&'a [u8]> {
    let mut done = 0;
    while done < count {
        let room = buffer.get_mut(done..count).unwrap_or_default();
        match pipe::take(&pipe.reader, room)? {
            Some(0) | None => break,
            Some(some) => done += some,
        }
    }
    Ok(buffer.get(..done).unwrap_or_default())
}

fn write_whole(pipe: &Pipe, bytes: &[u8]) -> Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        done += pipe::put(&pipe.writer, rest)?;
    }
    Ok(())
}
