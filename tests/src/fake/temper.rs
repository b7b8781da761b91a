//! How unkind the fake machine is: each number is a share in a hundred.

/// What goes wrong how often.
#[derive(Clone, Copy, Debug)]
pub struct Temper {
    /// A clone is refused (`EAGAIN`).
    pub clone_refused: u64,
    /// The program cannot be executed.
    pub exec_fails: u64,
    /// The program is never reached: exec hangs until the process is killed.
    pub exec_hangs: u64,
    /// A main process ends by itself.
    pub dies: u64,
    /// A command does not end by itself.
    pub command_hangs: u64,
    /// A command ends with another code than 0.
    pub command_fails: u64,
    /// A process does not care for TERM and its kin.
    pub stubborn: u64,
    /// A process leaves others behind.
    pub has_offspring: u64,
    /// A pass of clearing leaves something.
    pub clearing_leaves: u64,
    /// A signal that an action sends ends its target.
    pub signal_ends: u64,
    /// A path that is waited for never appears.
    pub path_absent: u64,
    /// A log line or a watch is refused.
    pub refused: u64,
    /// A process never says that it is ready, or leaves no daemon behind.
    pub never_ready: u64,
    /// What is usually quick takes long.
    pub slow: u64,
    /// A heartbeat stays away from now on, or comes again.
    pub silent: u64,
}

impl Temper {
    /// All of it happens.
    #[must_use]
    pub const fn wild() -> Temper {
        Temper {
            clone_refused: 6,
            exec_fails: 8,
            exec_hangs: 6,
            dies: 75,
            command_hangs: 15,
            command_fails: 25,
            stubborn: 20,
            has_offspring: 40,
            clearing_leaves: 15,
            signal_ends: 50,
            path_absent: 40,
            refused: 8,
            never_ready: 15,
            slow: 15,
            silent: 35,
        }
    }

    /// None of it happens: what was begun comes to its end.
    #[must_use]
    pub const fn calm() -> Temper {
        Temper {
            clone_refused: 0,
            exec_fails: 0,
            exec_hangs: 0,
            dies: 0,
            command_hangs: 0,
            command_fails: 0,
            stubborn: 0,
            has_offspring: 0,
            clearing_leaves: 0,
            signal_ends: 0,
            path_absent: 40,
            refused: 0,
            never_ready: 0,
            slow: 0,
            silent: 0,
        }
    }
}
