//! Settings as the plan has them, for the crate that carries them out; and the
//! line about one that a process goes without.

use crate::facts;
use ham_core::plan::{Policy, Setting, Settings};
use ham_sys::spawn::{self, SpawnError, Stage};

/// The same settings in the words of `ham_sys`.
pub(super) fn for_process(settings: &Settings) -> spawn::Settings {
    spawn::Settings {
        limits: settings.limits.clone(),
        nice: settings.nice,
        scheduling: settings.scheduling.map(|scheduling| spawn::Scheduling {
            policy: match scheduling.policy {
                Policy::Other => spawn::Policy::Other,
                Policy::Batch => spawn::Policy::Batch,
                Policy::Idle => spawn::Policy::Idle,
                Policy::Fifo => spawn::Policy::Fifo,
                Policy::RoundRobin => spawn::Policy::RoundRobin,
            },
            priority: scheduling.priority,
            reset_on_fork: scheduling.reset_on_fork,
        }),
        affinity: settings.affinity.clone(),
        oom_score_adjust: settings.oom_score_adjust,
        no_new_privileges: settings.no_new_privileges,
        capabilities: settings.capabilities.map(|capabilities| spawn::Capabilities {
            bounding: capabilities.bounding,
            ambient: capabilities.ambient,
        }),
        optional: settings.optional.iter().filter_map(|setting| stage(*setting)).collect(),
    }
}

/// The step that carries it out; `None`: none between clone and exec does.
fn stage(setting: Setting) -> Option<Stage> {
    Some(match setting {
        Setting::Limits => Stage::Rlimits,
        Setting::Nice => Stage::Nice,
        Setting::Scheduling => Stage::Scheduling,
        Setting::Affinity => Stage::Affinity,
        Setting::OomScoreAdjust => Stage::OomScore,
        Setting::NoNewPrivileges => Stage::NoNewPrivileges,
        Setting::Capabilities => Stage::Capabilities,
        Setting::Journal => return None,
    })
}

/// What the log says of an optional setting that was refused.
pub(super) fn left_out(error: SpawnError) -> String {
    format!("{}; optional, so it starts without", facts::not_spawned(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ham_sys::Errno;

    /// Unit files and messages call a setting by the same word.
    #[test]
    fn a_setting_is_named_by_its_key() {
        for (setting, word) in Setting::ALL {
            match stage(setting) {
                Some(stage) => assert_eq!(stage.words(), format!("set {word}")),
                None => assert_eq!(setting, Setting::Journal),
            }
        }
    }

    #[test]
    fn a_setting_left_out_is_one_line() {
        let error = SpawnError::new(Stage::Nice, Errno::EPERM);
        let line = "could not set nice: Operation not permitted (EPERM); \
                    optional, so it starts without";
        assert_eq!(left_out(error), line);
        // It says which limit, and which capability.
        for (stage, part, words) in [
            (Stage::Rlimits, 3, "set limits (stack)"),
            (Stage::Capabilities, 12, "set capabilities (NET_ADMIN)"),
        ] {
            let error = SpawnError { stage, errno: Errno::EPERM, part: Some(part) };
            let line = line.replace("set nice", words);
            assert_eq!(left_out(error), line);
            assert!(line.starts_with(&facts::spawn_error(error.to_word())));
        }
    }
}
