//! Parameters and results of `io.ham.Manager`. `Status` is a contract
//! (design §7): fields are added, never renamed. Times are nanoseconds on the
//! monotonic clock where the name says `mono`, seconds since the epoch as a
//! decimal number where it says `time`.

use super::INTERFACE;
use serde::{Deserialize, Deserializer, Serialize};

/// Parameters of the methods that take entities: `Status`, `Start`, `Stop`,
/// `Restart`, `Reload`. Names may be globs (`*`, `?`); none at all means every entity,
/// which only `Status` accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Names or globs.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub names: Vec<String>,
    /// Answer only when it is done (or has failed); otherwise at once.
    #[serde(default = "wait_by_default", deserialize_with = "null_is_yes")]
    pub wait: bool,
    /// Names the request, so that it can be repeated; `Status` does not care.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTag>,
}

/// Names a request: one that comes again under the same name, because the
/// answer was lost, has no second effect and gets the answer of the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestTag {
    /// The client: 16 hexadecimal digits, drawn at random.
    pub client: String,
    /// Its request, counted up from 1.
    pub serial: i64,
}

impl RequestTag {
    /// Both as numbers.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn numbers(&self) -> Result<(u64, u64), String> {
        let hexadecimal = self.client.bytes().all(|byte| byte.is_ascii_hexdigit());
        let client = u64::from_str_radix(&self.client, 16).ok();
        let client = client.filter(|_| hexadecimal && self.client.len() == 16);
        let client = client
            .ok_or_else(|| format!("client `{}` is not 16 hexadecimal digits", self.client))?;
        let serial = u64::try_from(self.serial).ok().filter(|serial| *serial > 0);
        let serial = serial.ok_or_else(|| format!("serial {} is not above 0", self.serial))?;
        Ok((client, serial))
    }
}

fn wait_by_default() -> bool {
    true
}

/// Varlink clients may send `null` for what they leave out.
pub(super) fn null_is_missing<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn null_is_yes<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(true))
}

/// Parameters of `Show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneName {
    /// The entity.
    pub name: String,
}

/// Parameters of `Kill`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillParameters {
    /// Names or globs.
    pub names: Vec<String>,
    /// Number of the signal, 1 to 64.
    pub signal: u8,
    /// Names the request, so that it can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTag>,
}

/// Parameters of `Shutdown`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShutdownParameters {
    /// Exit code of the manager.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub code: u8,
    /// What it ends in otherwise, a word of [`crate::way::Way`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<String>,
    /// Names the request. A shutdown can be repeated without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTag>,
}

/// Result of `Status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The manager itself.
    pub ham: ManagerStatus,
    /// Its entities, by name.
    pub entities: Vec<EntityStatus>,
    /// All that is disarmed, whichever entities were asked for.
    pub disarmed: Vec<super::Disarmed>,
}

/// The manager itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManagerStatus {
    /// Version of the program.
    pub version: String,
    /// The process that reaps.
    pub reaper: RoleStatus,
    /// The process that decides.
    pub monitor: RoleStatus,
    /// The process that waits to take over.
    pub guardian: RoleStatus,
    /// Monitors that have taken over from a dead one.
    pub takeovers: u64,
    /// Microseconds from when the last of these learnt of the death until it
    /// had restored the state; `null` when there was none.
    pub last_takeover_us: Option<u64>,
    /// What has gone wrong with the manager's own processes.
    pub failures: Failures,
    /// Events of the monitor so far that were committed.
    pub turns: u64,
    /// Seconds since the epoch at which the manager was started.
    pub started_time: f64,
    /// How processes are made: `clone3` or `clone`.
    pub spawn: String,
    /// How the processes of an entity are held: `cgroup` or `session`.
    pub containment: String,
    /// Whether the manager is on its way down.
    pub stopping: bool,
    /// Whether the heartbeats of all entities are suspended.
    pub heartbeats_suspended: bool,
    /// The accepted configuration.
    pub plan: PlanStatus,
    /// Heap allocations of the reaper since it began to reap; 0, always.
    pub reaper_allocations: u64,
    /// Exits of processes that belong to no entity.
    pub orphans: u64,
    /// Notifications (sd_notify(3)) that were dropped: of processes that are no
    /// entity's, or that may not tell.
    pub notifications_dropped: u64,
    /// The hardware watchdog; `null` when `ham.conf` names none.
    #[serde(default)]
    pub watchdog: Option<WatchdogStatus>,
}

