//! A web application behind its migration and its database: they start in that
//! order, and when the database cannot be had, everybody says so.

use super::clients::{done, get, kill_main, refused, wait_for_body};
use super::host::{free_port, nothing_is_left};
use super::postgresql::Database;
use ham_tests::programs::Manager;
use ham_tests::skip;

/// Not by itself, but when somebody says so: the administrator makes the database
/// and its user when the server is there for the first time.
const BY_HAND: (&str, &str) = ("[entity]\n", "[entity]\nstart = \"manual\"\n");

struct Site {
    database: Database,
    port: u16,
}

impl Site {
    fn new(what: &str) -> Option<Site> {
        Site::with(what, &[])
    }

    /// On a machine with these directories of its own too.
    fn with(what: &str, directories: &[&str]) -> Option<Site> {
        skip::program("python3", what)?;
        let site = Site { database: Database::with(what, directories)?, port: free_port() };
        let host = &site.database.host;
        host.copy("web/app.py", "/srv/web/app.py");
        host.copy("web/schema.sql", "/srv/web/schema.sql");
        host.write(
            "/etc/default/web",
            &format!("PORT={}\nPGPORT={}\n", site.port, site.database.port),
        );
        for name in ["web", "web-migrate"] {
            host.unit_with(name, &[BY_HAND]);
        }
        Some(site)
    }

    /// Starts a manager, and then this unit.
    fn start(&self, name: &str) -> Manager {
        let manager = self.database.host.start();
        manager.wait_for_state("postgresql", "running");
        self.prepare();
        done(&manager, &["start", name]);
        manager
    }

    /// What the administrator does once.
    fn prepare(&self) {
        for statement in
            ["CREATE ROLE \"www-data\" LOGIN", "CREATE DATABASE web OWNER \"www-data\""]
        {
            self.database.ask("postgres", statement).expect("a statement");
        }
    }
}

#[test]
fn the_migration_comes_first() {
    let Some(site) = Site::new("the_migration_comes_first") else { return };
    let manager = site.start("web");
    // Without its table it would answer with an error.
    assert_eq!(get(site.port, "/").as_deref(), Some("visits: 1\n"));
    assert_eq!(manager.entity("web-migrate")["last_exit"]["text"], "exit 0");

    // It has no connection to lose, so it runs on without its database.
    let web = manager.pid_of("web");
    kill_main(&manager, "postgresql");
    wait_for_body(site.port, "visits: 2\n");
    assert_eq!(manager.pid_of("web"), web);

    kill_main(&manager, "web");
    assert_eq!(get(site.port, "/").as_deref(), Some("visits: 3\n"));

    // What needs it goes before it does.
    done(&manager, &["stop", "postgresql"]);
    assert_eq!(manager.entity("web")["state"], "stopped");
    nothing_is_left(&manager);
    let log = manager.log();
    let stopped = |name: &str| log.rfind(&format!("{name}: stopped")).expect("a line of the log");
    assert!(stopped("web") < stopped("postgresql"), "{log}");
}

#[test]
fn a_database_that_cannot_start_is_named() {
    let Some(site) = Site::new("a_database_that_cannot_start_is_named") else { return };
    let manager = site.start("web");
    site.database.configure("nonsense = on");
    refused(&manager, &["restart", "postgresql"]);
    manager.wait_for_state("postgresql", "failed");
    let entity = manager.wait_for("web", |entity| entity["state"] != "running");
    let text = String::from_utf8_lossy(&manager.hamctl(&["status", "web"]).stdout).into_owned();
    let named = "stopped: postgresql failed: restart limit reached, last: exit 1";
    assert!(text.contains(named), "{text}\n{entity}");
    // Asked for now, it is not even tried: the reason is the answer.
    let text = refused(&manager, &["start", "web"]);
    let named = "not started: postgresql failed: restart limit reached, last: exit 1";
    assert!(text.contains(named), "{text}");

    // Mended, one word brings all of it back.
    site.database.configure("");
    done(&manager, &["start", "web"]);
    manager.wait_for_state("web", "running");
    assert_eq!(get(site.port, "/").as_deref(), Some("visits: 1\n"));
}

#[test]
fn a_migration_that_fails_is_named() {
    let Some(site) = Site::new("a_migration_that_fails_is_named") else { return };
    let host = &site.database.host;
    host.write("/srv/web/schema.sql", "CREATE NONSENSE;\n");
    let manager = host.start();
    manager.wait_for_state("postgresql", "running");
    site.prepare();
    let text = refused(&manager, &["start", "web"]);
    let named = "not started: web-migrate failed: restart limit reached, last: exit 3";
    assert!(text.contains(named), "{text}");
    assert!(get(site.port, "/").is_none());
    assert_eq!(manager.entity("postgresql")["state"], "running");

    host.copy("web/schema.sql", "/srv/web/schema.sql");
    done(&manager, &["start", "web"]);
    assert_eq!(get(site.port, "/").as_deref(), Some("visits: 1\n"));
}

#[test]
fn a_group_goes_by_its_name() {
    let what = "a_group_goes_by_its_name";
    if !["haproxy", "redis-server"].iter().all(|name| skip::program(name, what).is_some()) {
        return;
    }
    let Some(site) = Site::with(what, &["/etc/haproxy", "/etc/redis"]) else { return };
    let host = &site.database.host;
    let front = free_port();
    host.write(
        "/etc/haproxy/haproxy.cfg",
        &format!(
            "defaults\n mode http\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n\
             listen web\n bind 127.0.0.1:{front}\n server web 127.0.0.1:{}\n",
            site.port
        ),
    );
    host.write(
        "/etc/redis/redis.conf",
        &format!("bind 127.0.0.1\nport {}\nsave \"\"\ndir /var/lib/redis\n", free_port()),
    );
    host.directory_of("redis", "/var/lib/redis");
    host.unit_with("haproxy", &[BY_HAND]);
    host.unit_with("redis-server", &[BY_HAND]);
    host.unit_with("site", &[("start = \"auto\"", "start = \"manual\"")]);
    let mut manager = site.start("site");
    for name in ["web", "haproxy", "redis-server", "postgresql"] {
        assert_eq!(manager.entity(name)["state"], "running", "{name}: {}", manager.log());
    }
    assert_eq!(get(front, "/").as_deref(), Some("visits: 1\n"));

    // The name goes, what stands behind it stays, as under systemd.
    done(&manager, &["stop", "site"]);
    assert_eq!(manager.entity("site")["state"], "stopped");
    assert_eq!(get(front, "/").as_deref(), Some("visits: 2\n"));

    // All of it ends in reverse: nobody's server goes before the one in front.
    done(&manager, &["shutdown"]);
    assert_eq!(manager.wait_for_end().code(), Some(0), "{}", manager.log());
    let log = manager.log();
    let ended = |name: &str| {
        let text = format!("{name}: stopped");
        log.find(&text).unwrap_or_else(|| panic!("no {text:?} in {log}"))
    };
    assert!(ended("haproxy") < ended("web") && ended("web") < ended("postgresql"), "{log}");
}
