//! What needs neither root nor a machine of its own: servers on sockets of a
//! folder serve, are killed, are back and serve again, and a stop leaves
//! nothing of them.

use ham_tests::own_units::{Units, wait_until};
use ham_tests::processes::{children, lives, send};
use ham_tests::programs::Manager;
use ham_tests::skip;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// One request on a connection of its own; nothing when nobody answers.
fn ask(socket: &str, request: &str, end: &str) -> Option<String> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    let mut bytes = [0; 1024];
    while !answer.ends_with(end) {
        let count = stream.read(&mut bytes).ok().filter(|count| *count > 0)?;
        answer.push_str(std::str::from_utf8(bytes.get(..count)?).ok()?);
    }
    Some(answer)
}

fn wait_for_answer(socket: &str, request: &str, expected: &str) {
    let mut answer = None;
    wait_until(&format!("{request:?} is answered with {expected:?}"), || {
        answer = ask(socket, request, expected);
        answer.is_some()
    });
}

#[test]
fn redis_keeps_what_it_was_told() {
    let what = "redis_keeps_what_it_was_told";
    let Some(program) = skip::program("redis-server", what) else { return };
    let units = Units::new("redis");
    let (folder, socket) = (units.folder().display().to_string(), units.file("redis.sock"));
    units.write(
        "redis",
        &format!(
            r#"[entity]
            command = ["{}", "--port", "0", "--unixsocket", "{socket}", "--dir", "{folder}",
                "--appendonly", "yes", "--appendfsync", "always", "--save", "",
                "--daemonize", "no"]
            [[condition]]
            on = "death"
            [[condition.actions]]
            restart = {{}}
            [[condition.actions]]
            waitfor = {{ path = "{socket}", timeout = "20s" }}
            [[condition.actions]]
            log = "there again"
            "#,
            program.display()
        ),
    );
    let mut manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("redis", "running");
    wait_for_answer(&socket, "PING\r\n", "+PONG\r\n");
    for round in 1..=3u64 {
        let value = format!("value-{round}");
        wait_for_answer(&socket, &format!("SET key {value}\r\n"), "+OK\r\n");
        send("KILL", manager.pid_of("redis"));
        manager.wait_for("redis", |entity| {
            entity["state"] == "running" && entity["restarts"] == round
        });
        wait_for_answer(&socket, "GET key\r\n", &format!("${}\r\n{value}\r\n", value.len()));
    }
    manager.wait_for_log("the whole list", |log| log.contains("redis: there again\n"));
    let pid = manager.pid_of("redis");
    assert!(manager.hamctl(&["stop", "redis"]).status.success());
    assert!(!lives(pid));
    // It ended in its own good order.
    assert_eq!(manager.entity("redis")["last_exit"]["text"], "exit 0");
    assert!(ask(&socket, "PING\r\n", "+PONG\r\n").is_none());
}

#[test]
fn nginx_comes_and_goes_with_its_workers() {
    let what = "nginx_comes_and_goes_with_its_workers";
    let Some(program) = skip::program("nginx", what) else { return };
    let units = Units::new("nginx");
    let (folder, socket) = (units.folder().display().to_string(), units.file("nginx.sock"));
    let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let places = places.map(|place| format!("{place}_temp_path {folder}/{place};")).join("\n");
    let configuration = format!(
        "daemon off;\nworker_processes 2;\npid {folder}/nginx.pid;\n\
         error_log {folder}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n{places}\n\
         server {{ listen unix:{socket};\nlocation / {{ return 200 \"served\\n\"; }} }}\n}}\n"
    );
    fs::write(units.file("nginx.conf"), configuration).expect("a file");
    // A killed nginx leaves its socket, and does not start beside it.
    let script = format!(
        "rm -f {socket}; exec {} -e {folder}/error.log -c {folder}/nginx.conf",
        program.display()
    );
    units.write(
        "nginx",
        &format!(
            "[entity]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nrestart = \"always\"\n\
             stop = {{ signal = \"QUIT\", timeout = \"10s\" }}\n"
        ),
    );
    let request = "GET / HTTP/1.0\r\n\r\n";
    let manager = Manager::start(&units.path(), &["-t", "none"]);
    manager.wait_for_state("nginx", "running");
    wait_for_answer(&socket, request, "\r\n\r\nserved\n");
    let main = manager.pid_of("nginx");
    wait_until("two workers", || children(main).len() == 2);

    // A worker is nginx's own business.
    let workers = children(main);
    send("KILL", workers[0]);
    wait_until("another worker", || {
        let now = children(main);
        now.len() == 2 && !now.contains(&workers[0])
    });
    assert_eq!(manager.pid_of("nginx"), main);

    // Without their main process they would go on serving.
    let workers = children(main);
    send("KILL", main);
    manager.wait_for("nginx", |entity| entity["state"] == "running" && entity["restarts"] == 1);
    assert!(workers.iter().all(|worker| !lives(*worker)), "{workers:?}");
    wait_for_answer(&socket, request, "\r\n\r\nserved\n");

    let main = manager.pid_of("nginx");
    wait_until("two workers", || children(main).len() == 2);
    let workers = children(main);
    assert!(manager.hamctl(&["stop", "nginx"]).status.success());
    assert!(workers.iter().chain([&main]).all(|pid| !lives(*pid)), "{workers:?}");
    assert_eq!(manager.entity("nginx")["last_exit"]["text"], "exit 0");
    assert!(ask(&socket, request, "served\n").is_none());
}
