//! Descriptors that an entity hands over are given back to it at its next start,
//! whatever died in between, until it is stopped.

use super::bed::PROBE;
use ham_tests::chaos::{Child, children, strike};
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::Manager;
use ham_tests::skip;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

/// Notes what it was given: count and names, whether `LISTEN_PID` is its own, and
/// the inode of each file; then it hands over `what`, notes that, and waits.
fn unit(units: &Units, what: &str, more: &str) {
    let script = format!(
        "for fd in 3 4 5 6; do inode=$(stat -Lc %i /proc/self/fd/$fd 2>/dev/null) \
           && inodes=\"$inodes $inode\"; done; \
         [ -z \"$LISTEN_PID\" ] && whose=none || {{ [ $LISTEN_PID = $$ ] && whose=mine || whose=other; }}; \
         echo \"${{LISTEN_FDS-0}} ${{LISTEN_FDNAMES-none}} $whose$inodes\" >> {given}; \
         {what}; echo >> {done}; exec sleep 1000",
        given = units.file("given"),
        done = units.file("done"),
    );
    let text = format!(
        "[entity]\ncommand = ['sh', '-c', '''{script}''']\nrestart = \"always\"\n\
         notify-access = \"all\"\n{more}\n"
    );
    units.write("web", &text);
}

/// Waits for the n-th start, and gives what it was given.
fn given(units: &Units, start: usize) -> String {
    units.wait_for_text("done", |text| text.lines().count() >= start);
    let text = units.text("given");
    text.lines().nth(start - 1).expect("noted before it was done").to_owned()
}

/// A file that is open in whoever has it, and nowhere else to be found.
fn file(units: &Units, name: &str) -> (String, u64) {
    let path = units.file(name);
    fs::write(&path, name).expect("a file");
    let inode = fs::metadata(&path).expect("it is there").ino();
    (path, inode)
}

fn kill(manager: &Manager) {
    assert!(strike(manager.pid_of("web"), Signal::SIGKILL));
}

#[test]
fn what_was_handed_over_comes_back_whatever_dies() {
    let units = Units::new("store");
    let (one, one_inode) = file(&units, "one");
    let (two, two_inode) = file(&units, "two");
    let send = format!(
        "[ -n \"$LISTEN_FDS\" ] || {{ {PROBE} notify \"$(printf \"FDSTORE=1\\nFDNAME=first\")\" {one}; \
         {PROBE} notify FDSTORE=1 {two}; }}"
    );
    unit(&units, &send, "fd-store = 4");
    let manager = Manager::start(&units.path(), &[]);
    assert_eq!(given(&units, 1), "0 none none");
    for path in [&one, &two] {
        fs::remove_file(path).expect("it is there");
    }
    let all = format!("2 first:stored mine {one_inode} {two_inode}");
    manager.wait_for_state("web", "running");
    kill(&manager);
    assert_eq!(given(&units, 2), all);
    manager.replace_settled_monitor();
    manager.wait_for_state("web", "running");
    kill(&manager);
    assert_eq!(given(&units, 3), all);
    assert!(strike(manager.pid(), Signal::SIGSEGV));
    wait_until("the fault", || manager.status()["ham"]["failures"]["reaper"] == 1);
    manager.wait_for_state("web", "running");
    kill(&manager);
    assert_eq!(given(&units, 4), all);
    assert!(manager.hamctl(&["restart", "web"]).status.success());
    assert_eq!(given(&units, 5), all);
    // Both at once: the entity and who would bring it back.
    let monitor = manager.monitor().expect("a monitor");
    kill(&manager);
    assert!(strike(monitor, Signal::SIGKILL));
    assert_eq!(given(&units, 6), all);
    assert_eq!(manager.status()["ham"]["reaper_allocations"], 0);

    // Down for good, it gets nothing back.
    assert!(manager.hamctl(&["stop", "web"]).status.success());
    assert!(manager.hamctl(&["start", "web"]).status.success());
    assert_eq!(given(&units, 7), "0 none none");
}

#[test]
fn the_same_file_twice_is_one_and_a_name_can_be_removed() {
    let units = Units::new("store-names");
    let (one, _) = file(&units, "one");
    let (two, two_inode) = file(&units, "two");
    let send = format!(
        "[ -n \"$LISTEN_FDS\" ] || {{ {PROBE} notify \"$(printf \"FDSTORE=1\\nFDNAME=a\")\" {one} {one}; \
         {PROBE} notify \"$(printf \"FDSTORE=1\\nFDNAME=a\")\" {one}; \
         {PROBE} notify \"$(printf \"FDSTORE=1\\nFDNAME=b\")\" {two}; \
         {PROBE} notify \"$(printf \"FDSTOREREMOVE=1\\nFDNAME=a\")\"; }}"
    );
    unit(&units, &send, "fd-store = 4");
    let manager = Manager::start(&units.path(), &[]);
    given(&units, 1);
    manager.wait_for_state("web", "running");
    kill(&manager);
    assert_eq!(given(&units, 2), format!("1 b mine {two_inode}"));
}

