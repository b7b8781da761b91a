//! How the kernel is to treat a program: limits, scheduling, processors, the
//! OOM killer, privileges. As its caller describes it, and as plain values and
//! pointers for the child, who carries it out in `treatment`.

use super::error::{SpawnError, Stage};
use crate::{Errno, process};

/// What is not named is the kernel's default: ordinary scheduling with nice 0,
/// no priority for input and output, oom_score_adj 0. Where a privilege is
/// missing to get back to such a default, it stays as the caller's own.
/// Processors and capabilities that are not named are the caller's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// setrlimit(2): resource, soft and hard limit; `u64::MAX`: none.
    pub limits: Vec<(u32, u64, u64)>,
    /// -20 to 19.
    pub nice: Option<i8>,
    /// sched_setscheduler(2).
    pub scheduling: Option<Scheduling>,
    /// Processors to run on, each below 8192; empty: the caller's.
    pub affinity: Vec<u16>,
    /// proc_pid_oom_score_adj(5), -1000 to 1000. Where it differs from the
    /// caller's own, the child is made with memory of its own, which costs a
    /// copy of page tables: a child that shares the caller's memory and is
    /// chosen by the OOM killer takes the caller along.
    pub oom_score_adjust: Option<i16>,
    /// PR_SET_NO_NEW_PRIVS.
    pub no_new_privileges: bool,
    /// capabilities(7).
    pub capabilities: Option<Capabilities>,
    /// Which of [`Stage::Rlimits`] to [`Stage::Capabilities`] may fail: the
    /// program then starts without, and the caller is told.
    pub optional: Vec<Stage>,
}

/// A scheduling policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduling {
    /// Which.
    pub policy: Policy,
    /// 1 to 99 for `Fifo` and `RoundRobin`, else 0.
    pub priority: u8,
    /// Children get the ordinary policy again (SCHED_RESET_ON_FORK).
    pub reset_on_fork: bool,
}

/// sched(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// SCHED_OTHER.
    Other,
    /// SCHED_BATCH.
    Batch,
    /// SCHED_IDLE.
    Idle,
    /// SCHED_FIFO.
    Fifo,
    /// SCHED_RR.
    RoundRobin,
}

/// Capabilities as masks, bit n for capability n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The others are dropped from the bounding set; `None`: none is.
    pub bounding: Option<u64>,
    /// What the program has although its user is not root. The inheritable
    /// set becomes the same.
    pub ambient: u64,
}

/// Words of an affinity mask: 8192 processors, the most that a kernel can be
/// built for (NR_CPUS). The call that reads a mask wants room for all.
pub(super) const AFFINITY_WORDS: usize = 128;

/// What of the settings has to be allocated beforehand.
pub(super) struct Prepared {
    affinity: Option<Box<[u64; AFFINITY_WORDS]>>,
    /// Decimal, to be written to oom_score_adj.
    oom_score: Option<String>,
}

/// The settings for the child.
#[derive(Clone, Copy)]
pub(super) struct Treatment {
    pub(super) limits: *const (u32, u64, u64),
    pub(super) limit_count: usize,
    pub(super) nice: Option<i8>,
    /// Policy with its flag, and priority.
    pub(super) scheduling: Option<(usize, i32)>,
    /// [`AFFINITY_WORDS`] words, or null.
    pub(super) affinity: *const u64,
    /// What to write to oom_score_adj; null: it is that already. The child
    /// has memory of its own when there is something.
    pub(super) oom_score: *const u8,
    pub(super) oom_score_length: usize,
    /// The caller is asked for that score, and not only does without its own.
    pub(super) oom_score_named: bool,
    pub(super) no_new_privileges: bool,
    pub(super) capabilities: Option<Capabilities>,
    /// Bit n for the stage of number n.
    pub(super) optional: u32,
}

/// The stages that [`Settings::optional`] may name.
const OPTIONAL: [Stage; 7] = [
    Stage::Rlimits,
    Stage::Nice,
    Stage::Scheduling,
    Stage::Affinity,
    Stage::OomScore,
    Stage::NoNewPrivileges,
    Stage::Capabilities,
];

