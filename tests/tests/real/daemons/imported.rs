//! The same servers by the units that `hamctl import` makes of the service
//! files of their packages: they start, are ready, reload, come back where the
//! package says so, stop, and leave nothing.

use super::clients::{comes_back, done, get, kill_main, lose_monitor, wait_for_body};
use super::host::{Host, free_port, nothing_is_left};
use super::postgresql::Database;
use super::{chrony, haproxy, mosquitto, nginx, redis, ssh};
use ham_tests::own_units::wait_until;
use ham_tests::processes::send;
use ham_tests::programs::Manager;
use std::fs;

/// Kills the main process of what its package does not restart.
fn stays_dead(manager: &Manager, name: &str) {
    send("KILL", manager.pid_of(name));
    manager.wait_for_state(name, "failed");
    done(manager, &["start", name]);
    manager.wait_for_state(name, "running");
}

/// Stops it in good order.
fn ends(manager: &Manager, name: &str) {
    done(manager, &["stop", name]);
    assert_eq!(manager.entity(name)["state"], "stopped");
    nothing_is_left(manager);
}

#[test]
fn imported_redis() {
    let what = "imported_redis";
    let Some(host) = Host::new(what, &["redis-server"], &["/etc/redis"]) else { return };
    let port = free_port();
    redis::configure(&host, port);
    let Some(()) = host.imported(what, "redis-server") else { return };
    let manager = host.start();
    manager.wait_for_state("redis-server", "running");
    assert_eq!(redis::ask(port, "SET key first").as_deref(), Some("+OK"));
    kill_main(&manager, "redis-server");
    lose_monitor(&manager, "redis-server");
    assert_eq!(redis::ask(port, "GET key").as_deref(), Some("$5\r\nfirst"));
    ends(&manager, "redis-server");
    assert_eq!(manager.entity("redis-server")["last_exit"]["text"], "exit 0");
    assert!(!host.path("/run/redis").exists());
}

#[test]
fn imported_nginx() {
    let Some(server) = nginx::Server::new("imported_nginx") else { return };
    server.configure("one", "");
    let Some(()) = server.host.imported("imported_nginx", "nginx") else { return };
    let manager = server.host.start();
    manager.wait_for_state("nginx", "running");
    assert_eq!(get(server.port, "/").as_deref(), Some("one\n"));
    let main = manager.pid_of("nginx");
    assert_eq!(server.host.text("/run/nginx.pid").trim(), main.to_string());
    server.configure("two", "");
    done(&manager, &["reload", "nginx"]);
    wait_for_body(server.port, "two\n");
    assert_eq!(manager.pid_of("nginx"), main);
    lose_monitor(&manager, "nginx");
    stays_dead(&manager, "nginx");
    assert_eq!(get(server.port, "/").as_deref(), Some("two\n"));
    ends(&manager, "nginx");
    assert_eq!(manager.entity("nginx")["last_exit"]["text"], "exit 0");
}

#[test]
fn imported_haproxy() {
    let what = "imported_haproxy";
    let Some(host) = Host::new(what, &["haproxy"], &["/etc/haproxy", "/etc/default"]) else {
        return;
    };
    let port = free_port();
    haproxy::configure(&host, port, "one", "");
    let Some(()) = host.imported(what, "haproxy") else { return };
    let manager = host.start();
    manager.wait_for_state("haproxy", "running");
    assert_eq!(get(port, "/").as_deref(), Some("one"));
    let master = manager.pid_of("haproxy");
    haproxy::configure(&host, port, "two", "");
    done(&manager, &["reload", "haproxy"]);
    wait_for_body(port, "two");
    assert_eq!(manager.pid_of("haproxy"), master);
    lose_monitor(&manager, "haproxy");
    kill_main(&manager, "haproxy");
    assert_eq!(get(port, "/").as_deref(), Some("two"));
    ends(&manager, "haproxy");
    // The file of variables counts, and a shell splits them.
    host.write("/etc/default/haproxy", "EXTRAOPTS=\"-S /run/other.sock -dV\"\n");
    done(&manager, &["start", "haproxy"]);
    manager.wait_for_state("haproxy", "running");
    wait_until("the other socket", || host.path("/run/other.sock").exists());
    ends(&manager, "haproxy");
}

#[test]
fn imported_mosquitto() {
    let what = "imported_mosquitto";
    let programs = ["mosquitto", "mosquitto_pub", "mosquitto_sub"];
    let Some(host) = Host::new(what, &programs, &["/etc/mosquitto"]) else { return };
    let port = free_port();
    mosquitto::configure(&host, port, "allow_anonymous true");
    // The package makes it.
    host.directory_of("mosquitto", "/var/lib/mosquitto");
    let Some(()) = host.imported(what, "mosquitto") else { return };
    let manager = host.start();
    manager.wait_for_state("mosquitto", "running");
    assert!(mosquitto::publish(port, "kept").status.success());
    mosquitto::configure(&host, port, "allow_anonymous false");
    done(&manager, &["reload", "mosquitto"]);
    wait_until("strangers are refused", || !mosquitto::publish(port, "no").status.success());
    mosquitto::configure(&host, port, "allow_anonymous true");
    done(&manager, &["restart", "mosquitto"]);
    manager.wait_for_state("mosquitto", "running");
    assert_eq!(mosquitto::retained(port), "kept");
    lose_monitor(&manager, "mosquitto");
    kill_main(&manager, "mosquitto");
    assert_eq!(mosquitto::retained(port), "kept");
    ends(&manager, "mosquitto");
    assert_eq!(manager.entity("mosquitto")["last_exit"]["text"], "exit 0");
}

