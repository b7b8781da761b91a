//! How long a takeover takes: the monitor is killed while the end of an entity
//! waits for it, and the clock stops at what its successor does about that.
#![forbid(unsafe_code)]

use ham_benches::figures::{self, Times};
use ham_benches::manager::{Manager, kill_in_slot, scratch, wait_until};
use ham_benches::roles::{self, Told, Word};
use ham_benches::{Error, end};
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_snapshot::slots::Phase;
use ham_sys::clock;
use ham_sys::process::PidFd;
use ham_sys::signals::SIGKILL;
use lexopt::prelude::*;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const HELP: &str = "\
Measures what a takeover costs, beside a bare loop of vfork and waitpid.

Usage: takeover [OPTIONS]

  --entities N,N,…  how many run beside the measured one (10,100,1000,10000)
  --rounds N        takeovers of each kind (100)
  --only KIND       idle, or storm: entities are killed all the time, beside two
                    busy processes (both)
  --storm-ms N      a kill every so many milliseconds (5)
  -h, --help        print this

In each round the monitor is stopped, an entity is killed, and once the reaper
has recorded that end, the monitor is killed. The times from that kill on, median
and 99th percentile in milliseconds:

  restored  as ham has it (last takeover): the successor learns of the death and
            has restored the state; without the time until it learns
  decided   the turn of the entity's death is committed: what follows is effects
  signal    the first effect: a signal of its action list arrives in another
            process
  start     the first instruction of the new process's main
  bare      kill to the new process's main of a loop that only waits and starts:
            the same program, the same run
  ratio     start to bare, by their medians

The programs are not built by this one:
  cargo build --release -p ham -p hamctl
  cargo run --release -p ham-benches --bin takeover
";

/// On the architectures ham runs on (signal(7)).
const SIGSTOP: i32 = 19;

/// History kind 6: died (schema/state.md).
const DIED: u32 = 6;

struct Options {
    entities: Vec<usize>,
    rounds: usize,
    kinds: Vec<Kind>,
    storm: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Idle,
    Storm,
}

fn main() -> ExitCode {
    // The first thing of all: it is what is measured.
    let began = clock::monotonic();
    let words: Vec<String> = std::env::args().skip(1).collect();
    end("takeover", roles::play(&words, began).unwrap_or_else(measure))
}

