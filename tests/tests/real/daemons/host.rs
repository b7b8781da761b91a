//! A machine as the units of units/examples expect one: /run, /var/lib and the
//! rest are directories of the test, mounted over the real ones in a mount
//! namespace that only the manager and its entities are in. So the units are
//! tested as they stand, and nothing of the machine itself is touched.

use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::{Manager, Scratch, ham, hamctl, repository};
use ham_tests::skip;
use nix::unistd::User;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is the test's own on every such machine.
const PLACES: [&str; 4] = ["/run", "/var/lib", "/var/log", "/srv"];

/// Mounts what its first argument lists and becomes the rest.
const MOUNT: &str = "root=$1; for place in $2; do mount --bind \"$root$place\" \"$place\" || exit; \
                     done; shift 2; exec \"$@\"";

pub(super) struct Host {
    units: Units,
    places: Vec<String>,
    /// The manager sees no cgroups.
    bare: bool,
}

impl Host {
    /// One with these directories of its own beside the usual ones. They must
    /// exist on the real machine; the packages of the servers bring them. Says
    /// what was skipped when a program is not there, or nothing can be mounted.
    pub(super) fn new(what: &str, programs: &[&str], directories: &[&str]) -> Option<Host> {
        if !skip::is_root(what) || !programs.iter().all(|name| skip::program(name, what).is_some())
        {
            return None;
        }
        let unshare = skip::program("unshare", what)?;
        let mut probe = Command::new(unshare);
        probe.args(["--mount", "mount", "--bind", "/srv", "/srv"]);
        if !probe.output().is_ok_and(|output| output.status.success()) {
            skip::skipped(what, "no mount namespace can be made here");
            return None;
        }
        let places = PLACES.iter().chain(directories).map(|&place| place.to_owned()).collect();
        let host = Host { units: Units::new("host"), places, bare: false };
        for place in &host.places {
            fs::create_dir_all(host.path(place)).expect("a directory");
        }
        Some(host)
    }

    /// The same machine without cgroups, as in many a container.
    pub(super) fn without_cgroups(mut self) -> Host {
        let nothing = self.path("/sys/fs/cgroup");
        fs::create_dir_all(nothing).expect("a directory");
        self.places.push("/sys/fs/cgroup".to_owned());
        self.bare = true;
        self
    }

    /// Where its units are.
    pub(super) fn units(&self) -> PathBuf {
        self.units.path()
    }

