//! What the user that `attach-by` of a unit names may do: attach processes of its
//! own to that entity, and detach them again; and no more than that.

use ham_tests::bare::told;
use ham_tests::executables::copy_program;
use ham_tests::own_units::Units;
use ham_tests::programs::{Manager, hamctl};
use ham_tests::skip::{is_root, program};
use ham_tests::strangers::Stranger;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const UNIT: &str = r#"
[entity]
attach-by = 65534
[[condition]]
on = "detach"
actions = [ { log = "seen detach of {pid}" } ]
[[condition]]
on = "death"
actions = [ { log = "seen death" } ]
"#;

/// hamctl where other users may execute it.
struct Others {
    setpriv: PathBuf,
    copy: PathBuf,
}

impl Others {
    fn new(setpriv: PathBuf, units: &Units, manager: &Manager) -> Others {
        let copy = units.folder().join("hamctl");
        copy_program(hamctl(), &copy);
        for path in [units.folder(), manager.runtime().parent().expect("its scratch")] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).expect("our own");
        }
        Others { setpriv, copy }
    }

    fn by(&self, uid: u32, program: &Path) -> Command {
        let uid = uid.to_string();
        let mut command = Command::new(&self.setpriv);
        command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups"]).arg(program);
        command.stdin(Stdio::null());
        command
    }

    fn asks(&self, uid: u32, manager: &Manager, words: &[&str]) -> Output {
        let mut command = self.by(uid, &self.copy);
        command.arg("--runtime-dir").arg(manager.runtime()).args(words);
        command.output().expect("setpriv can be executed")
    }

    fn sleeper(&self, uid: u32) -> Stranger {
        Stranger::of(self.by(uid, Path::new("sleep")).arg("600"))
    }
}

#[test]
fn who_may_attach_detaches_its_own_process_and_no_other() {
    let what = "who_may_attach_detaches_its_own_process_and_no_other";
    if !is_root(what) {
        return;
    }
    let Some(setpriv) = program("setpriv", what) else { return };
    let units = Units::new("attach-by");
    units.write("job", UNIT);
    let mut manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("job", "placeholder");
    let others = Others::new(setpriv, &units, &manager);
    let code = |output: &Output| output.status.code();

    let mut own = others.sleeper(65_534);
    let pid = own.pid().to_string();
    let attached = others.asks(65_534, &manager, &["attach", "job", &pid]);
    assert_eq!(code(&attached), Some(0), "{}", told(&attached));
    for (uid, words) in [(65_533, ["detach", "job"]), (65_534, ["stop", "job"])] {
        let output = others.asks(uid, &manager, &words);
        assert_eq!(code(&output), Some(4), "{uid} {words:?}: {}", told(&output));
    }
    assert_eq!(manager.pid_of("job"), own.pid());
    let detached = others.asks(65_534, &manager, &["detach", "job"]);
    assert_eq!(code(&detached), Some(0), "{}", told(&detached));
    manager.wait_for_state("job", "placeholder");
    manager.wait_for_log("the end of it", |log| {
        log.lines().any(|line| line == format!("job: seen detach of {pid}"))
    });
    let log = manager.log();
    let audit = |line: &str| {
        line.contains("job: detach, asked by process ") && line.ends_with(" of user 65534")
    };
    assert_eq!(log.lines().filter(|line| audit(line)).count(), 1, "{log}");
    assert!(own.child.try_wait().expect("our child").is_none(), "it goes on");

    // What somebody else has attached is not that user's.
    let other = Stranger::sleeper();
    let output = manager.hamctl(&["attach", "job", &other.pid().to_string()]);
    assert_eq!(code(&output), Some(0), "{}", told(&output));
    let refused = others.asks(65_534, &manager, &["detach", "job"]);
    assert_eq!(code(&refused), Some(4), "{}", told(&refused));
    assert_eq!(manager.pid_of("job"), other.pid());
    assert!(!manager.log().contains("seen death"), "{}", manager.log());
    own.end();
}
