//! Processes that hang in the kernel, which no signal ends, do not keep a machine
//! from its end.

use super::asks;
use ham_tests::machine::{End, Machine};
use ham_tests::own_units::{SLEEPER, Units};
use ham_tests::skip::skipped;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A file system that answers nothing, in the machine; its server is outside of
/// it, and whoever hangs is let go when that ends.
struct Hung {
    server: Child,
    says: BufReader<ChildStdout>,
}

impl Hung {
    /// `None`, and said: there can be none here.
    fn mount(what: &str, machine: &Machine, directory: &str) -> Option<Hung> {
        let mut server = Command::new("nsenter")
            .args(["--user", "--mount", "--preserve-credentials"])
            .args(["--target", &machine.init().to_string(), "--"])
            .arg(env!("CARGO_BIN_EXE_ham-probe"))
            .args(["hang", directory])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("nsenter can be executed");
        let says = BufReader::new(server.stdout.take().expect("it is piped"));
        let mut hung = Hung { server, says };
        if hung.line() == "mounted" {
            return Some(hung);
        }
        skipped(what, "no file system of its own (fuse)");
        None
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).expect("a line of ours");
        line.trim_end().to_owned()
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Makes whoever starts `hung` hang there.
fn begin_to_hang(machine: &mut Machine, hung: &mut Hung) {
    machine.wait_for_log("a sleeper", |log| log.contains("sleeper: started"));
    asks(machine, &["start", "--no-wait", "hung"]);
    assert_eq!(hung.line(), "asked", "{}", machine.log());
}

/// A thread of the monitor, which reads a file for an entity that it makes.
#[test]
fn a_monitor_that_is_never_gone_does_not_keep_the_machine() {
    let what = "hung-monitor";
    let units = Units::new(what);
    let directory = units.file("silent");
    std::fs::create_dir(&directory).expect("our directory");
    units.write("sleeper", SLEEPER);
    units.write(
        "hung",
        &format!(
            "[entity]\ncommand = [\"true\"]\ntype = \"oneshot\"\nrestart = \"no\"\n\
             start = \"manual\"\nenvironment-file = \"{directory}/file\"\n"
        ),
    );
    let options = ["--stop-deadline", "1s"];
    let Some(mut machine) = Machine::start(what, &units, "", &options) else { return };
    let Some(mut hung) = Hung::mount(what, &machine, &directory) else { return };
    begin_to_hang(&mut machine, &mut hung);
    asks(&machine, &["poweroff"]);
    machine.wait_for_log("its end", |log| log.contains("the machine is switched off"));
    // A namespace waits for all that is in it, which a machine does not.
    drop(hung);
    assert_eq!(machine.end(), End::Off, "{}", machine.log());
}

/// A process of an entity, when there is no manager that would know of it.
#[test]
fn an_entity_that_is_never_gone_does_not_keep_a_machine_without_a_manager() {
    let what = "hung-entity";
    let units = Units::new(what);
    let directory = units.file("silent");
    std::fs::create_dir(&directory).expect("our directory");
    units.write("sleeper", SLEEPER);
    units.write(
        "hung",
        &format!(
            "[entity]\ncommand = [\"cat\", \"{directory}/file\"]\ntype = \"oneshot\"\n\
             restart = \"no\"\nstart = \"manual\"\n"
        ),
    );
    let Some(mut machine) = Machine::start(what, &units, "", &[]) else { return };
    let Some(mut hung) = Hung::mount(what, &machine, &directory) else { return };
    begin_to_hang(&mut machine, &mut hung);
    for fault in 1..=2 {
        machine.signal("SEGV");
        machine.wait_for_log("a word on that", |log| {
            log.matches("was executed again").count() == fault
        });
    }
    machine.signal("SEGV");
    machine.wait_for_log("the third", |log| log.contains("goes on without its state"));
    machine.signal("TERM");
    machine.wait_for_log("its end", |log| log.contains("the machine restarts"));
    drop(hung);
    assert_eq!(machine.end(), End::Again, "{}", machine.log());
}
