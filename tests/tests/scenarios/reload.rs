//! Other units in the middle of a scenario, made into the next plan and taken as
//! the daemon does.

use crate::machine::{Machine, restore};
use crate::plans;
use crate::show;
use ham_core::monitor::Turn;
use ham_core::plan::{PlanIndex, PlanSource, encode, join};
use ham_tests::fake::number;

impl Machine {
    /// These units are there from now on; cut short, the monitor dies before
    /// that is committed.
    pub(crate) fn reload(&mut self, units: &str, cut_short: bool) -> String {
        if self.restored {
            (self.monitor, _) = restore(self.host, &self.bytes, &self.memory, self.now);
        }
        let (base, plan) = (self.monitor.base(), self.monitor.plan());
        let known = base.known(plan).expect("a plan that can be read");
        let mut new = plans::plan(units);
        number(&mut new, &|name| Some(known.get(name)?.plan.id), &plan.ids().collect());
        let stays = |name: &str| new.iter().any(|unit| unit.name == name);
        let gone = known.values().filter(|known| !stays(&known.plan.name));
        let gone = gone.map(|known| known.plan.id).collect();
        let next = join(&known, &new, &gone);
        let bytes = encode(&next).expect("a plan inside the rules");
        let source: Box<dyn PlanSource> = Box::new(bytes.clone());
        let plan = PlanIndex::open(source).expect("a plan that was just encoded");
        let mut turn = Turn::default();
        let taken = self.monitor.take_plan(self.now, plan, &base, &mut turn);
        assert_eq!(taken, Ok(()));
        if cut_short {
            return self.take_over();
        }
        self.bytes = bytes;
        self.names = next.into_iter().map(|plan| (plan.id, plan.name)).collect();
        self.memory.commit(&self.monitor, &turn);
        let mut out = String::new();
        for effect in &turn.effects {
            out.push_str(&format!("{}\n", show::effect(&self.monitor, effect)));
        }
        out.push_str(&self.changes());
        for effect in &turn.effects {
            if let Some(event) = self.carry(effect) {
                out.push_str(&self.step(event));
            }
        }
        out
    }
}
