//! HAProxy: a master that executes itself again at a reload and says when that
//! is done.

use super::clients::{comes_back, connect, done, get, kill_main, lose_monitor, refused};
use super::host::{Host, free_port, nothing_is_left};
use ham_tests::processes::{children, lives};
use std::io::Write;

pub(super) fn configure(host: &Host, port: u16, body: &str, more: &str) {
    host.write(
        "/etc/haproxy/haproxy.cfg",
        &format!(
            "defaults\n mode http\n timeout connect 5s\n timeout client 1m\n timeout server 5s\n\
             frontend web\n bind 127.0.0.1:{port}\n{more}\n \
             http-request return status 200 content-type text/plain string {body}\n"
        ),
    );
}

#[test]
fn haproxy() {
    let Some(host) = Host::new("haproxy", &["haproxy"], &["/etc/haproxy"]) else { return };
    let port = free_port();
    configure(&host, port, "one", "");
    host.unit("haproxy");
    let manager = host.start();
    manager.wait_for_state("haproxy", "running");
    assert_eq!(get(port, "/").as_deref(), Some("one"));

    // The list ends when it has said that it is ready again: the answer is the
    // other one at once.
    let master = manager.pid_of("haproxy");
    let worker = children(master);
    configure(&host, port, "two", "");
    done(&manager, &["reload", "haproxy"]);
    assert_eq!(get(port, "/").as_deref(), Some("two"));
    assert_eq!(manager.pid_of("haproxy"), master);
    assert_ne!(children(master), worker);

    configure(&host, port, "three", " nonsense on");
    refused(&manager, &["reload", "haproxy"]);
    assert_eq!(get(port, "/").as_deref(), Some("two"));
    assert!(manager.log().contains("unknown keyword 'nonsense'"), "{}", manager.log());
    configure(&host, port, "three", "");

    lose_monitor(&manager, "haproxy");
    let worker = children(master);
    let again = kill_main(&manager, "haproxy");
    assert!(worker.iter().all(|pid| !lives(*pid)), "{worker:?}");
    assert_eq!(get(port, "/").as_deref(), Some("three"));
    done(&manager, &["restart", "haproxy"]);
    comes_back(&manager, "haproxy", again);
    assert_eq!(get(port, "/").as_deref(), Some("three"));

    // Requests under way, and one that is never finished.
    let mut slow = connect(port).expect("haproxy listens");
    slow.write_all(b"GET / HTTP/1.1\r\n").expect("half a request");
    assert_eq!(get(port, "/").as_deref(), Some("three"));
    done(&manager, &["stop", "haproxy"]);
    let end = manager.entity("haproxy")["last_exit"]["text"].clone();
    // The last when it comes soon after the start: HAProxy says that it is ready
    // before it takes TERM in its own way.
    let ends = ["exit 0", "exit 143", "signal TERM"];
    assert!(ends.iter().any(|good| end == *good), "{end}");
    assert_eq!(manager.entity("haproxy")["state"], "stopped");
    nothing_is_left(&manager);
    assert!(connect(port).is_none());
}
