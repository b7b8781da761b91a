//! What a program that ham supervises says to it: that it is alive, which state
//! it is in, what has happened to it.
//!
//! ```no_run
//! let mut ham = libham::Ham::connect()?;
//! ham.state("running")?;
//! let heart = ham.heart()?;
//! loop {
//!     // One store into shared memory: no system call, also in a signal handler.
//!     heart.beat();
//! #   break;
//! }
//! # Ok::<(), libham::Error>(())
//! ```
//!
//! Which manager is meant says `HAM_CONTROL`, which ham sets for every entity;
//! without it the system's. A call that is cut off by the end of a monitor is
//! made again at its successor, and has no second effect.
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod connection;
mod error;
mod heart;
mod line;

pub use error::Error;
pub use heart::Heart;
pub use line::{Line, Unreached};

use connection::Connection;
use ham_core::wire::{
    AttachHeartbeat, AttachSelfParameters, DetachParameters, HeartbeatPage,
    HeartbeatPageParameters, RaiseParameters, RequestTag, StateParameters,
};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The control socket of the system's manager.
const SYSTEM: &str = "/run/ham/control";

/// By what a heartbeat is supervised (QNX: `ham_attach_self`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The length of a period, 10 ms or more; in each one beat counts.
    pub interval: Duration,
    /// So many periods in a row without a beat are low; 0: never.
    pub low: u32,
    /// So many are high, not fewer than `low`; 0: never.
    pub high: u32,
}

/// A connection to a manager.
#[derive(Debug)]
pub struct Ham {
    connection: Connection,
    client: String,
    serial: i64,
}

impl Ham {
    /// The manager that `HAM_CONTROL` names, else the system's.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect() -> Result<Ham, Error> {
        let named = std::env::var_os("HAM_CONTROL").filter(|path| !path.is_empty());
        let path = named.map_or_else(|| PathBuf::from(SYSTEM), PathBuf::from);
        Ham::at(&path)
    }

    /// The manager behind a control socket.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn at(socket: &Path) -> Result<Ham, Error> {
        let connection = Connection::open(socket)?;
        Ok(Ham { connection, client: client_name(), serial: 0 })
    }

    /// The heartbeat of the entity that this process is one of.
    ///
    /// # Errors
    /// When this is no process of an entity, or its unit has no `[heartbeat]`.
    pub fn heart(&mut self) -> Result<Heart, Error> {
        self.heart_of(None)
    }

    /// The heartbeat of an entity, for who may speak for it.
    ///
    /// # Errors
    /// When the caller may not, or the entity has no heartbeat.
    pub fn heart_of(&mut self, name: Option<&str>) -> Result<Heart, Error> {
        let parameters = HeartbeatPageParameters { name: name.map(str::to_owned) };
        let (page, fd) = self.connection.call::<_, HeartbeatPage>("HeartbeatPage", &parameters)?;
        Heart::map(fd.ok_or(Error::NoPage)?, page)
    }

    /// This process becomes that of the entity of that name, until it detaches
    /// itself or ends, which is a death. If nothing has that name an entity is
    /// made, and goes with the process; for that the caller has to be root, or
    /// the user of the manager. Its heartbeat is supervised by `heartbeat`, else
    /// as the unit says, if there is one. A process that attaches itself again is
    /// supervised anew; then the answer is false.
    ///
    /// # Errors
    /// When the caller may not, the entity has another process or the process is
    /// another entity's, or the heartbeat is out of its bounds.
    pub fn attach(&mut self, name: &str, heartbeat: Option<Heartbeat>) -> Result<bool, Error> {
        let parameters = AttachSelfParameters {
            name: Some(name.to_owned()),
            keep_on_death: false,
            heartbeat: heartbeat.map(|Heartbeat { interval, low, high }| AttachHeartbeat {
                interval_ns: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX),
                low,
                high,
            }),
            request: Some(self.next_tag()),
        };
        self.decided("AttachSelf", &parameters)
    }

    /// The entity of this process lets go of it: its end is no death.
    ///
    /// # Errors
    /// When this is no process of an entity.
    pub fn detach(&mut self) -> Result<(), Error> {
        let parameters = DetachParameters { name: None, request: Some(self.next_tag()) };
        self.decided("Detach", &parameters).map(|_| ())
    }

    /// This process's entity is in this state now: a number, or a name that its
    /// unit gives. False when it was already.
    ///
    /// # Errors
    /// When this is no process of an entity, or its unit has no such name.
    pub fn state(&mut self, state: &str) -> Result<bool, Error> {
        let (state, request) = (state.to_owned(), Some(self.next_tag()));
        let parameters = StateParameters { name: None, state, request };
        self.decided("State", &parameters)
    }

    /// Something has happened to this process's entity.
    ///
    /// # Errors
    /// When this is no process of an entity.
    pub fn raise(&mut self, kind: u32, class: u32, severity: u32) -> Result<(), Error> {
        let request = Some(self.next_tag());
        let parameters = RaiseParameters { name: None, kind, class, severity, request };
        self.decided("Raise", &parameters).map(|_| ())
    }

    fn decided<P: serde::Serialize>(&mut self, method: &str, of: &P) -> Result<bool, Error> {
        let (decided, _) = self.connection.call::<_, ham_core::wire::Decided>(method, of)?;
        Ok(decided.changed)
    }

    fn next_tag(&mut self) -> RequestTag {
        self.serial = self.serial.saturating_add(1);
        RequestTag { client: self.client.clone(), serial: self.serial }
    }
}

/// A name for a client that repeats requests under it (the `client` of a
/// RequestTag), which no other has. Drawn from what the standard library seeds its
/// hash tables with, 64 bits that each process has from the kernel.
#[must_use]
pub fn client_name() -> String {
    let client = RandomState::new().hash_one(std::process::id());
    format!("{client:016x}")
}
