//! How the kernel treats a spawned program: what was asked for is so, what was
//! not is the default, what is refused is named, and what is optional and
//! refused is left out and told.

use ham_sys::Errno;
use ham_sys::process;
use ham_sys::reap;
use ham_sys::spawn::{
    Abilities, Capabilities, Ids, Policy, Program, Scheduling, Settings, SpawnError, Stack, Stage,
    spawn,
};

use crate::harness::*;
use crate::spawning::{each_way, spawn_once};
use crate::surroundings::status_line;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "settings_take_effect", run: take_effect, inner: false },
    Scenario { name: "settings_schedule_in_real_time", run: real_time, inner: false },
    Scenario { name: "settings_not_named_are_defaults", run: defaults, inner: false },
    Scenario { name: "settings_refused_are_named", run: refused, inner: false },
    Scenario { name: "settings_optional_are_left_out", run: optional, inner: false },
    Scenario { name: "settings_capabilities", run: capabilities, inner: false },
    Scenario { name: "settings_oom_score_without_privilege", run: score_of_user, inner: false },
];

/// Resources of setrlimit(2), whose type is not the same in every C library.
const CORE: u32 = 4;
const NOFILE: u32 = 7;
const NET_BIND_SERVICE: u64 = 1 << 10;

fn sleeper(settings: Settings) -> Program {
    Program { settings, ..program(&["/bin/sleep", "100"]) }
}

/// A field of /proc/PID/stat, counted from 1 as proc_pid_stat(5) does.
fn stat_field(pid: i32, number: usize) -> i64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let rest = stat.rsplit_once(')').unwrap().1;
    rest.split_whitespace().nth(number - 3).unwrap().parse().unwrap()
}

fn nice(pid: i32) -> i64 {
    stat_field(pid, 19)
}

fn policy(pid: i32) -> i64 {
    stat_field(pid, 41)
}

fn oom_score(pid: i32) -> i16 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
    text.trim().parse().unwrap()
}

/// Soft and hard limit of a line in /proc/PID/limits.
fn limit(pid: i32, name: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn capability_mask(pid: i32, set: &str) -> u64 {
    u64::from_str_radix(&status_line(pid, set), 16).unwrap()
}

/// Some processor that this process may run on.
fn a_processor() -> u16 {
    let list = status_line(process::pid(), "Cpus_allowed_list");
    list.split([',', '-']).next().unwrap().parse().unwrap()
}

/// This process gives up root for good.
fn become_nobody() {
    nix::unistd::setgroups(&[]).unwrap();
    nix::unistd::setgid(65534.into()).unwrap();
    nix::unistd::setuid(65534.into()).unwrap();
}

fn need_root() {
    if process::effective_uid() != 0 {
        skip("root is needed to become another user");
    }
}

fn take_effect() {
    let processor = a_processor();
    let own = process::oom_score_adjust().unwrap();
    let score = if own == 500 { 501 } else { 500.max(own + 1).min(1000) };
    each_way(|way| {
        let pid = spawn_once(
            way,
            &sleeper(Settings {
                limits: vec![(NOFILE, 100, 200), (CORE, 0, 0)],
                // Allowed to everybody, wherever the caller stands.
                nice: Some(19),
                scheduling: Some(Scheduling {
                    policy: Policy::Batch,
                    priority: 0,
                    reset_on_fork: false,
                }),
                affinity: vec![processor],
                oom_score_adjust: Some(score),
                no_new_privileges: true,
                ..Settings::default()
            }),
        )
        .unwrap();
        assert_eq!((nice(pid), policy(pid)), (19, i64::from(libc::SCHED_BATCH)));
        assert_eq!(status_line(pid, "Cpus_allowed_list"), processor.to_string());
        assert_eq!(limit(pid, "Max open files"), "100 200");
        assert_eq!(limit(pid, "Max core file size"), "0 0");
        assert_eq!(status_line(pid, "NoNewPrivs"), "1");
        assert_eq!(oom_score(pid), score);
        // The one who spawns is not the one who is to be killed.
        assert_eq!(process::oom_score_adjust(), Some(own));
        end(pid);
    });
}

fn real_time() {
    let scheduling =
        |reset_on_fork| Some(Scheduling { policy: Policy::RoundRobin, priority: 3, reset_on_fork });
    each_way(|way| {
        for reset_on_fork in [false, true] {
            let mut program = script("sleep 100 & echo $! >&2; wait");
            let dir = TempDir::new();
            program.stderr = ham_sys::spawn::Stdio::Append(c_path(&dir.file("child")));
            program.settings.scheduling = scheduling(reset_on_fork);
            let pid = match spawn_once(way, &program) {
                Ok(pid) => pid,
                Err(SpawnError { stage: Stage::Scheduling, errno: Errno::EPERM, .. }) => {
                    skip("real-time scheduling is refused here");
                }
                Err(error) => panic!("{error}"),
            };
            assert_eq!((policy(pid), stat_field(pid, 40)), (i64::from(libc::SCHED_RR), 3));
            let child = dir.line_of("child").parse().unwrap();
            let expected = if reset_on_fork { libc::SCHED_OTHER } else { libc::SCHED_RR };
            assert_eq!(policy(child), i64::from(expected));
            end(pid);
            wait_for("the orphan", || reap::peek_any().is_none().then_some(()));
            end(child);
        }
    });
}

/// The manager was started with a nice value, a policy and an oom score of its
/// own, none of which is meant for its entities.
fn defaults() {
    // CAP_SYS_NICE: without it a default that is better stays out of reach.
    if capability_mask(process::pid(), "CapEff") >> 23 & 1 == 0 {
        skip("the right to lower a nice value is not here");
    }
    // SAFETY: integers, and a struct that the kernel only reads.
    unsafe {
        assert_eq!(libc::setpriority(libc::PRIO_PROCESS, 0, 7), 0);
        let parameters = libc::sched_param { sched_priority: 0 };
        assert_eq!(libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters), 0);
        // IOPRIO_WHO_PROCESS; class idle.
        assert_eq!(libc::syscall(libc::SYS_ioprio_set, 1, 0, 3 << 13), 0);
    }
    let own = process::oom_score_adjust().unwrap();
    std::fs::write("/proc/self/oom_score_adj", (own + 1).to_string()).unwrap();
    each_way(|way| {
        let pid = spawn_once(way, &sleeper(Settings::default())).unwrap();
        assert_eq!((nice(pid), policy(pid)), (0, i64::from(libc::SCHED_OTHER)));
        // SAFETY: integers only.
        let class = unsafe { libc::syscall(libc::SYS_ioprio_get, 1, pid) } >> 13;
        assert_ne!(class, 3);
        if own == 0 {
            assert_eq!(oom_score(pid), 0);
        }
        assert_eq!(status_line(pid, "NoNewPrivs"), "0");
        end(pid);
    });
    assert_eq!((nice(process::pid()), process::oom_score_adjust()), (7, Some(own + 1)));
}

