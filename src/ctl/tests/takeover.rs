//! What a person sees of a takeover of the monitor, and the end of a manager.

mod fake;

use fake::{Fake, Folder, Step, hamctl, outcomes, status};
use ham_core::wire::{Answer, to_frame};
use std::fs;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

#[test]
fn a_broken_connection_is_not_seen() {
    let fake = Fake::new(vec![
        Step::CloseAfterReading,
        Step::CloseUnread,
        Step::CloseAfterReading,
        Step::result(&outcomes(&[("audio", true, "started")])),
    ]);
    let run = fake.hamctl(&["start", "audio"]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "audio: started\n", ""));
    let requests = fake.named_requests();
    assert_eq!(requests.len(), 3, "{requests:?}");
    // Under the same name too, or it would have a second effect.
    assert!(requests.iter().all(|request| *request == requests[0]), "{requests:?}");
}

#[test]
fn every_verb_that_changes_something_is_repeated_under_its_name() {
    let done = || Step::result(&outcomes(&[("audio", true, "done")]));
    for words in [
        &["start", "audio"][..],
        &["stop", "audio"],
        &["restart", "audio"],
        &["restart", "--no-wait", "audio"],
        &["kill", "audio"],
    ] {
        let fake = Fake::new(vec![Step::CloseAfterReading, Step::CloseUnread, done()]);
        let run = fake.hamctl(words);
        assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "audio: done\n", ""));
        let requests = fake.named_requests();
        assert_eq!((requests.len(), &requests[0]), (2, &requests[1]), "{words:?}");
    }
}

#[test]
fn no_two_requests_have_the_same_name() {
    let done = Step::result(&outcomes(&[("audio", true, "done")]));
    let fake = Fake::new(vec![done; 20]);
    for _ in 0..20 {
        assert_eq!(fake.hamctl(&["restart", "audio"]).code, 0);
    }
    let mut clients: Vec<String> =
        fake.named_requests().into_iter().map(|(_, _, tag)| tag.unwrap().client).collect();
    clients.sort();
    clients.dedup();
    assert_eq!(clients.len(), 20, "{clients:?}");
}

#[test]
fn a_manager_that_comes_back_on_a_new_socket_is_found() {
    let folder = Folder::new();
    let socket = folder.0.join("control");
    let first = UnixListener::bind(&socket).unwrap();
    let answer = to_frame(&Answer::result(&status(2, &[("audio", "running")])).unwrap()).unwrap();
    let path = socket.clone();
    let manager = thread::spawn(move || {
        let (stream, _) = first.accept().unwrap();
        // Gone before the connection breaks, as when its process dies.
        drop(first);
        fs::remove_file(&path).unwrap();
        drop(stream);
        thread::sleep(Duration::from_millis(300));
        let second = UnixListener::bind(&path).unwrap();
        let (mut stream, _) = second.accept().unwrap();
        std::io::Write::write_all(&mut stream, &answer).unwrap();
        // Until the client has read it.
        let _ = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
    });
    let run = hamctl(&folder.0, &["list"]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "audio running\n", ""));
    manager.join().unwrap();
}

#[test]
fn a_request_that_ends_every_manager_is_given_up() {
    let fake = Fake::new(vec![Step::CloseAfterReading; 30]);
    let run = fake.hamctl(&["status"]);
    assert_eq!(run.code, 1);
    let expected = "hamctl: could not call Status: 20 times the manager ended before it answered";
    assert!(run.err.starts_with(expected), "{}", run.err);
    assert_eq!(fake.requests().len(), 20);
}

/// It begins again because of the request: a repeat would make the next manager do
/// that, too. What was not taken is asked for again.
#[test]
fn a_soft_reboot_is_asked_for_once() {
    let before = status(2, &[]);
    let mut stopping = status(2, &[]);
    stopping.ham.stopping = true;
    let mut after = status(2, &[]);
    after.ham.started_time += 1.0;
    let done = Step::text("{\"parameters\":{}}");
    let told = |status| Step::result(status);
    for (steps, asked) in [
        (vec![told(&stopping), told(&before), told(&after)], 1),
        (vec![told(&after), told(&after)], 1),
        (vec![told(&before), done, told(&after)], 2),
    ] {
        let mut script = vec![told(&before), Step::CloseAfterReading];
        script.extend(steps);
        let fake = Fake::new(script);
        let run = fake.hamctl(&["soft-reboot"]);
        let out = "the manager (version 0.1.0) has begun again\n";
        assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, out, ""));
        let requests = fake.requests();
        let found = requests.iter().filter(|(method, _)| method == "Shutdown").count();
        assert_eq!(found, asked, "{requests:?}");
    }
}

