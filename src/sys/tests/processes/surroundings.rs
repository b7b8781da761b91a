//! What a spawned program finds around it: directory, mask, environment,
//! streams, descriptors, signals, session, user, limits. Nothing by accident.

use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

use ham_sys::Errno;
use ham_sys::process;
use ham_sys::signals;
use ham_sys::spawn::{Ids, SpawnError, Stage, Stdio};

use crate::harness::*;
use crate::spawning::{each_way, spawn_once};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "entity_starts_clean", run: starts_clean, inner: false },
    Scenario { name: "inner_starts_clean", run: inner_starts_clean, inner: true },
    Scenario { name: "entity_has_its_surroundings", run: has_surroundings, inner: false },
    Scenario { name: "entity_streams", run: streams, inner: false },
    Scenario { name: "entity_gets_passed_descriptors", run: passed, inner: false },
    Scenario { name: "entity_has_its_user", run: has_user, inner: false },
    Scenario { name: "entity_has_the_first_limit", run: first_limit, inner: false },
    Scenario { name: "impossible_streams_are_refused", run: impossible, inner: false },
];

/// The value of a line in /proc/PID/status.
pub(crate) fn status_line(pid: i32, name: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().to_owned()
}

/// Checks which descriptors a program has for good: the kernel lets the
/// spawner go on a moment before it closes some at exec, and the dynamic
/// loader opens libraries for a moment. What was leaked would stay.
fn has_only(pid: i32, expected: &[i32]) {
    wait_for("exec", || (process::name_of(pid)? == "sleep").then_some(()));
    wait_for(&format!("only {expected:?}"), || (descriptors(pid) == expected).then_some(()));
}

fn descriptors(pid: i32) -> Vec<i32> {
    let listing = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let mut all: Vec<i32> = listing
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
        .collect();
    all.sort_unstable();
    all
}

/// The manager was started by something that ignores signals, as nohup does.
fn starts_clean() {
    let status = std::process::Command::new("/bin/sh")
        .args(["-c", "trap '' HUP USR1 && exec \"$0\" --inner inner_starts_clean"])
        .arg(std::env::current_exe().unwrap())
        .status()
        .unwrap();
    assert!(status.success());
}

/// It has blocked everything, and holds descriptors that somebody forgot to
/// close on exec.
fn inner_starts_clean() {
    assert_ne!(status_line(process::pid(), "SigIgn"), "0000000000000000");
    let careless = std::fs::File::open("/dev/null").unwrap();
    let low = nix::fcntl::fcntl(&careless, nix::fcntl::FcntlArg::F_DUPFD(10)).unwrap();
    let high = nix::fcntl::fcntl(&careless, nix::fcntl::FcntlArg::F_DUPFD(70)).unwrap();
    signals::block_all().unwrap();
    check_clean(&[low, high]);
    // Resetting its own dispositions changes nothing for its entities.
    signals::reset_dispositions().unwrap();
    check_clean(&[low, high]);
}

fn check_clean(kept: &[i32]) {
    each_way(|way| {
        let pid = spawn_once(way, &program(&["/bin/sleep", "100"])).unwrap();
        has_only(pid, &[0, 1, 2]);
        for set in ["SigBlk", "SigIgn", "SigCgt", "SigPnd"] {
            assert_eq!(status_line(pid, set), "0000000000000000", "{set}");
        }
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        // Process group and session: its own.
        assert_eq!((fields[2], fields[3]), (pid.to_string().as_str(), pid.to_string().as_str()));
        // No terminal.
        assert_eq!(fields[4], "0");
        end(pid);
        // And the manager has lost nothing.
        let own = descriptors(process::pid());
        assert!(kept.iter().all(|number| own.contains(number)));
    });
}

fn has_surroundings() {
    let dir = TempDir::new();
    let place = dir.file("place");
    std::fs::create_dir(&place).unwrap();
    each_way(|way| {
        let out = dir.file("out");
        let text = "pwd; umask; echo $0 $1; env -0 | tr '\\0' ' '; echo; : > made";
        let mut program = script(text);
        program.argv = ["odd name", "-c", text, "zero", "one"].map(c_text).to_vec();
        program.envp = ["A=1", "B=two words"].map(c_text).to_vec();
        program.directory = Some(c_path(&place));
        program.umask = 0o027;
        program.stdout = Stdio::Append(c_path(&out));
        let pid = spawn_once(way, &program).unwrap();
        assert_eq!(wait_exit(pid).status, 0);
        let text = std::fs::read_to_string(&out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], place.to_str().unwrap());
        assert_eq!(lines[1], "0027");
        assert_eq!(lines[2], "zero one");
        assert!(lines[3].contains("A=1 ") && lines[3].contains("B=two words"), "{}", lines[3]);
        assert!(!lines[3].contains("HOME="), "{}", lines[3]);
        let mode = |name: &str| {
            std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777
        };
        assert_eq!((mode("place/made"), mode("out")), (0o640, 0o640));
        std::fs::remove_file(&out).unwrap();
        std::fs::remove_file(place.join("made")).unwrap();
    });
}

