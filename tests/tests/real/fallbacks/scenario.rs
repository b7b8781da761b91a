//! All that a manager does by what kernels and filters differ in, on one manager.

use ham_tests::own_units::Units;
use ham_tests::processes::{lives, send};
use ham_tests::programs::{Manager, Scratch};
use ham_tests::strangers::Stranger;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const PROBE: &str = env!("CARGO_BIN_EXE_ham-probe");

/// Units that use what differs: signals, commands, leftovers, watched paths.
pub(crate) fn units(what: &str) -> Units {
    let units = Units::new(what);
    units.write("steady", "[entity]\ncommand = \"sleep 600\"\nrestart = \"always\"\n");
    let path = units.file("socket");
    units.write(
        "forks",
        &format!(
            r#"[entity]
            command = ["sh", "-c", "setsid sleep 600 & echo $! >{left}; exec sleep 600"]
            [[condition]]
            on = "death"
            [[condition.actions]]
            execute = ["sh", "-c", "test $HAM_SIGNAL = KILL"]
            break-on-fail = true
            [[condition.actions]]
            restart = {{}}
            [[condition.actions]]
            waitfor = {{ path = "{path}", timeout = "1min" }}
            [[condition.actions]]
            log = "complete"
            "#,
            left = units.file("left"),
        ),
    );
    units
}

pub(crate) fn start_by(command: Command, units: &Units) -> Manager {
    Manager::start_by(command, Scratch::new("manager"), &units.path(), &["-t", "none"])
}

pub(crate) fn good(manager: &Manager, words: &[&str]) {
    let output = manager.hamctl(words);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {errors}. The log:\n{}", manager.log());
}

/// Everything that there is to supervise, once; `spawn` is how `status` says
/// that processes are made.
pub(crate) fn supervises(manager: &mut Manager, units: &Units, spawn: &str) {
    manager.wait_for_state("steady", "running");
    manager.wait_for_state("forks", "running");
    assert_eq!(manager.status()["ham"]["spawn"], spawn);

    good(manager, &["kill", "-s", "KILL", "steady", "forks"]);
    for name in ["steady", "forks"] {
        let back = manager
            .wait_for(name, |entity| entity["state"] == "running" && entity["restarts"] == 1);
        assert_eq!(back["last_exit"]["text"], "signal KILL");
    }

    let pids = ["steady", "forks"].map(|name| manager.pid_of(name));
    let takeovers = manager.status()["ham"]["takeovers"].as_u64().expect("a number");
    let first = manager.kill_monitor("KILL");
    manager.wait_for("steady", |_| true);
    let status = manager.status();
    assert_ne!(status["ham"]["monitor"]["pid"], first);
    assert_eq!(status["ham"]["takeovers"], takeovers + 1);
    assert_eq!(["steady", "forks"].map(|name| manager.pid_of(name)), pids);

    fs::write(units.file("socket"), "").expect("a file");
    manager.wait_for_log("the list goes on", |log| log.contains("forks: complete\n"));
    let left = units.text("left").trim().parse().expect("a process id");
    assert!(lives(left));
    good(manager, &["stop", "forks"]);
    assert!(!lives(left), "{}", manager.log());
    manager.signal("TERM");
    assert_eq!(manager.wait_for_end().code(), Some(0), "{}", manager.log());
}

/// For [`tells_of_others`], beside [`units`].
pub(crate) fn units_of_others(units: &Units) {
    let placeholder = "[entity]\n[heartbeat]\ninterval = \"1h\"\n";
    units.write("db", placeholder);
    units.write("job", placeholder);
    // Its parent, which ham has made, goes on and does not reap it.
    let script = format!(
        "sh -c 'read _ <{fifo}; exit 6' & \
         {PROBE} notify \"$(printf 'MAINPID=%s\\nREADY=1' $!)\"; echo $! >{child}; \
         ls -l /proc/self/fd >{open}; exec sleep 600",
        fifo = units.file("web.fifo"),
        child = units.file("web.pid"),
        open = units.file("web.open"),
    );
    fifo(units, "web.fifo");
    units.write(
        "web",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", '''{script}''']\nready = \"notify\"\n\
             notify-access = \"all\"\nrestart = \"no\"\n"
        ),
    );
}

/// Processes that ham has not made: attached, by themselves, named as the main
/// one; and what is known of how they have ended, also by who takes over.
pub(crate) fn tells_of_others(manager: &mut Manager, units: &Units) {
    manager.wait_for_state("web", "running");
    let child = units.wait_for_text("web.pid", |text| text.ends_with('\n'));
    assert_eq!(manager.pid_of("web").to_string(), child.trim());
    // What is ham's own it has not got: the three, and that of the listing.
    let open = units.wait_for_text("web.open", |text| text.contains("-> /proc/"));
    assert_eq!(open.lines().filter(|line| line.contains(" -> ")).count(), 4, "{open}");

    // Its parent, which is this test, does not reap it.
    for (round, status) in [(0, "exit 7"), (1, "signal TERM")] {
        let name = format!("db.{round}");
        fifo(units, &name);
        let end = if round == 0 { "exit 7" } else { "kill -TERM $$" };
        let stranger = Stranger::script(&format!("read _ <{}; {end}", units.file(&name)));
        good(manager, &["attach", "db", &stranger.pid().to_string()]);
        if round == 1 {
            manager.kill_monitor("KILL");
        }
        assert_eq!(manager.pid_of("db"), stranger.pid());
        fs::write(units.file(&name), "\n").expect("it reads");
        let line = format!("db: died: {status} (pid {})", stranger.pid());
        manager.wait_for_log(&line, |log| log.lines().any(|one| one == line));
        manager.wait_for_state("db", "placeholder");
    }

    attaches_itself(manager, units);

    fs::write(units.file("web.fifo"), "\n").expect("it reads");
    let line = format!("web: died: exit 6 (pid {})", child.trim());
    manager.wait_for_log(&line, |log| log.lines().any(|one| one == line));
}

fn attaches_itself(manager: &Manager, units: &Units) {
    let alive = units.file("alive");
    fs::write(&alive, "").expect("a file");
    let mut client = Command::new(PROBE);
    client.args(["attach", "job", "100", "1000", "2000", &alive]);
    client.env("HAM_CONTROL", manager.runtime().join("control"));
    let mut client = Stranger::of(client.stdout(Stdio::null()));
    let pid = client.pid();
    let beats = |age: &serde_json::Value| age.as_u64().is_some();
    manager.wait_for("job", |job| job["pid"] == pid && beats(&job["heartbeat"]["age_ns"]));
    send("TERM", pid);
    assert!(client.child.wait().expect("our child").success());
    manager.wait_for_state("job", "placeholder");
}

fn fifo(units: &Units, name: &str) {
    use nix::sys::stat::Mode;
    let path = units.file(name);
    nix::unistd::mkfifo(Path::new(&path), Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO");
}
