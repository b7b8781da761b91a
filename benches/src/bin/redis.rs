//! What a client of a supervised server notices while the supervisor is killed
//! again and again: nothing, and for how long nobody would have helped.
#![forbid(unsafe_code)]

use ham_benches::figures::{self, Times, milliseconds};
use ham_benches::manager::{Manager, scratch, wait_until};
use ham_benches::{Error, end};
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_sys::clock;
use ham_sys::process::PidFd;
use ham_sys::signals::SIGKILL;
use lexopt::prelude::*;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const HELP: &str = "\
Runs redis-server under ham, sends it SET and GET without a pause, and kills
monitor and guardian again and again.

Usage: redis [OPTIONS]

  --kills N    of the monitor, of the guardian, and of both: so many each (50)
  -h, --help   print this

  failed        requests with no answer, a wrong one, or a lost connection
  longest gap   between two answers, in milliseconds
  unsupervised  from the kill until the next monitor has restored the state, in
                milliseconds: median / 99th percentile; of a guardian's death
                nothing is to be noticed

The programs are not built by this one:
  cargo build --release -p ham -p hamctl
";

/// How long a request may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
enum Victim {
    Nobody,
    Monitor,
    Guardian,
    Both,
}

fn main() -> ExitCode {
    end("redis", measure())
}

fn measure() -> Result<(), Error> {
    let mut kills = 50;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("kills") => kills = parser.value()?.parse()?,
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let there = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: redis: redis-server is not installed");
        return Ok(());
    }
    // Given back before the server takes it: nobody else is likely to.
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let place = scratch("redis")?;
    let command = format!(
        "[entity]\ncommand = [\"redis-server\", \"--bind\", \"127.0.0.1\", \"--port\", \"{port}\", \
         \"--save\", \"\", \"--appendonly\", \"no\", \"--dir\", {:?}]\nrestart = \"always\"\n",
        place.display().to_string()
    );
    fs::write(place.join("units/redis.toml"), command)?;
    let manager = Manager::start(place)?;
    wait_until("redis answers", || {
        Client::new(port).is_ok_and(|mut client| client.ask(0).is_ok())
    })?;
    let server = manager.running();

    let head = ["killed", "kills", "requests", "failed", "longest gap", "unsupervised"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for victim in [Victim::Nobody, Victim::Monitor, Victim::Guardian, Victim::Both] {
        eprintln!("redis: {victim:?}");
        rows.push(row(&manager, port, victim, kills)?);
    }
    figures::print(&rows);
    if manager.running() != server {
        return Err("the server is not the same process any more".into());
    }
    Ok(())
}

fn row(manager: &Manager, port: u16, victim: Victim, kills: usize) -> Result<Vec<String>, Error> {
    let (over, seen) = (AtomicBool::new(false), Seen::default());
    let unsupervised = std::thread::scope(|scope| {
        scope.spawn(|| ask_until(&over, port, &seen));
        let result = (0..kills).try_fold(Times::default(), |mut times, _| {
            manager.wait_until_settled()?;
            if let Some(time) = kill(manager, victim)? {
                times.add(time);
            }
            Ok::<Times, Error>(times)
        });
        over.store(true, Ordering::Relaxed);
        result
    })?;
    let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
    Ok(vec![
        format!("{victim:?}").to_lowercase(),
        match victim {
            Victim::Nobody => "0".to_owned(),
            Victim::Monitor | Victim::Guardian | Victim::Both => kills.to_string(),
        },
        count(&seen.answers).to_string(),
        count(&seen.failed).to_string(),
        milliseconds(count(&seen.longest)),
        unsupervised.cell(),
    ])
}

/// Gives for how long there was no monitor, if it was one of those.
fn kill(manager: &Manager, victim: Victim) -> Result<Option<u64>, Error> {
    let state = manager.state();
    let killed = clock::monotonic();
    let (fields, monitor): (&[Field], bool) = match victim {
        Victim::Nobody => (&[], false),
        Victim::Monitor => (&[Field::MonitorPid], true),
        Victim::Guardian => (&[Field::GuardianPid], false),
        Victim::Both => (&[Field::GuardianPid, Field::MonitorPid], true),
    };
    let deaths = state.get(Field::GuardianDeaths);
    let processes: Vec<PidFd> =
        fields.iter().map(|field| manager.process(*field)).collect::<Result<_, _>>()?;
    for process in &processes {
        process.send(SIGKILL)?;
    }
    if !monitor {
        wait_until("another guardian", || {
            matches!(victim, Victim::Nobody) || state.get(Field::GuardianDeaths) > deaths
        })?;
        return Ok(None);
    }
    let mut there = None;
    wait_until("the next monitor", || {
        there = taken_over(state, killed);
        there.is_some()
    })?;
    Ok(there.map(|at| at.saturating_sub(killed)))
}

/// When the first monitor after that moment had taken over, as it has noted.
fn taken_over(state: State, after: u64) -> Option<u64> {
    let newest = state.get(Field::HistoryNext);
    let entries = (state.history_oldest()..newest).rev().filter_map(|number| state.history(number));
    let since = entries.take_while(|entry| entry.mono > after);
    since.filter(|entry| entry.text.contains("has taken over")).last().map(|entry| entry.mono)
}

#[derive(Default)]
struct Seen {
    answers: AtomicU64,
    failed: AtomicU64,
    /// Nanoseconds.
    longest: AtomicU64,
}

fn ask_until(over: &AtomicBool, port: u16, seen: &Seen) {
    let mut client = Client::new(port);
    let mut last = clock::monotonic();
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        number += 1;
        let answered =
            client.as_mut().map_err(|_| ()).and_then(|client| client.ask(number).map_err(|_| ()));
        if answered.is_err() {
            seen.failed.fetch_add(1, Ordering::Relaxed);
            client = Client::new(port);
            continue;
        }
        let now = clock::monotonic();
        seen.answers.fetch_add(2, Ordering::Relaxed);
        seen.longest.fetch_max(now.saturating_sub(last), Ordering::Relaxed);
        last = now;
    }
}

/// A connection to the server.
struct Client(BufReader<TcpStream>);

impl Client {
    fn new(port: u16) -> Result<Client, Error> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client(BufReader::new(stream)))
    }

    /// One SET, and the GET that must give the same.
    fn ask(&mut self, number: u64) -> Result<(), Error> {
        self.0.get_mut().write_all(format!("SET key {number}\r\n").as_bytes())?;
        self.expect("+OK")?;
        self.0.get_mut().write_all(b"GET key\r\n")?;
        let value = number.to_string();
        self.expect(&format!("${}", value.len()))?;
        self.expect(&value)
    }

    fn expect(&mut self, wanted: &str) -> Result<(), Error> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        if line.trim_end() == wanted { Ok(()) } else { Err(format!("{line:?}").into()) }
    }
}