#[test]
fn imported_ssh() {
    let (port, other) = (free_port(), free_port());
    let what = "imported_ssh";
    let Some(host) = ssh::with_keys(what, port) else { return };
    let Some(()) = host.imported(what, "ssh") else { return };
    let manager = host.start();
    manager.wait_for_state("ssh", "running");
    assert!(ssh::listens(port));
    let mut session = ssh::Session::open(&host, port);
    let main = manager.pid_of("ssh");
    ssh::configure(&host, &[port, other], "");
    done(&manager, &["reload", "ssh"]);
    wait_until("the other port", || ssh::listens(other));
    assert_eq!(manager.pid_of("ssh"), main);
    lose_monitor(&manager, "ssh");
    kill_main(&manager, "ssh");
    session.answers("after a kill");
    let main = manager.pid_of("ssh");
    done(&manager, &["restart", "ssh"]);
    comes_back(&manager, "ssh", main);
    session.answers("after a restart");
    done(&manager, &["stop", "ssh"]);
    session.answers("after a stop");
    session.close();
    nothing_is_left(&manager);

    // Its condition: with this file it does not start.
    host.write("/etc/ssh/sshd_not_to_be_run", "");
    done_or_not(&manager, "ssh");
    fs::remove_file(host.path("/etc/ssh/sshd_not_to_be_run")).expect("the file");
    manager.wait_for_state("ssh", "running");
}

/// Starts what does not start; it is tried again.
fn done_or_not(manager: &Manager, name: &str) {
    assert!(!manager.hamctl(&["start", name]).status.success());
    manager.wait_for(name, |entity| entity["attempts"].as_u64() >= Some(1));
    assert_eq!(manager.entity(name)["pid"], serde_json::Value::Null);
}

#[test]
fn imported_chrony() {
    let what = "imported_chrony";
    let directories = ["/etc/chrony", "/etc/default"];
    let Some(host) = Host::new(what, &["chronyd", "chronyc"], &directories) else { return };
    host.write(
        "/etc/chrony/chrony.conf",
        "port 0\ncmdport 0\nlocal stratum 9\ndriftfile /var/lib/chrony/chrony.drift\n",
    );
    // It must not touch the clock of the machine.
    host.write("/etc/default/chrony", "DAEMON_OPTS=\"-F 1 -x\"\n");
    let Some(()) = host.imported(what, "chrony") else { return };
    let manager = host.start();
    manager.wait_for_state("chrony", "running");
    let main = manager.pid_of("chrony");
    assert_eq!(host.text("/run/chrony/chronyd.pid").trim(), main.to_string());
    let tracking = chrony::ask(&host, &["tracking"]);
    // Its socket is there only where the directory is of its own user and group.
    assert!(tracking.contains("Stratum         : 9"), "{tracking}");
    lose_monitor(&manager, "chrony");
    stays_dead(&manager, "chrony");
    ends(&manager, "chrony");
    assert_eq!(manager.entity("chrony")["last_exit"]["text"], "exit 0");
}

/// Its package runs it by pg_ctlcluster, an instance of a template for each
/// cluster.
#[test]
fn imported_postgresql() {
    let what = "imported_postgresql";
    let Some(_) = ham_tests::skip::program("pg_ctlcluster", what) else { return };
    let Some(database) = Database::without_units(what, &[]) else { return };
    database.host.directory_of("postgres", "/run/postgresql");
    database.host.directory_of("postgres", "/var/log/postgresql");
    database.cluster();
    let name = format!("postgresql@{}-main", database.version);
    let Some(()) = database.host.imported(what, &name) else { return };
    let manager = database.host.start();
    // Nothing orders the two: the server may have been too early.
    manager.wait_for("postgresql-cluster", |cluster| cluster["last_exit"]["text"] == "exit 0");
    manager.wait_for(&name, |server| server["state"] == "running" || server["state"] == "failed");
    done(&manager, &["start", &name]);
    manager.wait_for_state(&name, "running");
    let first = || database.ask("postgres", "SELECT 1");
    assert_eq!(first(), Ok("1".to_owned()));
    let main = manager.pid_of(&name);
    let file = format!("/run/postgresql/{}-main.pid", database.version);
    assert_eq!(database.host.text(&file).trim(), main.to_string());
    database.configure("work_mem = '5MB'");
    done(&manager, &["reload", &name]);
    wait_until("the other value", || {
        database.ask("postgres", "SHOW work_mem") == Ok("5MB".to_owned())
    });
    lose_monitor(&manager, &name);
    stays_dead(&manager, &name);
    assert_eq!(first(), Ok("1".to_owned()));
    ends(&manager, &name);
    assert_eq!(manager.entity(&name)["last_exit"]["text"], "exit 0");
}
