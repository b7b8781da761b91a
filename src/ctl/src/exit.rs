//! The exit codes of hamctl, in one table: the code exits by it, `--help`
//! prints it, and hamctl(1) is compared with it. Owns no decision about which
//! outcome an error is; that is `error.rs`'s.

use std::process::ExitCode;

/// How a run of hamctl ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done as asked.
    Success,
    /// Tried, and it did not work.
    Failed,
    /// The command line or a parameter is wrong.
    Usage,
    /// Asked about one entity, and it does not run.
    NotRunning,
    /// Asked about an entity that does not exist.
    Unknown,
    /// The caller may not do this.
    NotPermitted,
    /// Told to act on an entity that does not exist.
    NoEntity,
    /// The units have errors.
    NotLoaded,
    /// No manager answers.
    NoManager,
    /// Done, but a service file has something of weight that no unit has.
    Lost,
    /// Something changes.
    Changes,
    /// The command of `guard` could not be executed.
    NotExecutable,
    /// There is no such command.
    NoCommand,
}

/// Every exit, its code and its meaning. The numbers are those of the Linux
/// Standard Base (Core 5.0, section 22.2, "Init Script Actions"): 3 and 4 as
/// for `status`, 2, 4, 5 and 7 as for the other actions, which is why 4 stands
/// twice. 8 and 10 are of ham alone. 126 and 127 are those of env(1) and of shells.
pub(crate) const TABLE: [(Exit, u8, &str); 13] = [
    (Exit::Success, 0, "done as asked; status of one entity: it runs"),
    (Exit::Failed, 1, "it failed, or the units have errors"),
    (Exit::Usage, 2, "the command line or a parameter is wrong"),
    (Exit::NotRunning, 3, "status or is-active of one entity: it does not run"),
    (Exit::Unknown, 4, "asked about an entity that does not exist"),
    (Exit::NotPermitted, 4, "no permission"),
    (Exit::NoEntity, 5, "told to act on an entity, or an item of one, that does not exist"),
    (Exit::NotLoaded, 6, "plan or apply: the units have errors, and all stays as it is"),
    (Exit::NoManager, 7, "no manager answers"),
    (Exit::Lost, 8, "import: written, but something of weight has no equivalent"),
    (Exit::Changes, 10, "plan --exit-code: something changes"),
    (Exit::NotExecutable, 126, "guard: the command could not be executed"),
    (Exit::NoCommand, 127, "guard: there is no such command"),
];

impl Exit {
    /// The number for the caller.
    pub(crate) fn code(self) -> u8 {
        // A test holds that every variant has a row; 1 would still be true.
        TABLE.iter().find(|(exit, ..)| *exit == self).map_or(1, |(_, code, _)| *code)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// The table as `--help` shows it.
pub(crate) fn help() -> String {
    let mut text = String::from("Exit codes:");
    for (_, code, meaning) in TABLE {
        text.push_str(&format!("\n  {code}  {meaning}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_has_its_code() {
        let codes = [
            (Exit::Success, 0),
            (Exit::Failed, 1),
            (Exit::Usage, 2),
            (Exit::NotRunning, 3),
            (Exit::Unknown, 4),
            (Exit::NotPermitted, 4),
            (Exit::NoEntity, 5),
            (Exit::NotLoaded, 6),
            (Exit::NoManager, 7),
            (Exit::Lost, 8),
            (Exit::Changes, 10),
            (Exit::NotExecutable, 126),
            (Exit::NoCommand, 127),
        ];
        for (exit, code) in codes {
            assert_eq!(exit.code(), code, "{exit:?}");
        }
    }

    #[test]
    fn the_manual_page_has_the_same_table() {
        let page = include_str!("../../../man/hamctl.1").replace("\\-", "-");
        let section = page.split(".SH EXIT STATUS").nth(1).unwrap();
        let section = section.split("\n.SH ").next().unwrap();
        let rows: Vec<String> =
            TABLE.iter().map(|(_, code, meaning)| format!(".B {code}\n{meaning}\n")).collect();
        for row in &rows {
            assert!(section.contains(row.as_str()), "hamctl(1) lacks {row:?}");
        }
        assert_eq!(section.matches("\n.B ").count(), rows.len(), "hamctl(1) has other rows");
    }
}
