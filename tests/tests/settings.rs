//! How the kernel treats an entity: as its unit says, and where that says
//! nothing, as any process, whatever ham itself was started with.
#![forbid(unsafe_code)]

use ham_tests::own_units::Units;
use ham_tests::programs::{Manager, Scratch, ham};
use ham_tests::skip;
use std::fs;
use std::process::Command;

/// CAP_SYS_NICE of linux/capability.h.
const CAP_SYS_NICE: u32 = 23;

fn has_capability(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is there");
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("CapEff");
    u64::from_str_radix(mask.trim(), 16).expect("a mask") >> number & 1 == 1
}

/// The nice value of a process (proc_pid_stat(5), field 19).
fn nice(stat: &str) -> &str {
    let rest = stat.rsplit_once(')').expect("a name").1;
    rest.split_whitespace().nth(16).expect("19 fields")
}

fn own_score() -> i32 {
    let text = fs::read_to_string("/proc/self/oom_score_adj").expect("/proc is there");
    text.trim().parse().expect("a number")
}

/// Ham is often started with a better or worse place than its entities are to
/// have: by ham.service, by nice(1), by a container's settings.
#[test]
fn what_ham_was_started_with_is_not_passed_on() {
    let what = "what_ham_was_started_with_is_not_passed_on";
    if !has_capability(CAP_SYS_NICE) {
        skip::skipped(what, "the right to lower a nice value is needed");
        return;
    }
    let Some(program) = skip::program("nice", what) else { return };
    let units = Units::new("started-with");
    let file = units.file("seen");
    units.write(
        "seen",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"cat /proc/self/stat \
             /proc/self/oom_score_adj\"]\nstdout = {{ file = \"{file}\" }}\nrestart = \"no\"\n"
        ),
    );
    let worse = own_score() + 7;
    let mut command = Command::new(program);
    command.args(["-n", "5", "sh", "-c"]);
    command.arg(format!("echo {worse} > /proc/self/oom_score_adj && exec \"$0\" \"$@\""));
    command.arg(ham());
    let scratch = Scratch::new("manager");
    let mut manager = Manager::start_by(command, scratch, &units.path(), &["-t", "none"]);
    manager.wait_for_log("its end", |log| log.contains("seen: died: exit 0"));
    let text = units.text("seen");
    let (stat, score) = text.trim_end().rsplit_once('\n').expect("two lines");
    assert_eq!(nice(stat), "0");
    if own_score() >= 0 {
        assert_eq!(score, "0");
    }
    // And ham has kept its own.
    let reaper = format!("/proc/{}", manager.pid());
    let children = fs::read_to_string(format!("{reaper}/task/{}/children", manager.pid()));
    let children = children.expect("the children of the reaper");
    let mut own: Vec<String> =
        children.split_whitespace().map(|pid| format!("/proc/{pid}")).collect();
    // An entity that has just ended may still be among them.
    own.retain(|process| {
        let name = fs::read_to_string(format!("{process}/comm")).unwrap_or_default();
        matches!(name.trim(), "ham-monitor" | "ham-guardian")
    });
    assert!(!own.is_empty(), "no monitor among {children}");
    own.push(reaper);
    for process in own {
        let stat = fs::read_to_string(format!("{process}/stat")).expect("a process of ham's");
        let score = fs::read_to_string(format!("{process}/oom_score_adj")).expect("its score");
        assert!(nice(&stat).parse::<i32>().is_ok_and(|nice| nice >= 5), "{stat}");
        assert_eq!(score.trim(), worse.to_string(), "{stat}");
    }
}
