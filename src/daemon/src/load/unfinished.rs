//! Files that somebody is still writing, although what they say so far has no
//! error: they lack what they had before, and were written a moment ago.

use super::decide::{Decision, Files, is_of};
use super::messages::{Mode, Outcome, Question};
use ham_core::wire::{ChangeKind, EntityChange};
use ham_unit::{Conf, Loaded};
use std::path::{Path, PathBuf};

/// The file of the manager itself; no unit has such a name.
pub(crate) const CONF: &str = "ham.conf";

/// What is to be looked at again for the sake of `ham.conf`: it says less than
/// before, and is fresh, or was there until now.
pub(super) fn conf(
    question: &Question,
    directories: &[PathBuf],
    loaded: &Loaded,
    files: &dyn Files,
) -> Option<Vec<String>> {
    let path = directories.first()?.join(CONF);
    let is = loaded.conf.as_ref()?;
    if question.overdue || !lacks(is, &question.conf) {
        return None;
    }
    // What is not known to be a file: whoever may not look has no conf, either.
    let is_gone = std::fs::symlink_metadata(&path).is_err();
    let was_gone = question.missing.iter().any(|name| name == CONF);
    match is_gone {
        true if was_gone => None,
        true => Some(question.missing.iter().cloned().chain([CONF.to_owned()]).collect()),
        false => files.is_fresh(&path).then(|| question.missing.clone()),
    }
}

/// Whether the directory of `ham.conf` is not there, or empty: as little as that
/// its units are gone it means that the file is.
pub(super) fn is_conf_lost(directories: &[PathBuf], loaded: &Loaded) -> bool {
    let Some(directory) = directories.first() else { return true };
    !loaded.directories.contains(directory)
        || !directory.join(CONF).exists()
            && !loaded.sources.iter().any(|source| source.path.parent() == Some(directory))
}

/// Whether something was said before and is not any more.
fn lacks(is: &Conf, was: &Conf) -> bool {
    let default = Conf::default();
    (is.apply != was.apply && is.apply == default.apply)
        || (is.stop_deadline.is_none() && was.stop_deadline.is_some())
        || (is.verbosity.is_none() && was.verbosity.is_some())
        || (is.log.is_none() && was.log.is_some())
        || is.allow.len() < was.allow.len()
}