    /// Where a path of that machine is on the real one.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.units.folder().join("root").join(path.trim_start_matches('/'))
    }

    /// The same as text.
    pub(super) fn place(&self, path: &str) -> String {
        self.path(path).to_str().expect("the temporary folder has a plain name").to_owned()
    }

    /// Writes a file of that machine, for everybody to read.
    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it stands somewhere")).expect("a directory");
        fs::write(&path, text).expect("a file");
    }

    /// What a file of that machine holds; nothing when it is not there.
    pub(super) fn text(&self, path: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(path)).unwrap_or_default()).into_owned()
    }

    /// Makes a directory that belongs to a user.
    pub(super) fn directory_of(&self, user: &str, path: &str) {
        let entry = User::from_name(user).expect("the user database");
        let entry = entry.unwrap_or_else(|| panic!("the package has made no user {user}"));
        fs::create_dir_all(self.path(path)).expect("a directory");
        let (uid, gid) = (entry.uid.as_raw(), entry.gid.as_raw());
        chown(self.path(path), Some(uid), Some(gid)).expect("its owner");
    }

    /// Copies a file that comes with the examples.
    pub(super) fn copy(&self, example: &str, path: &str) {
        let text = fs::read_to_string(examples().join(example)).expect("an example");
        self.write(path, &text);
    }

    /// Takes a unit of the examples as it stands.
    pub(super) fn unit(&self, name: &str) {
        self.unit_with(name, &[]);
    }

    /// Takes a unit of the examples with these texts in the place of others.
    pub(super) fn unit_with(&self, name: &str, changes: &[(&str, &str)]) {
        let file = format!("{name}.toml");
        let mut unit = fs::read_to_string(examples().join(&file)).expect("an example");
        for (from, to) in changes {
            assert!(unit.contains(from), "{file} does not say {from:?}");
            unit = unit.replace(from, to);
        }
        self.units.write(name, &unit);
        let path = self.units.path().join(file);
        fs::set_permissions(path, Permissions::from_mode(0o644)).expect("its mode");
    }

    /// Takes the unit that the service file of the installed package becomes;
    /// says what was skipped when there is none.
    pub(super) fn imported(&self, what: &str, service: &str) -> Option<()> {
        let stem = service.split('@').next().unwrap_or(service);
        let template = if service.contains('@') { "@" } else { "" };
        let places = ["/lib/systemd/system", "/usr/lib/systemd/system"].map(Path::new);
        let is_there = |place: &&Path| place.join(format!("{stem}{template}.service")).exists();
        let Some(place) = places.into_iter().find(is_there) else {
            skip::skipped(what, &format!("the package has no {service}.service"));
            return None;
        };
        // A copy, so that what an administrator has changed does not count.
        let copy = self.units.folder().join("services");
        fs::create_dir_all(&copy).expect("a directory");
        let name = format!("{stem}{template}.service");
        fs::copy(place.join(&name), copy.join(&name)).expect("the service file");
        let output = Command::new(hamctl())
            .args(["import", "--output"])
            .arg(self.units.path())
            .arg(copy.join(format!("{service}.service")))
            .output()
            .expect("hamctl was built");
        let told = ham_tests::bare::told(&output);
        // 8: something has no equivalent, as the sandbox of most.
        assert!(matches!(output.status.code(), Some(0 | 8)), "{told}");
        let checked = Command::new(hamctl()).arg("check").arg(self.units.path()).output();
        let checked = checked.expect("hamctl was built");
        assert!(checked.status.success(), "{}", ham_tests::bare::told(&checked));
        Some(())
    }

    /// Starts a manager there.
    pub(super) fn start(&self) -> Manager {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-ec", MOUNT, "sh"])
            .arg(self.path("/"))
            .arg(self.places.join(" "))
            .arg(ham());
        let scratch = Scratch::new("manager");
        let manager = Manager::start_by(command, scratch, &self.units.path(), &["-t", "none"]);
        if self.bare {
            assert_eq!(manager.wait_for_plan()["containment"], "session");
        }
        manager
    }
}

/// The processes on a manager's machine that are not its own.
pub(super) fn processes(manager: &Manager) -> Vec<(u32, String)> {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let its = namespace(&manager.pid().to_string());
    assert!(its.is_some(), "the manager has ended:\n{}", manager.log());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(pid) = name.parse::<u32>() else { continue };
        if namespace(&name) != its {
            continue;
        }
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        let comm = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if !comm.starts_with("ham") && !words.is_empty() {
            found.push((pid, words));
        }
    }
    found
}

/// Waits until nothing runs there but the manager, which must be soon: whoever
/// calls this has seen the stop succeed.
pub(super) fn nothing_is_left(manager: &Manager) {
    let mut left = processes(manager);
    wait_until("nothing is left", || {
        if !left.is_empty() {
            left = processes(manager);
        }
        left.is_empty()
    });
}

/// A port of the loopback address that is free at the moment.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// The units that are tested.
fn examples() -> PathBuf {
    repository().join("units/examples")
}

/// The newest version of PostgreSQL that is installed, as its directories are
/// named.
pub(super) fn postgresql_version(what: &str) -> Option<String> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions
        .filter(|entry| Path::new(&entry.path()).join("bin/postgres").exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .max_by_key(|version| version.parse::<u32>().unwrap_or(0));
    if found.is_none() {
        skip::skipped(what, "postgresql is not installed");
    }
    found
}
