//! Redis: ready by notification, keeps what it has acknowledged.

use super::clients::{connect, done, kill_main, lose_monitor};
use super::host::{Host, free_port, nothing_is_left};
use ham_tests::own_units::wait_until;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// The answer to one line; nothing when it has none.
pub(super) fn ask(port: u16, line: &str) -> Option<String> {
    let mut stream = connect(port)?;
    stream.write_all(format!("{line}\r\nQUIT\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.strip_suffix("+OK\r\n").map(|answer| answer.trim_end().to_owned())
}

/// Its configuration and its directories.
pub(super) fn configure(host: &Host, port: u16) {
    let configuration = format!(
        "bind 127.0.0.1\nport {port}\ndaemonize yes\npidfile /run/redis/redis-server.pid\n\
         logfile /var/log/redis/redis-server.log\ndir /var/lib/redis\n\
         appendonly yes\nappendfsync always\n"
    );
    host.write("/etc/redis/redis.conf", &configuration);
    host.directory_of("redis", "/var/lib/redis");
    host.directory_of("redis", "/var/log/redis");
}

#[test]
fn redis() {
    let programs = ["redis-server", "redis-benchmark"];
    let Some(host) = Host::new("redis", &programs, &["/etc/redis"]) else { return };
    let port = free_port();
    configure(&host, port);
    host.unit("redis-server");
    let manager = host.start();

    // Up means ready: there is an answer at once.
    manager.wait_for_state("redis-server", "running");
    assert_eq!(ask(port, "PING").as_deref(), Some("+PONG"));
    // It said this before it said that it was ready.
    let text = manager.entity("redis-server")["status_text"].clone();
    assert_eq!(text, "Ready to accept connections");
    assert!(host.path("/run/redis/redis-server.pid").exists());
    assert_eq!(ask(port, "SET key first").as_deref(), Some("+OK"));

    let load = || {
        Command::new("redis-benchmark")
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-t", "set", "-c", "20", "-l", "-q"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-benchmark")
    };
    let busy = || {
        wait_until("clients", || {
            let clients = ask(port, "INFO clients").unwrap_or_default();
            clients.contains("connected_clients:21\r\n")
        });
    };
    let mut clients = load();
    busy();
    kill_main(&manager, "redis-server");
    assert_eq!(ask(port, "GET key").as_deref(), Some("$5\r\nfirst"));
    let _ = clients.kill();
    clients.wait().expect("it was killed");

    lose_monitor(&manager, "redis-server");
    assert_eq!(ask(port, "SET key second").as_deref(), Some("+OK"));
    done(&manager, &["restart", "redis-server"]);
    manager.wait_for_state("redis-server", "running");
    assert_eq!(ask(port, "GET key").as_deref(), Some("$6\r\nsecond"));

    let mut clients = load();
    busy();
    done(&manager, &["stop", "redis-server"]);
    assert_eq!(manager.entity("redis-server")["last_exit"]["text"], "exit 0");
    nothing_is_left(&manager);
    assert!(connect(port).is_none());
    // Its runtime directory goes with it, its data do not.
    assert!(!host.path("/run/redis").exists());
    assert!(host.path("/var/lib/redis/appendonlydir").exists());
    let _ = clients.kill();
    clients.wait().expect("it was killed");

    done(&manager, &["start", "redis-server"]);
    manager.wait_for_state("redis-server", "running");
    assert_eq!(ask(port, "GET key").as_deref(), Some("$6\r\nsecond"));
}
