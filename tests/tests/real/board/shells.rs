//! Who can get at a machine: by the emergency shell, by one on a terminal of an
//! entity, and by the one that is left when there is no manager.

use super::machine::{Board, Plan};
use ham_tests::own_units::SLEEPER;
use ham_tests::processes;
use std::fs;
use std::process::Command;

const BROKEN: &str = "[entity]\ncomand = \"sleep infinity\"\nrestart = \"always\"\n";

/// The monitor, as the test sees it.
fn monitor(board: &Board) -> Option<u32> {
    processes::children(board.init).into_iter().find(|pid| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.trim() == "ham-monitor"
    })
}

#[test]
fn a_broken_unit_leads_to_a_shell_and_a_mended_one_out_of_it() {
    let what = "a_broken_unit_leads_to_a_shell_and_a_mended_one_out_of_it";
    let plan = Plan::new("broken");
    plan.unit("service", BROKEN);
    let Some(board) = plan.start(what, &[]) else { return };
    board.wait_for_state("emergency", "running");
    let console = &board.console;
    console.wait_for("ham: emergency", 1);
    console.wait_for("did you mean `command`?", 1);
    console.wait_for("no unit can be loaded", 1);
    console.ask("echo $((40+2))-alive", "42-alive");
    // It is the one whom the keys of the console are for.
    console.cut_off();

    // Who leaves it is not rid of it, and no takeover ends it.
    console.type_in("exit\n");
    console.wait_for("ham: emergency", 2);
    board.wait_for_state("emergency", "running");
    let shell = board.entity("emergency")["pid"].clone();
    let first = monitor(&board).expect("a monitor");
    processes::send("KILL", first);
    board.wait_until("another monitor", |board| {
        monitor(board).is_some_and(|pid| pid != first) && board.entity("emergency").is_object()
    });
    assert_eq!(board.entity("emergency")["pid"], shell);
    console.ask("echo $((40+4))-alive", "44-alive");

    board.write("etc/ham/service.toml", SLEEPER);
    let output = board.hamctl(&["apply"]);
    assert!(output.status.success(), "{output:?}");
    board.wait_for_state("service", "running");
    board.wait_until("the end of the shell", |board| board.entity("emergency").is_null());
    // And back.
    fs::remove_file(board.path("etc/ham/service.toml")).expect("the unit is there");
    board.wait_for_state("emergency", "running");
    board.wait_until("its end", |board| board.entity("service").is_null());
    console.ask("echo $((40+5))-alive", "45-alive");
}

#[test]
fn a_machine_without_units_has_a_shell() {
    let what = "a_machine_without_units_has_a_shell";
    let mut plan = Plan::new("nothing");
    // With no more rights than a user has who makes a namespace.
    plan.of_user = true;
    let Some(board) = plan.start(what, &[]) else { return };
    board.console.ask("echo $((40+2))-alive", "42-alive");
    board.write("etc/ham/service.toml", SLEEPER);
    board.wait_for_state("service", "running");
    board.wait_until("the end of the shell", |board| board.entity("emergency").is_null());
}

#[test]
fn whoever_asks_for_a_shell_gets_it_in_place_of_units() {
    let what = "whoever_asks_for_a_shell_gets_it_in_place_of_units";
    let plan = Plan::new("single");
    plan.unit("service", SLEEPER);
    let Some(board) = plan.start(what, &["single"]) else { return };
    board.console.wait_for("asks for a shell in place of the units", 1);
    board.console.ask("echo $((40+2))-alive", "42-alive");
    // Work in progress is not taken for done.
    board.write("etc/ham/other.toml", SLEEPER);
    board.wait_until("a word on that", |board| {
        let status = board.hamctl(&["status"]);
        String::from_utf8_lossy(&status.stdout).contains("units have changed and are not applied")
    });
    assert!(board.entity("other").is_null() && board.entity("service").is_null());
    let output = board.hamctl(&["apply"]);
    assert!(output.status.success(), "{output:?}");
    for name in ["service", "other"] {
        board.wait_for_state(name, "running");
    }
    board.wait_until("the end of the shell", |board| board.entity("emergency").is_null());
}

