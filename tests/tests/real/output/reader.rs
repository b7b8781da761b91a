//! A ham whose standard output is a pipe that the test reads, when it wants to.

use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::{Manager, ham};
use std::io::{BufRead, BufReader, PipeReader};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// The lines that were read so far, without their ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// Reads them from now on, until the other end is closed.
    pub(super) fn read(reader: PipeReader) -> Lines {
        let lines = Lines::default();
        let ours = lines.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(reader);
            let mut bytes = Vec::new();
            while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
                ours.0.lock().unwrap().push(text);
                bytes.clear();
            }
        });
        lines
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn wait_for(&self, what: &str, holds: impl Fn(&[String]) -> bool) -> Vec<String> {
        wait_until(what, || holds(&self.all()));
        self.all()
    }
}

/// A manager without time stamps, and its standard output.
pub(super) fn start(units: &Units, options: &[&str]) -> (Manager, PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    let options: Vec<&str> = ["-t", "none"].iter().chain(options).copied().collect();
    let manager = Manager::start_with_output(Command::new(ham()), &units.path(), &options, writer);
    (manager, reader)
}

/// A unit that runs a script of sh, both of its streams through ham.
pub(super) fn write(units: &Units, name: &str, script: &str) {
    units.write(
        name,
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", '''{script}''']\nrestart = \"no\"\n\
             stdout = \"ham\"\nstderr = \"ham\"\n"
        ),
    );
}