/// What somebody without privilege may not, and what nobody can.
fn refusals() -> Vec<(Settings, SpawnError)> {
    let (_, hard) =
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    let more = vec![(NOFILE, hard, hard + 1)];
    let scheduling = Scheduling { policy: Policy::Fifo, priority: 1, reset_on_fork: false };
    let ambient = Capabilities { bounding: None, ambient: NET_BIND_SERVICE };
    let lower = process::oom_score_adjust().unwrap() - 1;
    let none = Settings::default;
    let error = |stage, errno| SpawnError::new(stage, errno);
    let part = |stage, part| SpawnError { stage, errno: Errno::EPERM, part: Some(part) };
    vec![
        (Settings { limits: more, ..none() }, part(Stage::Rlimits, NOFILE as u16)),
        (Settings { nice: Some(-5), ..none() }, error(Stage::Nice, Errno::EACCES)),
        (
            Settings { scheduling: Some(scheduling), ..none() },
            error(Stage::Scheduling, Errno::EPERM),
        ),
        // The largest number that a mask has room for: nowhere there is one.
        (Settings { affinity: vec![8191], ..none() }, error(Stage::Affinity, Errno::EINVAL)),
        (
            Settings { affinity: vec![a_processor(), 8191], ..none() },
            error(Stage::Affinity, Errno::EINVAL),
        ),
        (
            Settings { oom_score_adjust: Some(lower), ..none() },
            error(Stage::OomScore, Errno::EACCES),
        ),
        (Settings { capabilities: Some(ambient), ..none() }, part(Stage::Capabilities, 10)),
    ]
}

fn refused() {
    need_root();
    become_nobody();
    each_way(|way| {
        for (settings, error) in refusals() {
            assert_eq!(spawn_once(way, &sleeper(settings)), Err(error));
        }
    });
    // Where the kernel could not even be asked, no process is made.
    let settings = Settings { affinity: vec![8192], ..Settings::default() };
    let words = Words::new();
    let mut stack = Stack::new().unwrap();
    each_way(|way| {
        let told = spawn(&way, &mut stack, &sleeper(settings.clone()), words.slot());
        assert_eq!(told.unwrap_err(), SpawnError::new(Stage::Affinity, Errno::EINVAL));
        assert_eq!(words.pid(), 0);
    });
}

