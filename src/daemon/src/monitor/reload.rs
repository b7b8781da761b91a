//! Units that change while the manager runs: who asks for a look at them, and how
//! a new plan takes the place of the one in force, whole and with one turn. What
//! the watched directories tell is in `hearing`.

use super::Engine;
use super::control::say_reloaded;
use super::loading::LONG_PAUSE_NS;
use super::standby::plan_of;
use crate::facts::Weight;
use crate::load::{Answer, Mode, Outcome};
use ham_core::monitor::NotTaken;
use ham_core::plan::PlanIndex;
use ham_core::time::Mono;
use ham_core::wire::{ChangeKind, EntityChange, Reloaded};
use ham_snapshot::header::Field;
use ham_sys::{allocation, clock};
use ham_unit::{Apply, Severity};
use std::collections::VecDeque;

/// How long a file has to have been missing, or left alone.
const SETTLE_NS: u64 = 500_000_000;
/// What has changed while a plan was made is taken into account at once, but
/// not for ever.
const MOST_STALE: u32 = 20;
/// So many names are told in a line of the log.
const MOST_TOLD: usize = 8;

/// Somebody wants to know what units would change, or wants that.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// Which client waits for the answer.
    pub(super) client: Option<u64>,
    /// Whether the changes are to be made.
    pub(super) apply: bool,
    pub(super) prune: bool,
    pub(super) names: Vec<String>,
    /// Instances of templates that are to be there, for a call that waits.
    pub(super) instances: Vec<String>,
    /// So many signals have asked for it by then.
    pub(super) signals: Option<u64>,
}

impl Engine {
    /// A load is asked for; it begins when those before it are done.
    pub(super) fn ask_for_load(&mut self, asked: Asked) {
        self.loading.queue.push_back(asked);
        self.loading.hurry();
        self.load_next();
    }

    /// A signal has asked for it. One that came to a monitor which did not get
    /// it done counts for its successor.
    pub(super) fn look_at_apply_requests(&mut self) {
        let requests = self.state.get(Field::ApplyRequests);
        let known = self.loading.queue.iter().chain(&self.loading.current.asked);
        let known = known.filter_map(|asked| asked.signals).max();
        let taken = self.state.get(Field::AppliesTaken);
        if requests > known.unwrap_or(taken).max(taken) {
            self.remark(Weight::Event, "loading units, as a signal says");
            self.ask_for_load(Asked { apply: true, signals: Some(requests), ..Asked::default() });
        }
    }

    /// A successor looks whether something has changed while nobody watched.
    pub(super) fn look_at_units(&mut self) {
        let now = clock::monotonic();
        self.loading.look_at = Some((now, now));
    }

    /// Begins the next load, if there is one and none is in progress.
    pub(super) fn load_next(&mut self) {
        self.loading.give_way();
        if self.planless || self.core.is_stopping() {
            // The first plan is of all that there is by then, and the last one stays.
            self.loading.look_at = None;
            if self.core.is_stopping() {
                self.refuse_loads("error: the manager is shutting down");
            }
            return;
        }
        if !self.loading.is_idle() {
            return;
        }
        let mode = if let Some(asked) = self.loading.queue.pop_front() {
            let prune = asked.prune;
            self.loading.current.asked = Some(asked);
            Mode::Asked { prune }
        } else {
            let now = clock::monotonic();
            let Some((due, last)) = self.loading.look_at else { return };
            if due.min(last) > now {
                return;
            }
            self.loading.look_at = None;
            self.loading.current.asked = None;
            if self.loading.conf.apply == Apply::Manual {
                return;
            }
            Mode::Look
        };
        self.loading.current.mode = mode;
        self.loading.current.stale = 0;
        self.begin_load();
    }