fn measure() -> Result<(), Error> {
    let Some(options) = options()? else {
        print!("{HELP}");
        return Ok(());
    };
    let head = ["entities", "", "restored", "decided", "signal", "start", "bare", "ratio"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for count in &options.entities {
        let rig = Rig::new(*count)?;
        for kind in &options.kinds {
            eprintln!("takeover: {count} entities, {kind:?}");
            rows.push(rig.measure(*kind, &options)?);
        }
    }
    figures::print(&rows);
    Ok(())
}

fn options() -> Result<Option<Options>, Error> {
    let mut options = Options {
        entities: vec![10, 100, 1_000, 10_000],
        rounds: 100,
        kinds: vec![Kind::Idle, Kind::Storm],
        storm: Duration::from_millis(5),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("entities") => {
                let list = parser.value()?.string()?;
                options.entities = list.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            Long("rounds") => options.rounds = parser.value()?.parse()?,
            Long("storm-ms") => options.storm = Duration::from_millis(parser.value()?.parse()?),
            Long("only") => {
                options.kinds = vec![parser.value()?.parse_with(|word| match word {
                    "idle" => Ok(Kind::Idle),
                    "storm" => Ok(Kind::Storm),
                    _ => Err("neither idle nor storm"),
                })?];
            }
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
}

/// A manager with a probe, an ear, and so many others.
struct Rig {
    manager: Manager,
    told: Told,
    /// Of the bare loop.
    own: Told,
    own_place: std::path::PathBuf,
}

impl Rig {
    fn new(count: usize) -> Result<Rig, Error> {
        let place = scratch("takeover")?;
        let program = std::env::current_exe()?;
        let unit = |name: &str, text: String| fs::write(place.join("units").join(name), text);
        let command = |role: &str| {
            format!("{:?}", [&program.display().to_string(), role, &place.display().to_string()])
        };
        unit(
            "probe.toml",
            format!(
                "[entity]\ncommand = {}\n\n[[condition]]\non = \"death\"\nactions = [ {{ restart = \
                 {{ delays = [\"0s\"] }} }} ]\n\n[[condition]]\nname = \"heard\"\non = \"death\"\n\
                 run = \"independent\"\nactions = [ {{ notify-signal = {{ entity = \"ear\", signal \
                 = \"USR1\" }} }} ]\n",
                command("role-probe")
            ),
        )?;
        unit(
            "ear.toml",
            format!("[entity]\ncommand = {}\nrestart = \"no\"\n", command("role-ear")),
        )?;
        for number in 0..count {
            unit(
                &format!("sleeper-{number:05}.toml"),
                "[entity]\ncommand = [\"/bin/sleep\", \"infinity\"]\nstdout = \"null\"\n\n\
                 [[condition]]\non = \"death\"\nactions = [ { restart = { delays = [\"0s\"] } } ]\n"
                    .to_owned(),
            )?;
        }
        let own_place = place.join("bare");
        fs::create_dir(&own_place)?;
        let (told, own) = (Told::within(&place)?, Told::within(&own_place)?);
        let manager = Manager::start(place)?;
        manager.wait_for_processes(count + 2)?;
        wait_until("the ear listens", || told.get(Word::Listens) == 1)?;
        Ok(Rig { manager, told, own, own_place })
    }

    fn measure(&self, kind: Kind, options: &Options) -> Result<Vec<String>, Error> {
        let over = AtomicBool::new(false);
        let busy = (kind == Kind::Storm).then(|| [Busy::start(), Busy::start()]);
        let rounds = std::thread::scope(|scope| {
            if kind == Kind::Storm {
                scope.spawn(|| self.storm(&over, options.storm));
            }
            let rounds = self.rounds(options.rounds);
            over.store(true, Ordering::Relaxed);
            rounds
        })?;
        drop(busy);
        let ratio = rounds.start.percentile(50) as f64 / rounds.bare.percentile(50).max(1) as f64;
        let others = self.manager.running().len().saturating_sub(2);
        Ok(vec![
            others.to_string(),
            format!("{kind:?}").to_lowercase(),
            rounds.restored.cell(),
            rounds.decided.cell(),
            rounds.signal.cell(),
            rounds.start.cell(),
            rounds.bare.cell(),
            format!("{ratio:.2}"),
        ])
    }

    /// Kills others, at random.
    fn storm(&self, over: &AtomicBool, pause: Duration) {
        let spared = || [Word::Probe, Word::Listens].map(|word| self.told.get(word));
        let mut random = 1u64;
        while !over.load(Ordering::Relaxed) {
            std::thread::sleep(pause);
            // Numerical Recipes' generator: any entity is as good as another.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let state = self.manager.state();
            let used = state.get(Field::SlotsUsed).saturating_sub(8).max(1);
            let index = u32::try_from(8 + (random >> 33) % used).unwrap_or(0);
            let Some(slot) = state.slot(index) else { continue };
            let Some(pid) = slot.live_pid() else { continue };
            let is_other = slot.name().starts_with("sleeper");
            if is_other && !spared().contains(&u64::from(pid.unsigned_abs())) {
                kill_in_slot(state, pid);
            }
        }
    }

    fn rounds(&self, count: usize) -> Result<Rounds, Error> {
        let mut rounds = Rounds::default();
        let mut bare = Bare::new(&self.own_place, self.own)?;
        for _ in 0..count {
            self.round(&mut rounds)?;
            rounds.bare.add(bare.round()?);
        }
        Ok(rounds)
    }

    fn round(&self, rounds: &mut Rounds) -> Result<(), Error> {
        let state = self.manager.state();
        self.manager.wait_until_settled()?;
        let (probe, signals) = (self.told.get(Word::Probe), self.told.get(Word::Signals));
        let pid = i32::try_from(probe)?;
        let Some(slot) = state.slot_of_pid(pid) else { return Err("the probe has no slot".into()) };
        let (generation, _) = slot.word();
        let monitor = self.manager.process(Field::MonitorPid)?;
        monitor.send(SIGSTOP)?;
        // Until it has: a signal reaches a process that runs within a tick.
        std::thread::sleep(Duration::from_millis(3));
        PidFd::open(pid)?.send(SIGKILL)?;
        wait_until("the end is recorded", || slot.word() == (generation, Phase::Exited))?;
        // The reaper has reaped it, and whatever else is quiet again.
        std::thread::sleep(Duration::from_millis(3));
        let killed = clock::monotonic();
        monitor.send(SIGKILL)?;
        wait_until("the probe is back", || {
            self.told.get(Word::Probe) != probe && self.told.get(Word::Signals) != signals
        })?;
        rounds.restored.add(state.get(Field::TakeoverTook));
        rounds.signal.add(self.told.get(Word::Heard).saturating_sub(killed));
        rounds.start.add(self.told.get(Word::Began).saturating_sub(killed));
        if let Some(at) = died_at(state, probe) {
            rounds.decided.add(at.saturating_sub(killed));
        }
        Ok(())
    }
}

/// When the death of that process was committed.
fn died_at(state: State, pid: u64) -> Option<u64> {
    let newest = state.get(Field::HistoryNext);
    let entries = (state.history_oldest()..newest).rev().filter_map(|number| state.history(number));
    let mut died = entries.filter(|entry| entry.kind == DIED && entry.details[0] == pid);
    died.next().map(|entry| entry.mono)
}

#[derive(Default)]
struct Rounds {
    restored: Times,
    decided: Times,
    signal: Times,
    start: Times,
    bare: Times,
}

/// What no supervisor can be faster than: a loop that waits for its one child
/// and starts it again.
struct Bare {
    command: Command,
    child: Child,
    told: Told,
}

impl Bare {
    fn new(place: &Path, told: Told) -> Result<Bare, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("role-probe").arg(place).stdin(Stdio::null());
        let child = command.spawn()?;
        let bare = Bare { command, child, told };
        bare.wait_for_it()?;
        Ok(bare)
    }

    fn wait_for_it(&self) -> Result<(), Error> {
        let pid = u64::from(self.child.id());
        wait_until("the bare probe runs", || self.told.get(Word::Probe) == pid)
    }

    /// From the kill to the first instruction of the next one's main.
    fn round(&mut self) -> Result<u64, Error> {
        let child = PidFd::open(i32::try_from(self.child.id())?)?;
        let killed = clock::monotonic();
        child.send(SIGKILL)?;
        self.child.wait()?;
        self.child = self.command.spawn()?;
        self.wait_for_it()?;
        Ok(self.told.get(Word::Began).saturating_sub(killed))
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that takes all the time that it gets.
struct Busy(Option<Child>);

impl Busy {
    fn start() -> Busy {
        let child =
            std::env::current_exe().and_then(|own| Command::new(own).arg("role-busy").spawn());
        if let Err(error) = &child {
            eprintln!("takeover: no busy process: {error}");
        }
        Busy(child.ok())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
