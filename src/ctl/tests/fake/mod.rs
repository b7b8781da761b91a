//! A manager that answers what a test wants, on a control socket in a
//! directory of its own, and hamctl run against it. Each connection takes one
//! step of the script; what was asked is kept for the test.
#![allow(dead_code, reason = "each test program uses a part of it")]

use ham_core::wire::{
    Answer, Call, EntityStatus, Failures, Frames, ManagerStatus, Outcome, Outcomes, PlanStatus,
    Refusal, RequestTag, RoleStatus, Status, to_frame,
};
use serde::Serialize;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// What the manager does with one connection.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Reads the request and answers these bytes.
    Answer(Vec<u8>),
    /// Reads the request and closes.
    CloseAfterReading,
    /// Closes when the request is there, with most of it unread.
    CloseUnread,
    /// Reads the request, answers, then ends this process and waits for it.
    AnswerAndEnd(Vec<u8>, i32),
}

impl Step {
    /// Answers a result.
    pub(crate) fn result<P: Serialize>(parameters: &P) -> Step {
        Step::Answer(to_frame(&Answer::result(parameters).unwrap()).unwrap())
    }

    /// Answers a refusal.
    pub(crate) fn refusal(refusal: &Refusal) -> Step {
        Step::Answer(to_frame(&Answer::refusal(refusal)).unwrap())
    }

    /// Answers this text.
    pub(crate) fn text(json: &str) -> Step {
        Step::Answer([json.as_bytes(), b"\0"].concat())
    }
}

/// A temporary directory that goes away with the test.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hamctl-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A manager that follows a script.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) folder: Folder,
    requests: Arc<Mutex<Vec<Call>>>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    /// Starts it; it listens when this returns.
    pub(crate) fn new(script: Vec<Step>) -> Fake {
        let folder = Folder::new();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let listener = UnixListener::bind(folder.0.join("control")).unwrap();
        let kept = Arc::clone(&requests);
        let thread = thread::spawn(move || follow(&listener, script, &kept));
        Fake { folder, requests, thread: Some(thread) }
    }

    /// Runs hamctl against it.
    pub(crate) fn hamctl(&self, arguments: &[&str]) -> Run {
        hamctl(&self.folder.0, arguments)
    }

    /// Waits for the end of the script, and gives what was asked: method
    /// without the interface, and parameters without the name of the request.
    pub(crate) fn requests(self) -> Vec<(String, String)> {
        self.named_requests()
            .into_iter()
            .map(|(method, parameters, _)| (method, parameters))
            .collect()
    }

    /// The same with that name, of the requests that have one.
    pub(crate) fn named_requests(mut self) -> Vec<(String, String, Option<RequestTag>)> {
        let thread = self.thread.take().unwrap();
        // A script that was not followed to its end is still waiting.
        while !thread.is_finished() {
            if UnixStream::connect(self.folder.0.join("control")).is_err() {
                break;
            }
            thread::yield_now();
        }
        thread.join().unwrap();
        let requests = self.requests.lock().unwrap();
        let words = |call: &Call| {
            let method = call.method.strip_prefix("io.ham.Manager.").unwrap().to_owned();
            let mut parameters = call.parameters.clone();
            let tag = parameters.as_object_mut().unwrap().remove("request");
            let tag: Option<RequestTag> = tag.map(|tag| serde_json::from_value(tag).unwrap());
            let asks = parameters["to"] == "query";
            let changes = !asks
                && !["Status", "Show", "Graph", "StopPlan", "History", "Verbosity"]
                    .contains(&method.as_str());
            assert_eq!(tag.is_some(), changes, "{method} has the name {tag:?}");
            if let Some(tag) = &tag {
                assert!(tag.numbers().is_ok(), "{tag:?}");
            }
            (method, parameters.to_string(), tag)
        };
        requests.iter().map(words).collect()
    }
}

fn follow(listener: &UnixListener, script: Vec<Step>, requests: &Mutex<Vec<Call>>) {
    for step in script {
        let (mut stream, _) = listener.accept().unwrap();
        if matches!(step, Step::CloseUnread) {
            // The request comes in one piece: when its first byte is there,
            // so is the rest, which stays unread.
            stream.read_exact(&mut [0]).unwrap();
            continue;
        }
        let Some(call) = read_call(&mut stream) else { continue };
        requests.lock().unwrap().push(call);
        match step {
            Step::Answer(bytes) => stream.write_all(&bytes).unwrap(),
            Step::AnswerAndEnd(bytes, pid) => {
                stream.write_all(&bytes).unwrap();
                let status = Command::new("kill").arg(pid.to_string()).status().unwrap();
                assert!(status.success());
            }
            Step::CloseAfterReading | Step::CloseUnread => {}
        }
    }
}

fn read_call(stream: &mut UnixStream) -> Option<Call> {
    let mut frames = Frames::new();
    let mut bytes = [0; 4096];
    loop {
        if let Some(frame) = frames.next_frame() {
            return Some(serde_json::from_slice(&frame).unwrap());
        }
        match stream.read(&mut bytes).unwrap() {
            0 => return None,
            count => frames.push(&bytes[..count], 1 << 20).unwrap(),
        }
    }
}

/// What a run of hamctl left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        Run {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// hamctl as a command, with an environment that is the same everywhere.
pub(crate) fn command(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    for name in ["HAM_RUNTIME_DIR", "XDG_RUNTIME_DIR", "NO_COLOR", "TERM"] {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C");
    command
}

/// The program under test.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_hamctl"))
}

/// Runs hamctl for the manager in a runtime directory.
pub(crate) fn hamctl(runtime: &Path, arguments: &[&str]) -> Run {
    command(program(), arguments).env("HAM_RUNTIME_DIR", runtime).output().unwrap().into()
}

/// A status with these entities: name and state.
pub(crate) fn status(reaper: i32, entities: &[(&str, &str)]) -> Status {
    let entity = |(name, state): &(&str, &str)| EntityStatus {
        name: (*name).to_owned(),
        state: (*state).to_owned(),
        desired: "running".to_owned(),
        ..EntityStatus::default()
    };
    Status {
        ham: ManagerStatus {
            version: "0.1.0".into(),
            reaper: RoleStatus { pid: reaper },
            monitor: RoleStatus { pid: 3 },
            guardian: RoleStatus { pid: 4 },
            takeovers: 0,
            last_takeover_us: None,
            failures: Failures::default(),
            turns: 1,
            started_time: 1.7e9,
            spawn: "clone3".into(),
            containment: "session".into(),
            stopping: false,
            heartbeats_suspended: false,
            plan: PlanStatus { generation: 1, ..PlanStatus::default() },
            reaper_allocations: 0,
            orphans: 0,
            notifications_dropped: 0,
            watchdog: None,
        },
        entities: entities.iter().map(entity).collect(),
        disarmed: Vec::new(),
    }
}

/// Outcomes: name, whether it went well, text.
pub(crate) fn outcomes(all: &[(&str, bool, &str)]) -> Outcomes {
    let outcome = |(name, ok, text): &(&str, bool, &str)| Outcome {
        name: (*name).to_owned(),
        ok: *ok,
        text: (*text).to_owned(),
        state: if *ok { "running" } else { "failed" }.to_owned(),
    };
    Outcomes { outcomes: all.iter().map(outcome).collect() }
}
