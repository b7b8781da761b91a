//! PostgreSQL: as its own user, with all of its processes, from an empty
//! directory; what it has acknowledged is there after any end.

use super::clients::{done, kill_main, lose_monitor, refused};
use super::host::{Host, free_port, nothing_is_left, postgresql_version, processes};
use ham_tests::own_units::wait_until;
use ham_tests::processes::lives;
use ham_tests::programs::Manager;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// A server on a machine of its own.
pub(super) struct Database {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) version: String,
}

impl Database {
    /// One that has no data yet; says what was skipped when there is none.
    pub(super) fn new(what: &str) -> Option<Database> {
        Database::with(what, &[])
    }

    /// On a machine with these directories of its own too.
    pub(super) fn with(what: &str, directories: &[&str]) -> Option<Database> {
        let database = Database::without_units(what, directories)?;
        let changed = format!("postgresql/{}/", database.version);
        // Given up sooner than an administrator would.
        let sooner = ("delay = \"1s\"", "delay = \"100ms\"");
        let version = ("postgresql/15/", changed.as_str());
        database.host.unit_with("postgresql", &[version, sooner]);
        database.cluster();
        Some(database)
    }

    /// Takes the unit that makes its data.
    pub(super) fn cluster(&self) {
        let changed = format!("postgresql/{}/", self.version);
        self.host.unit_with("postgresql-cluster", &[("postgresql/15/", &changed)]);
    }

    /// The machine, with its configuration.
    pub(super) fn without_units(what: &str, directories: &[&str]) -> Option<Database> {
        let version = postgresql_version(what)?;
        let programs = ["psql", "pgbench"];
        // Debian's wrappers of psql and pgbench read the other one.
        let mut own = vec!["/etc/postgresql", "/etc/default"];
        own.extend(directories);
        let host = Host::new(what, &programs, &own)?;
        host.directory_of("postgres", &format!("/var/lib/postgresql/{version}"));
        let database = Database { host, port: free_port(), version };
        database.configure("");
        database.host.write(
            &format!("/etc/postgresql/{}/main/pg_hba.conf", database.version),
            "local all all trust\n",
        );
        Some(database)
    }

    /// Writes its configuration, with these lines beside what it needs.
    pub(super) fn configure(&self, more: &str) {
        let (version, port) = (&self.version, self.port);
        self.host.write(
            &format!("/etc/postgresql/{version}/main/postgresql.conf"),
            &format!(
                "data_directory = '/var/lib/postgresql/{version}/main'\n\
                 hba_file = '/etc/postgresql/{version}/main/pg_hba.conf'\n\
                 external_pid_file = '/run/postgresql/{version}-main.pid'\n\
                 unix_socket_directories = '/run/postgresql'\n\
                 listen_addresses = ''\nport = {port}\n{more}\n"
            ),
        );
    }

    fn client(&self, program: &str, database: &str) -> Command {
        let program =
            PathBuf::from("/usr/lib/postgresql").join(&self.version).join("bin").join(program);
        let mut command = Command::new(program);
        command
            .args(["-h", &self.host.place("/run/postgresql"), "-p", &self.port.to_string()])
            .args(["-U", "postgres", database])
            .stdin(Stdio::null());
        command
    }

    /// What one statement gives; the error when it fails.
    pub(super) fn ask(&self, database: &str, statement: &str) -> Result<String, String> {
        let output: Output = self
            .client("psql", database)
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement])
            .output()
            .expect("psql");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    fn load(&self) -> Child {
        let mut command = self.client("pgbench", "postgres");
        command.args(["-n", "-c", "8", "-T", "600"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pgbench")
    }

    /// Waits until the load has got through.
    fn busy(&self) {
        let count = || {
            let count = self.ask("postgres", "SELECT count(*) FROM pgbench_history");
            count.expect("the server is up").parse::<u64>().expect("a number")
        };
        let before = count();
        wait_until("the load goes on", || count() > before + 20);
    }
}

/// Waits until the manager's machine has clients' processes of the server.
fn sessions(manager: &Manager) -> Vec<u32> {
    let mut found = Vec::new();
    wait_until("sessions", || {
        found = processes(manager);
        found.retain(|(_, words)| words.starts_with("postgres: postgres postgres"));
        found.len() >= 8
    });
    found.into_iter().map(|(pid, _)| pid).collect()
}

#[test]
fn postgresql() {
    let Some(database) = Database::new("postgresql") else { return };
    let manager = database.host.start();
    manager.wait_for_state("postgresql", "running");
    assert_eq!(database.ask("postgres", "SELECT 1"), Ok("1".to_owned()));
    let cluster = manager.entity("postgresql-cluster");
    assert_eq!(cluster["last_exit"]["text"], "exit 0", "{cluster}");

    reloads(&database, &manager);

    let made = database.client("pgbench", "postgres").args(["-i", "-q"]).output();
    assert!(made.expect("pgbench").status.success());
    let create = "CREATE TABLE kept (number integer PRIMARY KEY)";
    database.ask("postgres", create).expect("a table");

    // Killed under load, with its sessions; a client that comes back finds all
    // that it was told is there.
    let mut load = database.load();
    database.busy();
    let served = sessions(&manager);
    let mut acknowledged = Vec::new();
    let mut kill = Some(());
    let before = manager.pid_of("postgresql");
    let mut number = 0;
    wait_until("twenty rows after the kill", || {
        number += 1;
        let insert = format!("INSERT INTO kept VALUES ({number})");
        if database.ask("postgres", &insert).is_ok() {
            acknowledged.push(number.to_string());
        }
        if number == 20 && kill.take().is_some() {
            ham_tests::processes::send("KILL", before);
        }
        acknowledged.len() >= 40
    });
    let entity = manager.wait_for_state("postgresql", "running");
    assert_ne!(entity["pid"], before);
    assert!(served.iter().all(|pid| !lives(*pid)), "{served:?}");
    let kept = database.ask("postgres", "SELECT number FROM kept ORDER BY 1").expect("the rows");
    let kept: Vec<&str> = kept.lines().collect();
    assert!(acknowledged.iter().all(|row| kept.contains(&row.as_str())), "{kept:?}");
    load.wait().expect("pgbench has lost its connections");

    lose_monitor(&manager, "postgresql");
    kill_main(&manager, "postgresql");
    done(&manager, &["restart", "postgresql"]);
    manager.wait_for_state("postgresql", "running");
    // Made once, not again at every restart.
    assert_eq!(manager.entity("postgresql-cluster")["last_exit"]["text"], "exit 0");

    let mut load = database.load();
    database.busy();
    done(&manager, &["stop", "postgresql"]);
    assert_eq!(manager.entity("postgresql")["last_exit"]["text"], "exit 0");
    nothing_is_left(&manager);
    load.wait().expect("pgbench has lost its connections");
    let log = manager.log();
    assert!(log.contains("received fast shutdown request"), "{log}");
    assert!(log.contains("database system is shut down"), "{log}");
}

fn reloads(database: &Database, manager: &Manager) {
    let shown = || database.ask("postgres", "SHOW work_mem");
    let main = manager.pid_of("postgresql");
    database.configure("work_mem = '5MB'");
    done(manager, &["reload", "postgresql"]);
    wait_until("the other value", || shown() == Ok("5MB".to_owned()));
    database.configure("work_mem = '6MB'\nnonsense = on");
    refused(manager, &["reload", "postgresql"]);
    assert_eq!(shown(), Ok("5MB".to_owned()));
    assert_eq!(manager.pid_of("postgresql"), main);
    assert!(manager.log().contains("unrecognized configuration parameter"), "{}", manager.log());
    database.configure("");
}