#[test]
fn an_entity_has_its_terminal_whole() {
    let what = "an_entity_has_its_terminal_whole";
    let plan = Plan::new("tty");
    plan.unit(
        "login",
        "[entity]\ncommand = [\"/bin/busybox\", \"getty\", \"-n\", \"-l\", \"/bin/sh\", \"0\", \
         \"-\"]\ntty = { path = \"/dev/line\", hang-up = true }\nrestart = \"always\"\n\
         stop = { signal = \"HUP\" }\n",
    );
    plan.unit(
        "wrong",
        "[entity]\ncommand = [\"/bin/sh\"]\ntty = \"/dev/null\"\nrestart = \"no\"\n",
    );
    let Some(board) = plan.start(what, &[]) else { return };
    board.wait_for_state("login", "running");
    let line = &board.line;
    line.ask("echo $((40+2))-alive $TERM", "42-alive vt220");
    line.cut_off();
    // It controls the session of the entity, which is that of nobody else: fields 6
    // and 7 of proc_pid_stat(5).
    let pid = board.entity("login")["pid"].to_string();
    let stat = board.text(&format!("proc/{pid}/stat"));
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
    let fields: Vec<&str> = fields.skip(3).take(2).collect();
    assert_eq!(fields, [pid, line.number()], "{stat}");
    line.type_in("exit\n");
    board.wait_until("another one", |board| board.entity("login")["restarts"].as_u64() > Some(0));
    line.ask("echo $((40+4))-alive", "44-alive");

    let wrong = board.entity("wrong");
    let why = wrong["why"].as_str().unwrap_or_default();
    assert!(why.contains("could not take the terminal: ") && why.contains("ENOTTY"), "{wrong}");
}

#[test]
fn without_a_manager_there_is_a_shell_and_no_end() {
    let what = "without_a_manager_there_is_a_shell_and_no_end";
    let plan = Plan::new("hold");
    plan.unit("service", SLEEPER);
    // Where its directory has to be there is something else.
    plan.file("prepare", "mount -t tmpfs -o mode=755 none run; echo no >run/ham\n");
    let Some(mut board) = plan.start(what, &[]) else { return };
    let says = |board: &Board| board.log().contains("there is no manager");
    board.wait_until("a word on that", says);
    assert!(board.log().contains("it is no directory"), "{}", board.log());
    board.console.ask("echo $((40+2))-alive", "42-alive");
    board.console.cut_off();
    board.console.type_in("exit\n");
    board.console.wait_for("ham: emergency", 2);
    board.console.ask("echo $((40+4))-alive", "44-alive");
    assert!(board.lives());
    // As Ctrl-Alt-Del: HUP is what a PID namespace makes of a restart.
    processes::send("INT", board.init);
    use std::os::unix::process::ExitStatusExt;
    let status = board.wait_for_end();
    assert!(status.signal() == Some(1) || status.code() == Some(129), "{status:?}");
}

#[test]
fn an_init_that_faults_again_and_again_goes_on_and_restarts_when_told() {
    let what = "an_init_that_faults_again_and_again_goes_on_and_restarts_when_told";
    let plan = Plan::new("faults");
    plan.unit("service", SLEEPER);
    let Some(mut board) = plan.start(what, &[]) else { return };
    board.wait_for_state("service", "running");
    let pid = board.entity("service")["pid"].clone();
    for fault in 1..=2 {
        processes::send("SEGV", board.init);
        board.wait_until("a word on that", |board| {
            board.log().matches("was executed again").count() == fault
        });
        assert_eq!(board.entity("service")["pid"], pid);
    }
    processes::send("SEGV", board.init);
    board.wait_until("a word on the third", |board| {
        board.log().contains("goes on without its state")
    });
    let comm = board.text(&format!("proc/{pid}/comm"));
    assert!(board.lives() && comm == "sleep\n", "{comm}");
    processes::send("TERM", board.init);
    use std::os::unix::process::ExitStatusExt;
    let status = board.wait_for_end();
    assert!(status.signal() == Some(1) || status.code() == Some(129), "{status:?}");
    assert!(board.log().contains("the machine restarts"), "{}", board.log());
}

/// Its program cannot be had for a while: a disk that does not answer, no memory.
#[test]
fn an_init_that_cannot_be_executed_again_waits_until_it_can() {
    let what = "an_init_that_cannot_be_executed_again_waits_until_it_can";
    let plan = Plan::new("no-program");
    plan.unit("service", SLEEPER);
    let Some(board) = plan.start(what, &[]) else { return };
    board.wait_for_state("service", "running");
    let pid = board.entity("service")["pid"].clone();
    let remount = |how: &str| {
        let target = format!("--target={}", board.init);
        let words = ["--mount", "--pid", "--root", "/bin/mount", "-o", how, "/opt/ham"];
        let status = Command::new("nsenter").arg(target).args(words).status();
        assert!(status.expect("nsenter can be executed").success(), "{how}");
    };
    remount("remount,bind,noexec");
    processes::send("SEGV", board.init);
    // In its handler everything is blocked, faults too: SEGV is the 11th.
    board.wait_until("a fault", |board| {
        let status = board.text("proc/1/status");
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
        let blocked = blocked.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        blocked.is_some_and(|mask| mask & 1 << 10 != 0)
    });
    assert!(board.lives() && !board.log().contains("was executed again"), "{}", board.log());
    remount("remount,bind,exec");
    board.wait_until("a word on that", |board| board.log().contains("was executed again"));
    assert_eq!(board.entity("service")["pid"], pid);
}
