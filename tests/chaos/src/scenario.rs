//! One scenario from beginning to end: a ham of its own is started with its
//! entities, the rounds kill, then everybody is told to stay, and when all is
//! quiet ham is shut down. What the entities and the history have to say is
//! handed on; nothing is judged here.

use crate::collect::{Collected, Collector};
use crate::kinds::{self, End, Kind, Member};
use crate::ledger::{self, Life};
use crate::load::Load;
use crate::options::Options;
use crate::roles::now;
use crate::rounds::{Rounds, Wishes};
use crate::said::{self, Receiver};
use crate::state::State;
use crate::story::Story;
use crate::targets::{Targets, strike};
use crate::units;
use crate::yardstick::Yardstick;
use ham_snapshot::header::Field;
use ham_tests::chaos::children;
use ham_tests::fake::Random;
use ham_tests::programs::Scratch;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How ham is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// As it comes.
    Plain,
    /// The reaper is PID 1 of a PID namespace.
    Pid1,
    /// A filter refuses clone3(2), as container engines do.
    NoClone3,
    /// The reaper is sent SEGV beside it all.
    ReaperFault,
}

impl Scenario {
    /// All of them.
    pub(crate) const ALL: [Scenario; 4] =
        [Scenario::Plain, Scenario::Pid1, Scenario::NoClone3, Scenario::ReaperFault];

    /// As options and reports name it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Scenario::Plain => "plain",
            Scenario::Pid1 => "as-pid1",
            Scenario::NoClone3 => "no-clone3",
            Scenario::ReaperFault => "reaper-segv",
        }
    }

    /// Its share of the kills, of ten.
    pub(crate) fn share(self) -> u64 {
        match self {
            Scenario::Plain => 5,
            Scenario::Pid1 | Scenario::NoClone3 => 2,
            Scenario::ReaperFault => 1,
        }
    }
}

/// Options of unshare(1): a PID namespace that ends with it.
const NAMESPACE: [&str; 4] = ["--pid", "--fork", "--mount-proc", "--kill-child=KILL"];

/// Whether a scenario can be run on this machine by this user; else why not.
pub(crate) fn possible(scenario: Scenario) -> Result<(), String> {
    if scenario != Scenario::Pid1 {
        return Ok(());
    }
    match Command::new("unshare").args(NAMESPACE).arg("true").output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("unshare(1): {error}")),
    }
}

/// What there is to compare.
#[derive(Debug)]
pub(crate) struct Witness {
    /// What was done.
    pub(crate) story: Story,
    /// What ham says.
    pub(crate) collected: Collected,
    /// The numbers of the pulses that came, by channel, in the order in which
    /// they came.
    pub(crate) pulses: BTreeMap<String, Vec<u64>>,
    /// What each entity says.
    pub(crate) lives: Vec<(Member, Vec<Life>)>,
    /// The folder with the other ledgers.
    pub(crate) folder: PathBuf,
    /// When all were let go, CLOCK_MONOTONIC, ns.
    pub(crate) go: u64,
    /// Deaths of monitors and guardians, as ham counts them.
    pub(crate) deaths: u64,
    /// Those that ham ended since they hung.
    pub(crate) hung: u64,
    /// The reaper lived to the end, so that all could be asked to stay.
    pub(crate) settled: bool,
    /// Who had not come back at the end, and what ham says of it.
    pub(crate) missing: Vec<String>,
    /// How long it all took.
    pub(crate) took: Duration,
    /// Removed when it is dropped.
    pub(crate) _scratch: Option<Scratch>,
}

/// All have to have started, or to be back, within this.
const PATIENCE: Duration = Duration::from_secs(60);
/// It is quiet when nothing was added to the history for this long.
const QUIET: Duration = Duration::from_millis(700);
const PAUSE: Duration = Duration::from_millis(10);

/// A ham that runs.
#[derive(Debug)]
struct Running {
    child: Child,
    runtime: PathBuf,
    hamctl: PathBuf,
}

