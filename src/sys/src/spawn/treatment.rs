//! The part of a child's work that sets how the kernel treats it. The rules of
//! `child` hold here: raw system calls only, no allocation, no lock, no
//! thread-local storage, no panic, and no write to any memory but its stack
//! and the report.
//!
//! The oom score, processors, limits and priorities come before the change of
//! user, who may lack the right, and after the streams are open, which a low
//! limit of open files would prevent. Limits come before priorities: with
//! RLIMIT_NICE and RLIMIT_RTPRIO a caller without privilege may have them.
//! Bounding set and the keeping of capabilities come before that change, the
//! other capabilities after it; no-new-privileges last.

use std::mem::MaybeUninit;

use super::child::{Failure, check, check_part};
use super::error::Stage;
use super::report::Report;
use super::settings::{AFFINITY_WORDS, Capabilities, Treatment};
use crate::raw::call;

/// linux/ioprio.h: this process, and no class of its own.
const IOPRIO_WHO_PROCESS: usize = 1;

/// linux/prctl.h.
const PR_CAP_AMBIENT: usize = 47;
const PR_CAP_AMBIENT_RAISE: usize = 2;
const PR_CAP_AMBIENT_CLEAR_ALL: usize = 4;

/// _LINUX_CAPABILITY_VERSION_3: masks of 64 bits, as two halves.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// struct __user_cap_header_struct; 0: the calling process.
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

/// struct __user_cap_data_struct.
#[repr(C)]
#[derive(Clone, Copy)]
struct CapabilityHalf {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

impl Treatment {
    /// What needs the rights of the caller.
    pub(super) fn before_identity(&self, report: &Report) -> Result<(), Failure> {
        self.tolerate(report, self.set_oom_score())?;
        self.tolerate(report, self.set_affinity())?;
        self.set_limits(report)?;
        self.tolerate(report, self.set_scheduling())?;
        self.tolerate(report, self.set_nice())?;
        // Always allowed.
        // SAFETY: no pointers.
        unsafe { call(libc::SYS_ioprio_set, [IOPRIO_WHO_PROCESS, 0, 0, 0, 0]) };
        match &self.capabilities {
            Some(capabilities) => self.tolerate(report, capabilities.before_identity()),
            None => Ok(()),
        }
    }

    /// What the change of user would undo, or would be in the way of.
    pub(super) fn after_identity(&self, report: &Report) -> Result<(), Failure> {
        if let Some(capabilities) = &self.capabilities {
            self.tolerate(report, capabilities.begin_anew())?;
            self.hand_on(report, capabilities.ambient)?;
        }
        if self.no_new_privileges {
            let arguments = [libc::PR_SET_NO_NEW_PRIVS as usize, 1, 0, 0, 0];
            // SAFETY: no pointers.
            let result = unsafe { call(libc::SYS_prctl, arguments) };
            self.tolerate(report, check(Stage::NoNewPrivileges, result).map(|_| ()))?;
        }
        Ok(())
    }

    /// A failure of what is optional is written down and forgotten.
    fn tolerate(&self, report: &Report, result: Result<(), Failure>) -> Result<(), Failure> {
        match result {
            Err(Failure { stage, part, errno }) if self.optional & stage.bit() != 0 => {
                report.note(stage, part.checked_sub(1), errno.unsigned_abs() as u32);
                Ok(())
            }
            other => other,
        }
    }

    fn set_oom_score(&self) -> Result<(), Failure> {
        if self.oom_score.is_null() {
            return Ok(());
        }
        // The files in /proc of a process that may not be looked into belong
        // to root. This memory is a copy, so the caller stays as it is.
        // SAFETY: no pointers.
        unsafe { call(libc::SYS_prctl, [libc::PR_SET_DUMPABLE as usize, 1, 0, 0, 0]) };
        let result = self.write_oom_score();
        // SAFETY: as above.
        unsafe { call(libc::SYS_prctl, [libc::PR_SET_DUMPABLE as usize, 0, 0, 0, 0]) };
        if self.oom_score_named { result } else { Ok(()) }
    }

