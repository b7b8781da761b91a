//! How fast the machine is just now: twice a second a process is made that does
//! nothing, as ham makes them all the time. While that takes very long, what
//! comes late says nothing about ham.

use crate::roles::now;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(500);
/// It takes 2 ms when nothing else runs. A list makes eight, one after the
/// other, and that has to be possible within the two seconds of `late`.
const SLOW: u64 = 150_000_000;

/// The measurement.
#[derive(Debug)]
pub(crate) struct Yardstick {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<(u64, u64)>>,
}

impl Yardstick {
    /// Begins to measure.
    pub(crate) fn start(program: &Path) -> std::io::Result<Yardstick> {
        let stop = Arc::new(AtomicBool::new(false));
        let (wanted, program) = (Arc::clone(&stop), program.to_owned());
        let builder = thread::Builder::new().name("yardstick".to_owned());
        let thread = builder.spawn(move || {
            let mut slow = Vec::new();
            let mut before = now();
            while !wanted.load(Ordering::Acquire) {
                sleep(PAUSE);
                let begin = now();
                // One that cannot be made is slow, too.
                let _ = Command::new(&program).arg("nothing").stdin(Stdio::null()).status();
                let end = now();
                if end - begin >= SLOW {
                    slow.push((before, end));
                }
                before = end;
            }
            slow
        })?;
        Ok(Yardstick { stop, thread })
    }

    /// When it was slow; CLOCK_MONOTONIC, ns.
    pub(crate) fn finish(self) -> Vec<(u64, u64)> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap_or_default()
    }
}
