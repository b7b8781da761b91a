//! Many edits, by which units come, go and change, while monitor and guardian
//! are killed at any time: in the end what runs is what the directory says,
//! nothing ran beside itself, and nobody was started anew whom no edit was about:
//! what was written once was started once at most. Now and then a few edits wait
//! for `hamctl apply`: then who is touched is who `hamctl plan` has named.
//!
//! `HAM_RELOAD_EDITS=5000` for a long run, `HAM_RELOAD_SEED` for another.

use super::{names, out, start};
use ham_tests::chaos::{children, strike};
use ham_tests::fake::Random;
use ham_tests::own_units::{Units, wait_until};
use ham_tests::programs::Manager;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::time::Duration;

/// Notes its start under a lock that a second one could not get; what it was
/// made by stands in its command line.
const SCRIPT: &str = r#"
name=$1 folder=$2 version=$3
exec 9>> "$folder/$name.lock"
flock -n 9 || { echo "$version $$" >> "$folder/$name.doubles"; exit 99; }
echo "$version $$" >> "$folder/$name.starts"
exec sleep "$version"
"#;

/// Whom no edit is about.
const LEFT_ALONE: [&str; 4] = ["alone-0", "alone-1", "alone-2", "alone-3"];
/// Whose edits hold at once.
const AT_ONCE: [&str; 4] = ["live-0", "live-1", "live-2", "live-3"];
/// Who is restarted by an edit.
const RESTARTED: [&str; 6] = ["made-0", "made-1", "made-2", "made-3", "made-4", "made-5"];
/// Who comes and goes.
const FLEETING: [&str; 6] = ["may-0", "may-1", "may-2", "may-3", "may-4", "may-5"];
/// So many edits lie between two looks at all that is there.
const BETWEEN: u64 = 100;

/// All of them.
fn everybody() -> impl Iterator<Item = &'static str> {
    LEFT_ALONE.iter().chain(&AT_ONCE).chain(&RESTARTED).chain(&FLEETING).copied()
}

struct Soak {
    units: Units,
    random: Random,
    manager: Manager,
    /// What is in the directory: name and version.
    there: BTreeMap<String, u32>,
    version: u32,
}

impl Soak {
    fn text(&self, name: &str, version: u32) -> String {
        let (script, folder) = (self.units.file("worker.sh"), self.units.file("."));
        let made = if AT_ONCE.contains(&name) { 0 } else { version };
        let number = 100_000 + made;
        format!(
            "description = \"{version}\"\n[entity]\non-change = \"restart\"\n\
             command = [\"sh\", \"{script}\", \"{name}\", \"{folder}\", \"{number}\"]\n\
             restart = \"always\"\nstop = {{ signal = \"KILL\" }}\n"
        )
    }

    /// By the ways in which files are written.
    fn put(&mut self, name: &str) {
        self.version += 1;
        let text = self.text(name, self.version);
        let path = self.units.path().join(format!("{name}.toml"));
        match self.random.below(4) {
            0 => fs::write(&path, &text).expect("a unit"),
            1 => {
                let beside = self.units.path().join(format!(".{name}.new"));
                fs::write(&beside, &text).expect("a file");
                fs::rename(&beside, &path).expect("it can be moved");
            }
            2 => {
                let half = text.len() / 2;
                fs::write(&path, &text[..half]).expect("half a unit");
                std::thread::sleep(Duration::from_millis(self.random.below(20)));
                fs::write(&path, &text).expect("a unit");
            }
            _ => {
                // The first half is a unit, too.
                let half = text.rfind("stop =").expect("its last line");
                let mut file = fs::File::create(&path).expect("a file");
                file.write_all(&text.as_bytes()[..half]).expect("half a unit");
                std::thread::sleep(Duration::from_millis(self.random.below(150)));
                file.write_all(&text.as_bytes()[half..]).expect("the other half");
            }
        }
        self.there.insert(name.to_owned(), self.version);
    }

    fn remove(&mut self, name: &str) {
        if self.there.remove(name).is_some() {
            fs::remove_file(self.units.path().join(format!("{name}.toml"))).expect("a unit");
        }
    }

    fn edit(&mut self) {
        match self.random.below(10) {
            0..=2 => {
                let name = *self.random.pick(&AT_ONCE);
                self.put(name);
            }
            3..=5 => {
                let name = *self.random.pick(&RESTARTED);
                self.put(name);
            }
            6 | 7 => {
                let name = *self.random.pick(&FLEETING);
                self.put(name);
            }
            _ => {
                let name = *self.random.pick(&FLEETING);
                self.remove(name);
            }
        }
    }

