//! Units whose processes say what the test wants them to say, when it wants it.

use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::Manager;
use nix::sys::stat::Mode;
use std::fs::File;
use std::io::Write;

pub(crate) const PROBE: &str = env!("CARGO_BIN_EXE_ham-probe");

/// An entity whose main process sends what the test tells it to send.
pub(crate) struct Teller {
    fifo: String,
    log: String,
    told: std::cell::Cell<usize>,
}

impl Teller {
    /// `more`: further lines of its table.
    pub(crate) fn write(units: &Units, name: &str, more: &str) -> Teller {
        let (fifo, log) = (units.file(&format!("{name}.fifo")), units.file(&format!("{name}.out")));
        nix::unistd::mkfifo(fifo.as_str(), Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO");
        let text = format!(
            "[entity]\ncommand = [\"{PROBE}\", \"tell\", \"{fifo}\"]\nstdout = {{ file = \"{log}\" }}\n\
             {more}\n"
        );
        units.write(name, &text);
        Teller { fifo, log, told: 0.into() }
    }

    /// One datagram, which has been sent when this returns.
    pub(crate) fn tell(&self, line: &str) {
        self.told.set(self.told.get() + 1);
        let mut fifo = File::options().write(true).open(&self.fifo).expect("its FIFO");
        fifo.write_all(format!("{line}\n").as_bytes()).expect("room for a line");
        drop(fifo);
        wait_until("it has sent that", || {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            log.lines().count() >= self.told.get()
        });
    }
}

pub(crate) fn dropped(manager: &Manager) -> u64 {
    manager.status()["ham"]["notifications_dropped"].as_u64().expect("a number")
}