/// Runs a scenario. `Err`: it could not be run at all, and why.
pub(crate) fn run(
    scenario: Scenario,
    kills: u64,
    seed: u64,
    options: &Options,
    enough: &Arc<AtomicBool>,
) -> Result<Witness, String> {
    let begin = Instant::now();
    let scratch = Scratch::in_memory("chaos").ok_or("there is no tmpfs on /dev/shm")?;
    let folder = scratch.path().to_owned();
    if options.keep {
        eprintln!("ham-chaos: {} is kept in {}", scenario.word(), folder.display());
    }
    // Whatever happens from here on, a directory that is to be kept stays.
    let (kept, scratch) = if options.keep { (Some(scratch), None) } else { (None, Some(scratch)) };
    std::mem::forget(kept);

    let program = std::env::current_exe().map_err(|error| format!("who am I: {error}"))?;
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or("a path that is no text");
    let (program_text, folder_text) = (text(&program)?, text(&folder)?);
    let place = units::Place { program: &program_text, folder: &folder_text, seed };
    let failed = |what: &'static str| move |error| format!("could not {what}: {error}");
    for name in ["units", "lives", "paths"] {
        fs::create_dir(folder.join(name)).map_err(failed("make a directory"))?;
    }
    units::write(&folder.join("units"), place).map_err(failed("write units"))?;
    let yardstick = Yardstick::start(&program).map_err(failed("measure"))?;
    let load = Load::new(&program).map_err(failed("start the load"))?;

    let mut running = Running::start(scenario, &program, &folder, options)?;
    let state = running.wait_for_state()?;
    let collector = Collector::start(&running.runtime, &options.hamctl, options.source)
        .map_err(failed("collect the history"))?;
    let targets = running.targets(scenario)?;
    let members = kinds::members();
    running.wait_until("every entity to start", || {
        members.iter().all(|member| ledger::last_life(&folder, &member.name).is_some())
    })?;
    let tellers = members.iter().filter(|member| member.kind == Kind::Teller);
    let mut receivers = Vec::new();
    for Member { name, .. } in tellers {
        running.change(name, place)?;
        let receiver = Receiver::start(&running.runtime, &options.hamctl, name);
        receivers.push(receiver.map_err(failed("receive pulses"))?);
    }
    let go = now();
    fs::write(ledger::go(&folder), "").map_err(failed("let all go"))?;

    let guarded = running.wait_until("a guardian", || targets.guardian(&state).is_some()).is_ok();
    let rounds = Rounds {
        state: &state,
        targets,
        folder: &folder,
        victims: members.iter().filter(|member| member.kind == Kind::Victim).cloned().collect(),
        random: Random::new(seed),
        wishes: Wishes {
            kills,
            ways: options.ways.clone(),
            // Only who has a guardian finds out that the monitor is stopped.
            stops: if scenario == Scenario::Plain && guarded { options.stops } else { 0 },
            reaper: scenario == Scenario::ReaperFault,
            enough: Arc::clone(enough),
        },
        load,
        guarded,
        story: Story::default(),
        last_fault: None,
        guardian_seen: None,
        young: false,
    };
    let mut story = rounds.run();

    fs::write(ledger::stay(&folder), "").map_err(failed("tell all to stay"))?;
    let settled = targets.reaper_lives();
    let missing = match settled {
        true => settle(&running, &collector, &members, &folder),
        false => Vec::new(),
    };
    story.slow = yardstick.finish();
    let deaths = state.get(Field::MonitorDeaths) + state.get(Field::GuardianDeaths);
    let hung = state.get(Field::HangKills);
    if let Err(what) = running.end() {
        story.broken.push(what);
    }
    let collected = collector.finish();
    let pulses = receivers.into_iter().map(Receiver::finish).collect();
    let lives = members
        .into_iter()
        .map(|member| (member.clone(), ledger::lives(&folder, &member.name)))
        .collect();
    let took = begin.elapsed();
    Ok(Witness {
        story,
        collected,
        pulses,
        lives,
        folder,
        go,
        deaths,
        hung,
        settled,
        missing,
        took,
        _scratch: scratch,
    })
}

/// Waits until everybody is back to stay and the history stands still; tells
/// who is not.
fn settle(
    running: &Running,
    collector: &Collector,
    members: &[Member],
    folder: &Path,
) -> Vec<String> {
    let is_back = |member: &&Member| {
        let never_ends = matches!(kinds::life(member, 0, 0).1, End::Stays);
        never_ends || ledger::last_life(folder, &member.name).is_some_and(|life| life.stays)
    };
    let end = Instant::now() + PATIENCE;
    let mut read = collector.read();
    let mut since = Instant::now();
    while Instant::now() < end {
        sleep(PAUSE);
        if collector.read() != read || !members.iter().all(|member| is_back(&member)) {
            read = collector.read();
            since = Instant::now();
        } else if since.elapsed() >= QUIET {
            break;
        }
    }
    let missing = members.iter().filter(|member| !is_back(member));
    missing
        .map(|member| {
            let output = running.hamctl(&["status", &member.name]);
            let status = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            format!("{} has not come back: {}", member.name, status.unwrap_or_default().trim())
        })
        .collect()
}

