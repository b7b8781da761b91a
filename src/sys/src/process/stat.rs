//! What /proc/PID/stat tells of a process. Reads only.

/// PF_FORKNOEXEC of linux/sched.h: set by fork, cleared by exec.
const FORKED_NOT_EXECED: u64 = 0x40;

/// What is wanted of /proc/PID/stat (proc_pid_stat(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) name: String,
    pub(crate) state: u8,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) session: i32,
    pub(crate) flags: u64,
    pub(crate) start_time: u64,
    /// Whether it has a place for its environment. Not between the moment in
    /// which exec gives it new memory and the one in which that is laid out,
    /// nor when its memory is gone; and not for who may not look (field 51).
    pub(crate) has_environment: bool,
    /// How it has ended, as waitpid(2) tells it; 0 as well for who may not look
    /// (field 52).
    pub(crate) exit_code: i32,
}

impl Stat {
    /// Reads it; `None` when there is no such process (any more).
    pub(crate) fn of(pid: i32) -> Option<Stat> {
        let bytes = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        Stat::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Option<Stat> {
        // The name may hold spaces and parentheses: it ends at the last one.
        let open = bytes.iter().position(|byte| *byte == b'(')?;
        let close = bytes.iter().rposition(|byte| *byte == b')')?;
        let name = String::from_utf8_lossy(bytes.get(open + 1..close)?).into_owned();
        let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
        // Field 3, the state, is the first after the name.
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Stat {
            name,
            state: *field(3)?.as_bytes().first()?,
            parent: field(4)?.parse().ok()?,
            group: field(5)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            flags: field(9)?.parse().ok()?,
            start_time: field(22)?.parse().ok()?,
            has_environment: field(51).is_some_and(|end| end != "0"),
            exit_code: field(52).and_then(|code| code.parse().ok()).unwrap_or(0),
        })
    }

    /// Ended, only not reaped yet (or being so).
    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// How the process that started at that time has ended (waitpid(2)), as long as
/// nobody has reaped it; `None`: it is no zombie, or we may not know.
pub(super) fn zombie_status(pid: i32, start_time: u64) -> Option<i32> {
    let stat = Stat::of(pid)?;
    let it = stat.state == b'Z' && stat.start_time == start_time;
    // For who may not look every process has ended well.
    let tells = stat.exit_code != 0 || super::uid_of(pid) == Some(super::effective_uid());
    (it && (tells || super::effective_uid() == 0)).then_some(stat.exit_code)
}

/// When a process started, in clock ticks since boot: with pid and boot id it
/// names a process for good. `None` when there is none. Allocates nothing.
pub fn start_time(pid: i32) -> Option<u64> {
    use std::io::{Read, Write};
    let mut path = [0u8; 32];
    let mut rest = path.as_mut_slice();
    write!(rest, "/proc/{pid}/stat").ok()?;
    let unused = rest.len();
    let path = std::str::from_utf8(path.get(..path.len() - unused)?).ok()?;
    // Field 22 is within the first 500 bytes, and one read gets as many as fit.
    let mut bytes = [0u8; 1_024];
    let count = std::fs::File::open(path).ok()?.read(&mut bytes).ok()?;
    start_time_in(bytes.get(..count)?)
}

fn start_time_in(stat: &[u8]) -> Option<u64> {
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    // The first one after the name is field 3.
    fields.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

/// The parent of a process; `None`: there is no such process.
pub fn parent_of(pid: i32) -> Option<i32> {
    Some(Stat::of(pid)?.parent)
}

/// The parent of a process and the leader of its session; `None`: there is no
/// such process.
pub fn relatives_of(pid: i32) -> Option<(i32, i32)> {
    Stat::of(pid).map(|stat| (stat.parent, stat.session))
}

/// The effective user of a process; `None`: there is no such process.
pub fn uid_of(pid: i32) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(format!("/proc/{pid}")).ok().map(|status| status.uid())
}

/// Whether a user other than root may send signals to a process (kill(2)): its
/// real or saved user is that one.
pub fn may_be_signalled_by(pid: i32, uid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    // Real, effective, saved, of the file system (proc_pid_status(5)).
    let mut users = line.into_iter().flat_map(str::split_ascii_whitespace);
    let (real, saved) = (users.next(), users.nth(1));
    [real, saved].into_iter().flatten().any(|user| user.parse() == Ok(uid))
}

/// Whether the process that started at that time lives: a zombie does not.
/// `start_time` 0: whenever it started.
pub fn lives(pid: i32, start_time: u64) -> bool {
    Stat::of(pid)
        .is_some_and(|stat| !stat.is_dead() && (start_time == 0 || stat.start_time == start_time))
}

/// Whether a process was forked or cloned and has not executed a program yet.
pub fn forked_not_execed(pid: i32) -> Option<bool> {
    Some(Stat::of(pid)?.flags & FORKED_NOT_EXECED != 0)
}

/// The kernel's name of a process (comm, at most 15 bytes).
pub fn name_of(pid: i32) -> Option<String> {
    Some(Stat::of(pid)?.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::pid;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let text = b"42 (a) b (c) S 7 8 9 0 -1 4194368 1 2 3 4 5 6 7 8 20 0 1 0 8675309 1 2 3\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat.name, "a) b (c");
        assert_eq!((stat.state, stat.parent, stat.group, stat.session), (b'S', 7, 8, 9));
        assert_eq!(stat.start_time, 8_675_309);
        assert_eq!(start_time_in(text), Some(8_675_309));
        assert_ne!(stat.flags & FORKED_NOT_EXECED, 0);
        assert_eq!(Stat::parse(b"42 (a S 1"), None);
        assert_eq!(Stat::parse(b"42 (a) S 1 2"), None);
    }

    #[test]
    fn this_process_has_a_name_and_a_start_time() {
        assert!(start_time(pid()).unwrap() > 0);
        let own = crate::process::effective_uid();
        assert!(may_be_signalled_by(pid(), own));
        assert!(!may_be_signalled_by(pid(), own + 1));
        assert!(!may_be_signalled_by(5_000_000, own));
        assert_eq!(forked_not_execed(pid()), Some(false));
        assert!(name_of(pid()).is_some());
        // Above the largest pid_max (2^22), so no process has this number.
        assert_eq!(start_time(5_000_000), None);
    }
}
