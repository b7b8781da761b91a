//! A container as an engine makes one, without an engine: a root of its own with
//! little in it, user, PID, mount, IPC and UTS namespaces, the capabilities that
//! Docker leaves, a filter of system calls as Docker's, a root that is read-only,
//! no /dev/shm, no /proc/sys, no cgroup. What an engine then does from outside
//! (stop, kill, execute a command in it, read its output) is here, too. Knows
//! nothing of what the tests look for.

use crate::executables::copy_program;
use crate::own_units::wait_until;
use crate::processes::{children, send};
use crate::programs::{Scratch, ham, hamctl, repository};
use crate::skip;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Capabilities that Docker and Podman leave to a container's root.
pub const CAPABILITIES: [&str; 14] = [
    "audit_write",
    "chown",
    "dac_override",
    "fowner",
    "fsetid",
    "kill",
    "mknod",
    "net_bind_service",
    "net_raw",
    "setfcap",
    "setgid",
    "setpcap",
    "setuid",
    "sys_chroot",
];

/// How long `docker stop` waits before it kills.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// What of busybox goes by a name of its own.
const APPLETS: [&str; 14] = [
    "sh", "sleep", "true", "false", "cat", "echo", "env", "id", "kill", "ls", "setsid", "touch",
    "date", "mkdir",
];

/// From the namespaces to the program: $1 is the root, $2 what its /run is, $3 the
/// capabilities for setpriv(1), $4 another user than
/// root, and the rest the program.
const ENTER: &str = r#"
set -e
root=$1 run=$2 capabilities=$3 user=$4
shift 4
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o size=4k,ro none "$root/proc/sys"
for device in null zero urandom; do
    mount --bind "/dev/$device" "$root/dev/$device"
done
case $run in
tmpfs) mount -t tmpfs -o mode=755 none "$root/run"; mount -t tmpfs -o mode=1777 none "$root/tmp" ;;
disk) mount --bind "$root/run" "$root/run" ;;
esac
mount -o remount,bind,ro "$root"
cd /
# For whoever serves something; the programs of the root are those of this machine.
"$root/bin/busybox" ip link set lo up
exec chroot "$root" /usr/bin/setpriv \
    --inh-caps "$capabilities" --bounding-set "$capabilities" \
    ${user:+"--reuid=$user" "--regid=$user" --clear-groups} /usr/bin/container-filter "$@"
"#;

/// A root with ham, hamctl and busybox in it.
#[derive(Debug)]
pub struct Image {
    scratch: Scratch,
}

impl Image {
    /// `None`, and said why, when something is missing that it is made of.
    ///
    /// # Panics
    /// When the temporary folder cannot be written to.
    #[must_use]
    pub fn new(what: &str) -> Option<Image> {
        let busybox = skip::program("busybox", what)?;
        let compiler = skip::program("cc", what)?;
        let setpriv = skip::program("setpriv", what)?;
        for program in ["unshare", "nsenter", "chroot", "ldd"] {
            skip::program(program, what)?;
        }
        let image = Image { scratch: Scratch::new(what) };
        // Whose root it is may go through it, whoever runs the test.
        fs::set_permissions(image.path(), fs::Permissions::from_mode(0o755)).expect("its own");
        for directory in ["bin", "usr/bin", "etc/ham", "proc", "dev", "run", "tmp"] {
            fs::create_dir_all(image.file(directory)).expect("a directory of the root");
        }
        for device in ["null", "zero", "urandom"] {
            fs::write(image.file("dev").join(device), "").expect("a place for a device");
        }
        let [ham, hamctl] = programs();
        image.add(&ham, "usr/bin/ham");
        image.add(&hamctl, "usr/bin/hamctl");
        image.add(&setpriv, "usr/bin/setpriv");
        image.add(&busybox, "bin/busybox");
        for applet in APPLETS {
            symlink("busybox", image.file("bin").join(applet)).expect("a link");
        }
        let filter = image.file("usr/bin/container-filter");
        let source = repository().join("tests/programs/container-filter.c");
        let compiled = Command::new(compiler).arg("-o").arg(&filter).arg(source).output();
        let compiled = compiled.expect("the compiler can be executed");
        if !compiled.status.success() {
            let errors = String::from_utf8_lossy(&compiled.stderr);
            skip::skipped(what, &format!("the filter cannot be compiled: {errors}"));
            return None;
        }
        image.add_libraries(&filter);
        if !can_have_namespaces(what) {
            return None;
        }
        Some(image)
    }

    /// The root.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// A file in it, from outside.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    /// Writes a unit of the system.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn unit(&self, name: &str, text: &str) {
        fs::write(self.file("etc/ham").join(format!("{name}.toml")), text).expect("a unit");
    }

    fn add(&self, program: &Path, place: &str) {
        link_or_copy(program, &self.file(place));
        self.add_libraries(program);
    }

    /// What ldd(1) names; a static program has nothing.
    fn add_libraries(&self, program: &Path) {
        let output = Command::new("ldd").arg(program).output().expect("ldd is there");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for library in text.split_whitespace().filter(|word| word.starts_with('/')) {
            let place = self.file(library);
            fs::create_dir_all(place.parent().expect("a file")).expect("a directory of the root");
            if !place.exists() {
                link_or_copy(Path::new(library), &place);
            }
        }
    }

    /// Every file in it with its size, but for what stands in /run and /tmp.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn listing(&self) -> Vec<(PathBuf, u64)> {
        let mut open = vec![self.path().to_owned()];
        let mut found = Vec::new();
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).expect("a directory of the root").flatten() {
                let path = entry.path();
                if path == self.file("run") || path == self.file("tmp") {
                    continue;
                }
                let metadata = entry.metadata().expect("a file of the root");
                if metadata.is_dir() {
                    open.push(path.clone());
                }
                found.push((path, metadata.len()));
            }
        }
        found.sort();
        found
    }
}

