//! nginx, in the foreground and in the background: a configuration is tested
//! before it is loaded, and what was begun is finished before it ends.

use super::clients::{
    comes_back, connect, done, get, kill_main, lose_monitor, refused, wait_for_body,
};
use super::host::{Host, free_port, nothing_is_left};
use ham_tests::own_units::wait_until;
use ham_tests::processes::{children, lives, send};
use ham_tests::programs::Manager;
use std::io::{Read, Write};

/// So much at 200 KiB a second is on its way for about a second.
const LARGE: usize = 200 * 1024;

pub(super) struct Server {
    pub(super) host: Host,
    pub(super) port: u16,
}

impl Server {
    pub(super) fn new(what: &str) -> Option<Server> {
        let host = Host::new(what, &["nginx"], &["/etc/nginx"])?;
        // The package makes these.
        std::fs::create_dir_all(host.path("/var/lib/nginx")).expect("a directory");
        std::fs::create_dir_all(host.path("/var/log/nginx")).expect("a directory");
        host.write("/srv/large", &"x".repeat(LARGE));
        Some(Server { host, port: free_port() })
    }

    fn without_cgroups(self) -> Server {
        Server { host: self.host.without_cgroups(), ..self }
    }

    pub(super) fn configure(&self, body: &str, more: &str) {
        let port = self.port;
        self.host.write(
            "/etc/nginx/nginx.conf",
            &format!(
                "user www-data;\nworker_processes 2;\npid /run/nginx.pid;\n\
                 error_log /var/log/nginx/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n\
                 server {{ listen 127.0.0.1:{port};\n\
                 location / {{ return 200 \"{body}\\n\"; }}\n\
                 location /large {{ root /srv; limit_rate 200k; }} }}\n}}\n{more}\n"
            ),
        );
    }

    /// Asks for what takes a second and gives how much of it has come, when the
    /// first of it is there and `then` was done.
    fn download_while(&self, then: impl FnOnce()) -> usize {
        let mut stream = connect(self.port).expect("nginx listens");
        stream.write_all(b"GET /large HTTP/1.0\r\n\r\n").expect("a request");
        let mut first = [0; 1];
        stream.read_exact(&mut first).expect("the first byte");
        then();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the rest");
        rest.len()
    }
}

fn workers(main: u32) -> Vec<u32> {
    wait_until("two workers", || children(main).len() == 2);
    children(main)
}

fn serves_reloads_and_ends(name: &str, server: Option<Server>) {
    let Some(server) = server else { return };
    server.configure("one", "");
    server.host.unit(name);
    let manager = server.host.start();
    if name == "nginx-forking" {
        manager.wait_for_state(name, "stopped");
        done(&manager, &["start", name]);
    }
    manager.wait_for_state(name, "running");
    assert_eq!(get(server.port, "/").as_deref(), Some("one\n"));
    let main = manager.pid_of(name);
    assert_eq!(server.host.text("/run/nginx.pid").trim(), main.to_string());

    reloads(&server, &manager, name);

    // A worker is nginx's own business.
    let before = workers(main);
    send("KILL", before[0]);
    wait_until("another worker", || {
        let now = children(main);
        now.len() == 2 && !now.contains(&before[0])
    });
    lose_monitor(&manager, name);

    // Without their main process the workers would go on serving.
    let before = workers(main);
    let main = kill_main(&manager, name);
    assert!(before.iter().all(|worker| !lives(*worker)), "{before:?}");
    assert_eq!(get(server.port, "/").as_deref(), Some("two\n"));

    let whole = server.download_while(|| {
        done(&manager, &["restart", name]);
        let again = comes_back(&manager, name, main);
        assert!(workers(again).iter().all(|worker| !before.contains(worker)));
    });
    assert!(whole > LARGE, "a download was cut off after {whole} bytes");
    assert_eq!(get(server.port, "/").as_deref(), Some("two\n"));

    let whole = server.download_while(|| {
        done(&manager, &["stop", name]);
    });
    assert!(whole > LARGE, "a download was cut off after {whole} bytes");
    nothing_is_left(&manager);
    assert!(connect(server.port).is_none());
    assert_eq!(manager.entity(name)["state"], "stopped");
}

fn reloads(server: &Server, manager: &Manager, name: &str) {
    let main = manager.pid_of(name);
    server.configure("two", "");
    done(manager, &["reload", name]);
    wait_for_body(server.port, "two\n");
    assert_eq!(manager.pid_of(name), main);
    wait_until("the old workers' end", || children(main).len() == 2);

    let before = workers(main);
    server.configure("three", "nonsense on;");
    refused(manager, &["reload", name]);
    assert_eq!(get(server.port, "/").as_deref(), Some("two\n"));
    assert_eq!(workers(main), before);
    // nginx itself has said why.
    assert!(manager.log().contains("unknown directive \"nonsense\""), "{}", manager.log());
    server.configure("two", "");
}

#[test]
fn nginx_in_the_foreground() {
    serves_reloads_and_ends("nginx", Server::new("nginx"));
}

#[test]
fn nginx_in_the_background() {
    serves_reloads_and_ends("nginx-forking", Server::new("nginx-forking"));
}

/// Its workers are of another user than nginx, and are found all the same.
#[test]
fn nginx_without_a_cgroup() {
    for name in ["nginx", "nginx-forking"] {
        serves_reloads_and_ends(name, Server::new(name).map(Server::without_cgroups));
    }
}

#[test]
fn only_one_of_the_two_is_up() {
    let Some(server) = Server::new("only_one_of_the_two_is_up") else { return };
    server.configure("one", "");
    server.host.unit("nginx");
    server.host.unit("nginx-forking");
    let manager = server.host.start();
    manager.wait_for_state("nginx", "running");
    done(&manager, &["start", "nginx-forking"]);
    manager.wait_for_state("nginx-forking", "running");
    assert_eq!(manager.entity("nginx")["state"], "stopped");
    assert_eq!(get(server.port, "/").as_deref(), Some("one\n"));
}

#[test]
fn a_background_start_that_fails_says_so() {
    let what = "a_background_start_that_fails_says_so";
    let Some(server) = Server::new(what) else { return };
    server.configure("one", "nonsense on;");
    server.host.unit("nginx-forking");
    let manager = server.host.start();
    manager.wait_for_state("nginx-forking", "stopped");
    refused(&manager, &["start", "nginx-forking"]);
    assert!(manager.log().contains("unknown directive \"nonsense\""), "{}", manager.log());
    // It is tried again and again, with growing waits: mended, it comes.
    server.configure("one", "");
    manager.wait_for_state("nginx-forking", "running");
    assert_eq!(get(server.port, "/").as_deref(), Some("one\n"));
}