fn optional() {
    need_root();
    become_nobody();
    each_way(|way| {
        let mut all = Settings::default();
        let mut errors = Vec::new();
        for (settings, error) in refusals() {
            let mut settings = Settings { optional: vec![error.stage], ..settings };
            assert_eq!(without(way, &sleeper(settings.clone())), [error]);
            // Another one being optional is of no help.
            settings.optional = vec![Stage::NoNewPrivileges];
            assert_eq!(spawn_once(way, &sleeper(settings.clone())), Err(error));
            all = Settings {
                limits: [all.limits, settings.limits].concat(),
                nice: all.nice.or(settings.nice),
                scheduling: all.scheduling.or(settings.scheduling),
                affinity: [all.affinity, settings.affinity].concat(),
                oom_score_adjust: all.oom_score_adjust.or(settings.oom_score_adjust),
                capabilities: all.capabilities.or(settings.capabilities),
                ..Settings::default()
            };
            errors.push(error);
        }
        // All at once, and the stack remembers nothing of the one before.
        // A limit that is refused keeps no other from being set.
        let core = (CORE, 0, 0);
        let settings = Settings {
            limits: [all.limits.as_slice(), &[core]].concat(),
            optional: vec![Stage::Rlimits],
            ..Settings::default()
        };
        let pid = spawn_once(way, &sleeper(settings)).unwrap();
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(line.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
        end(pid);
        all.optional = errors.iter().map(|error| error.stage).collect();
        errors.dedup();
        assert_eq!(without(way, &sleeper(all)), errors);
        assert_eq!(without(way, &sleeper(Settings { nice: Some(19), ..Settings::default() })), []);
    });
}

/// Starts a program that runs, ends it, and gives what it went without.
fn without(way: Abilities, program: &Program) -> Vec<SpawnError> {
    let words = Words::new();
    let told = TempDir::new();
    let file = told.file("told");
    as_monitor(|| {
        let mut stack = Stack::new().unwrap();
        let started = spawn(&way, &mut stack, program, words.slot()).unwrap();
        assert_eq!(started.pid, words.pid());
        let errors = started.without.into_iter().map(|error| error.to_word().to_string());
        std::fs::write(&file, errors.collect::<Vec<_>>().join(" ")).unwrap();
    });
    end(words.pid());
    let text = std::fs::read_to_string(&file).unwrap();
    let errors = text.split_whitespace().map(|word| SpawnError::from_word(word.parse().unwrap()));
    errors.map(Option::unwrap).collect()
}

fn capabilities() {
    need_root();
    const CHOWN: u64 = 1;
    let mask = capability_mask;
    let available = mask(process::pid(), "CapBnd");
    if available & NET_BIND_SERVICE == 0 || available & CHOWN == 0 {
        skip("the capabilities to hand on are not here");
    }
    let both = Some(NET_BIND_SERVICE | CHOWN);
    each_way(|way| {
        // The spawner goes on when the program has its memory, which is before
        // it has its capabilities.
        let has = |capabilities, ids, expected: [u64; 5]| {
            let settings = Settings { capabilities: Some(capabilities), ..Settings::default() };
            let pid = spawn_once(way, &Program { ids, ..sleeper(settings) }).unwrap();
            let sets = ["CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb"];
            wait_for(&format!("{expected:x?}"), || {
                (sets.map(|set| mask(pid, set)) == expected).then_some(())
            });
            end(pid);
        };
        let user = || Some(Ids { uid: 1234, gid: 1234, groups: Vec::new() });
        let [chosen, one] = [NET_BIND_SERVICE | CHOWN, NET_BIND_SERVICE];
        let ambient = Capabilities { bounding: both, ambient: one };
        has(ambient, user(), [chosen, one, one, one, one]);
        let unbounded = Capabilities { bounding: None, ambient: one };
        has(unbounded, user(), [available, one, one, one, one]);
        let bounded = Capabilities { bounding: both, ambient: 0 };
        has(bounded, user(), [chosen, 0, 0, 0, 0]);
        // A root has what the bounding set allows.
        has(bounded, None, [chosen, chosen, chosen, 0, 0]);
        // What the bounding set forbids cannot be handed on.
        let settings = Settings {
            capabilities: Some(Capabilities { bounding: Some(CHOWN), ambient: one }),
            ..Settings::default()
        };
        let error = SpawnError { stage: Stage::Capabilities, errno: Errno::EPERM, part: Some(10) };
        assert_eq!(spawn_once(way, &Program { ids: user(), ..sleeper(settings) }), Err(error));
        // Where that is no obstacle, the others are handed on.
        let settings = Settings {
            capabilities: Some(Capabilities { bounding: Some(CHOWN), ambient: chosen }),
            optional: vec![Stage::Capabilities],
            ..Settings::default()
        };
        let program = Program { ids: user(), ..sleeper(settings) };
        assert_eq!(without(way, &program), [error]);
        let pid = spawn_once(way, &program).unwrap();
        wait_for("the one", || (mask(pid, "CapAmb") == CHOWN).then_some(()));
        end(pid);
    });
}

/// Files in /proc of a manager that may not be looked into belong to root.
fn score_of_user() {
    need_root();
    become_nobody();
    process::set_dumpable(false).unwrap();
    let own = process::oom_score_adjust().unwrap();
    each_way(|way| {
        let settings = Settings { oom_score_adjust: Some(own + 1), ..Settings::default() };
        let pid = spawn_once(way, &sleeper(settings)).unwrap();
        assert_eq!(oom_score(pid), own + 1);
        end(pid);
    });
    assert_eq!(process::oom_score_adjust(), Some(own));
}