    /// The loader has an answer.
    pub(super) fn answered(&mut self, mut answer: Answer, plan: &[u8]) {
        self.foresee(&mut answer);
        let answer = &answer;
        self.loading.watched = answer.watched.iter().cloned().collect();
        if self.loading.current.mode == Mode::First {
            self.take_first_plan(answer, plan);
            return;
        }
        match answer.outcome {
            Outcome::Unchanged => {}
            Outcome::Plan if self.loading.is_written() => {
                self.loading.settle(SETTLE_NS);
                return;
            }
            Outcome::Unsettled => {
                self.loading.missing.clone_from(&answer.missing);
                self.loading.settle(SETTLE_NS);
                return;
            }
            Outcome::Kept => self.keep_plan(answer),
            Outcome::Same | Outcome::Plan if self.is_only_asked() => {}
            Outcome::Same if self.is_partial() => {}
            Outcome::Same => {
                self.mended();
                self.take_conf(answer.conf.clone());
                self.loading.remember(answer);
                self.loading.keep(answer);
            }
            Outcome::Plan => match self.install_plan(answer, plan) {
                Ok(true) => {}
                Ok(false) => return self.begin_load(),
                Err(why) => return self.loader_failed(&why),
            },
        }
        self.loading.settled();
        let some = self.is_partial();
        self.tell_reloaded(answer);
        if some {
            // The others are as wrong, or as new, as they were.
            self.look_at_units();
        }
        allocation::give_back();
    }

    /// Nobody wants anything changed.
    fn is_only_asked(&self) -> bool {
        self.loading.current.asked.as_ref().is_some_and(|asked| !asked.apply)
    }

    /// Some units are asked for: what is wrong with all others is not known from
    /// this.
    fn is_partial(&self) -> bool {
        self.loading.current.asked.as_ref().is_some_and(|asked| !asked.names.is_empty())
    }

    /// What is in force stays; why is said once.
    fn keep_plan(&mut self, answer: &Answer) {
        if self.is_only_asked() || self.is_partial() {
            return;
        }
        let before = std::mem::take(&mut self.loading.reports);
        let refused = std::mem::take(&mut self.loading.refused);
        self.loading.remember(answer);
        // Those that were left out when the plan was accepted are so still.
        self.loading.refused = refused;
        if answer.conf.is_some() {
            // It is about no unit, and rights that are taken back are not to hold
            // for as long as one is wrong.
            self.take_conf(answer.conf.clone());
        }
        if self.loading.reports != before {
            for text in answer.errors() {
                self.log.block(format!("{}\n\n", text.trim_end()));
            }
            self.remark(Weight::Always, "units are not applied: all stays as it is");
        }
        let answer = Answer { refused: self.loading.refused.clone(), ..answer.clone() };
        self.loading.keep(&answer);
    }

    /// What kept units from being applied is no more.
    fn mended(&mut self) {
        if self.loading.held {
            self.remark(Weight::Always, "nothing keeps units from being applied any more");
        }
    }

    /// False when it was made from what is not so any more.
    fn install_plan(&mut self, answer: &Answer, bytes: &[u8]) -> Result<bool, String> {
        // One that was started meanwhile is not to leave for want of a file.
        let known = &self.loading.current.instances;
        if self.instances().iter().any(|name| !known.contains(name)) {
            return self.is_stale();
        }
        let plan = PlanIndex::open(bytes).map_err(|error| error.to_string())?;
        let (generation, half) = self.write_plan(bytes, &plan)?;
        let plan = plan_of(half).map_err(|fatal| fatal.what)?;
        let mut turn = std::mem::take(&mut self.turn);
        let base = std::mem::take(&mut self.loading.current.base);
        let taken = self.core.take_plan(Mono(clock::monotonic()), plan, &base, &mut turn);
        self.turn = turn;
        match taken {
            Ok(()) => {}
            Err(NotTaken::Stale) => return self.is_stale(),
            Err(NotTaken::Misses(id)) => {
                return Err(format!("the new plan has lost {}", self.name(id)));
            }
        }
        if !self.is_partial() {
            self.mended();
        }
        self.tell_changes(&answer.changes);
        let turn = self.state.records().committed().wrapping_add(1);
        self.state.stage_plan(generation, half, turn);
        self.finish_turn();
        self.state.settle_plan();
        self.shared.common.wake_guardian.post();
        if !self.is_partial() {
            // What it says belongs to all units, not to some.
            self.take_conf(answer.conf.clone());
            self.loading.remember(answer);
            self.loading.keep(answer);
        }
        self.run_events();
        Ok(true)
    }