impl Decision {
    /// The same, unless one of the changes may be the first half of a file: then
    /// it is looked at again.
    pub(super) fn when_finished(
        self,
        question: &Question,
        changes: &[EntityChange],
        loaded: &Loaded,
        files: &dyn Files,
    ) -> Decision {
        let looks = question.mode == Mode::Look && !question.overdue;
        let is_half = |change: &EntityChange| {
            let lost = change.keys.iter().any(|key| key.old.is_some() && key.new.is_none());
            let drop_ins = || loaded.drop_in_directories.iter();
            change.what == ChangeKind::Changed
                && lost
                && (files.is_fresh(Path::new(&change.source))
                    || drop_ins().any(|path| is_of(path, &change.name) && files.is_fresh(path)))
        };
        match looks && self.outcome == Outcome::Plan && changes.iter().any(is_half) {
            true => self.unsettled(question.missing.clone()),
            false => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::changes::changes;
    use crate::load::in_force::Old;
    use crate::load::tests::{Units, asked, look};
    use std::fs;

    const WHOLE: &str = "description = \"a\"\n[entity]\ncommand = [\"/bin/true\"]\n\
                         restart = \"always\"\nstop = { timeout = \"3s\" }\n";
    /// As far as a writer had come who paused here: no error in it.
    const HALF: &str = "description = \"b\"\n[entity]\ncommand = [\"/bin/true\"]\n\
                        restart = \"always\"\n";

    fn outcome(units: &Units, old: &Old, question: &Question) -> Outcome {
        let decision = units.decide(old, question);
        let changes = match decision.outcome {
            Outcome::Plan => changes(old, &decision.entities),
            _ => Vec::new(),
        };
        decision.when_finished(question, &changes, &units.load(old), units).outcome
    }

    #[test]
    fn a_unit_that_lacks_what_it_had_is_waited_for_while_it_is_fresh() {
        let units = Units::new("first-half");
        let old = units.put("a", WHOLE).first();
        units.put("a", HALF).fresh.set(true);
        assert_eq!(outcome(&units, &old, &look()), Outcome::Unsettled);
        // Who asks means it, and nobody waits for ever.
        assert_eq!(outcome(&units, &old, &asked(false)), Outcome::Plan);
        let overdue = Question { overdue: true, ..look() };
        assert_eq!(outcome(&units, &old, &overdue), Outcome::Plan);
        // What is there in full is taken at once.
        units.put("a", &WHOLE.replace("\"a\"", "\"b\""));
        assert_eq!(outcome(&units, &old, &look()), Outcome::Plan);
        units.put("a", HALF).fresh.set(false);
        assert_eq!(outcome(&units, &old, &look()), Outcome::Plan);
    }

    #[test]
    fn so_is_one_whose_drop_in_lacks_something() {
        let units = Units::new("half-drop-in");
        let folder = units.directory.join("a.toml.d");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("1.toml"), "[entity]\nnice = 3\n").unwrap();
        let old = units.put("a", WHOLE).first();
        fs::write(folder.join("1.toml"), "[entity]\n").unwrap();
        assert_eq!(outcome(&units, &old, &look()), Outcome::Plan);
        units.fresh.set(true);
        assert_eq!(outcome(&units, &old, &look()), Outcome::Unsettled);
        // The real files: it is what stands in it that is fresh.
        assert!(super::super::traces::RealFiles.is_fresh(&folder));
    }

    #[test]
    fn an_error_that_is_written_again_and_again_is_told_in_the_end() {
        let units = Units::new("overdue");
        let old = units.put("a", WHOLE).first();
        units.put("a", "[entity]\ncommnd = 1\n").fresh.set(true);
        assert_eq!(outcome(&units, &old, &look()), Outcome::Unsettled);
        let overdue = Question { overdue: true, ..look() };
        assert_eq!(outcome(&units, &old, &overdue), Outcome::Kept);
    }

    /// Emptied before it is written, or moved away as vim does.
    #[test]
    fn ham_conf_that_lacks_what_it_had_is_waited_for() {
        let units = Units::new("half-conf");
        let old = units.put("a", WHOLE).first();
        let path = units.directory.join(CONF);
        fs::write(&path, "[manager]\napply = \"auto\"\nverbosity = 3\n").unwrap();
        let conf = units.load(&old).conf.unwrap();
        assert_eq!(conf.verbosity, Some(3));
        let question = Question { conf, ..look() };
        assert_eq!(outcome(&units, &old, &question), Outcome::Same);
        fs::write(&path, "").unwrap();
        units.fresh.set(true);
        assert_eq!(outcome(&units, &old, &question), Outcome::Unsettled);
        assert_eq!(
            outcome(&units, &old, &Question { overdue: true, ..question.clone() }),
            Outcome::Same
        );
        // What is said beside it says that it is written.
        fs::write(&path, "[manager]\nverbosity = 4\n").unwrap();
        assert_eq!(outcome(&units, &old, &question), Outcome::Same);
        fs::remove_file(&path).unwrap();
        units.fresh.set(false);
        let decision = units.decide(&old, &question);
        assert_eq!(
            (decision.outcome, decision.missing.clone()),
            (Outcome::Unsettled, vec![CONF.to_owned()])
        );
        let later = Question { missing: decision.missing, ..question };
        assert_eq!(outcome(&units, &old, &later), Outcome::Same);
    }

    #[test]
    fn a_directory_that_is_lost_says_nothing_of_ham_conf() {
        let units = Units::new("lost-conf");
        let old = units.put("a", WHOLE).first();
        let directories = std::slice::from_ref(&units.directory);
        assert!(!is_conf_lost(directories, &units.load(&old)));
        units.remove("a");
        assert!(is_conf_lost(directories, &units.load(&old)));
        fs::write(units.directory.join(CONF), "").unwrap();
        assert!(!is_conf_lost(directories, &units.load(&old)));
        fs::remove_dir_all(&units.directory).unwrap();
        assert!(is_conf_lost(directories, &units.load(&old)));
    }
}
