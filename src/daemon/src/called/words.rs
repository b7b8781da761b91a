//! The command lines of the other names: what BusyBox, sysvinit and systemd have
//! in common, and clear errors for the rest.

use super::{Name, Order};
use ham_sys::ending::Machine;
use lexopt::prelude::{Long, Short, Value};
use std::ffi::OsString;

/// What `-h` tells, and an error.
pub(super) fn usage(name: Name) -> &'static str {
    match name {
        Name::Reboot => "Usage: reboot [-f [-n]] [-p]",
        Name::PowerOff => "Usage: poweroff [-f [-n]]",
        Name::Halt => "Usage: halt [-f [-n]] [-p]",
        Name::Shutdown => "Usage: shutdown [-h|-P|-H|-r] now",
        Name::Telinit => "Usage: telinit 0|6|q",
    }
}

pub(super) fn parse(name: Name, words: Vec<OsString>) -> Result<Order, String> {
    match name {
        Name::Reboot => end(Machine::Restarts, words),
        Name::PowerOff => end(Machine::Ends, words),
        Name::Halt => end(Machine::Halts, words),
        Name::Shutdown => shutdown(words),
        Name::Telinit => telinit(words),
    }
}

/// An option or word as it was written.
enum Given {
    Option(String),
    Word(String),
}

fn next(parser: &mut lexopt::Parser) -> Result<Option<Given>, String> {
    let Some(argument) = parser.next().map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    Ok(Some(match argument {
        Long(name) => Given::Option(format!("--{name}")),
        Short(letter) => Given::Option(format!("-{letter}")),
        Value(word) => Given::Word(word.to_string_lossy().into_owned()),
    }))
}

fn end(mut how: Machine, words: Vec<OsString>) -> Result<Order, String> {
    let (mut force, mut sync, mut note) = (false, true, false);
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(given) = next(&mut parser)? {
        let word = match given {
            Given::Option(word) => word,
            Given::Word(word) => return Err(format!("unexpected argument `{word}`")),
        };
        match word.as_str() {
            "-f" | "--force" => force = true,
            "-n" | "--no-sync" => sync = false,
            "-p" | "--poweroff" => how = Machine::Ends,
            "--halt" => how = Machine::Halts,
            "--reboot" => how = Machine::Restarts,
            // There is no such note, and nobody is told.
            "-w" | "--wtmp-only" => note = true,
            "-d" | "--no-wtmp" | "--no-wall" => {}
            "--help" => return Ok(Order::Help),
            _ => return Err(format!("unknown option `{word}`")),
        }
    }
    Ok(if note { Order::Nothing } else { Order::End { how, force, sync } })
}

fn shutdown(words: Vec<OsString>) -> Result<Order, String> {
    let mut how = Machine::Ends;
    let mut when = None;
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(given) = next(&mut parser)? {
        let word = match given {
            Given::Option(word) => word,
            Given::Word(word) => {
                // What comes after the time is for people, and nobody is told.
                when.get_or_insert(word);
                continue;
            }
        };
        match word.as_str() {
            "-h" | "-P" | "--poweroff" => how = Machine::Ends,
            "-H" | "--halt" => how = Machine::Halts,
            "-r" | "--reboot" => how = Machine::Restarts,
            // Whether file systems are checked at the next boot is its units'.
            "-f" | "-F" | "--no-wall" => {}
            "-c" => return Err("nothing is planned that could be cancelled".to_owned()),
            "-k" => return Err("-k: ham does not write to terminals of people".to_owned()),
            "--help" => return Ok(Order::Help),
            _ => return Err(format!("unknown option `{word}`")),
        }
    }
    match when.as_deref() {
        Some("now" | "+0") => Ok(Order::End { how, force: false, sync: true }),
        Some(time) => Err(format!("`{time}`: ham plans nothing for later; write `now`")),
        None => Err("when? ham plans nothing for later; write `now`".to_owned()),
    }
}

fn telinit(words: Vec<OsString>) -> Result<Order, String> {
    let mut level = None;
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(given) = next(&mut parser)? {
        match given {
            Given::Option(word) if word == "--help" => return Ok(Order::Help),
            Given::Option(word) => return Err(format!("unknown option `{word}`")),
            Given::Word(word) if level.is_none() => level = Some(word),
            Given::Word(word) => return Err(format!("unexpected argument `{word}`")),
        }
    }
    let end = |how| Ok(Order::End { how, force: false, sync: true });
    match level.as_deref() {
        Some("0") => end(Machine::Ends),
        Some("6") => end(Machine::Restarts),
        Some("q" | "Q") => Ok(Order::Apply),
        Some("u" | "U") => Err("`u`: write `hamctl soft-reboot`".to_owned()),
        Some(level) => Err(format!(
            "`{level}`: ham has no run levels but 0 (power off) and 6 (reboot); `hamctl start` \
             starts a target"
        )),
        None => Err("which run level?".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Order, String> {
        let mut words = line.split_whitespace();
        let name = Name::of_file(words.next().unwrap_or_default()).expect("a name");
        parse(name, words.map(OsString::from).collect())
    }

    fn end(how: Machine, force: bool, sync: bool) -> Result<Order, String> {
        Ok(Order::End { how, force, sync })
    }

    #[test]
    fn each_name_does_its_job() {
        let calm = |how| end(how, false, true);
        for (line, order) in [
            ("reboot", calm(Machine::Restarts)),
            ("poweroff", calm(Machine::Ends)),
            ("halt", calm(Machine::Halts)),
            ("halt -p", calm(Machine::Ends)),
            ("reboot --halt", calm(Machine::Halts)),
            ("reboot -f", end(Machine::Restarts, true, true)),
            ("poweroff -fn", end(Machine::Ends, true, false)),
            ("halt --force --no-sync", end(Machine::Halts, true, false)),
            ("reboot -d --no-wall", calm(Machine::Restarts)),
            ("halt -w", Ok(Order::Nothing)),
            ("reboot --help", Ok(Order::Help)),
            ("shutdown -h now", calm(Machine::Ends)),
            ("shutdown now", calm(Machine::Ends)),
            ("shutdown -P +0", calm(Machine::Ends)),
            ("shutdown -r now back soon", calm(Machine::Restarts)),
            ("shutdown now -H", calm(Machine::Halts)),
            ("telinit 0", calm(Machine::Ends)),
            ("telinit 6", calm(Machine::Restarts)),
            ("init q", Ok(Order::Apply)),
            ("telinit Q", Ok(Order::Apply)),
        ] {
            assert_eq!(parsed(line), order, "{line}");
        }
    }

    #[test]
    fn what_is_not_done_is_told() {
        for (line, expected) in [
            ("reboot now", "unexpected argument `now`"),
            ("reboot -x", "unknown option `-x`"),
            ("shutdown -h 22:00", "`22:00`: ham plans nothing for later; write `now`"),
            ("shutdown -r +5", "`+5`: ham plans nothing"),
            ("shutdown -h", "when?"),
            ("shutdown -c", "nothing is planned"),
            ("shutdown -k now", "-k"),
            ("telinit 3", "no run levels but 0 (power off) and 6 (reboot)"),
            ("telinit u", "hamctl soft-reboot"),
            ("init", "which run level?"),
            ("telinit 0 6", "unexpected argument `6`"),
        ] {
            let why = parsed(line).expect_err(line);
            assert!(why.contains(expected), "{line}: {why}");
        }
    }
}