    fn write_oom_score(&self) -> Result<(), Failure> {
        let path = c"/proc/self/oom_score_adj".as_ptr() as usize;
        let flags = (libc::O_WRONLY | libc::O_CLOEXEC) as usize;
        let here = libc::AT_FDCWD as isize as usize;
        // SAFETY: a static C string.
        let file = unsafe { call(libc::SYS_openat, [here, path, flags, 0, 0]) };
        let file = check(Stage::OomScore, file)?;
        let text = self.oom_score as usize;
        // SAFETY: so many bytes of the block; then a descriptor made above.
        let written = unsafe {
            let written = call(libc::SYS_write, [file, text, self.oom_score_length, 0, 0]);
            call(libc::SYS_close, [file, 0, 0, 0, 0]);
            written
        };
        check(Stage::OomScore, written).map(|_| ())
    }

    fn set_affinity(&self) -> Result<(), Failure> {
        if self.affinity.is_null() {
            return Ok(());
        }
        let (bytes, wanted) = (AFFINITY_WORDS * size_of::<u64>(), self.affinity as usize);
        // SAFETY: so many bytes, which the kernel only reads.
        let result = unsafe { call(libc::SYS_sched_setaffinity, [0, bytes, wanted, 0, 0]) };
        check(Stage::Affinity, result)?;
        // Those that are not there, or not in the cpuset, it leaves out
        // without a word. It fills only as much as it knows processors; the
        // array is not cleared, which could be a call of the C library.
        let mut got = MaybeUninit::<[u64; AFFINITY_WORDS]>::uninit();
        let first = got.as_mut_ptr().cast::<u64>();
        // SAFETY: so many bytes of this frame.
        let result = unsafe { call(libc::SYS_sched_getaffinity, [0, bytes, first as usize, 0, 0]) };
        let filled = check(Stage::Affinity, result)? / size_of::<u64>();
        let mut index = 0usize;
        while index < AFFINITY_WORDS {
            // SAFETY: the index is below the length of both, and of what was
            // read only what the kernel has filled is looked at.
            let (wanted, got) = unsafe {
                let got = if index < filled { *first.wrapping_add(index) } else { 0 };
                (*self.affinity.wrapping_add(index), got)
            };
            if wanted & !got != 0 {
                return check(Stage::Affinity, -(libc::EINVAL as isize)).map(|_| ());
            }
            index = index.wrapping_add(1);
        }
        Ok(())
    }

    /// Where they are optional, one that is refused does not keep the others
    /// from being set.
    fn set_limits(&self, report: &Report) -> Result<(), Failure> {
        let mut index = 0usize;
        while index < self.limit_count {
            // SAFETY: `index` is below the count.
            let (resource, soft, hard) = unsafe { *self.limits.wrapping_add(index) };
            let limits = [soft, hard];
            let arguments = [0, resource as usize, (&raw const limits) as usize, 0, 0];
            // SAFETY: struct rlimit64 is two 64-bit words.
            let result = unsafe { call(libc::SYS_prlimit64, arguments) };
            self.tolerate(report, check_part(Stage::Rlimits, resource as usize, result))?;
            index = index.wrapping_add(1);
        }
        Ok(())
    }

    /// Ambient capabilities, one by one as the limits.
    fn hand_on(&self, report: &Report, ambient: u64) -> Result<(), Failure> {
        let (mut rest, mut number) = (ambient, 0usize);
        while rest != 0 {
            if rest & 1 == 1 {
                let raised = inherit(|inheritable| inheritable | 1 << (number & 63));
                let result = if raised < 0 {
                    raised
                } else {
                    let raise = [PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0];
                    // SAFETY: no pointers.
                    unsafe { call(libc::SYS_prctl, raise) }
                };
                self.tolerate(report, check_part(Stage::Capabilities, number, result))?;
            }
            rest >>= 1;
            number = number.wrapping_add(1);
        }
        Ok(())
    }

