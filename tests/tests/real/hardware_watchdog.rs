//! The hardware watchdog, with a terminal in the place of one: what the reaper
//! writes there is read at its other end. A filter lets the questions that only a
//! driver could answer go well. What a real one does is in `tests/qemu/watchdog`.

use ham_snapshot::header::Field;
use ham_tests::chaos::strike;
use ham_tests::dead_mount::{Dead, DeadMount, in_own_namespace};
use ham_tests::machine::{End, Machine};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::{Manager, Scratch, ham, repository};
use ham_tests::skip;
use ham_tests::state_file::StateFile;
use nix::pty::openpty;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

const STEADY: &str = "[entity]\ncommand = \"sleep 600\"\nrestart = \"always\"\n";

/// What was written to the device, and whether all have closed it.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<(Vec<u8>, bool)>>);

impl Written {
    fn feeds(&self) -> usize {
        self.0.lock().unwrap().0.len()
    }

    fn has_ended(&self) -> bool {
        self.0.lock().unwrap().1
    }

    /// Waits for some more.
    fn wait_for_feeds(&self, count: usize) {
        let before = self.feeds();
        wait_until("feeds", || self.feeds() >= before + count);
    }

    /// All that was written, each a feed or the word to stop.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap().0).into_owned()
    }
}

/// Its path, and this end of it, which is to be closed once the manager has
/// opened it.
struct Device {
    path: String,
    written: Written,
    ours: Option<OwnedFd>,
}

impl Device {
    fn new() -> Device {
        let pair = openpty(None, None).expect("a terminal");
        let path = nix::unistd::ttyname(&pair.slave).expect("its name").display().to_string();
        let written = Written::default();
        let (mut reader, all) = (File::from(pair.master), written.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 64];
            // EIO: nobody has its other end open any more.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                all.0.lock().unwrap().0.extend(&buffer[..count]);
            }
            all.0.lock().unwrap().1 = true;
        });
        Device { path, written, ours: Some(pair.slave) }
    }

    fn conf(&self, timeout: &str, more: &str) -> String {
        format!("[watchdog]\ndevice = \"{}\"\ntimeout = \"{timeout}\"\n{more}", self.path)
    }
}

/// What executes a program to which any device is a watchdog; says what was
/// skipped without a compiler or filters.
fn wrapper(units: &Units, what: &str) -> Option<PathBuf> {
    let compiler = skip::program("cc", what)?;
    let wrapper = units.folder().join("fake-watchdog");
    let source = repository().join("tests/programs/fake-watchdog.c");
    let made = Command::new(compiler).arg("-o").arg(&wrapper).arg(source).output();
    let made = made.expect("the compiler can be executed");
    if !made.status.success() {
        let errors = String::from_utf8_lossy(&made.stderr);
        skip::skipped(what, &format!("the filter cannot be compiled: {errors}"));
        return None;
    }
    let trial = Command::new(&wrapper).arg("/bin/true").status();
    if trial.expect("it was just compiled").code() == Some(77) {
        skip::skipped(what, "no filter can be installed here");
        return None;
    }
    Some(wrapper)
}

/// A manager to which any device is a watchdog; says what was skipped without a
/// compiler, filters, or state in memory.
fn start(units: &Units, conf: &str, what: &str, hang_check: bool) -> Option<Manager> {
    let mut command = Command::new("env");
    if !hang_check {
        command.env("HAM_NO_HANG_CHECK", "1");
    }
    units.write("steady", STEADY);
    start_by(command, units, conf, what)
}

/// As [`start`], by a command that executes what stands behind it.
fn start_by(mut command: Command, units: &Units, conf: &str, what: &str) -> Option<Manager> {
    let wrapper = wrapper(units, what)?;
    let scratch = Scratch::in_memory("watchdog")?;
    write_conf(units, conf);
    command.arg(wrapper).arg(ham());
    let manager = Manager::start_by(command, scratch, &units.path(), &[]);
    manager.wait_for_plan();
    Some(manager)
}

fn write_conf(units: &Units, conf: &str) {
    fs::write(units.path().join("ham.conf"), conf).expect("a file");
}

