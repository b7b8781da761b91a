//! The log of the kernel, /dev/kmsg: there before any file can be written, and
//! after the last one, for who asks dmesg(1), a serial console or what a crash
//! has left. Each line has a priority of syslog(3) and says who wrote it.

use crate::facts::Weight;
use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU32, Ordering};

const DEVICE: &str = "/dev/kmsg";
/// By default the kernel drops what is written here after some lines a second.
const LIMIT: &str = "/proc/sys/kernel/printk_devkmsg";
/// Its first number: lines below this are shown on the console.
const CONSOLE_LEVEL: &str = "/proc/sys/kernel/printk";

/// A longer line is refused (`PRINTKRB_RECORD_MAX`, less what is written before
/// it).
const LONGEST: usize = 900;

/// How what is not wrong, but perhaps not meant so, begins.
pub(super) const WARNING: &str = "warning: ";

/// What the kernel shows on the console, and one; 0: nothing is written here.
static SHOWN: AtomicU32 = AtomicU32::new(0);

/// Of syslog(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Priority {
    Error = 3,
    Warning = 4,
    Info = 6,
    Debug = 7,
}

impl Priority {
    fn of(weight: Weight) -> Priority {
        match weight {
            Weight::Always => Priority::Warning,
            Weight::Event => Priority::Info,
            Weight::Detail => Priority::Debug,
        }
    }
}

/// From here on what ham says goes there, also from processes that are forked
/// from this one.
pub(super) fn begin() {
    // Refused where the kernel's command line has said what is to be.
    let _ = fs::write(LIMIT, "on\n");
    let level = fs::read_to_string(CONSOLE_LEVEL).unwrap_or_default();
    let level = level.split_whitespace().next().and_then(|word| word.parse().ok());
    SHOWN.store(level.unwrap_or(0u32).saturating_add(1), Ordering::Relaxed);
}

/// Whether ham writes there.
pub(crate) fn is_on() -> bool {
    SHOWN.load(Ordering::Relaxed) > 0
}

/// Says what is wrong there; whether the kernel shows it on the console, too.
pub(crate) fn say(text: &str) -> bool {
    if !is_on() {
        return false;
    }
    let priority = match text.starts_with(WARNING) {
        true => Priority::Warning,
        false => Priority::Error,
    };
    let said = Kmsg::open().and_then(|mut log| {
        log.priority = priority;
        log.write_all(text.as_bytes())
    });
    said.is_ok() && SHOWN.load(Ordering::Relaxed) > priority as u32 + 1
}

/// It, opened. What is written are whole lines.
#[derive(Debug)]
pub(crate) struct Kmsg {
    file: File,
    priority: Priority,
}

impl Kmsg {
    /// # Errors
    /// Those of open(2).
    pub(crate) fn open() -> io::Result<Kmsg> {
        let file = File::options().write(true).open(DEVICE)?;
        Ok(Kmsg { file, priority: Priority::Info })
    }

    /// What is written from here on weighs so much.
    pub(crate) fn weigh(&mut self, weight: Weight) {
        self.priority = Priority::of(weight);
    }
}

impl Write for Kmsg {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        for record in records(self.priority, text) {
            // Each has to be one write.
            self.file.write_all(&record)?;
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Each line for itself, and in pieces if it is too long.
fn records(priority: Priority, text: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.flat_map(|line| line.chunks(LONGEST)).map(move |piece| {
        let mut record = format!("<{}>ham[1]: ", priority as u32).into_bytes();
        record.extend_from_slice(piece);
        // Without it the kernel waits for more of the line before it shows it.
        record.push(b'\n');
        record
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_record_with_its_priority() {
        let text = format!("first\n\n{}\n", "x".repeat(LONGEST + 1));
        let all: Vec<Vec<u8>> = records(Priority::of(Weight::Event), text.as_bytes()).collect();
        assert_eq!(all.len(), 3);
        assert_eq!(all[0], b"<6>ham[1]: first\n");
        assert_eq!(all[1].len(), LONGEST + 12);
        assert_eq!(all[2], b"<6>ham[1]: x\n");
        assert!(!is_on() && !say("nobody hears this"));
    }
}