fn streams() {
    let dir = TempDir::new();
    let input = dir.file("input");
    std::fs::write(&input, "from the file\n").unwrap();
    let out = dir.file("out");
    each_way(|way| {
        let mut program = script("cat; echo error >&2");
        program.stdin = Stdio::Read(c_path(&input));
        program.stdout = Stdio::Append(c_path(&out));
        program.stderr = Stdio::Same;
        for _ in 0..2 {
            assert_eq!(wait_exit(spawn_once(way, &program).unwrap()).status, 0);
        }
        let once = "from the file\nerror\n";
        assert_eq!(std::fs::read_to_string(&out).unwrap(), once.repeat(2));
        // Null reads as empty and swallows all.
        program.stdin = Stdio::Null;
        program.stdout = Stdio::Null;
        assert_eq!(wait_exit(spawn_once(way, &program).unwrap()).status, 0);
        assert_eq!(std::fs::read_to_string(&out).unwrap(), once.repeat(2));
        std::fs::remove_file(&out).unwrap();
    });
}

fn passed() {
    let dir = TempDir::new();
    let open = |name: &str| {
        let file = std::fs::File::create(dir.file(name)).unwrap();
        process::move_above(file.into(), 64).unwrap()
    };
    each_way(|way| {
        let [three, nine, error] = ["three", "nine", "error"].map(open);
        let mut program = script("echo 3 >&3; echo 9 >&9; echo e >&2; exec sleep 100");
        program.passed = vec![(three.as_raw_fd(), 3), (nine.as_raw_fd(), 9)];
        program.stderr = Stdio::Fd(error.as_raw_fd());
        let pid = spawn_once(way, &program).unwrap();
        for (name, text) in [("three", "3"), ("nine", "9"), ("error", "e")] {
            assert_eq!(dir.line_of(name), text);
        }
        has_only(pid, &[0, 1, 2, 3, 9]);
        end(pid);
    });
}

fn has_user() {
    if process::effective_uid() != 0 {
        skip("root is needed to become another user");
    }
    let dir = TempDir::new();
    // Opened by the manager, although its user could not.
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    each_way(|way| {
        let out = dir.file("out");
        let mut program = script("id -u; id -g; id -G; grep CapEff /proc/self/status");
        program.ids = Some(Ids { uid: 1234, gid: 2345, groups: vec![3456, 4567] });
        program.stdout = Stdio::Append(c_path(&out));
        assert_eq!(wait_exit(spawn_once(way, &program).unwrap()).status, 0);
        let text = std::fs::read_to_string(&out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["1234", "2345", "2345 3456 4567"]);
        assert_eq!(lines[3], "CapEff:\t0000000000000000");
        std::fs::remove_file(&out).unwrap();
        // The directory is entered as that user, who may not.
        program.stdout = Stdio::Inherit;
        program.directory = Some(c_path(dir.path()));
        let error = SpawnError::new(Stage::Directory, Errno::EACCES);
        assert_eq!(spawn_once(way, &program), Err(error));
    });
}

fn first_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 512, hard).unwrap();
    assert_eq!(process::raise_nofile().unwrap(), hard);
    assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard, hard));
    each_way(|way| {
        let dir = TempDir::new();
        let out = dir.file("out");
        let text = format!("echo $(ulimit -n) $(ulimit -Hn) > {}", out.display());
        assert_eq!(wait_exit(spawn_once(way, &script(&text)).unwrap()).status, 0);
        assert_eq!(dir.line_of("out"), format!("512 {hard}"));
    });
}

/// No process is made for a description that cannot work.
fn impossible() {
    each_way(|way| {
        let refused = |stage| Err(SpawnError::new(stage, Errno::EINVAL));
        let told = |change: &dyn Fn(&mut ham_sys::spawn::Program)| {
            let mut program = script("exit 0");
            change(&mut program);
            let words = Words::new();
            let mut stack = ham_sys::spawn::Stack::new().unwrap();
            let result = ham_sys::spawn::spawn(&way, &mut stack, &program, words.slot());
            assert_eq!(words.pid(), 0);
            result
        };
        assert_eq!(told(&|p| p.stdin = Stdio::Same), refused(Stage::Stdin));
        assert_eq!(told(&|p| p.stdout = Stdio::Same), refused(Stage::Stdout));
        assert_eq!(told(&|p| p.stderr = Stdio::Fd(1)), refused(Stage::Stderr));
        assert_eq!(told(&|p| p.passed = vec![(64, 2)]), refused(Stage::Descriptors));
        assert_eq!(told(&|p| p.passed = vec![(63, 3)]), refused(Stage::Descriptors));
        assert_eq!(told(&|p| p.passed = vec![(64, 64)]), refused(Stage::Descriptors));
    });
}