    fn set_scheduling(&self) -> Result<(), Failure> {
        let (policy, priority) = self.scheduling.unwrap_or((libc::SCHED_OTHER as usize, 0));
        // struct sched_param is this one number.
        let arguments = [0, policy, (&raw const priority) as usize, 0, 0];
        // SAFETY: a number of this frame, which the kernel only reads.
        let result = unsafe { call(libc::SYS_sched_setscheduler, arguments) };
        match self.scheduling {
            Some(_) => check(Stage::Scheduling, result).map(|_| ()),
            None => Ok(()),
        }
    }

    fn set_nice(&self) -> Result<(), Failure> {
        let nice = self.nice.unwrap_or(0) as isize as usize;
        // SAFETY: no pointers.
        let result =
            unsafe { call(libc::SYS_setpriority, [libc::PRIO_PROCESS as usize, 0, nice, 0, 0]) };
        match self.nice {
            Some(_) => check(Stage::Nice, result).map(|_| ()),
            None => Ok(()),
        }
    }
}

impl Capabilities {
    fn before_identity(&self) -> Result<(), Failure> {
        let mut number = 0usize;
        while let Some(bounding) = self.bounding {
            let read = [libc::PR_CAPBSET_READ as usize, number, 0, 0, 0];
            // SAFETY: no pointers.
            let there = unsafe { call(libc::SYS_prctl, read) };
            // EINVAL above the last one that this kernel knows.
            if there < 0 || number >= u64::BITS as usize {
                break;
            }
            if there == 1 && bounding >> number & 1 == 0 {
                let drop = [libc::PR_CAPBSET_DROP as usize, number, 0, 0, 0];
                // SAFETY: no pointers.
                check(Stage::Capabilities, unsafe { call(libc::SYS_prctl, drop) })?;
            }
            number = number.wrapping_add(1);
        }
        if self.ambient == 0 {
            return Ok(());
        }
        // Otherwise a root that becomes somebody else has nothing left to
        // hand on. Exec clears the flag.
        let keep = [libc::PR_SET_KEEPCAPS as usize, 1, 0, 0, 0];
        // SAFETY: no pointers.
        check(Stage::Capabilities, unsafe { call(libc::SYS_prctl, keep) }).map(|_| ())
    }

    /// Leaves no ambient capability, and of the inheritable ones none that
    /// is not to be handed on.
    fn begin_anew(&self) -> Result<(), Failure> {
        check(Stage::Capabilities, inherit(|inheritable| inheritable & self.ambient))?;
        let clear = [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0];
        // SAFETY: no pointers.
        check(Stage::Capabilities, unsafe { call(libc::SYS_prctl, clear) }).map(|_| ())
    }
}

/// Changes the inheritable set; negative: the error number.
fn inherit(change: impl Fn(u64) -> u64) -> isize {
    let header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    let mut low = CapabilityHalf { effective: 0, permitted: 0, inheritable: 0 };
    let mut halves = [low, low];
    let arguments = [(&raw const header) as usize, (&raw mut halves) as usize, 0, 0, 0];
    // SAFETY: a header of version 3 goes with two halves.
    let result = unsafe { call(libc::SYS_capget, arguments) };
    if result < 0 {
        return result;
    }
    let mut high;
    [low, high] = halves;
    let inheritable = change(u64::from(high.inheritable) << 32 | u64::from(low.inheritable));
    low.inheritable = inheritable as u32;
    high.inheritable = (inheritable >> 32) as u32;
    let halves = [low, high];
    let arguments = [(&raw const header) as usize, (&raw const halves) as usize, 0, 0, 0];
    // SAFETY: as above; the kernel only reads.
    unsafe { call(libc::SYS_capset, arguments) }
}
