//! The first plan of a manager, or the one in place of a plan that could not be
//! read any more: units with errors are left out.

use super::Engine;
use super::ending::host;
use super::memory::{self, SharedMemory};
use super::standby::plan_in_force;
use crate::exit;
use crate::facts::Weight;
use crate::load::{Answer, emergency_entity};
use crate::options::Place;
use ham_core::event::Event;
use ham_core::ids::{EntityId, MAX_PLANNED};
use ham_core::monitor::Monitor;
use ham_core::plan::{PlanIndex, encode};
use ham_core::time::Mono;
use ham_core::way::Way;
use ham_snapshot::header::Field;
use ham_snapshot::plans::PlanHalf;
use ham_sys::{allocation, clock};

impl Engine {
    /// There was a plan, and it could not be read any more.
    pub(super) fn lacks_its_plan(&self) -> bool {
        self.planless && self.state.get(Field::EntitiesUsed) > 0
    }

    pub(super) fn end_for_configuration(&mut self) {
        let within = self.stop_deadline();
        self.feed(Event::Shutdown { way: Way::Exit(exit::CONFIGURATION), within, signals: 0 });
    }

    /// What the loader has made of the units, and the bytes of the plan.
    pub(super) fn take_first_plan(&mut self, answer: &Answer, plan: &[u8]) {
        self.loading.remember(answer);
        self.take_conf(answer.conf.clone());
        for report in &answer.diagnostics {
            self.log.block(format!("{}\n\n", report.rendered.trim_end()));
        }
        for refused in &answer.refused {
            let name = &refused.name;
            self.remark(Weight::Always, &format!("unit {name} has errors and is left out"));
        }
        for reason in &answer.reasons {
            self.remark(Weight::Always, reason);
        }
        if self.shared.options.strict && answer.has_errors() && !self.lacks_its_plan() {
            self.remark(Weight::Always, "units have errors, and --strict was given");
            self.end_for_configuration();
            return;
        }
        if answer.entities == 0 {
            let all = &self.shared.options.directories;
            let all: Vec<String> = all.iter().map(|path| path.display().to_string()).collect();
            self.remark(Weight::Always, &format!("no units in {}", all.join(", ")));
        }
        // A successor that finds the plan finds this, too.
        self.loading.keep(answer);
        if let Err(why) = self.install_first_plan(plan) {
            self.loader_failed(&why);
            return;
        }
        // A plan takes much more in pieces than what is kept of it.
        allocation::give_back();
    }

    /// On a board whose units cannot even be looked at: somebody has to be let in.
    /// Whether there is a plan for that.
    pub(super) fn has_emergency(&mut self) -> bool {
        if self.shared.options.place == Place::Elsewhere || !self.planless || self.lacks_its_plan()
        {
            return false;
        }
        let answer = Answer { reasons: self.loading.reports.clone(), ..Answer::default() };
        self.loading.keep(&answer);
        let plan = encode(&[emergency_entity(EntityId(0))]).map_err(|error| error.to_string());
        match plan.and_then(|plan| self.install_first_plan(&plan)) {
            Ok(()) => true,
            Err(why) => {
                self.remark(Weight::Always, &format!("there is no shell either: {why}"));
                false
            }
        }
    }

    /// Whose plan could not be read any more, but whose processes run, must be
    /// the same in the new plan: its records go by number.
    fn check_identities(&self, plan: &PlanIndex<&[u8]>) -> Result<(), String> {
        if self.lacks_its_plan() && plan.is_empty() {
            return Err("the plan of before is lost, and there are no units".to_owned());
        }
        // Those that no unit has keep what they are.
        let running = memory::entities_with_processes(self.state);
        for (id, name) in running.into_iter().filter(|(id, _)| id.0 < MAX_PLANNED) {
            // A name that fills its place was perhaps cut.
            let is = |known: &String| known.as_bytes().starts_with(name.as_bytes());
            if plan.name(id).as_ref().is_none_or(|known| !is(known)) {
                return Err(format!(
                    "the plan of before is lost, and the units are not the same any more: {name} \
                     runs and would be taken for another, so all is left as it is"
                ));
            }
        }
        Ok(())
    }

    /// Writes a plan into the half that is not in force, with the generation that
    /// it gets.
    pub(super) fn write_plan(
        &mut self,
        bytes: &[u8],
        plan: &PlanIndex<&[u8]>,
    ) -> Result<(u64, PlanHalf), String> {
        let (generation, half) = self.state.free_plan_half();
        self.store.reserve_plan(half, plan, bytes.len()).map_err(|error| error.to_string())?;
        match half.write(bytes) {
            true => Ok((generation, half)),
            false => Err("the plan is too large".to_owned()),
        }
    }

    fn install_first_plan(&mut self, bytes: &[u8]) -> Result<(), String> {
        let plan = PlanIndex::open(bytes).map_err(|error| error.to_string())?;
        self.check_identities(&plan)?;
        let (generation, half) = self.write_plan(bytes, &plan)?;
        self.state.switch_plan(generation, half);
        let plan = plan_in_force(self.state).map_err(|fatal| fatal.what)?;
        let Some(plan) = plan else { return Err("the plan was not taken".to_owned()) };
        self.shared.common.wake_guardian.post();
        let memory = SharedMemory { state: self.state };
        // Nothing was supervised yet by this monitor: what is found is either
        // nothing, but for a shutdown that was asked for meanwhile, or what
        // one before has left whose plan could not be read any more.
        let (host, now) = (host(self.shared), Mono(clock::monotonic()));
        let (core, resume) = Monitor::restore_on(host, plan, Box::new(memory), now);
        self.core = core;
        self.core.set_stop_deadline(self.stop_deadline());
        self.planless = false;
        self.resume(resume);
        self.feed(Event::Boot);
        Ok(())
    }
}