/// The hardware watchdog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchdogStatus {
    /// Its device.
    pub device: String,
    /// What its driver calls itself; empty when it is not open.
    pub identity: String,
    /// How long after the last feed it starts the machine anew; `null` when it is
    /// not open.
    pub timeout_ns: Option<u64>,
    /// Time since it was last fed; `null` when it was not.
    pub fed_ns: Option<u64>,
    /// The file that must be written to before that; `null`: none.
    pub check: Option<String>,
    /// `fed`; `takeover`: fed for a while although a process of the manager is
    /// missing; `withheld`; `opened`: not fed yet; `closed`.
    pub state: String,
    /// Why it is withheld or closed; empty where it is not.
    pub why: String,
}

/// What has gone wrong with the manager's own processes since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// Monitors that died.
    pub monitor: u64,
    /// Guardians that died before they were needed.
    pub guardian: u64,
    /// Of both: those that were ended because they hung.
    pub hung: u64,
    /// Faults of the reaper, each of which it survived.
    pub reaper: u64,
}

/// One of the processes of the manager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleStatus {
    /// Its process id; 0 when there is none at the moment.
    pub pid: i32,
}

/// The accepted configuration and what is wrong with the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStatus {
    /// Counted up at every accepted change.
    pub generation: u64,
    /// Directories that the units are read from.
    pub directories: Vec<String>,
    /// Errors and warnings of the last load, as text with carets.
    pub errors: Vec<String>,
    /// Units that were refused.
    pub refused: Vec<String>,
    /// Whether units say something else than what is in force, and are not
    /// applied for their errors.
    pub outdated: bool,
}

/// One entity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EntityStatus {
    /// Its name.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// `placeholder waiting starting running stopping backoff finished
    /// stopped failed held`.
    pub state: String,
    /// `running` or `stopped`: what it should be.
    pub desired: String,
    /// Its main process; `null` when there is none.
    pub pid: Option<i32>,
    /// Restarts by its restart action since the manager started.
    pub restarts: u64,
    /// Attempts to bring it back since its waits began anew.
    pub attempts: u64,
    /// Seconds since the epoch of the last change of state; `null` when it
    /// has never been started.
    pub since: Option<f64>,
    /// Nanoseconds since the last change of state.
    pub age_ns: Option<u64>,
    /// Whether it is up: its process runs and has said, as far as it is to
    /// say so, that it is ready; or it stands for its group without a process.
    pub ready: bool,
    /// What it says of itself (`STATUS=` of sd_notify(3)); may be empty.
    pub status_text: String,
    /// The error that it says it has (`ERRNO=`); `null`: none.
    pub errno: Option<u32>,
    /// The state that it has reported, by its name where its unit has one for
    /// it, else its number; `null`: none.
    #[serde(default)]
    pub reported: Option<String>,
    /// Its heartbeat, while that is watched; `null`: it is not.
    #[serde(default)]
    pub heartbeat: Option<super::HeartbeatStatus>,
    /// The entities that its start waits for.
    pub waits_for: Vec<String>,
    /// How its last process ended.
    pub last_exit: Option<ExitReport>,
    /// Why it is in its state, one phrase.
    pub why: String,
    /// The same in one word.
    pub cause: String,
    /// Nanoseconds until the next attempt, in state `backoff`.
    pub next_attempt_ns: Option<u64>,
    /// Whether its process was made of what its unit does not say any more: its
    /// next one will be as the unit says.
    pub outdated: bool,
    /// Whether its end is that of the manager.
    pub main: bool,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitReport {
    /// Exit code; `null` when a signal ended it or nobody knows.
    pub code: Option<u8>,
    /// Name of the signal without `SIG`.
    pub signal: Option<String>,
    /// Whether it was an abnormal death.
    pub abnormal: bool,
    /// `exit 3`, `signal SEGV (core)`, `unknown`.
    pub text: String,
}

/// Result of `Start`, `Stop`, `Restart`, `Reload`, `Kill`: one per entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcomes {
    /// In order of name.
    pub outcomes: Vec<Outcome>,
}

/// What became of a request for one entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The entity.
    pub name: String,
    /// Whether it is as asked.
    pub ok: bool,
    /// What was done, or why not: one phrase.
    pub text: String,
    /// Its state now.
    pub state: String,
}

