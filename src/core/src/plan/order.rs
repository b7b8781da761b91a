//! What entities are to each other: which come first, which cannot be without
//! which, and when one counts as up.

use crate::ids::EntityId;
use serde::{Deserialize, Serialize};

/// What stands behind an entity, and what its end means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A process that should go on running.
    #[default]
    Service,
    /// A process that does one thing and ends; up when it has ended well.
    Oneshot {
        /// Whether it counts as up from then on, until it is stopped: then a
        /// start does not run it again.
        remain: bool,
    },
    /// A command that ends when the daemon which it has left behind is up; the
    /// daemon's process id is in this file.
    Forking {
        /// Absolute path.
        pid_file: String,
    },
    /// No process: a name for a group of entities.
    Target,
    /// A process that ham does not start: it attaches itself, or somebody
    /// attaches it, or a file names it.
    Placeholder {
        /// Absolute path of a file with its process id.
        pid_file: Option<String>,
    },
    /// No process: conditions on whatever happens to any entity, as long as it
    /// is up.
    Global,
}

/// When a process that runs counts as up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Readiness {
    /// When it has executed its program.
    #[default]
    Exec,
    /// When it says so: `READY=1`, sd_notify(3).
    Notify,
    /// When it has written a line end to this descriptor, 3 to 63.
    Descriptor(i32),
    /// When this path exists and is no older than its start.
    Path(String),
}

/// An entity's neighbours, from both ends of each edge: what happens to one
/// concerns only those. All by id, each list in ascending order; ids are
/// stable over reloads, and every reload writes whole plans.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// It cannot be up without these; they are started with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<EntityId>,
    /// These cannot be up without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_by: Vec<EntityId>,
    /// These are started with it, whatever becomes of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wants: Vec<EntityId>,
    /// It starts when these are up or have failed, and ends before them: all
    /// of `after`, `requires`, `wants`, and `before` of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<EntityId>,
    /// The other end of `after`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<EntityId>,
    /// Never up at the same time as these, whoever has said so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<EntityId>,
    /// These have conditions on what happens to it (`of`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched_by: Vec<EntityId>,
}

impl Links {
    /// Whether it has no neighbours.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Links::default()
    }
}

/// What a running entity does when one that it requires was restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnDependencyRestart {
    /// It runs on.
    #[default]
    Keep,
    /// It is restarted too, when the other is up again.
    Restart,
}

/// Whose notifications count (sd_notify(3); `NotifyAccess=` of systemd).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotifyAccess {
    /// Nobody's; `NOTIFY_SOCKET` is not set.
    #[default]
    None,
    /// Its main process's.
    Main,
    /// Those of its main process and of the commands of its own lists.
    Exec,
    /// Those of all of its processes.
    All,
}
