//! Managers that end without having been asked to: with an entity that is `main`,
//! or as the init of a container with the last one. What must hold of such an end,
//! and when it must have come, judged by processes and not by how the core decides.

use ham_core::effect::{Effect, Fact};
use ham_core::ids::EntityId;
use ham_core::monitor::{Desired, Host, Monitor, Turn, View, Why};
use ham_core::plan::{EntityPlan, Kind, StartMode};
use ham_core::status::ExitStatus;
use ham_core::way::Way;
use ham_tests::fake::{Checked, Kernel, Process, Random};

/// The end of a manager that has come by itself.
#[derive(Debug, Default)]
pub(crate) struct Alone {
    /// With this exit code, as committed.
    pub(crate) code: Option<u8>,
    /// With whom that is `main`, with all, and how a signal found one that is
    /// `main`: how often.
    pub(crate) met: [u32; 3],
}

/// Whether it is the init of a container, and which of its entities are `main`:
/// both in some lives only, as most are to be long.
pub(crate) fn draw(seed: u64, host: Host, plans: &mut [EntityPlan]) -> Host {
    let mut random = Random::new(seed ^ 0x6d61_696e);
    let has_mains = random.chance(25);
    for plan in plans.iter_mut().filter(|plan| has_mains && is_work(plan)) {
        plan.main = random.chance(40);
    }
    Host { container: !host.reboots && random.chance(40), ..host }
}

fn is_work(plan: &EntityPlan) -> bool {
    matches!(plan.kind, Kind::Service | Kind::Oneshot { .. } | Kind::Forking { .. })
}

/// The last process of an entity that has reached its program.
fn last(kernel: &Kernel, id: EntityId) -> Option<&Process> {
    let is_own = |process: &&Process| process.main && process.entity == id && process.executed;
    kernel.processes.values().rev().find(is_own)
}

fn code_of(status: ExitStatus) -> u8 {
    match status {
        ExitStatus::Code(code) => code,
        ExitStatus::Signal { signal, .. } => 128 + signal.0,
        ExitStatus::Unknown => 1,
    }
}

/// Down, by itself, and nobody brings it back when nothing moves any more.
fn is_over(view: &View) -> bool {
    let by_itself = matches!(
        view.why,
        Why::Died(_)
            | Why::Finished(_)
            | Why::StartFailed(_)
            | Why::PreStartFailed
            | Why::StartTimeout
            | Why::Limit
    );
    by_itself
        && view.desired == Desired::Running
        && matches!(view.state, "stopped" | "failed" | "finished")
}

impl Alone {
    /// A turn that was committed.
    pub(crate) fn committed(
        &mut self,
        turn: &Turn,
        monitor: &Monitor,
        (kernel, plans, host): (&Kernel, &[EntityPlan], Host),
    ) -> Checked {
        for effect in &turn.effects {
            let Effect::Notice(notice) = effect else { continue };
            let Fact::EndsManager { code, main } = notice.fact else { continue };
            let Some(plan) = plans.get(notice.entity.index()) else {
                return Err(format!("{notice:?} about nobody"));
            };
            if self.code.replace(code).is_some() || monitor.ends_in() != Some(Way::Exit(code)) {
                return Err(format!("{notice:?}, and it ends in {:?}", monitor.ends_in()));
            }
            let held = |process: &&Process| {
                process.main && process.alive && process.executed && process.slot.generation != 0
            };
            let is_about = |process: &&Process| !main || process.entity == notice.entity;
            if let Some(process) = kernel.processes.values().filter(held).find(is_about) {
                return Err(format!("{notice:?}, and there is {process:?}"));
            }
            if if main { !plan.main } else { !host.container } {
                return Err(format!("{notice:?}, who is nobody's end but its own"));
            }
            let view = monitor.view(notice.entity);
            let status = last(kernel, notice.entity).and_then(|process| process.status);
            let from_status = matches!(view.why, Why::Died(_) | Why::Finished(_));
            // Of all, the code is 0 when it ended as it may.
            if from_status && status.map(code_of) != Some(code) && (main || code != 0) {
                return Err(format!("{notice:?}, and its process has ended with {status:?}"));
            }
            self.met[usize::from(!main)] += 1;
        }
        Ok(())
    }

    /// Nothing moves any more, and the manager is there.
    pub(crate) fn quiet(monitor: &Monitor, plans: &[EntityPlan], host: Host) -> Checked {
        // A list that waits for ever could bring somebody back.
        if monitor.ids().into_iter().any(|id| monitor.lists(id).next().is_some()) {
            return Ok(());
        }
        let view = |plan: &EntityPlan| monitor.view(plan.id);
        if let Some(plan) = plans.iter().find(|plan| plan.main && is_over(&view(plan))) {
            return Err(format!("{} is main and over, and the manager goes on", plan.name));
        }
        let never = |plan: &EntityPlan| matches!(view(plan).why, Why::NeverStarted);
        let begun = || plans.iter().filter(|plan| is_work(plan) && !never(plan));
        let others = monitor.ids().into_iter().any(|id| id.index() >= plans.len());
        let by_itself = |plan: &EntityPlan| plan.start == StartMode::Auto;
        if host.container && !others && begun().any(by_itself) && begun().all(|p| is_over(&view(p)))
        {
            return Err("all are over, and the manager of the container goes on".to_owned());
        }
        Ok(())
    }

    /// What exit code a manager has that was asked by a signal and has none of its
    /// own: of those that are `main`, the first that took its stop otherwise.
    pub(crate) fn after_signal(
        &mut self,
        monitor: &Monitor,
        kernel: &Kernel,
        plans: &[EntityPlan],
    ) -> u8 {
        for plan in plans.iter().filter(|plan| plan.main) {
            let view = monitor.view(plan.id);
            let process = last(kernel, plan.id).and_then(|process| process.status);
            let Some(status) = process.filter(|_| view.why == Why::Shutdown) else { continue };
            self.met[2] += 1;
            let asked = |by| by == plan.stop.signal;
            let as_asked = matches!(status, ExitStatus::Signal { signal, .. } if asked(signal));
            if !as_asked && code_of(status) != 0 {
                return code_of(status);
            }
        }
        0
    }
}
