//! The model as the checker sees it: its sizes, the steps that each party and
//! each fault can take, and what starts it. What a step does is in `monitor`
//! and `reaper`; what must hold is in `properties`.

use crate::state::*;
use crate::{monitor, properties, reaper};
use stateright::{Model, Property};

/// One configuration of the model: the variant and its small sizes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotProtocol {
    pub(crate) variant: Variant,
    pub(crate) entities: u8,
    /// Starts that each entity may have: one, and its restarts.
    pub(crate) starts: u8,
    pub(crate) slots: u8,
    /// Numbers that the kernel has to give; fewer than starts, so they come again.
    pub(crate) pids: u8,
    pub(crate) kills: u8,
    pub(crate) reexecs: u8,
    pub(crate) clone_failures: u8,
}

/// One step of one party. Those with a fixed sequence carry where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The monitor commits a start (the choice of a slot is the model's).
    CommitStart { entity: u8, slot: u8 },
    /// The monitor reads the eventfd that R3 wrote, before it looks.
    HearBell,
    /// The monitor looks at the slot of this entity; consumes an exit.
    Look(u8),
    /// F1.
    Free { slot: u8 },
    /// T1 to T3, M1, M2, M4, M5: the step that the job names.
    Spawner(Job),
    /// M3; the kernel chooses the pid.
    Clone { job: Job, pid: u8 },
    /// M3 fails and no child exists.
    CloneFails(Job),
    /// M3 of a monitor that is thought dead.
    LateClone { job: Job, pid: u8 },
    /// SIGKILL of the monitor; the successor begins.
    Kill,
    /// The child's first act, where it stores its own pid.
    ChildStoresPid(u8),
    /// A child ends and becomes a zombie.
    ChildExits(u8),
    /// R0 with a slot.
    MeetZombie { pid: u8, status: u8, slot: u8 },
    /// R0 without one.
    MeetOrphan { pid: u8 },
    /// R4 ahead of all else.
    ReapFirst { pid: u8, status: u8 },
    /// R1 to R5 and the tidying after a re-execution.
    Reaper(Reaper),
    /// A fatal signal in the reaper.
    Reexecute,
}

impl Model for SlotProtocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let slot = Slot { generation: 0, word: Word::Free, pid: NO_PID, status: NO_STATUS };
        let mut starts_left = [0; MOST_ENTITIES];
        starts_left[..usize::from(self.entities)].fill(self.starts);
        vec![State {
            slots: [slot; MOST_SLOTS],
            bell: false,
            owners: [None; MOST_ENTITIES],
            starts_left,
            history: Vec::new(),
            event_loop: EventLoop::Waiting,
            jobs: Vec::new(),
            reaper: Reaper::Waiting,
            ring: 0,
            processes: Vec::new(),
            late_clones: Vec::new(),
            kills_left: self.kills,
            reexecs_left: self.reexecs,
            clone_failures_left: self.clone_failures,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        monitor::actions(self, state, actions);
        reaper::actions(self, state, actions);
        for (index, process) in (0..).zip(&state.processes) {
            match process.life {
                Life::Newborn => actions.push(Action::ChildStoresPid(index)),
                Life::Alive => actions.push(Action::ChildExits(index)),
                Life::Zombie | Life::Reaped => {}
            }
        }
        if state.kills_left > 0 {
            actions.push(Action::Kill);
        }
        if state.reexecs_left > 0 {
            actions.push(Action::Reexecute);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::CommitStart { entity, slot } => monitor::commit_start(&mut state, entity, slot),
            Action::HearBell => {
                state.bell = false;
                state.event_loop = EventLoop::Looking(0);
            }
            Action::Look(entity) => monitor::look(self, &mut state, entity),
            Action::Free { slot } => state.slot_mut(slot).word = Word::Free,
            Action::Spawner(job) => monitor::advance(self.variant, &mut state, job),
            Action::Clone { job, pid } => monitor::clone_child(self.variant, &mut state, job, pid),
            Action::CloneFails(job) => monitor::fail_clone(&mut state, job),
            Action::LateClone { job, pid } => {
                state.late_clones.retain(|other| *other != job);
                monitor::attach_child(self.variant, &mut state, job, pid);
            }
            Action::Kill => monitor::kill(self, &mut state),
            Action::ChildStoresPid(index) => {
                let process = state.processes[usize::from(index)];
                state.slot_mut(process.slot).pid = process.pid;
                state.processes[usize::from(index)].life = Life::Alive;
            }
            Action::ChildExits(index) => state.processes[usize::from(index)].life = Life::Zombie,
            Action::MeetZombie { pid, status, slot } => {
                reaper::meet_zombie(self.variant, &mut state, pid, status, slot);
            }
            Action::MeetOrphan { pid } => reaper::meet_orphan(&mut state, pid),
            Action::ReapFirst { pid, status } => reaper::reap_first(&mut state, pid, status),
            Action::Reaper(_) => reaper::advance(self, &mut state),
            Action::Reexecute => reaper::reexecute(self, &mut state),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
