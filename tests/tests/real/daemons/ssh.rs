//! sshd: whoever is logged in stays so, whatever becomes of the process that
//! listens.

use super::clients::{comes_back, connect, done, kill_main, lose_monitor, refused};
use super::host::{Host, free_port, nothing_is_left};
use ham_tests::own_units::wait_until;
use serde_json::Value;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(super) fn configure(host: &Host, ports: &[u16], more: &str) {
    let ports: String = ports.iter().map(|port| format!("Port {port}\n")).collect();
    host.write(
        "/etc/ssh/sshd_config",
        &format!(
            "{ports}ListenAddress 127.0.0.1\nHostKey /etc/ssh/host_key\nPidFile /run/sshd.pid\n\
             UsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n\
             AuthorizedKeysFile /etc/ssh/authorized_keys\n{more}\n"
        ),
    );
}

fn make_key(host: &Host, path: &str) {
    let words = ["-q", "-t", "ed25519", "-N", "", "-f", &host.place(path)];
    let made = Command::new("ssh-keygen").args(words).stdin(Stdio::null()).status();
    assert!(made.is_ok_and(|status| status.success()), "no key");
    fs::set_permissions(host.path(path), Permissions::from_mode(0o600)).expect("its mode");
}

/// Somebody who is logged in.
pub(super) struct Session {
    client: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    pub(super) fn open(host: &Host, port: u16) -> Session {
        let mut client = Command::new("ssh")
            .args(["-F", "none", "-p", &port.to_string(), "-i", &host.place("/srv/key")])
            .args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
            .args(["-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "root@127.0.0.1", "exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("ssh");
        let input = client.stdin.take().expect("its input");
        let output = BufReader::new(client.stdout.take().expect("its output"));
        let mut session = Session { client, input, output };
        session.answers("hello");
        session
    }

    /// The other side sends back what it is sent.
    pub(super) fn answers(&mut self, word: &str) {
        writeln!(self.input, "{word}").expect("the session is there");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("an answer");
        assert_eq!(line.trim_end(), word);
    }

    pub(super) fn close(mut self) {
        drop(self.input);
        assert!(self.client.wait().expect("it ends").success());
    }
}

/// Whether a server of SSH is there.
pub(super) fn listens(port: u16) -> bool {
    let mut greeting = [0; 4];
    let greeted = connect(port).is_some_and(|mut to| to.read_exact(&mut greeting).is_ok());
    greeted && &greeting == b"SSH-"
}

/// A machine that root may log in to by its key.
pub(super) fn with_keys(what: &str, port: u16) -> Option<Host> {
    let host = Host::new(what, &["sshd", "ssh", "ssh-keygen"], &["/etc/ssh"])?;
    make_key(&host, "/etc/ssh/host_key");
    make_key(&host, "/srv/key");
    host.write("/etc/ssh/authorized_keys", &host.text("/srv/key.pub"));
    configure(&host, &[port], "");
    Some(host)
}

#[test]
fn sessions_survive() {
    let (port, other) = (free_port(), free_port());
    let Some(host) = with_keys("sessions_survive", port) else { return };
    host.unit("ssh");
    let manager = host.start();
    manager.wait_for_state("ssh", "running");
    assert!(listens(port));
    let mut session = Session::open(&host, port);

    let main = manager.pid_of("ssh");
    configure(&host, &[port, other], "");
    done(&manager, &["reload", "ssh"]);
    wait_until("the other port", || listens(other));
    assert_eq!(manager.pid_of("ssh"), main);
    configure(&host, &[port], "Nonsense on");
    refused(&manager, &["reload", "ssh"]);
    assert!(listens(other));
    assert!(manager.log().contains("Bad configuration option: Nonsense"), "{}", manager.log());
    session.answers("after reloads");

    // It is not even stopped for what could not come back.
    configure(&host, &[port], "");
    done(&manager, &["restart", "ssh"]);
    let main = comes_back(&manager, "ssh", main);
    session.answers("after a restart");
    assert!(listens(port));
    lose_monitor(&manager, "ssh");
    let again = kill_main(&manager, "ssh");
    assert_ne!(again, main);
    session.answers("after a kill");
    assert!(host.path("/run/sshd").exists());

    let second = Session::open(&host, port);
    done(&manager, &["stop", "ssh"]);
    assert_eq!(manager.entity("ssh")["last_exit"]["text"], "exit 0");
    assert!(!listens(port));
    session.answers("after a stop");
    session.close();
    second.close();
    nothing_is_left(&manager);
}

/// A unit and its machine, with a configuration that sshd does not read.
fn misconfigured(what: &str) -> Option<(Host, u16)> {
    let host = Host::new(what, &["sshd", "ssh-keygen"], &["/etc/ssh"])?;
    let port = free_port();
    make_key(&host, "/etc/ssh/host_key");
    configure(&host, &[port], "Nonsense on");
    Some((host, port))
}

#[test]
fn a_configuration_is_tested_before_a_start() {
    let what = "a_configuration_is_tested_before_a_start";
    let Some((host, port)) = misconfigured(what) else { return };
    host.unit("ssh");
    let manager = host.start();
    // Tested again and again, since it may be mended; sshd itself never ran.
    let entity = manager.wait_for("ssh", |entity| entity["attempts"] == 3);
    assert_eq!(entity["last_exit"], serde_json::Value::Null, "{entity}");
    configure(&host, &[port], "");
    manager.wait_for_state("ssh", "running");
    assert!(listens(port));
}

#[test]
fn exit_255_is_not_tried_again() {
    let Some((host, port)) = misconfigured("exit_255_is_not_tried_again") else { return };
    // Without the test before, sshd itself ends so.
    let test = "pre-start = [ { execute = [\"/usr/sbin/sshd\", \"-t\"] } ]\n";
    host.unit_with("ssh", &[(test, "")]);
    let manager = host.start();
    let entity = manager.wait_for_state("ssh", "failed");
    assert_eq!(entity["restarts"], 0, "{entity}");
    assert_eq!(entity["last_exit"]["text"], "exit 255", "{entity}");
    configure(&host, &[port], "");
    done(&manager, &["start", "ssh"]);
    manager.wait_for_state("ssh", "running");
    assert!(listens(port));
}

#[test]
fn sessions_survive_in_the_background() {
    let port = free_port();
    let Some(host) = with_keys("sessions_survive_in_the_background", port) else { return };
    let kind = "type = \"forking\"\npid-file = \"/run/sshd.pid\"";
    host.unit_with("ssh", &[("ready = \"notify\"", kind), ("\"-D\", \"-e\"", "\"-e\"")]);
    let manager = host.start();
    manager.wait_for_state("ssh", "running");
    assert!(listens(port));
    let main = manager.pid_of("ssh");
    assert_eq!(host.text("/run/sshd.pid").trim(), main.to_string());
    let mut session = Session::open(&host, port);
    done(&manager, &["restart", "ssh"]);
    comes_back(&manager, "ssh", main);
    session.answers("after a restart");
    // It goes on as another process, and ends well itself: no death.
    let main = manager.pid_of("ssh");
    done(&manager, &["reload", "ssh"]);
    let moved = |ssh: &Value| ssh["pid"].as_u64().is_some_and(|pid| pid != u64::from(main));
    let ssh = manager.wait_for("ssh", moved);
    assert_eq!(ssh["restarts"], 0);
    assert!(listens(port));
    session.answers("after a reload");
    lose_monitor(&manager, "ssh");
    kill_main(&manager, "ssh");
    session.answers("after a kill");
    done(&manager, &["stop", "ssh"]);
    assert!(!listens(port));
    session.answers("after a stop");
    session.close();
    nothing_is_left(&manager);
}