/// The reaper takes what it is asked for in turn: what is to be dropped is still
/// there when the same file is handed over again, also under a monitor that
/// knows nothing of that.
#[test]
fn what_is_removed_and_handed_over_again_is_kept() {
    for takeover in [false, true] {
        let units = Units::new("store-again");
        let (one, inode) = file(&units, "one");
        let fifos = ["go", "again"].map(|name| units.file(name));
        for fifo in &fifos {
            nix::unistd::mkfifo(fifo.as_str(), Mode::S_IRWXU).expect("a FIFO");
        }
        let [go, again] = &fifos;
        let store = format!("{PROBE} notify \"$(printf \"FDSTORE=1\\nFDNAME=a\")\" {one}");
        let remove = format!("{PROBE} notify \"$(printf \"FDSTOREREMOVE=1\\nFDNAME=a\")\"");
        let removed = units.file("removed");
        let send = format!(
            "[ -n \"$LISTEN_FDS\" ] || {{ {store}; read x < {go}; {remove}; echo > {removed}; \
             read x < {again}; {store}; }}"
        );
        // Neither is the one that goes counted beside the one that comes.
        unit(&units, &send, "fd-store = 1");
        let manager = Manager::start(&units.path(), &[]);
        manager.wait_for_state("web", "running");
        let monitor = manager.next_monitor(0);
        let begin = fs::OpenOptions::new().write(true).open(go).expect("it reads");
        assert!(strike(manager.pid(), Signal::SIGSTOP));
        writeln!(&begin, "go").expect("it reads");
        units.wait_for_text("removed", |text| text.ends_with('\n'));
        if takeover {
            assert!(strike(monitor, Signal::SIGKILL));
        }
        manager.wait_for_state("web", "running");
        fs::write(again, "go\n").expect("it reads");
        let main = manager.pid_of("web");
        wait_until("what it hands over", || {
            let waits = |child: &Child| {
                let channel = fs::read_to_string(format!("/proc/{}/wchan", child.pid));
                child.name == "ham-probe" && channel.is_ok_and(|name| name.contains("pipe"))
            };
            children(main).iter().any(waits) || !units.text("done").is_empty()
        });
        // Whoever has looked at this has looked at what came before it.
        assert_eq!(manager.status()["entities"][0]["state"], "running");
        assert!(strike(manager.pid(), Signal::SIGCONT));
        given(&units, 1);
        manager.wait_for_state("web", "running");
        kill(&manager);
        assert_eq!(given(&units, 2), format!("1 a mine {inode}"), "{}", manager.log());
    }
}

#[test]
fn more_than_the_unit_allows_is_closed_and_said() {
    let units = Units::new("store-limit");
    let files: Vec<String> = (0..4).map(|number| file(&units, &format!("f{number}")).0).collect();
    let send = format!("[ -n \"$LISTEN_FDS\" ] || {PROBE} notify FDSTORE=1 {}", files.join(" "));
    unit(&units, &send, "fd-store = 2");
    let manager = Manager::start(&units.path(), &[]);
    given(&units, 1);
    wait_until("the line", || {
        manager.log().contains("2 descriptors are not kept: its fd-store is 2")
    });
    manager.wait_for_state("web", "running");
    kill(&manager);
    assert!(given(&units, 2).starts_with("2 stored:stored mine "), "{}", units.text("given"));
}