/// A process with the name of a reaper that is reaped as soon as it ends.
struct Reaper {
    _folder: Folder,
    pid: i32,
    waiter: Option<thread::JoinHandle<()>>,
}

impl Reaper {
    fn new() -> Reaper {
        let folder = Folder::new();
        let program = folder.0.join("ham");
        let sleep = ["/bin/sleep", "/usr/bin/sleep"].map(fs::canonicalize);
        let sleep = sleep.into_iter().flatten().next().unwrap();
        fs::copy(sleep, &program).unwrap();
        let mut command = Command::new(&program);
        command.arg0_name("sleep").arg("60").stdin(Stdio::null());
        let mut child: Child = command.spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let waiter = thread::spawn(move || {
            child.wait().unwrap();
        });
        Reaper { _folder: folder, pid, waiter: Some(waiter) }
    }
}

/// `sleep` may be one program of many names that looks at its first word.
trait Arg0 {
    fn arg0_name(&mut self, name: &str) -> &mut Self;
}

impl Arg0 for Command {
    fn arg0_name(&mut self, name: &str) -> &mut Command {
        std::os::unix::process::CommandExt::arg0(self, name)
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        let waiter = self.waiter.take().unwrap();
        if !waiter.is_finished() {
            let _ = Command::new("kill").arg(self.pid.to_string()).status();
        }
        let _ = waiter.join();
    }
}

#[test]
fn shutdown_waits_for_the_reaper() {
    let reaper = Reaper::new();
    let done = to_frame(&Answer::result(&serde_json::json!({})).unwrap()).unwrap();
    let script = || {
        let end = Step::AnswerAndEnd(done.clone(), reaper.pid);
        Fake::new(vec![Step::result(&status(reaper.pid, &[])), end])
    };
    let fake = script();
    let run = fake.hamctl(&["-stop", "--code", "3"]);
    let expected = format!("the manager (reaper {}) has ended\n", reaper.pid);
    assert_eq!((run.code, run.out, run.err), (0, expected, String::new()));
    let requests = fake.requests();
    assert_eq!(requests[1], ("Shutdown".to_owned(), r#"{"code":3}"#.to_owned()));
}

#[test]
fn shutdown_of_a_manager_that_is_not_seen_waits_for_its_socket() {
    // No process has this number: pid_max is at most 2^22 (proc_sys_kernel(5)).
    let unseen = 1 << 23;
    let done = Step::result(&serde_json::json!({}));
    let fake = Fake::new(vec![Step::result(&status(unseen, &[])), done]);
    let run = fake.hamctl(&["shutdown", "--json"]);
    let expected = format!("{{\"reaper\":{{\"pid\":{unseen}}},\"ended\":true}}\n");
    assert_eq!((run.code, run.out, run.err), (0, expected, String::new()));
}

#[test]
fn the_machine_is_asked_for_by_its_word_and_its_end_is_not_waited_for() {
    for verb in ["poweroff", "reboot", "halt"] {
        let done = Step::result(&serde_json::json!({}));
        let fake = Fake::new(vec![Step::result(&status(1 << 23, &[])), done]);
        let run = fake.hamctl(&[verb]);
        let expected = format!("all entities are being stopped for {verb}\n");
        assert_eq!((run.code, run.out, run.err), (0, expected, String::new()));
        let asked = format!("{{\"code\":0,\"into\":\"{verb}\"}}");
        assert_eq!(fake.requests()[1], ("Shutdown".to_owned(), asked));
        // It was there, and then it was not: that is what was asked for.
        let steps = vec![Step::result(&status(1 << 23, &[])), Step::CloseAfterReading];
        let run = Fake::new(steps).hamctl(&[verb]);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    }
}

#[test]
fn a_manager_that_is_gone_before_it_answers_has_done_what_it_was_asked_for() {
    let fake = Fake::new(vec![Step::result(&status(1 << 23, &[])), Step::CloseAfterReading]);
    let run = fake.hamctl(&["shutdown"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
}