fn apply(manager: &Manager) {
    let output = manager.hamctl(&["apply"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn monitor(manager: &Manager) -> u32 {
    let pid = manager.status()["ham"]["monitor"]["pid"].as_u64();
    pid.and_then(|pid| u32::try_from(pid).ok()).expect("a process id")
}

fn watchdog(manager: &Manager) -> Value {
    manager.status()["ham"]["watchdog"].clone()
}

fn wait_for_state(manager: &Manager, state: &str) {
    wait_until(state, || watchdog(manager)["state"] == state);
}

#[test]
fn it_is_fed_over_takeovers_and_faults_and_stopped_in_good_order() {
    let what = "a hardware watchdog over takeovers";
    let units = Units::new("watchdog-fed");
    let mut device = Device::new();
    let Some(mut manager) = start(&units, &device.conf("1s", ""), what, true) else { return };
    device.written.wait_for_feeds(3);
    device.ours = None;
    wait_for_state(&manager, "fed");
    assert_eq!(watchdog(&manager)["timeout_ns"], 1_000_000_000);
    for _ in 0..10 {
        manager.replace_settled_monitor();
    }
    device.written.wait_for_feeds(4);
    assert!(strike(manager.pid(), Signal::SIGSEGV));
    wait_until("a fault of the reaper", || manager.status()["ham"]["failures"]["reaper"] == 1);
    device.written.wait_for_feeds(4);
    wait_for_state(&manager, "fed");
    let fed = device.written.text();
    assert!(fed.bytes().all(|byte| byte == b'.'), "{fed}");
    assert!(!device.written.has_ended());
    assert_eq!(manager.status()["ham"]["reaper_allocations"], 0);

    manager.signal("TERM");
    assert!(manager.wait_for_end().success());
    wait_until("it to be closed", || device.written.has_ended());
    let all = device.written.text();
    assert_eq!(all.find('V'), Some(all.len() - 1), "{all}");
}

#[test]
fn a_manager_that_is_killed_does_not_stop_it() {
    let what = "a hardware watchdog of a manager that is killed";
    let units = Units::new("watchdog-killed");
    let mut device = Device::new();
    let Some(mut manager) = start(&units, &device.conf("1s", ""), what, true) else { return };
    device.written.wait_for_feeds(2);
    device.ours = None;
    let steady = manager.pid_of("steady");
    manager.signal("KILL");
    manager.wait_for_end();
    // It runs on without ham.
    assert!(strike(steady, Signal::SIGKILL));
    wait_until("it to be closed", || device.written.has_ended());
    assert!(!device.written.text().contains('V'), "{}", device.written.text());
}

/// In a PID namespace of its own reboot(2) ends its init by HUP. What would hang
/// on that way is reset by a watchdog that runs on.
#[test]
fn a_reboot_leaves_it_running() {
    let what = "a hardware watchdog at a reboot";
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
        command.env("HAM_REBOOT", "1");
        command
    };
    if !unshare().arg("true").output().is_ok_and(|output| output.status.success()) {
        return skip::skipped(what, "no right to make a PID namespace");
    }
    let units = Units::new("watchdog-reboot");
    let go = units.file("go");
    units.write(
        "dies",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"until test -e {go}; do sleep 0.01; done; \
             kill -KILL $$\"]\n[[condition]]\non = \"death\"\n[[condition.actions]]\n\
             reboot = {{}}\n"
        ),
    );
    let mut device = Device::new();
    let conf = device.conf("10s", "");
    let Some(mut manager) = start_by(unshare(), &units, &conf, what) else { return };
    wait_for_state(&manager, "fed");
    device.ours = None;
    let before = device.written.feeds();
    fs::write(go, "").expect("a file");
    assert_eq!(manager.wait_for_end().signal(), Some(1), "{}", manager.log());
    wait_until("it to be closed", || device.written.has_ended());
    let all = device.written.text();
    assert!(all.len() > before && !all.contains('V'), "{all}, {before} before");
}

/// A file system that is slow to be written out is not what a reset mends. Here one
/// of the last steps waits for a reader that never comes.
#[test]
fn a_machine_is_not_reset_while_it_takes_its_last_steps() {
    let what = "a hardware watchdog and slow last steps";
    let units = Units::new("watchdog-last");
    let Some(wrapper) = wrapper(&units, what) else { return };
    let clock = "/var/lib/ham/clock";
    let script = format!("rm -f {clock}; mkfifo {clock}; echo > {}", units.file("trapped"));
    units.write(
        "trap",
        &format!("[entity]\ntype = \"oneshot\"\ncommand = [\"sh\", \"-c\", \"{script}\"]\n"),
    );
    let mut device = Device::new();
    write_conf(&units, &device.conf("1s", ""));
    let more = format!("exec {} \"$0\" \"$@\";", wrapper.display());
    let Some(mut machine) = Machine::start("watchdog-last", &units, &more, &[]) else { return };
    units.wait_for_text("trapped", |text| !text.is_empty());
    device.written.wait_for_feeds(2);
    device.ours = None;
    assert!(machine.hamctl(&["poweroff"]).status.success());
    wait_until("the last steps", || machine.role("ham-last").is_some());
    // Two of its timeouts, of the ten seconds that the step has.
    device.written.wait_for_feeds(6);
    assert!(machine.role("ham-last").is_some(), "{}", machine.log());
    assert_eq!(machine.end(), End::Off, "{}", machine.log());
    assert!(!device.written.text().contains('V'), "{}", device.written.text());
}

#[test]
fn a_monitor_that_does_not_answer_is_not_fed_for() {
    let what = "a hardware watchdog of a monitor that hangs";
    let units = Units::new("watchdog-hung");
    let device = Device::new();
    let Some(mut manager) = start(&units, &device.conf("1s", ""), what, false) else { return };
    let state = StateFile::open(&manager.runtime());
    device.written.wait_for_feeds(2);
    let monitor = monitor(&manager);
    assert!(strike(monitor, Signal::SIGSTOP));
    // 3: the monitor does not answer.
    wait_until("it to be withheld", || state.get(Field::WatchdogStanding) == 3);
    let fed = state.get(Field::WatchdogFed);
    let pings = state.get(Field::WatchdogPing);
    assert!(strike(monitor, Signal::SIGCONT));
    wait_until("it to be fed again", || state.get(Field::WatchdogStanding) == 1);
    assert!(state.get(Field::WatchdogFed) > fed && state.get(Field::WatchdogPing) > pings);
    manager.wait_for_log("who tells of it", |log| {
        log.contains("the hardware watchdog is not fed: the monitor does not answer\n")
            || log.contains("the hardware watchdog is fed again\n")
    });
}

/// It is no work that is waited for by anybody but the watchdog.
#[test]
fn a_monitor_that_hangs_is_replaced_before_it_bites() {
    let what = "a hardware watchdog and a monitor that hangs with nothing to do";
    let units = Units::new("watchdog-replaced");
    let device = Device::new();
    let Some(manager) = start(&units, &device.conf("12s", ""), what, true) else { return };
    wait_for_state(&manager, "fed");
    let monitor = monitor(&manager);
    assert!(strike(monitor, Signal::SIGSTOP));
    manager.next_monitor(monitor);
    assert_eq!(manager.status()["ham"]["failures"]["hung"], 1);
    wait_for_state(&manager, "fed");
}

#[test]
fn ham_conf_sets_it_stops_it_and_takes_another() {
    let what = "a hardware watchdog that is changed";
    let units = Units::new("watchdog-changed");
    let (mut first, mut second) = (Device::new(), Device::new());
    let Some(manager) = start(&units, &first.conf("10s", ""), what, true) else { return };
    wait_for_state(&manager, "fed");
    first.ours = None;

    write_conf(&units, &first.conf("20s", ""));
    apply(&manager);
    wait_until("another timeout", || watchdog(&manager)["timeout_ns"] == 20_000_000_000_u64);
    assert!(!first.written.text().contains('V') && !first.written.has_ended());
    // A file with errors changes nothing.
    write_conf(&units, "[watchdog]\n");
    assert!(!manager.hamctl(&["apply"]).status.success());
    assert_eq!(watchdog(&manager)["state"], "fed");

    write_conf(&units, &second.conf("10s", ""));
    apply(&manager);
    wait_until("the first to be let go", || first.written.has_ended());
    assert!(first.written.text().ends_with('V'), "{}", first.written.text());
    wait_until("the second", || {
        let told = watchdog(&manager);
        told["device"] == second.path.as_str() && told["state"] == "fed"
    });
    second.ours = None;
    // Whoever takes over knows which it is.
    manager.replace_monitor();
    wait_for_state(&manager, "fed");

    write_conf(&units, "");
    apply(&manager);
    wait_until("the second to be let go", || second.written.has_ended());
    assert!(second.written.text().ends_with('V'), "{}", second.written.text());
    assert_eq!(watchdog(&manager), Value::Null);
}

#[test]
fn a_file_system_that_does_not_answer_is_not_fed_for() {
    let what = "a hardware watchdog and a disk that hangs";
    in_own_namespace(what, || {
        let units = Units::new("watchdog-disk");
        let device = Device::new();
        let (file, place) = (units.file("fed"), units.file("mount"));
        fs::create_dir(&place).expect("a directory");
        let check = |path: &str| device.conf("1s", &format!("check = \"{path}\"\n"));
        let Some(manager) = start(&units, &check(&file), what, true) else { return };
        let first = units.wait_for_text("fed", |text| text.len() == 21);
        units.wait_for_text("fed", |text| text.len() == 21 && text != first);
        // What was written to once, and cannot be any more, is no answer.
        fs::remove_file(&file).expect("a file");
        fs::create_dir(&file).expect("a directory");
        wait_for_state(&manager, "withheld");
        assert_eq!(watchdog(&manager)["why"], "the file system does not answer");
        assert_eq!(watchdog(&manager)["check"], file.as_str());
        fs::remove_dir(&file).expect("a directory");
        wait_for_state(&manager, "fed");

        let Some(mut dead) = DeadMount::on(place.as_ref(), Dead::Silent, what) else { return };
        write_conf(&units, &check(&format!("{place}/file")));
        apply(&manager);
        wait_for_state(&manager, "withheld");
        // A successor meets the same.
        manager.replace_monitor();
        wait_for_state(&manager, "withheld");
        // One that hangs is in nobody's way.
        write_conf(&units, &check(&file));
        apply(&manager);
        wait_for_state(&manager, "fed");
        dead.end();
    });
}

#[test]
fn a_device_that_goes_is_let_go_and_tried_again() {
    let what = "a hardware watchdog that goes";
    let units = Units::new("watchdog-gone");
    let Device { path, written: _, ours } = Device::new();
    // Its other end stays with a thread; this one has nobody who reads.
    let pair = openpty(None, None).expect("a terminal");
    // Its number may be another terminal's by then, but not this name.
    let gone = units.file("device");
    let name = nix::unistd::ttyname(&pair.slave).expect("its name");
    std::os::unix::fs::symlink(name, &gone).expect("a link");
    let conf = |device: &str| format!("[watchdog]\ndevice = \"{device}\"\ntimeout = \"1s\"\n");
    let Some(mut manager) = start(&units, &conf(&gone), what, true) else { return };
    wait_for_state(&manager, "fed");
    fs::remove_file(&gone).expect("a link");
    drop(pair);
    manager.wait_for_log("that it has gone", |log| {
        log.contains("no hardware watchdog: it could not be fed: I/O error (EIO)\n")
            && log.contains("no hardware watchdog: could not open ")
    });
    wait_for_state(&manager, "closed");
    write_conf(&units, &conf(&path));
    apply(&manager);
    wait_for_state(&manager, "fed");
    drop(ours);
}

#[test]
fn what_is_no_watchdog_is_told_and_tried_again() {
    let units = Units::new("watchdog-none");
    let link = units.file("watchdog");
    write_conf(&units, &format!("[watchdog]\ndevice = \"{link}\"\n"));
    units.write("steady", STEADY);
    let mut manager = Manager::start(&units.path(), &[]);
    manager.wait_for_plan();
    let absent = format!("no hardware watchdog: could not open {link}: No such file");
    manager.wait_for_log("that it is not there", |log| log.contains(&absent));
    std::os::unix::fs::symlink("/dev/null", &link).expect("a link");
    let none = format!("{link} is no watchdog");
    manager.wait_for_log("that it is none", |log| {
        log.contains(&format!("no hardware watchdog: {none}\n"))
    });
    let told = watchdog(&manager);
    assert_eq!((&told["state"], &told["why"]), (&"closed".into(), &none.as_str().into()));
    assert_eq!((&told["timeout_ns"], &told["fed_ns"]), (&Value::Null, &Value::Null));
    let shown = manager.hamctl(&["status"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(&format!("hardware watchdog {link}: closed: {none}\n")), "{shown}");
    write_conf(&units, "");
    apply(&manager);
    assert_eq!(watchdog(&manager), Value::Null);
}
