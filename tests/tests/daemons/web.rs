//! A web application behind its migration and its database: they start in that
//! order, and when the database cannot be had, everybody says so.

use super::clients::{done, get, kill_main, refused, wait_for_body};
use super::host::{free_port, nothing_is_left};
use super::postgresql::Database;
use ham_tests::programs::Manager;
use ham_tests::skip;

struct Site {
    database: Database,
    port: u16,
}

impl Site {
    fn new(what: &str) -> Option<Site> {
        skip::program("python3", what)?;
        let site = Site { database: Database::new(what)?, port: free_port() };
        let host = &site.database.host;
        host.copy("web/app.py", "/srv/web/app.py");
        host.copy("web/schema.sql", "/srv/web/schema.sql");
        host.write(
            "/etc/default/web",
            &format!("PORT={}\nPGPORT={}\n", site.port, site.database.port),
        );
        // By hand, since the administrator makes the database and its user
        // when the server is there for the first time.
        for name in ["web", "web-migrate"] {
            host.unit_with(name, &[("[entity]\n", "[entity]\nstart = \"manual\"\n")]);
        }
        Some(site)
    }

    fn start(&self) -> Manager {
        let manager = self.database.host.start();
        manager.wait_for_state("postgresql", "running");
        for statement in
            ["CREATE ROLE \"www-data\" LOGIN", "CREATE DATABASE web OWNER \"www-data\""]
        {
            self.database.ask("postgres", statement).expect("what the administrator does");
        }
        done(&manager, &["start", "web"]);
        manager.wait_for_state("web", "running");
        manager
    }
}

#[test]
fn the_migration_comes_first() {
    let Some(site) = Site::new("the_migration_comes_first") else { return };
    let manager = site.start();
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
    let manager = site.start();
    site.database.configure("nonsense = on");
    refused(&manager, &["restart", "postgresql"]);
    manager.wait_for_state("postgresql", "failed");
    let entity = manager.wait_for("web", |entity| entity["state"] != "running");
    let text = String::from_utf8_lossy(&manager.hamctl(&["status", "web"]).stdout).into_owned();
    let named = "stopped: postgresql failed: restart limit reached, last: exit 1";
    assert!(text.contains(named), "{text}\n{entity}");
    // Asked for now, it is not even tried: the reason is the answer.
    let text = refused(&manager, &["start", "web"]);
    assert!(text.contains("not started: ") && text.contains("postgresql failed: "), "{text}");

    // Mended, one word brings all of it back.
    site.database.configure("");
    done(&manager, &["start", "web"]);
    manager.wait_for_state("web", "running");
    assert_eq!(get(site.port, "/").as_deref(), Some("visits: 1\n"));
}
