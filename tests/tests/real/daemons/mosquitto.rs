//! Mosquitto: ready by notification, reads its configuration again, keeps
//! retained messages.

use super::clients::{connect, done, kill_main, lose_monitor};
use super::host::{Host, free_port, nothing_is_left};
use ham_tests::own_units::wait_until;
use std::process::{Child, Command, Output, Stdio};

pub(super) fn configure(host: &Host, port: u16, more: &str) {
    host.write(
        "/etc/mosquitto/mosquitto.conf",
        &format!(
            "pid_file /run/mosquitto/mosquitto.pid\npersistence true\n\
             persistence_location /var/lib/mosquitto/\nautosave_on_changes true\n\
             autosave_interval 1\nlog_dest file /var/log/mosquitto/mosquitto.log\n\
             listener {port} 127.0.0.1\n{more}\n"
        ),
    );
}

pub(super) fn publish(port: u16, message: &str) -> Output {
    Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-t", "topic", "-r", "-q", "1"])
        .args(["-m", message])
        .output()
        .expect("mosquitto_pub")
}

/// The message that is kept for whoever asks.
pub(super) fn retained(port: u16) -> String {
    let output = Command::new("mosquitto_sub")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-t", "topic", "-C", "1", "-W", "10"])
        .output()
        .expect("mosquitto_sub");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A client that stays.
fn listener(port: u16) -> Child {
    Command::new("mosquitto_sub")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-t", "other"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto_sub")
}

#[test]
fn mosquitto() {
    let programs = ["mosquitto", "mosquitto_pub", "mosquitto_sub"];
    let Some(host) = Host::new("mosquitto", &programs, &["/etc/mosquitto"]) else { return };
    let port = free_port();
    configure(&host, port, "allow_anonymous true");
    host.unit("mosquitto");
    let manager = host.start();
    manager.wait_for_state("mosquitto", "running");
    assert!(publish(port, "first").status.success());
    assert_eq!(retained(port), "first");

    let main = manager.pid_of("mosquitto");
    configure(&host, port, "allow_anonymous false");
    done(&manager, &["reload", "mosquitto"]);
    wait_until("strangers are refused", || !publish(port, "second").status.success());
    // It has no test, and goes on with what it can read.
    configure(&host, port, "allow_anonymous true\nnonsense on");
    done(&manager, &["reload", "mosquitto"]);
    wait_until("its complaint", || {
        host.text("/var/log/mosquitto/mosquitto.log").contains("variable \"nonsense\"")
    });
    configure(&host, port, "allow_anonymous true");
    done(&manager, &["reload", "mosquitto"]);
    wait_until("strangers are welcome", || publish(port, "third").status.success());
    assert_eq!(manager.pid_of("mosquitto"), main);

    lose_monitor(&manager, "mosquitto");
    done(&manager, &["restart", "mosquitto"]);
    manager.wait_for_state("mosquitto", "running");
    assert_eq!(retained(port), "third");
    kill_main(&manager, "mosquitto");
    assert_eq!(retained(port), "third");

    let mut clients: Vec<Child> = (0..20).map(|_| listener(port)).collect();
    done(&manager, &["stop", "mosquitto"]);
    assert_eq!(manager.entity("mosquitto")["last_exit"]["text"], "exit 0");
    nothing_is_left(&manager);
    assert!(connect(port).is_none());
    assert!(!host.path("/run/mosquitto").exists());
    for client in &mut clients {
        let _ = client.kill();
        client.wait().expect("it was killed");
    }
}