/// Why a call was refused. The name of the variant is the Varlink error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// No entity of that name (or matching that glob).
    UnknownEntity {
        /// What was asked for.
        name: String,
        /// The nearest name there is.
        nearest: Option<String>,
    },
    /// The caller may not do this.
    PermissionDenied {
        /// The method.
        method: String,
        /// The user id of the caller.
        uid: u32,
    },
    /// The parameters are out of their range.
    BadParameter {
        /// Which one.
        parameter: String,
        /// What is wrong.
        why: String,
    },
    /// The manager is shutting down.
    ShuttingDown {
        /// What was refused.
        method: String,
    },
    /// The manager cannot take more at the moment.
    Busy {
        /// What there is too much of.
        why: String,
    },
    /// The client has used this serial number, or a later one, for another
    /// request; nothing was done.
    SerialUsed {},
    /// A change at run time is not made, and nothing was changed.
    NotChanged {
        /// Why, in one word.
        what: String,
        /// Why, and how to mend it.
        why: String,
    },
    /// It cannot be done as things are.
    NotPossible {
        /// Why, in one word.
        reason: String,
        /// The same for people.
        why: String,
    },
}

impl Refusal {
    /// The Varlink error.
    #[must_use]
    pub fn error_name(&self) -> String {
        let name = match self {
            Refusal::UnknownEntity { .. } => "UnknownEntity",
            Refusal::PermissionDenied { .. } => "PermissionDenied",
            Refusal::BadParameter { .. } => "BadParameter",
            Refusal::ShuttingDown { .. } => "ShuttingDown",
            Refusal::Busy { .. } => "Busy",
            Refusal::SerialUsed {} => "SerialUsed",
            Refusal::NotChanged { .. } => "NotChanged",
            Refusal::NotPossible { .. } => "NotPossible",
        };
        format!("{INTERFACE}.{name}")
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::NotPossible { why, .. } => f.write_str(why),
            Refusal::UnknownEntity { name, nearest: Some(near) } => {
                write!(f, "no entity `{name}`; did you mean `{near}`?")
            }
            Refusal::UnknownEntity { name, nearest: None } => write!(f, "no entity `{name}`"),
            Refusal::PermissionDenied { method, uid } => {
                write!(f, "user {uid} may not call {method}")
            }
            Refusal::BadParameter { parameter, why } => write!(f, "{parameter}: {why}"),
            Refusal::ShuttingDown { method } => {
                write!(f, "the manager is shutting down; {method} is refused")
            }
            Refusal::Busy { why } => write!(f, "the manager is busy: {why}"),
            Refusal::NotChanged { why, .. } => f.write_str(why),
            Refusal::SerialUsed {} => {
                f.write_str("nothing done: the client has used this serial for another request")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Answer;
    use super::*;

    #[test]
    fn null_is_as_good_as_nothing() {
        let names: Names = serde_json::from_str(r#"{"names": null, "wait": null}"#).unwrap();
        assert_eq!(names, serde_json::from_str("{}").unwrap());
        assert!(names.names.is_empty() && names.wait);
        let down: ShutdownParameters = serde_json::from_str(r#"{"code": null}"#).unwrap();
        assert_eq!(down.code, 0);
        let kill: KillParameters =
            serde_json::from_str(r#"{"names": [], "signal": 9, "request": null}"#).unwrap();
        assert_eq!(kill.request, None);
    }

    #[test]
    fn a_name_of_a_request_is_two_numbers_or_refused() {
        let tag = |client: &str, serial| RequestTag { client: client.into(), serial };
        assert_eq!(tag("00000000000000fF", 3).numbers(), Ok((255, 3)));
        assert_eq!(tag("ffffffffffffffff", 1).numbers(), Ok((u64::MAX, 1)));
        for client in
            ["", "ff", "+0000000000000ff", "000000000000000g", "0000000000000000f", "öööööööö"]
        {
            let wrong = tag(client, 1).numbers().unwrap_err();
            assert_eq!(wrong, format!("client `{client}` is not 16 hexadecimal digits"));
        }
        for serial in [0, -1, i64::MIN] {
            assert!(tag("00000000000000ff", serial).numbers().is_err(), "{serial}");
        }
    }

    #[test]
    fn refusals_go_over_the_wire_by_their_own_name() {
        let refusal =
            Refusal::UnknownEntity { name: "audoi".into(), nearest: Some("audio".into()) };
        let answer = Answer::refusal(&refusal);
        assert_eq!(answer.error.as_deref(), Some("io.ham.Manager.UnknownEntity"));
        assert_eq!(answer.parameters["name"], "audoi");
        assert_eq!(answer.as_refusal(), Some(refusal));
    }
}
