//! The last steps of a machine, when all that ran on it has ended: what the next
//! boot needs is kept, file systems are taken away or made read-only, and what
//! the kernel has of files is written. A process of its own, since each of these
//! may hang on a dead server or disk; the monitor waits for it only so long, and
//! another begins anew where one was killed. Within it each step is made by a
//! child, so that one that hangs is left behind and the others are done.
//!
//! - `mounts`: what goes, and in which order

mod mounts;

use crate::board;
use crate::say::say;
use ham_snapshot::header::Field;
use ham_snapshot::layout::WORD;
use ham_sys::ending::{is_init_of_machine, is_user_of_machine};
use ham_sys::limited::{self, Outcome};
use ham_sys::unmount::{self, How, Mounted};
use ham_sys::{Errno, clock, process};
use mounts::Taken;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// The word on the command line.
pub(crate) const WORD_OF_ROLE: &str = "last";
/// The descriptor that it finds the state at, to read.
pub(crate) const STATE_NUMBER: i32 = 3;

/// How long one step may take. A disk writes what is left of a file system
/// before that goes.
const STEP: Duration = Duration::from_secs(10);
/// The same for what asks a server, which may be gone with the network.
const REMOTE_STEP: Duration = Duration::from_secs(2);

/// See the file.
pub(crate) fn main() -> ExitCode {
    let Some(until) = asked_until() else {
        // Whoever calls it by hand would lose what is mounted.
        say("`last` is for ham itself, at the end of a machine");
        return ExitCode::from(crate::exit::USAGE);
    };
    let _ = process::set_name(c"ham-last");
    let steps = Steps { until };
    // With the rights of the machine, but not as its init, this would take away
    // what is the machine's.
    if !is_init_of_machine(process::parent_pid()) && is_user_of_machine() {
        say("the file systems are the machine's and stay as they are");
        steps.sync();
        return ExitCode::SUCCESS;
    }
    steps.keep("the clock", board::keep_clock);
    steps.keep("the random seed", board::keep_seed);
    say("unmounting file systems");
    steps.unmount_all();
    steps.sync();
    ExitCode::SUCCESS
}

/// Until when it may take, if the init whose child this is has come to its end;
/// by its state, which nobody else can have given.
fn asked_until() -> Option<u64> {
    let state = process::inherited(STATE_NUMBER).ok().map(File::from)?;
    let word = |field: Field| {
        let mut bytes = [0; WORD];
        let at = u64::try_from((field as usize).checked_mul(WORD)?).ok()?;
        state.read_exact_at(&mut bytes, at).ok()?;
        Some(u64::from_le_bytes(bytes))
    };
    let init = word(Field::ReaperPid)? == 1 && process::parent_pid() == 1;
    word(Field::LastUntil).filter(|until| init && *until != 0)
}

struct Steps {
    /// When all must be over, CLOCK_MONOTONIC.
    until: u64,
}

impl Steps {
    /// Makes one, no longer than `patience` and until all must be over.
    fn step(&self, patience: Duration, call: impl FnOnce() -> Result<(), Errno>) -> Outcome {
        let left = Duration::from_nanos(self.until.saturating_sub(clock::monotonic()));
        let done = limited::within(patience.min(left), call);
        done.unwrap_or_else(|error| Outcome::Failed(error.errno))
    }

    fn keep(&self, what: &str, how: fn() -> io::Result<()>) {
        let done = self.step(STEP, || {
            how().map_err(|error| Errno(error.raw_os_error().unwrap_or(Errno::EIO.0)))
        });
        report(&format!("keep {what}"), done);
    }

    fn sync(&self) {
        let done = self.step(STEP, || {
            unmount::sync();
            Ok(())
        });
        report("write all files out", done);
    }

    /// First what nobody uses, as long as that frees anything, the last mounted
    /// first. What is left is made read-only, and goes out of sight; the root
    /// stays.
    fn unmount_all(&self) {
        let mut taken = Taken::default();
        loop {
            let mut freed = false;
            for one in taken.left() {
                match self.unmount(&one, How::Free) {
                    Outcome::Done => {
                        say(format_args!("unmounted {}", one.point.display()));
                        freed = true;
                    }
                    Outcome::Failed(Errno::EBUSY) => {}
                    outcome => {
                        report(&format!("unmount {}", one.point.display()), outcome);
                        taken.give_up(&one, outcome == Outcome::Late);
                    }
                }
            }
            if is_init_of_machine(process::parent_pid()) {
                freed |= self.swap_off();
            }
            if !freed {
                break;
            }
        }
        for one in taken.busy() {
            let name = one.point.display();
            if !taken.hangs(&one) {
                let done = self.read_only(&one.point, patience(&one.kind));
                report(&format!("make {name} read-only"), done);
            }
            let how = if taken.hangs(&one) { How::Forced } else { How::Lazily };
            match self.unmount(&one, how) {
                Outcome::Done => say(format_args!("{name} is in use: out of sight")),
                outcome => report(&format!("put {name} out of sight"), outcome),
            }
        }
        match self.read_only(Path::new("/"), STEP) {
            Outcome::Done => say("/ is read-only"),
            outcome => report("make / read-only", outcome),
        }
    }

    fn unmount(&self, one: &Mounted, how: How) -> Outcome {
        let unmount = || unmount::unmount(&one.point, how).map_err(|error| error.errno);
        self.step(patience(&one.kind), unmount)
    }

    /// What somebody writes to stays as it is, but for what has not been written:
    /// for itself, since the last step may hang on another.
    fn read_only(&self, path: &Path, patience: Duration) -> Outcome {
        let made =
            self.step(patience, || unmount::remount_read_only(path).map_err(|error| error.errno));
        if let Outcome::Failed(_) = made {
            let written =
                self.step(patience, || unmount::sync_one(path).map_err(|error| error.errno));
            report(&format!("write out {}", path.display()), written);
        }
        made
    }

    /// Whether any was taken out of use.
    fn swap_off(&self) -> bool {
        let mut freed = false;
        for path in unmount::swaps() {
            let done = self.step(STEP, || unmount::swap_off(&path).map_err(|error| error.errno));
            freed |= done == Outcome::Done;
            report(&format!("swap off {}", path.display()), done);
        }
        freed
    }
}

fn patience(kind: &str) -> Duration {
    if mounts::is_remote(kind) { REMOTE_STEP } else { STEP }
}

/// What did not work; there is nobody to do anything about it.
fn report(what: &str, outcome: Outcome) {
    match outcome {
        Outcome::Done => {}
        Outcome::Failed(errno) => say(format_args!("could not {what}: {errno}")),
        Outcome::Late => say(format_args!("could not {what}: it hangs")),
    }
}