    /// It was made from what is not so any more.
    fn is_stale(&mut self) -> Result<bool, String> {
        self.loading.current.stale += 1;
        let often = self.loading.current.stale > MOST_STALE;
        if often { Err("too much changes meanwhile".to_owned()) } else { Ok(false) }
    }

    /// What has changed, in a few lines.
    fn tell_changes(&mut self, changes: &[EntityChange]) {
        for (what, word) in [
            (ChangeKind::Added, "added"),
            (ChangeKind::Changed, "changed"),
            (ChangeKind::Removed, "removed"),
        ] {
            let of: Vec<&EntityChange> =
                changes.iter().filter(|change| change.what == what).collect();
            if of.is_empty() {
                continue;
            }
            let each = |change: &&EntityChange| match change.what {
                ChangeKind::Changed => {
                    let keys: Vec<&str> =
                        change.keys.iter().take(MOST_TOLD).map(|key| key.key.as_str()).collect();
                    format!("{} ({}; {})", change.name, keys.join(", "), change.then.text())
                }
                ChangeKind::Added | ChangeKind::Removed => change.name.clone(),
            };
            let names: Vec<String> = of.iter().take(MOST_TOLD).map(each).collect();
            let more = if of.len() > MOST_TOLD { ", …" } else { "" };
            let text = format!("units {word}: {}{more}", names.join(", "));
            self.remark(Weight::Event, &text);
        }
    }

    /// Who has asked for it is told.
    fn tell_reloaded(&mut self, answer: &Answer) {
        let Some(asked) = self.loading.current.asked.take() else { return };
        let kept = answer.outcome == Outcome::Kept;
        let warnings =
            answer.diagnostics.iter().filter(|report| report.severity != Severity::Error);
        let reloaded = Reloaded {
            applied: asked.apply && !kept,
            generation: self.state.plan_in_force().map_or(0, |(generation, _)| generation),
            changes: answer.changes.clone(),
            errors: if kept { answer.errors() } else { Vec::new() },
            remarks: warnings.map(|report| report.rendered.clone()).collect(),
        };
        self.answer_reload(&asked, &reloaded);
    }

    /// There was no answer.
    pub(super) fn not_reloaded(&mut self) {
        let errors = self.loading.reports.clone();
        if self.planless {
            self.refuse_loads(&errors.join("\n"));
        }
        let Some(asked) = self.loading.current.asked.take() else { return };
        if asked.signals.is_some() {
            // Nobody hears that it has failed; it is done when that can be.
            self.loading.current.asked = Some(asked);
            self.load_again(LONG_PAUSE_NS);
            return;
        }
        let reloaded = Reloaded { errors, ..Reloaded::default() };
        self.answer_reload(&asked, &reloaded);
    }

    /// Whoever waits for a load is told that there will be none.
    fn refuse_loads(&mut self, why: &str) {
        let waiting = std::mem::take(&mut self.loading.queue);
        let (signals, others): (VecDeque<Asked>, VecDeque<Asked>) =
            waiting.into_iter().partition(|asked| asked.signals.is_some());
        self.loading.queue = signals;
        for asked in others {
            let errors = vec![why.to_owned()];
            self.answer_reload(&asked, &Reloaded { errors, ..Reloaded::default() });
        }
    }

    fn answer_reload(&mut self, asked: &Asked, reloaded: &Reloaded) {
        if let Some(signals) = asked.signals {
            self.state.set(Field::AppliesTaken, signals);
        }
        if let Some(client) = asked.client.filter(|_| !asked.instances.is_empty()) {
            if self.is_connected(client) {
                self.loading.tried.insert(client, reloaded.errors.clone());
            }
            self.make_late_calls();
        } else if let Some(client) = asked.client {
            say_reloaded(self, client, reloaded);
        }
    }
}
