//! Asks `getent` about users, with a deadline: behind it may stand a directory
//! server that does not answer.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long an answer may take (details of the design: a hung directory server
/// must not stop a load for longer).
const DEADLINE: Duration = Duration::from_secs(5);
/// More than any line of a database has.
const MAX_ANSWER: u64 = 1 << 20;
/// How often a child that has closed its output is looked at until it ends.
const POLL: Duration = Duration::from_millis(2);

/// Database and key.
type Question = (&'static str, String);

/// The program and what it has said so far.
#[derive(Debug)]
pub(crate) struct Getent {
    program: Option<PathBuf>,
    deadline: Duration,
    answers: RefCell<HashMap<Question, Result<String, String>>>,
    /// Set when it did not answer once: a thousand units that name users of a
    /// dead server must not each wait for it.
    hung: RefCell<Option<String>>,
}

impl Getent {
    /// The one of this system, by its full path: `PATH` may lead anywhere.
    pub(crate) fn system() -> Getent {
        let places = ["/usr/bin/getent", "/bin/getent"];
        let program = places.iter().map(PathBuf::from).find(|path| path.exists());
        Getent::new(program, DEADLINE)
    }

    fn new(program: Option<PathBuf>, deadline: Duration) -> Getent {
        Getent { program, deadline, answers: RefCell::default(), hung: RefCell::default() }
    }

    #[cfg(test)]
    pub(crate) fn at(program: impl AsRef<Path>, deadline: Duration) -> Getent {
        let program = program.as_ref().to_owned();
        Getent::new(program.exists().then_some(program), deadline)
    }

    /// The lines for one key; none when it is not known, or when there is no
    /// `getent` (then there is no other database either).
    pub(crate) fn ask(&self, database: &'static str, key: &str) -> Result<String, String> {
        let Some(program) = &self.program else { return Ok(String::new()) };
        // Nothing that could be an option, a file, or more than one key.
        let odd = |c: char| c.is_control() || c.is_whitespace() || c == ':' || c == '/';
        if key.is_empty() || key.len() > 256 || key.starts_with('-') || key.contains(odd) {
            return Ok(String::new());
        }
        if let Some(why) = self.hung.borrow().as_ref() {
            return Err(why.clone());
        }
        let entry = (database, key.to_owned());
        if let Some(answer) = self.answers.borrow().get(&entry) {
            return answer.clone();
        }
        let answer = self.run(program, database, key);
        self.answers.borrow_mut().insert(entry, answer.clone());
        answer
    }

    fn run(&self, program: &Path, database: &str, key: &str) -> Result<String, String> {
        let failed = |what: &str, cause: String| format!("could not {what} getent: {cause}");
        let until = Instant::now().checked_add(self.deadline);
        let mut child = Command::new(program)
            .args([database, key])
            .env_clear()
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed("run", error.to_string()))?;
        let answer = read_until(&mut child, until);
        let status = wait_until(&mut child, if answer.is_some() { until } else { None });
        let (Some(answer), Some(status)) = (answer, status) else {
            let why = failed("ask", format!("no answer within {} s", self.deadline.as_secs()));
            *self.hung.borrow_mut() = Some(why.clone());
            return Err(why);
        };
        match status.code() {
            Some(0) => Ok(answer),
            // getent(1): 2 is "not in the database"; 1 is an unknown database,
            // which for us comes to the same.
            Some(1 | 2) => Ok(String::new()),
            Some(code) => Err(failed("ask", format!("it ended with exit code {code}"))),
            None => Err(failed("ask", "a signal ended it".to_owned())),
        }
    }
}

/// Reads all that the child says; `None` when it has not finished in time. A
/// thread reads, since a pipe has no deadline.
fn read_until(child: &mut Child, until: Option<Instant>) -> Option<String> {
    let stdout = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::Builder::new().name("getent".to_owned()).spawn(move || {
        let mut bytes = Vec::new();
        if stdout.take(MAX_ANSWER).read_to_end(&mut bytes).is_ok() {
            // Nobody listens any more when the deadline has passed.
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        }
    });
    reader.ok()?;
    receiver.recv_timeout(left(until)).ok()
}

fn left(until: Option<Instant>) -> Duration {
    until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
}

/// Waits for the end of the child; kills it when that does not come in time.
fn wait_until(child: &mut Child, until: Option<Instant>) -> Option<std::process::ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return until.map(|_| status),
            Ok(None) if left(until) > Duration::ZERO => std::thread::sleep(POLL),
            Ok(None) | Err(_) => break,
        }
    }
    // A child that hangs in the kernel cannot be waited for; it is left to
    // whoever reaps for this process.
    let _ = child.kill();
    for _ in 0..50 {
        if !matches!(child.try_wait(), Ok(None)) {
            break;
        }
        std::thread::sleep(POLL);
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A shell script that stands in for `getent`. A child puts it in place:
    /// if this process had it open for writing, a process that another test
    /// forks at that moment would too, and running it would fail (ETXTBSY).
    pub(crate) fn script(folder: &Path, text: &str) -> PathBuf {
        let (source, path) = (folder.join("getent.txt"), folder.join("getent.sh"));
        std::fs::write(&source, format!("#!/bin/sh\n{text}\n")).unwrap();
        let installed =
            Command::new("install").args(["-m", "755"]).args([&source, &path]).status().unwrap();
        assert!(installed.success());
        path
    }

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ham-getent-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_server_that_does_not_answer_is_waited_for_once() {
        let folder = folder("hang");
        let log = folder.join("asked");
        let program = script(&folder, &format!("echo >> {}\nexec sleep 300", log.display()));
        let getent = Getent::at(&program, Duration::from_secs(2));
        let error = getent.ask("passwd", "one").unwrap_err();
        assert_eq!(error, "could not ask getent: no answer within 2 s");
        assert_eq!(getent.ask("passwd", "two").unwrap_err(), error);
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "\n", "asked once");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn exit_codes_mean_what_the_manual_says() {
        let folder = folder("codes");
        let program =
            script(&folder, "test $2 = bad && exit 3; test $2 = gone && kill -9 $$; exit 2");
        let getent = Getent::at(&program, Duration::from_secs(20));
        assert_eq!(getent.ask("passwd", "none"), Ok(String::new()));
        assert!(getent.ask("passwd", "bad").unwrap_err().contains("exit code 3"));
        assert!(getent.ask("passwd", "gone").unwrap_err().contains("signal"));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_program_of_this_system_knows_root() {
        let getent = Getent::system();
        if getent.program.is_some() {
            assert!(getent.ask("passwd", "root").unwrap().starts_with("root:"));
        }
    }

    #[test]
    fn odd_keys_never_reach_the_program() {
        let folder = folder("odd");
        let program = script(&folder, "echo asked");
        let getent = Getent::at(&program, Duration::from_secs(20));
        for odd in ["", "-s", "a b", "a:b", "a/b", "a\nb", &"x".repeat(300)] {
            assert_eq!(getent.ask("passwd", odd), Ok(String::new()), "{odd}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