#[test]
fn what_nobody_keeps_is_closed() {
    let units = Units::new("store-none");
    let (reading, writing) = (units.file("fifo"), units.file("fifo"));
    nix::unistd::mkfifo(reading.as_str(), nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    // Opened for reading without a writer: waits until there is one.
    unit(&units, &format!("{PROBE} notify FDSTORE=1 {reading}"), "");
    let manager = Manager::start(&units.path(), &[]);
    let mut end = fs::File::options().write(true).open(&writing).expect("its end");
    given(&units, 1);
    // Nobody has the other end any more.
    let mut written = Ok(0);
    wait_until("it is closed", || {
        written = std::io::Write::write(&mut end, b"x");
        written.is_err()
    });
    wait_until("the line", || manager.log().contains("its unit has no fd-store"));
}

#[test]
fn nobody_else_holds_what_is_kept() {
    let units = Units::new("store-held");
    let fifo = units.file("fifo");
    nix::unistd::mkfifo(fifo.as_str(), nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let send = format!("[ -n \"$LISTEN_FDS\" ] || {PROBE} notify FDSTORE=1 {fifo}");
    unit(&units, &send, "fd-store = 1");
    let manager = Manager::start(&units.path(), &[]);
    let mut end = fs::File::options().write(true).open(&fifo).expect("its end");
    given(&units, 1);
    // Everybody is forked anew from a reaper that has it.
    manager.replace_settled_monitor();
    manager.replace_settled_monitor();
    wait_until("two have taken over", || manager.status()["ham"]["takeovers"] == 2);
    std::io::Write::write_all(&mut end, b"x").expect("a reader: the reaper");
    assert!(manager.hamctl(&["stop", "web"]).status.success());
    wait_until("it is closed", || std::io::Write::write(&mut end, b"x").is_err());
}

/// Of a device or an eventfd nothing says that it is the same. Found again by a
/// successor it was kept again.
#[test]
fn what_has_no_fingerprint_is_kept_once_over_a_takeover() {
    let units = Units::new("store-device");
    let go = units.file("go");
    let send = format!(
        "while [ ! -e {go} ]; do sleep 0.02; done; \
         [ -n \"$LISTEN_FDS\" ] || {{ {PROBE} notify FDSTORE=1 /dev/zero /dev/zero; \
         {PROBE} notify FDSTORE=1 /dev/zero; }}"
    );
    unit(&units, &send, "fd-store = 20");
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("web", "running");
    let monitor = manager.monitor().expect("a monitor");
    let guardian = manager.catch_child("ham-guardian");
    let has_them = |pid: u32| {
        let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let all = links.filter_map(|link| fs::read_link(link.path()).ok());
        all.filter(|target| target.as_os_str() == "/dev/zero").count() == 2
    };
    // Each asks the reaper, which answers later, and takes nothing until then.
    assert!(strike(manager.pid(), Signal::SIGSTOP));
    fs::write(&go, "").expect("a file");
    wait_until("the monitor has asked", || has_them(monitor));
    assert!(manager.hamctl(&["list"]).status.success());
    assert!(strike(monitor, Signal::SIGKILL));
    wait_until("its successor has asked", || has_them(guardian));
    assert!(strike(manager.pid(), Signal::SIGCONT));
    given(&units, 1);
    kill(&manager);
    assert!(given(&units, 2).starts_with("3 stored:stored:stored "), "{}", units.text("given"));
}

/// The soft limit of a process that leaves so many free numbers.
fn leave_free(pid: u32, free: usize) -> usize {
    let all = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").flatten();
    let open: Vec<usize> =
        all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let is_free = |number: &usize| !open.contains(number);
    (0..).filter(is_free).nth(free).expect("numbers have no end")
}

/// It was taken as if all had been kept, and nothing was said.
#[test]
fn descriptors_that_could_not_be_received_are_said() {
    const FREE: usize = 30;
    let what = "descriptors_that_could_not_be_received_are_said";
    let Some(prlimit) = skip::program("prlimit", what) else { return };
    let units = Units::new("store-full");
    let files: Vec<String> = (0..100).map(|number| file(&units, &format!("f{number}")).0).collect();
    let go = units.file("go");
    let send = format!(
        "while [ ! -e {go} ]; do sleep 0.02; done; \
         [ -n \"$LISTEN_FDS\" ] || {PROBE} notify FDSTORE=1 {}",
        files.join(" ")
    );
    unit(&units, &send, "fd-store = 200");
    let manager = Manager::start(&units.path(), &[]);
    manager.wait_for_state("web", "running");
    let monitor = manager.monitor().expect("a monitor");
    let allow = |limit: &str| {
        let words = ["--pid", &monitor.to_string(), &format!("--nofile={limit}:")];
        let output = Command::new(&prlimit).args(words).output().expect("it can be executed");
        assert!(output.status.success(), "{output:?}");
    };
    let limits = fs::read_to_string(format!("/proc/{monitor}/limits")).expect("it runs");
    let before = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let before = before.and_then(|line| line.split_whitespace().next()).expect("a line for it");
    allow(&leave_free(monitor, FREE).to_string());
    fs::write(&go, "").expect("a file");
    given(&units, 1);
    const LINE: &str = "not all descriptors that it hands over could be received, only ";
    wait_until("the line", || manager.log().contains(LINE));
    allow(before);
    let log = manager.log();
    let (_, rest) = log.split_once(LINE).expect("it is there");
    let received: usize = rest.split(':').next().and_then(|text| text.parse().ok()).expect(rest);
    // A connection that was open when they were counted may have been closed.
    assert!(received > 0 && received < files.len(), "{received}");
    // Those are kept.
    kill(&manager);
    assert!(
        given(&units, 2).starts_with(&format!("{received} stored:")),
        "{}",
        units.text("given")
    );
}
