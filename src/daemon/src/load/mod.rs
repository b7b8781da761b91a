//! The loader: a short-lived child that reads units, so that a parser, a hung
//! mount or a slow directory server can harm neither monitor nor entities
//! (details 21). It is told what to look for on standard input, reads the plan
//! in force from the state, and answers with another one.
//!
//! - `messages`: what goes to and fro; `in_force`: the plan that is there
//! - `traces`: whether anything has changed; `decide`: what comes of it; `some`: of
//!   the units that were named alone; `unfinished`: when somebody is still at work
//! - `notes`: for the next loader, what it need not read again
//! - `changes`: that for people
//! - `emergency`: what there is on a board without units

mod changes;
mod decide;
mod emergency;
mod in_force;
mod messages;
mod notes;
#[cfg(test)]
mod properties;
mod some;
#[cfg(test)]
mod tests;
mod traces;
mod unfinished;

pub(crate) use emergency::{Emergency, entity as emergency_entity};
pub(crate) use messages::{Answer, Follows, InForce, Mode, Outcome, Question, Refused};

use crate::say::say;
use decide::Decision;
use emergency::Stays;
use ham_core::plan::{PlanMark, encode};
use ham_sys::inotify::Directories;
use ham_unit::{
    DiagnosticReport, Loaded, Memory, Settings, SystemUsers, load_directories, no_watchdog,
};
use in_force::{Names, Old};
use notes::Notebook;
use std::ffi::OsString;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use traces::{RealFiles, Traces};

/// Where the answer goes.
pub(crate) const ANSWER_NUMBER: i32 = 3;
/// The state, to be read.
pub(crate) const STATE_NUMBER: i32 = 4;
/// Where directories are watched.
pub(crate) const WATCHES_NUMBER: i32 = 5;

/// What the monitor asks of the loader.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Where units are read from.
    pub(crate) directories: Vec<PathBuf>,
    /// Whether those are the system's own.
    pub(crate) system: bool,
    /// When there is a shell instead.
    pub(crate) emergency: Emergency,
}

const SYSTEM: &str = "--system";

impl Request {
    /// From the command line that [`Request::words`] makes.
    pub(crate) fn parse(words: &[OsString]) -> Result<Request, String> {
        let mut request = Request::default();
        for word in words {
            if word == SYSTEM {
                request.system = true;
            } else if let Some(emergency) = Emergency::from_word(word) {
                request.emergency = emergency;
            } else {
                request.directories.push(PathBuf::from(word));
            }
        }
        if request.directories.is_empty() {
            return Err("`ham load` is internal: ham starts it itself".to_owned());
        }
        Ok(request)
    }

    /// The command line.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let mut words = vec![OsString::from("load")];
        if self.system {
            words.push(OsString::from(SYSTEM));
        }
        words.extend(self.emergency.word().map(OsString::from));
        words.extend(self.directories.iter().map(|directory| directory.clone().into_os_string()));
        words
    }
}

