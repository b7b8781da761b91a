//! Clients of the servers: plain requests over the loopback address, and hamctl
//! with what it must say.

use ham_tests::bare::told;
use ham_tests::own_units::wait_until;
use ham_tests::programs::Manager;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One connection; nothing when nobody listens.
pub(super) fn connect(port: u16) -> Option<TcpStream> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    Some(stream)
}

/// What a web server answers, without its head; nothing when it does not.
pub(super) fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = connect(port)?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

/// Waits until a web server answers so.
pub(super) fn wait_for_body(port: u16, body: &str) {
    let mut answer = None;
    wait_until(&format!("the answer {body:?}"), || {
        answer = get(port, "/");
        answer.as_deref() == Some(body)
    });
}

/// Has hamctl do something that must succeed, and gives what it prints.
pub(super) fn done(manager: &Manager, words: &[&str]) -> String {
    let output = manager.hamctl(words);
    assert!(output.status.success(), "{words:?}: {}\n{}", told(&output), manager.log());
    told(&output)
}

/// Has hamctl do something that must fail, and gives what it prints.
pub(super) fn refused(manager: &Manager, words: &[&str]) -> String {
    let output = manager.hamctl(words);
    assert!(!output.status.success(), "{words:?}: {}\n{}", told(&output), manager.log());
    told(&output)
}

/// Kills the main process of an entity and waits until it is back, ready, as
/// another process.
pub(super) fn kill_main(manager: &Manager, name: &str) -> u32 {
    let pid = manager.pid_of(name);
    ham_tests::processes::send("KILL", pid);
    comes_back(manager, name, pid)
}

/// Waits until an entity that was this process is up as another one.
pub(super) fn comes_back(manager: &Manager, name: &str, pid: u32) -> u32 {
    manager.wait_for(name, |entity| {
        entity["state"] == "running" && entity["pid"].is_u64() && entity["pid"] != pid
    });
    manager.pid_of(name)
}

/// Kills the monitor, and sees that the entity has not noticed.
pub(super) fn lose_monitor(manager: &Manager, name: &str) {
    let pid = manager.pid_of(name);
    let restarts = manager.entity(name)["restarts"].clone();
    manager.replace_monitor();
    let entity = manager.wait_for_state(name, "running");
    assert_eq!((&entity["pid"], &entity["restarts"]), (&pid.into(), &restarts));
}