    fn disturb(&mut self) {
        if self.random.chance(20) {
            self.manager.signal("HUP");
        }
        if self.random.chance(10) {
            // Whatever it says: it may be about what is just being written.
            let _ = self.manager.hamctl(&["apply"]);
        }
        let monitor = self.random.chance(15);
        let guardian = self.random.chance(5);
        for (strikes, name) in [(monitor, "ham-monitor"), (guardian, "ham-guardian")] {
            if let Some(pid) = self.manager.child(name).filter(|_| strikes) {
                strike(pid, Signal::SIGKILL);
            }
        }
        if self.random.chance(5)
            && let Some(pid) = self.manager.child("ham-load")
        {
            strike(pid, Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_micros(self.random.below(120_000)));
    }

    /// Whether units are taken by themselves from here on.
    fn take_by_itself(&self, yes: bool) {
        let apply = if yes { "auto" } else { "manual" };
        let path = self.units.path().join("ham.conf");
        fs::write(path, format!("[manager]\napply = \"{apply}\"\n")).expect("a file");
        let _ = super::says(&self.manager, &["apply"], 0);
    }

    /// Who runs, when all that there is does.
    fn running(&self) -> BTreeMap<String, u32> {
        self.there.keys().map(|name| (name.clone(), self.manager.pid_of(name))).collect()
    }

    /// What is planned happens, and to nobody else, whoever dies meanwhile.
    fn is_as_planned(&mut self, seed: u64) {
        self.take_by_itself(false);
        let before = self.running();
        for _ in 0..1 + self.random.below(5) {
            self.edit();
        }
        let planned = self.manager.hamctl(&["--json", "plan"]);
        let planned: Value = serde_json::from_slice(&planned.stdout).expect("a plan");
        let changes = planned["changes"].as_array().cloned().unwrap_or_default();
        let touched = |change: &&Value| {
            ["starts", "restarts", "stops"].iter().any(|then| change["then"] == *then)
        };
        let named = changes.iter().filter(touched).filter_map(|change| change["name"].as_str());
        let named: BTreeSet<&str> = named.collect();
        if self.random.chance(50) {
            self.manager.replace_monitor();
        }
        self.take_by_itself(true);
        self.judge(seed);
        let after = self.running();
        let all = before.keys().chain(after.keys()).map(String::as_str);
        let other: BTreeSet<&str> =
            all.filter(|name| before.get(*name) != after.get(*name)).collect();
        assert_eq!(other, named, "{planned}; seed {seed}; the log:\n{}", self.manager.log());
    }

    fn pids(&self, all: &[&str]) -> Vec<u32> {
        all.iter().map(|name| self.manager.pid_of(name)).collect()
    }

    /// What the processes of a name were made by, as they have written it.
    fn starts(&self, name: &str) -> Vec<String> {
        self.units.text(&format!("{name}.starts")).lines().map(str::to_owned).collect()
    }

    fn judge(&self, seed: u64) {
        let manager = &self.manager;
        let log = || format!("seed {seed}; the log:\n{}", manager.log());
        wait_until("all that is written is applied", || {
            manager.hamctl(&["apply"]).status.code() == Some(0)
        });
        let expected: Vec<&String> = self.there.keys().collect();
        wait_until("what is in the directory, and nothing else", || {
            names(manager).iter().collect::<Vec<_>>() == expected
        });
        wait_until(&format!("all run; {}", log()), || {
            let status = manager.status();
            let all = status["entities"].as_array().cloned().unwrap_or_default();
            all.iter().all(|entity| entity["state"] == "running" && entity["outdated"] == false)
        });
        let said = out(&manager.hamctl(&["plan", "--exit-code"]));
        assert!(said.contains("nothing changes"), "{said}; {}", log());
        let mut processes = BTreeSet::new();
        for (name, version) in &self.there {
            let entity = manager.entity(name);
            assert_eq!(entity["description"], version.to_string(), "{name}; {}", log());
            let pid = manager.pid_of(name);
            assert!(processes.insert(pid), "{pid} twice; {}", log());
            let made = if AT_ONCE.contains(&name.as_str()) { 0 } else { *version };
            wait_until(&format!("{name} is of {made}; {}", log()), || {
                super::version_of(pid) == Some(made)
            });
            assert_eq!(self.starts(name).last(), Some(&format!("{} {pid}", 100_000 + made)));
        }
        let all = children(manager.pid()).into_iter();
        let runs: BTreeSet<u32> = all
            .filter(|child| child.name == "sleep" && !child.zombie)
            .map(|child| child.pid)
            .collect();
        assert_eq!(runs, processes, "{}", log());
        for name in everybody() {
            let doubles = self.units.text(&format!("{name}.doubles"));
            assert!(doubles.is_empty(), "{name} ran beside itself: {doubles}; {}", log());
            self.is_started_for_edits_alone(name, &log);
        }
    }

    /// Each edit has another version, so who is started twice by one was
    /// restarted although no edit, and so no plan, has named it.
    fn is_started_for_edits_alone(&self, name: &str, log: &impl Fn() -> String) {
        let starts = self.starts(name);
        let versions: BTreeSet<&str> =
            starts.iter().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(versions.len(), starts.len(), "{name} has started: {starts:?}; {}", log());
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn in_the_end_what_runs_is_what_the_directory_says() {
    let edits = number("HAM_RELOAD_EDITS", 150);
    let seed = number("HAM_RELOAD_SEED", 6);
    let units = Units::new("soak");
    fs::write(units.file("worker.sh"), SCRIPT).expect("a script");
    // The first units are there before the manager.
    let manager = start(&units);
    let random = Random::new(seed);
    let mut soak = Soak { units, random, manager, there: BTreeMap::new(), version: 0 };
    for name in everybody() {
        soak.put(name);
    }
    soak.judge(seed);
    let never = [&LEFT_ALONE[..], &AT_ONCE[..]].concat();
    let before = soak.pids(&never);
    for edit in 0..edits {
        soak.edit();
        soak.disturb();
        if edit % BETWEEN == BETWEEN - 1 {
            soak.judge(seed);
            soak.is_as_planned(seed);
            assert_eq!(soak.pids(&never), before, "{}", soak.manager.log());
        }
    }
    soak.judge(seed);
    soak.is_as_planned(seed);
    assert_eq!(soak.pids(&never), before, "{}", soak.manager.log());
    for name in &never {
        assert_eq!(soak.starts(name).len(), 1, "{name}: {}", soak.manager.log());
    }
}