/// `ham load`.
pub(crate) fn main(request: &Request) -> ExitCode {
    let _ = ham_sys::process::set_name(c"ham-load");
    match load(request) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(format_args!("load: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// By its name: the number is all that this process was given.
fn given(number: i32) -> String {
    format!("/proc/self/fd/{number}")
}

fn load(request: &Request) -> Result<(), String> {
    let question: Question = serde_json::from_reader(std::io::stdin().lock())
        .map_err(|error| format!("could not read what to do: {error}"))?;
    let watches = ham_sys::process::inherited(WATCHES_NUMBER).ok().map(Directories::from_fd);
    let traces = Traces::look(&request.directories, watches.as_ref());
    let trace = traces.number();
    let mut answer = Answer { trace, watched: traces.names(), ..Answer::default() };
    let mut plan = Vec::new();
    // Who asks is told nothing else than at the last time, if that was nothing.
    let asks = matches!(question.mode, Mode::Asked { .. });
    let may_be_known =
        question.mode == Mode::Look || (asks && question.clean && question.names.is_empty());
    if may_be_known && question.missing.is_empty() && question.trace == trace {
        answer.outcome = Outcome::Unchanged;
    } else {
        plan = compare(request, &question, &mut answer)?;
    }
    let out = File::options().write(true).open(given(ANSWER_NUMBER));
    let write = |out: File| answer.write(BufWriter::new(out), &plan);
    out.and_then(write).map_err(|error| format!("could not write the plan: {error}"))
}

/// What there is, and what there was.
struct Read {
    loaded: Loaded,
    old: Option<Old>,
    /// Where what was read is noted.
    notebook: Option<Notebook>,
}

/// Reads the units, as far as that is not noted, and the plan in force.
fn read(request: &Request, question: &Question) -> Result<Read, String> {
    let in_force = |why: String| format!("the plan in force: {why}");
    let names = match &question.in_force {
        Some(from) => {
            let state = File::open(given(STATE_NUMBER)).map_err(|error| error.to_string())?;
            Some(Names::read(state, from).map_err(in_force)?)
        }
        None => None,
    };
    let users = SystemUsers::new();
    let known = |name: &str| names.as_ref()?.id(name);
    let in_use = |id| names.as_ref().is_some_and(|names| names.has(id));
    // What is to be done for some alone depends on all of the others.
    let notebook = match question.names.is_empty() {
        true => Notebook::new(&question.notes, request),
        false => None,
    };
    let noted = |notebook: &Notebook| Some(notebook.read(names.as_ref()?.mark()?));
    let memory = notebook.as_ref().and_then(noted).unwrap_or_default();
    let settings = Settings {
        strict_owner: request.system,
        instances: &question.instances,
        known_ids: &known,
        id_in_use: &in_use,
        memory: notebook.as_ref().map(|_| &memory),
        ..Settings::new(&users, ham_sys::process::effective_uid())
    };
    let mut loaded = load_directories(&request.directories, &settings);
    if !names.as_ref().is_none_or(|names| names.have(&loaded.kept)) {
        // The notes lie, whoever has written them.
        let settings = Settings { memory: Some(&Memory::default()), ..settings };
        loaded = load_directories(&request.directories, &settings);
    }
    let old = names.map(|names| names.decode(&mut loaded)).transpose();
    let old = old.map_err(|error| in_force(error.to_string()))?;
    // The reaper is this process's parent.
    let reaper = i32::try_from(std::os::unix::process::parent_id()).unwrap_or(0);
    if ham_sys::ending::is_init_of_machine(reaper) {
        let missing = no_watchdog(Path::new("/dev"), &loaded.diagnostics);
        loaded.diagnostics.extend(missing);
    }
    Ok(Read { loaded, old, notebook })
}

/// Compares what there is with the plan in force, and gives the plan that
/// follows, if one does.
fn compare(request: &Request, question: &Question, answer: &mut Answer) -> Result<Vec<u8>, String> {
    let Read { mut loaded, old, notebook } = read(request, question)?;
    let stays = emergency::instead_of_units(request.emergency, question, old.as_ref(), &mut loaded);
    answer.conf.clone_from(&loaded.conf);
    answer.diagnostics = told(question, old.as_ref(), &loaded);
    let mut decision = match &old {
        _ if stays == Stays::Held => emergency::held(),
        Some(old) => decide::decide(question, &request.directories, old, &loaded, &RealFiles),
        None => first(&mut loaded),
    };
    match &old {
        Some(old) if decision.outcome == Outcome::Plan => {
            answer.changes = changes::changes(old, &decision.entities);
            answer.follows = changes::follows(old, &decision.entities, &answer.changes);
            decision = decision.when_finished(question, &answer.changes, &loaded, &RealFiles);
        }
        Some(_) => {}
        None => answer.reasons.extend(stays.why().map(str::to_owned)),
    }
    if decision.outcome == Outcome::Kept && unfinished::is_conf_lost(&request.directories, &loaded)
    {
        answer.conf = None;
    }
    let (plan, mark) = match (decision.outcome, &old) {
        (Outcome::Plan, old) => {
            let plan = match old {
                Some(old) => old.encode(&decision.entities),
                None => encode(&decision.entities),
            };
            let plan = plan.map_err(|error| error.to_string())?;
            let mark = PlanMark::of(&plan);
            (plan, mark)
        }
        (Outcome::Same, old) => (Vec::new(), old.as_ref().and_then(Old::mark)),
        (Outcome::Unchanged | Outcome::Unsettled | Outcome::Kept, _) => (Vec::new(), None),
    };
    if let (Some(notebook), Some(mark)) = (notebook, mark) {
        notebook.write(mark, &loaded.memory);
    }
    let unread = old.as_ref().map_or(0, |old| old.unread.len());
    answer.entities = decision.entities.len().saturating_add(unread);
    answer.take(decision, question);
    Ok(plan)
}

/// What was found: who asks for some units is told of these alone.
fn told(question: &Question, old: Option<&Old>, loaded: &Loaded) -> Vec<DiagnosticReport> {
    let chosen = old.and_then(|old| some::choose(question, old, loaded).ok()).unwrap_or_default();
    let is_told = |file: &str| question.names.is_empty() || some::concerns(file, &chosen, loaded);
    let told = loaded.diagnostics.iter().filter(|diagnostic| is_told(&diagnostic.file));
    told.map(DiagnosticReport::from).collect()
}

impl Answer {
    /// What was decided.
    fn take(&mut self, decision: Decision, question: &Question) {
        self.outcome = decision.outcome;
        self.reasons.extend(decision.reasons);
        self.missing = decision.missing;
        self.held_back = decision.held_back;
        if question.names.is_empty() {
            self.refused = decision.refused;
        } else {
            // There may be more to be done than was asked for.
            self.trace = question.trace;
            self.refused.clone_from(&question.refused);
        }
    }
}

/// Units with errors are left out.
fn first(loaded: &mut Loaded) -> Decision {
    let refused = decide::refused(loaded, &RealFiles);
    let entities = std::mem::take(&mut loaded.entities);
    Decision { entities, refused, ..Decision::default() }
}