/// Those built from the tree, or where `HAM_CONTAINER_PROGRAMS` says.
fn programs() -> [PathBuf; 2] {
    match std::env::var_os("HAM_CONTAINER_PROGRAMS") {
        Some(directory) => {
            let directory = repository().join(directory);
            ["ham", "hamctl"].map(|name| directory.join(name))
        }
        None => [ham(), hamctl()],
    }
}

fn link_or_copy(from: &Path, to: &Path) {
    let from = fs::canonicalize(from).expect("a file that is there");
    if fs::hard_link(&from, to).is_err() {
        copy_program(from, to);
    }
}

fn can_have_namespaces(what: &str) -> bool {
    let probe = Command::new("unshare").args(NAMESPACES).arg("true").output();
    let can = probe.is_ok_and(|output| output.status.success());
    if !can {
        skip::skipped(what, "no user and PID namespaces can be made here");
    }
    can
}

const NAMESPACES: [&str; 9] = [
    "--user",
    "--map-root-user",
    "--mount",
    "--net",
    "--ipc",
    "--uts",
    "--pid",
    "--fork",
    "--kill-child=KILL",
];

/// How a container is run.
#[derive(Clone, Copy, Debug)]
pub struct How<'a> {
    /// The command, and what it is given.
    pub command: &'a [&'a str],
    /// Variables, beside PATH.
    pub environment: &'a [(&'a str, &'a str)],
    /// Whether /run and /tmp are in memory; else /run is on the disk.
    pub in_memory: bool,
    /// Another user than root, by number; only root can have that.
    pub user: Option<u32>,
    /// Whether it has none of [`CAPABILITIES`] either.
    pub powerless: bool,
}

impl Default for How<'_> {
    fn default() -> Self {
        How {
            command: &["/usr/bin/ham"],
            environment: &[],
            in_memory: true,
            user: None,
            powerless: false,
        }
    }
}

type Text = Arc<Mutex<String>>;

/// One that runs, or has.
#[derive(Debug)]
pub struct Container {
    child: Child,
    output: Text,
    errors: Text,
    readers: Vec<std::thread::JoinHandle<()>>,
    rootless: bool,
}

impl Container {
    /// Runs one from an image.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn run(image: &Image, how: How<'_>) -> Container {
        let rootless = how.user.is_none();
        let left = CAPABILITIES.iter().filter(|_| !how.powerless);
        let capabilities = left.fold("-all".to_owned(), |set, name| format!("{set},+{name}"));
        let user = how.user.map(|user| user.to_string()).unwrap_or_default();
        let mut command = Command::new("unshare");
        // Of a user namespace with one user nobody else can be made.
        command.args(&NAMESPACES[if rootless { 0 } else { 2 }..]);
        command.args(["sh", "-c", ENTER, "enter"]).arg(image.path());
        command.arg(if how.in_memory { "tmpfs" } else { "disk" }).arg(capabilities);
        command.arg(user).args(how.command);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(how.environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("unshare can be executed");
        let (output, errors) = (Text::default(), Text::default());
        let out = child.stdout.take().expect("a pipe");
        let err = child.stderr.take().expect("a pipe");
        let readers = vec![collect(out, &output), collect(err, &errors)];
        Container { child, output, errors, readers, rootless }
    }

    /// What has come to its standard output so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same of standard error, where the log of ham is.
    #[must_use]
    pub fn log(&self) -> String {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has written that line, whoever has.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait_for_output(&self, text: &str) {
        let there = || self.output().contains(text);
        wait_until(&format!("{text:?} in the output"), there);
    }

    /// Waits until the log says so.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait_for_log(&self, text: &str) {
        wait_until(&format!("{text:?} in the log"), || self.log().contains(text));
    }

    /// Process 1 of it, as seen from here.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn init(&self) -> u32 {
        let mut found = None;
        wait_until("an init that is ham", || {
            found = children(self.child.id()).first().copied().filter(|pid| {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                name == "ham\n"
            });
            found.is_some()
        });
        found.expect("it was waited for")
    }

    /// Sends a signal to its init.
    pub fn signal(&self, signal: &str) {
        send(signal, self.init());
    }

    /// Executes a command in it, as a health check is.
    ///
    /// # Panics
    /// When nsenter(1) cannot be executed.
    #[must_use]
    pub fn execute(&self, words: &[&str]) -> Output {
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &self.init().to_string(),
            "--mount",
            "--net",
            "--pid",
            "--root",
            "--wd",
        ]);
        if self.rootless {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command.args(words).stdin(Stdio::null()).output().expect("nsenter can be executed")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        wait_until("the end of the container", || {
            ended = self.child.try_wait().expect("it is our child");
            ended.is_some()
        });
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        ended.expect("it was waited for")
    }

    /// As `docker stop`: TERM, and KILL after ten seconds. `None`: it came to that.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.signal("TERM");
        let until = Instant::now() + STOP_PATIENCE;
        while Instant::now() < until {
            if let Ok(Some(_)) = self.child.try_wait() {
                return Some(self.wait());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        None
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("it wrote:\n{}and its log was:\n{}", self.output(), self.log());
        }
        // With unshare goes the init, and with that everybody.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut from: impl Read + Send + 'static, to: &Text) -> std::thread::JoinHandle<()> {
    let to = Arc::clone(to);
    std::thread::spawn(move || {
        let mut buffer = [0u8; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
            to.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        }
    })
}