impl Settings {
    /// Does all that allocates, and refuses what makes no sense.
    pub(super) fn prepare(&self) -> Result<Prepared, SpawnError> {
        let refused = |stage| SpawnError::new(stage, Errno::EINVAL);
        if let Some(stage) = self.optional.iter().find(|stage| !OPTIONAL.contains(stage)) {
            return Err(refused(*stage));
        }
        let affinity = match self.affinity.as_slice() {
            [] => None,
            processors => Some(mask(processors).ok_or(refused(Stage::Affinity))?),
        };
        // A file of the kernel's own: reading it waits for nothing.
        let own = process::oom_score_adjust();
        let wanted = self.oom_score_adjust.unwrap_or(0);
        let stays = own == Some(wanted) || (own.is_none() && self.oom_score_adjust.is_none());
        Ok(Prepared { affinity, oom_score: (!stays).then(|| wanted.to_string()) })
    }
}

impl Prepared {
    /// Whether the child needs memory of its own.
    pub(super) fn own_memory(&self) -> bool {
        self.oom_score.is_some()
    }

    /// For the child; valid as long as `settings` and this.
    pub(super) fn treatment(&self, settings: &Settings) -> Treatment {
        let oom_score = self.oom_score.as_deref().map(str::as_bytes);
        Treatment {
            limits: settings.limits.as_ptr(),
            limit_count: settings.limits.len(),
            nice: settings.nice,
            scheduling: settings.scheduling.map(Scheduling::for_kernel),
            affinity: self.affinity.as_ref().map_or(std::ptr::null(), |words| words.as_ptr()),
            oom_score: oom_score.map_or(std::ptr::null(), <[u8]>::as_ptr),
            oom_score_length: oom_score.map_or(0, <[u8]>::len),
            oom_score_named: settings.oom_score_adjust.is_some(),
            no_new_privileges: settings.no_new_privileges,
            capabilities: settings.capabilities,
            optional: settings.optional.iter().fold(0, |mask, stage| mask | stage.bit()),
        }
    }
}

impl Scheduling {
    fn for_kernel(self) -> (usize, i32) {
        let policy = match self.policy {
            Policy::Other => libc::SCHED_OTHER,
            Policy::Batch => libc::SCHED_BATCH,
            Policy::Idle => libc::SCHED_IDLE,
            Policy::Fifo => libc::SCHED_FIFO,
            Policy::RoundRobin => libc::SCHED_RR,
        };
        let flag = if self.reset_on_fork { libc::SCHED_RESET_ON_FORK } else { 0 };
        ((policy | flag) as usize, i32::from(self.priority))
    }
}

/// `None` when there cannot be such a processor.
fn mask(processors: &[u16]) -> Option<Box<[u64; AFFINITY_WORDS]>> {
    let mut words = Box::new([0u64; AFFINITY_WORDS]);
    for number in processors {
        *words.get_mut(usize::from(number / 64))? |= 1 << (number % 64);
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_has_a_bit_for_each_processor() {
        let words = mask(&[0, 63, 64, 8191]).unwrap();
        assert_eq!((words[0], words[1], words[127]), (1 | 1 << 63, 1, 1 << 63));
        assert_eq!(words.iter().map(|word| word.count_ones()).sum::<u32>(), 4);
        assert_eq!(mask(&[8192]), None);
    }

    #[test]
    fn what_cannot_be_optional_is_refused() {
        let settings = Settings { optional: vec![Stage::Nice, Stage::User], ..Settings::default() };
        let error = settings.prepare().err();
        assert_eq!(error, Some(SpawnError::new(Stage::User, Errno::EINVAL)));
    }

    /// The copy of page tables is for those that need it.
    #[test]
    fn only_a_score_of_its_own_costs_memory_of_its_own() {
        let own = process::oom_score_adjust().unwrap();
        let other = if own == 500 { 501 } else { 500 };
        let needs = |score| {
            let settings = Settings { oom_score_adjust: score, ..Settings::default() };
            settings.prepare().unwrap().own_memory()
        };
        assert!(!needs(Some(own)));
        assert!(needs(Some(other)));
        assert_eq!(needs(None), own != 0);
    }
}
