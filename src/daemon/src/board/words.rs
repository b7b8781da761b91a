//! The words of the kernel's command line that are for init: what the kernel
//! does not know itself it passes on as arguments, and all of it stands in
//! /proc/cmdline.

use crate::options::{Options, VERBOSITY};

/// Ask for the shell, as other inits have it.
const EMERGENCY: [&str; 8] = ["emergency", "rescue", "single", "s", "S", "1", "-b", "-s"];

/// What a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// No units, but a shell.
    Emergency,
    /// Errors alone.
    Quiet,
    /// Details, too.
    Debug,
}

impl Word {
    /// `None`: it is not for init.
    pub(crate) fn of(text: &str) -> Option<Word> {
        match text {
            "quiet" => Some(Word::Quiet),
            "debug" => Some(Word::Debug),
            other => EMERGENCY.contains(&other).then_some(Word::Emergency),
        }
    }

    /// How much the log tells; `None`: it is not about that.
    pub(crate) fn verbosity(self) -> Option<u32> {
        match self {
            Word::Quiet => Some(0),
            Word::Debug => Some(VERBOSITY + 1),
            Word::Emergency => None,
        }
    }
}

/// Takes what the kernel has kept for itself, or an initramfs has not passed on.
/// What is said to ham itself counts for more.
pub(super) fn from_kernel(options: &mut Options) {
    let line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    take(&line, options);
}

fn take(line: &str, options: &mut Options) {
    let words: Vec<Word> = line.split_whitespace().filter_map(Word::of).collect();
    // The last one counts, as for the kernel.
    let verbosity = words.iter().rev().find_map(|word| word.verbosity());
    if let (None, Some(verbosity)) = (options.verbosity, verbosity) {
        options.verbosity = Some(verbosity);
        options.words.push(format!("-V{verbosity}").into());
    }
    if !options.emergency && words.contains(&Word::Emergency) {
        options.emergency = true;
        options.words.push("emergency".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Command, parse};

    fn options() -> Options {
        match parse(vec!["--runtime-dir".into(), "/r".into()]) {
            Ok(Command::Run(options)) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_last_word_counts_and_ham_s_own_counts_for_more() {
        let taken = |line: &str, before: Option<u32>| {
            let mut options = Options { verbosity: before, ..options() };
            take(line, &mut options);
            (options.verbosity, options.emergency)
        };
        assert_eq!(taken("ro quiet console=ttyS0 debug\n", None), (Some(2), false));
        assert_eq!(taken("debug quiet root=/dev/vda1 single", None), (Some(0), true));
        assert_eq!(taken("quiet", Some(3)), (Some(3), false));
        assert_eq!(taken("ro singles emergency=1 quietly", None), (None, false));
    }
}
