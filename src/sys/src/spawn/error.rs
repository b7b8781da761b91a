//! What can go wrong between the decision to start a program and its first
//! instruction, as one word that fits into shared memory and as a sentence.

use std::fmt;

use crate::Errno;

/// The step of a spawn that failed. The numbers stand in shared memory: they
/// are never given a new meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Stage {
    /// Making the process; there is none.
    Clone = 1,
    /// Leaving the manager's descriptor table, or handing over a descriptor.
    Descriptors = 2,
    /// Joining the cgroup.
    Cgroup = 3,
    /// Starting a session of its own.
    Session = 4,
    /// Restoring the limit of open files.
    Limits = 5,
    /// Opening standard input.
    Stdin = 6,
    /// Opening standard output.
    Stdout = 7,
    /// Opening standard error.
    Stderr = 8,
    /// Setting the supplementary groups.
    Groups = 9,
    /// Setting the group.
    Group = 10,
    /// Setting the user.
    User = 11,
    /// Changing to the working directory.
    Directory = 12,
    /// Executing the program.
    Exec = 13,
    /// Setting the limits that were asked for.
    Rlimits = 14,
    /// Setting the nice value.
    Nice = 15,
    /// Setting the scheduling policy.
    Scheduling = 16,
    /// Setting the processors to run on.
    Affinity = 17,
    /// Setting the inclination of the OOM killer.
    OomScore = 18,
    /// Giving up new privileges.
    NoNewPrivileges = 19,
    /// Setting capabilities.
    Capabilities = 20,
    /// Opening the terminal, or becoming the session that it controls.
    Terminal = 21,
}

impl Stage {
    pub(super) const ALL: [Stage; 21] = [
        Stage::Clone,
        Stage::Descriptors,
        Stage::Cgroup,
        Stage::Session,
        Stage::Limits,
        Stage::Stdin,
        Stage::Stdout,
        Stage::Stderr,
        Stage::Groups,
        Stage::Group,
        Stage::User,
        Stage::Directory,
        Stage::Exec,
        Stage::Rlimits,
        Stage::Nice,
        Stage::Scheduling,
        Stage::Affinity,
        Stage::OomScore,
        Stage::NoNewPrivileges,
        Stage::Capabilities,
        Stage::Terminal,
    ];

    /// The bit that stands for it in a set of stages.
    pub(super) fn bit(self) -> u32 {
        1u32.wrapping_shl(self as u32)
    }

    /// What could not be done, to be read after "could not".
    pub fn words(self) -> &'static str {
        match self {
            Stage::Clone => "create a process",
            Stage::Descriptors => "pass descriptors",
            Stage::Cgroup => "join the cgroup",
            Stage::Session => "start a session",
            Stage::Limits => "restore the limit of open files",
            Stage::Stdin => "open standard input",
            Stage::Stdout => "open standard output",
            Stage::Stderr => "open standard error",
            Stage::Groups => "set the supplementary groups",
            Stage::Group => "set the group",
            Stage::User => "set the user",
            Stage::Directory => "change to the directory",
            Stage::Exec => "execute",
            Stage::Rlimits => "set limits",
            Stage::Nice => "set nice",
            Stage::Scheduling => "set scheduling",
            Stage::Affinity => "set affinity",
            Stage::OomScore => "set oom-score-adjust",
            Stage::NoNewPrivileges => "set no-new-privileges",
            Stage::Capabilities => "set capabilities",
            Stage::Terminal => "take the terminal",
        }
    }
}

/// A spawn that failed: where, and the kernel's reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpawnError {
    /// The step.
    pub stage: Stage,
    /// The reason.
    pub errno: Errno,
    /// For [`Stage::Rlimits`] the resource of setrlimit(2), for
    /// [`Stage::Capabilities`] the number of the capability; `None`: the step
    /// has no parts, or failed as a whole.
    pub part: Option<u16>,
}

/// The bits of an error word that hold the error number.
const ERRNO_BITS: u64 = 0xffff;
/// Above them is the part, counted from 1; 0: none.
const PART_SHIFT: u32 = 16;

/// The error word of the child, whose part counts from 1.
pub(super) fn word(stage: Stage, part: u16, errno: u16) -> u64 {
    (stage as u64) << 32 | u64::from(part) << PART_SHIFT | u64::from(errno)
}

impl SpawnError {
    /// A failure of a whole step.
    pub fn new(stage: Stage, errno: Errno) -> SpawnError {
        SpawnError { stage, errno, part: None }
    }

    /// The error word of a slot: the stage in the high half, the error number
    /// in the lowest 16 bits, the part and one in those between. `None` for 0 (no error) and for what no version of ham
    /// wrote.
    pub fn from_word(word: u64) -> Option<SpawnError> {
        let number = (word >> 32) as u32;
        let stage = Stage::ALL.into_iter().find(|stage| *stage as u32 == number)?;
        Some(SpawnError {
            stage,
            errno: Errno((word & ERRNO_BITS) as i32),
            part: ((word >> PART_SHIFT) as u16).checked_sub(1),
        })
    }

    /// The word that [`SpawnError::from_word`] reads.
    pub fn to_word(self) -> u64 {
        let part = self.part.map_or(0, |part| part.saturating_add(1));
        word(self.stage, part, self.errno.0 as u16)
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "could not {}: {}", self.stage.words(), self.errno)
    }
}

impl std::error::Error for SpawnError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_survives_its_word() {
        for stage in Stage::ALL {
            let whole = SpawnError::new(stage, Errno::ENOENT);
            for part in [None, Some(0), Some(7), Some(63)] {
                let error = SpawnError { part, ..whole };
                assert_eq!(SpawnError::from_word(error.to_word()), Some(error));
            }
        }
        assert_eq!(SpawnError::from_word(0), None);
        assert_eq!(SpawnError::from_word(99 << 32 | 2), None);
    }

    #[test]
    fn an_error_reads_as_a_sentence() {
        let error = SpawnError::new(Stage::Exec, Errno::ENOENT);
        assert_eq!(error.to_string(), "could not execute: No such file or directory (ENOENT)");
    }
}
