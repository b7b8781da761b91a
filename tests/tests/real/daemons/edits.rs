//! A unit that is edited while clients work with its server: they lose nothing
//! that `hamctl plan` has not announced.

use super::clients::{comes_back, connect, done};
use super::host::{Host, free_port, nothing_is_left};
use super::redis::{ask, configure};
use std::io::{BufRead, BufReader, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Edits that concern no process.
const EDITS: u32 = 40;

/// Each SET is answered on one connection that is never lost, and each PING on a
/// new one; gives what went wrong.
fn work(port: u16, end: &AtomicBool, answers: &AtomicU64) -> Result<(), String> {
    let mut writer = connect(port).ok_or("no connection")?;
    let mut reader = BufReader::new(writer.try_clone().map_err(|error| error.to_string())?);
    let mut line = String::new();
    while !end.load(Ordering::Relaxed) {
        let number = answers.fetch_add(1, Ordering::Relaxed);
        write!(writer, "SET counter {number}\r\n").map_err(|error| error.to_string())?;
        line.clear();
        reader.read_line(&mut line).map_err(|error| error.to_string())?;
        if line != "+OK\r\n" {
            return Err(format!("SET {number} is answered by {line:?}"));
        }
        if ask(port, "PING").as_deref() != Some("+PONG") {
            return Err(format!("no PONG after {number}"));
        }
    }
    Ok(())
}

#[test]
fn clients_lose_nothing_by_edits_that_say_so() {
    let programs = ["redis-server"];
    let Some(host) = Host::new("edits", &programs, &["/etc/redis"]) else { return };
    let port = free_port();
    configure(&host, port);
    host.unit("redis-server");
    let manager = host.start();
    manager.wait_for_state("redis-server", "running");
    let pid = manager.pid_of("redis-server");

    let (end, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    let described = "Redis, a store of keys and values";
    thread::scope(|scope| {
        let worker = scope.spawn(|| work(port, &end, &answers));
        for number in 0..EDITS {
            let description = format!("edit {number}");
            let timeout = format!("timeout = \"{}s\"", 60 + number);
            let nice = format!("nice = {}\nno-new", number % 7);
            let changes = [
                (described, description.as_str()),
                ("timeout = \"1min\"", &timeout),
                ("no-new", &nice),
            ];
            host.unit_with("redis-server", &changes);
            manager.wait_for("redis-server", |entity| entity["description"] == description);
            if number % 13 == 12 {
                manager.replace_monitor();
            }
        }
        assert!(!worker.is_finished(), "it has lost something");
        end.store(true, Ordering::Relaxed);
        worker.join().expect("the worker").expect("every answer");
    });
    assert!(answers.load(Ordering::Relaxed) > u64::from(EDITS), "the clients were busy");
    let entity = manager.entity("redis-server");
    assert_eq!((&entity["pid"], &entity["outdated"]), (&pid.into(), &true.into()));

    // What does end its process is told before; by hand, so that nobody is faster.
    let by_hand = "[manager]\napply = \"manual\"\n";
    std::fs::write(host.units().join("ham.conf"), by_hand).expect("a file");
    done(&manager, &["apply"]);
    let restarts = [("no-new", "on-change = \"restart\"\nnice = 9\nno-new")];
    let before = ask(port, "GET counter");
    host.unit_with("redis-server", &restarts);
    let told = done(&manager, &["plan"]);
    assert!(told.contains("~ redis-server: restarts"), "{told}");
    assert_eq!(manager.pid_of("redis-server"), pid);
    done(&manager, &["apply"]);
    comes_back(&manager, "redis-server", pid);
    assert_eq!(ask(port, "GET counter"), before);
    done(&manager, &["stop", "redis-server"]);
    nothing_is_left(&manager);
}
