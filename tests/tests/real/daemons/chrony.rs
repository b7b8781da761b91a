//! chronyd: puts itself into the background and leaves its process id in a
//! file. Here it keeps its hands off the clock.

use super::clients::{done, kill_main, lose_monitor};
use super::host::{Host, nothing_is_left};
use std::process::{Command, Stdio};

/// What chronyc says to one command.
pub(super) fn ask(host: &Host, words: &[&str]) -> String {
    let socket = host.place("/run/chrony/chronyd.sock");
    let output = Command::new("chronyc")
        .args(["-n", "-h", &socket])
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("chronyc");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn chrony() {
    let Some(host) = Host::new("chrony", &["chronyd", "chronyc"], &["/etc/chrony"]) else { return };
    host.write(
        "/etc/chrony/chrony.conf",
        "port 0\ncmdport 0\nlocal stratum 9\nsourcedir /etc/chrony/sources.d\n\
         driftfile /var/lib/chrony/chrony.drift\n",
    );
    host.directory_of("_chrony", "/var/lib/chrony");
    host.unit_with("chrony", &[(r#""-F", "1"]"#, r#""-F", "1", "-x"]"#)]);
    let manager = host.start();
    manager.wait_for_state("chrony", "running");
    let main = manager.pid_of("chrony");
    assert_eq!(host.text("/run/chrony/chronyd.pid").trim(), main.to_string());
    let tracking = ask(&host, &["tracking"]);
    assert!(tracking.contains("Stratum         : 9"), "{tracking}");

    host.write("/etc/chrony/sources.d/here.sources", "server 127.0.0.1 offline\n");
    assert!(!ask(&host, &["sources"]).contains("127.0.0.1"));
    done(&manager, &["reload", "chrony"]);
    assert!(ask(&host, &["sources"]).contains("127.0.0.1"));

    lose_monitor(&manager, "chrony");
    // The file that it leaves names a process that is no more.
    let again = kill_main(&manager, "chrony");
    assert_eq!(host.text("/run/chrony/chronyd.pid").trim(), again.to_string());
    assert!(ask(&host, &["sources"]).contains("127.0.0.1"));
    done(&manager, &["restart", "chrony"]);
    manager.wait_for("chrony", |entity| {
        entity["pid"].as_u64().is_some_and(|pid| pid != u64::from(again))
    });
    done(&manager, &["stop", "chrony"]);
    assert_eq!(manager.entity("chrony")["last_exit"]["text"], "exit 0");
    nothing_is_left(&manager);
    assert!(!host.path("/run/chrony/chronyd.pid").exists());
}