impl Running {
    fn start(
        scenario: Scenario,
        program: &Path,
        folder: &Path,
        options: &Options,
    ) -> Result<Running, String> {
        let mut command = Command::new(program);
        command.arg("under");
        match scenario {
            Scenario::Plain | Scenario::ReaperFault => {}
            Scenario::Pid1 => {
                command.arg("unshare").args(NAMESPACE);
            }
            Scenario::NoClone3 => match filter(folder) {
                Ok(filter) => {
                    command.arg(filter).args([no_clone3().as_str(), "--"]);
                }
                Err(why) => {
                    eprintln!("ham-chaos: no filter that refuses clone3 ({why}): HAM_NO_CLONE3=1");
                    command.env("HAM_NO_CLONE3", "1");
                }
            },
        }
        let runtime = folder.join("run");
        let log = File::create(folder.join("log")).map_err(|error| format!("no log: {error}"))?;
        let errors = log.try_clone().map_err(|error| format!("no log: {error}"))?;
        let child = command
            .arg(&options.ham)
            .args(["run", "-t", "relative", "--units"])
            .arg(folder.join("units"))
            .arg("--runtime-dir")
            .arg(&runtime)
            .env_remove("HAM_RUNTIME_DIR")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // Keys of the terminal are for this program alone.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("could not start ham: {error}"))?;
        Ok(Running { child, runtime, hamctl: options.hamctl.clone() })
    }

    fn wait_until(&mut self, what: &str, mut holds: impl FnMut() -> bool) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ham ended while waiting for {what}: {status}"));
            }
            if Instant::now() >= end {
                return Err(format!("never: {what}"));
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    fn wait_for_state(&mut self) -> Result<State, String> {
        let runtime = self.runtime.clone();
        let mut last = Err(String::new());
        self.wait_until("the state of ham", || {
            last = State::open(&runtime).map_err(|error| error.to_string());
            last.is_ok()
        })
        .map_err(|why| format!("{why} ({})", last.as_ref().err().cloned().unwrap_or_default()))?;
        last
    }

    fn targets(&mut self, scenario: Scenario) -> Result<Targets, String> {
        let own = self.child.id();
        let inside = scenario == Scenario::Pid1;
        let mut reaper = Some(own);
        if inside {
            self.wait_until("ham as PID 1", || {
                let child = children(own).into_iter().find(|child| child.name == "ham");
                reaper = child.map(|child| child.pid);
                reaper.is_some()
            })?;
        }
        let reaper = reaper.and_then(|pid| i32::try_from(pid).ok()).ok_or("no reaper")?;
        Ok(Targets { reaper, inside })
    }

    fn hamctl(&self, words: &[&str]) -> std::io::Result<Output> {
        Command::new(&self.hamctl)
            .arg("--runtime-dir")
            .arg(&self.runtime)
            .args(words)
            .env_remove("HAM_RUNTIME_DIR")
            .stdin(Stdio::null())
            .output()
    }

    /// What is changed at run time before all are let go.
    fn change(&self, name: &str, place: units::Place<'_>) -> Result<(), String> {
        let file = Path::new(place.folder).join("added.toml");
        fs::write(&file, said::added(place)).map_err(|error| error.to_string())?;
        let file = file.display().to_string();
        let never = format!("{name}/{}", said::NEVER);
        for words in [["add", name, &file].as_slice(), &["disarm", &never]] {
            let output = self.hamctl(words).map_err(|error| error.to_string())?;
            if !output.status.success() {
                let why = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(format!("hamctl {words:?}: {why}"));
            }
        }
        Ok(())
    }

    /// A shutdown in good order.
    fn end(&mut self) -> Result<(), String> {
        let asked = self.hamctl(&["shutdown"]);
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("ham ended badly: {status}")),
                Ok(None) => sleep(PAUSE),
                Err(error) => return Err(format!("ham cannot be waited for: {error}")),
            }
        }
        Err(format!("ham does not end when asked to: {asked:?}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).unwrap_or(0);
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            let end = Instant::now() + Duration::from_secs(15);
            while Instant::now() < end {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return;
                }
                strike(pid, signal);
                sleep(Duration::from_millis(500));
            }
        }
    }
}

/// The rule of the filter.
fn no_clone3() -> String {
    format!("{}:{}", nix::libc::SYS_clone3, nix::libc::ENOSYS)
}

/// Builds the program that refuses system calls, from the source of the tests.
fn filter(folder: &Path) -> Result<PathBuf, String> {
    const SOURCE: &str = include_str!("../../programs/refuse.c");
    let (source, program) = (folder.join("refuse.c"), folder.join("refuse"));
    fs::write(&source, SOURCE).map_err(|error| error.to_string())?;
    let output = Command::new("cc").arg("-o").arg(&program).arg(&source).output();
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) => return Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => return Err(format!("cc: {error}")),
    }
    let trial = Command::new(&program).args([&no_clone3(), "--", "/bin/true"]).status();
    let trial = trial.map_err(|error| error.to_string())?;
    if trial.code() == Some(77) { Err("refused".to_owned()) } else { Ok(program) }
}
