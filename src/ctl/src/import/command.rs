//! The value of an `Exec…=` key: prefixes, words and variables, and what they
//! become: words of ham, or a line of a shell where systemd splits a variable.

use super::identity::is_variable;
use super::parse::Assignment;
use super::specifiers::PID;
use super::words;
use ham_core::signal::Signal;

/// One command.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) from: Assignment,
    /// `-`: its failure counts as success.
    pub(crate) may_fail: bool,
    /// `+`, `!` or `!!`: as root, whatever `User=` says.
    pub(crate) elevated: bool,
    /// `@`: the second word was to be its name.
    pub(crate) renamed: bool,
    pub(crate) words: Vec<Word>,
}

/// A word, in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) pieces: Vec<Piece>,
    /// `$NAME` alone: becomes as many words as its value has.
    pub(crate) splits: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Variable(String),
}

/// Reads a value; `resolve` fills in the specifiers of one word.
///
/// # Errors
/// What is wrong with its quotes, in words.
pub(crate) fn read(
    from: &Assignment,
    resolve: &mut dyn FnMut(&str) -> String,
) -> Result<Vec<Command>, String> {
    let all = words::split(&from.value)?;
    let mut commands = Vec::new();
    for group in all.split(|word| word.text == ";" && !word.quoted) {
        let Some((first, rest)) = group.split_first() else { continue };
        let program = first.text.trim_start_matches(['-', '@', ':', '+', '!', '|']);
        let prefix = first.text.strip_suffix(program).unwrap_or_default();
        let expands = !prefix.contains(':');
        let renamed = prefix.contains('@');
        let resolved = resolve(program);
        if !resolved.starts_with('/') && (resolved.contains('/') || resolved.is_empty()) {
            return Err("the program is neither an absolute path nor a plain name".to_owned());
        }
        let program = std::iter::once(program.to_owned());
        let arguments = rest.iter().skip(usize::from(renamed)).map(|word| word.text.clone());
        let mut parts: Vec<Word> =
            program.chain(arguments).map(|text| word(&resolve(&text), expands)).collect();
        if prefix.contains('|') {
            let line = shell_line(&parts);
            parts = ["/bin/sh", "-c", &line].map(plain).to_vec();
        }
        commands.push(Command {
            from: from.clone(),
            may_fail: prefix.contains('-'),
            elevated: prefix.contains(['+', '!']),
            renamed,
            words: parts,
        });
    }
    Ok(commands)
}

/// A word without variables.
pub(crate) fn plain(text: &str) -> Word {
    Word { pieces: vec![Piece::Text(text.to_owned())], splits: false }
}

/// Finds the variables as systemd does: `$NAME` as a whole word, `${NAME}`
/// anywhere, `$$` for one `$`. That of the main process is ham's own.
fn word(text: &str, expands: bool) -> Word {
    if !expands {
        return plain(text);
    }
    if let Some(name) = text.strip_prefix('$').filter(|name| is_variable(name)) {
        return match name {
            "MAINPID" => plain(&PID.to_string()),
            name => Word { pieces: vec![Piece::Variable(name.to_owned())], splits: true },
        };
    }
    let mut pieces: Vec<Piece> = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        literal.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        if let Some(after) = after.strip_prefix('$') {
            literal.push('$');
            rest = after;
        } else if let Some((name, after)) = braced.filter(|(name, _)| is_variable(name)) {
            if name == "MAINPID" {
                literal.push(PID);
            } else {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
                pieces.push(Piece::Variable(name.to_owned()));
            }
            rest = after;
        } else {
            literal.push('$');
            rest = after;
        }
    }
    literal.push_str(rest);
    pieces.push(Piece::Text(literal));
    pieces.retain(|piece| *piece != Piece::Text(String::new()));
    Word { pieces, splits: false }
}

impl Word {
    /// Its text, when it has no variable.
    pub(crate) fn text(&self) -> Option<String> {
        match self.pieces.as_slice() {
            [] => Some(String::new()),
            [Piece::Text(text)] => Some(text.clone()),
            _ => None,
        }
    }

    /// With `${NAME}` where a variable is, for a command with `expand`.
    fn braced(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.replace('$', "$$"),
            Piece::Variable(name) => format!("${{{name}}}"),
        };
        self.pieces.iter().map(piece).collect()
    }

    /// As a word of a shell. Without braces, which ham would replace.
    fn shell(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => shell_quoted(text),
            Piece::Variable(name) if self.splits => format!("${name}"),
            Piece::Variable(name) => format!("\"${name}\""),
        };
        let all: String = self.pieces.iter().map(piece).collect();
        if all.is_empty() { "''".to_owned() } else { all }
    }
}

/// A text as one word of a shell.
pub(crate) fn shell_quoted(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_./:=,+-@%^\u{1}\u{2}".contains(c);
    if !text.is_empty() && text.chars().all(safe) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Words as a line of a shell.
pub(crate) fn shell_line(words: &[Word]) -> String {
    let all: Vec<String> = words.iter().map(Word::shell).collect();
    all.join(" ")
}

/// The words that ham is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Argv {
    pub(crate) words: Vec<String>,
    /// Whether `${NAME}` in them is to be replaced.
    pub(crate) expand: bool,
    /// Whether a shell splits variables.
    pub(crate) shell: bool,
}

impl Command {
    /// For `command`, which knows `expand`.
    pub(crate) fn main(&self) -> Argv {
        let none = self.words.iter().all(|word| word.text().is_some());
        if self.words.iter().any(|word| word.splits) {
            return self.in_shell();
        }
        let words = self.words.iter();
        let words = if none {
            words.filter_map(Word::text).collect()
        } else {
            words.map(Word::braced).collect()
        };
        Argv { words, expand: !none, shell: false }
    }

    /// For actions, which do not.
    pub(crate) fn action(&self) -> Argv {
        let words: Option<Vec<String>> = self.words.iter().map(Word::text).collect();
        match words {
            Some(words) => Argv { words, expand: false, shell: false },
            None => self.in_shell(),
        }
    }

    /// By a shell that is replaced by the command.
    fn in_shell(&self) -> Argv {
        // Patterns in the value of a variable are no patterns to systemd.
        let line = format!("set -f; exec {}", self.line());
        Argv { words: vec!["/bin/sh".into(), "-c".into(), line], expand: false, shell: true }
    }

    /// As a line of a shell.
    pub(crate) fn line(&self) -> String {
        shell_line(&self.words)
    }

    /// The variables that it uses.
    pub(crate) fn variables(&self) -> Vec<&str> {
        let pieces = self.words.iter().flat_map(|word| &word.pieces);
        pieces
            .filter_map(|piece| match piece {
                Piece::Variable(name) => Some(name.as_str()),
                Piece::Text(_) => None,
            })
            .collect()
    }

    /// The signal, if this is kill(1) for the main process and nobody else.
    pub(crate) fn kill(&self) -> Option<Signal> {
        let words: Option<Vec<String>> = self.words.iter().map(Word::text).collect();
        let words = words?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (program, rest) = words.split_first()?;
        let pid = PID.to_string();
        let (last, options) = rest.split_last()?;
        if program.rsplit('/').next() != Some("kill") || *last != pid {
            return None;
        }
        match options {
            [] => Signal::parse("TERM"),
            ["-s" | "--signal" | "-n", name] => Signal::parse(name),
            [one] => {
                Signal::parse(one.strip_prefix("--signal=").or_else(|| one.strip_prefix('-'))?)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(value: &str) -> Vec<Command> {
        let from = Assignment {
            id: 0,
            section: "Service".into(),
            key: "ExecStart".into(),
            value: value.into(),
            file: "a.service".into(),
            line: 1,
        };
        read(&from, &mut str::to_owned).unwrap()
    }

    fn one(value: &str) -> Command {
        all(value).remove(0)
    }

    #[test]
    fn prefixes_come_in_any_order() {
        let command = one("-+/bin/a b");
        assert!(command.may_fail && command.elevated && !command.renamed);
        let command = one("@/bin/a name -x");
        assert!(command.renamed);
        assert_eq!(command.main().words, ["/bin/a", "-x"]);
        assert_eq!(one(":/bin/a $B ${C}").main().words, ["/bin/a", "$B", "${C}"]);
        assert!(!one(":/bin/a $B").main().expand);
        assert_eq!(one("|echo a b").main().words, ["/bin/sh", "-c", "echo a b"]);
    }

    #[test]
    fn several_commands_stand_between_semicolons() {
        let commands = all(r"/bin/a \; x ; -/bin/b ';'");
        assert_eq!(commands[0].main().words, ["/bin/a", ";", "x"]);
        assert_eq!(commands[1].main().words, ["/bin/b", ";"]);
        assert!(commands[1].may_fail && commands.len() == 2);
    }

    #[test]
    fn a_variable_in_braces_stays_one_word() {
        let argv = one("/bin/a ${B}c $$d x$E").main();
        assert!(argv.expand && !argv.shell);
        assert_eq!(argv.words, ["/bin/a", "${B}c", "$$d", "x$$E"]);
    }

    #[test]
    fn a_variable_alone_is_split_by_a_shell() {
        let argv = one(r#"/bin/a -f 'x y' $OPTS "${B}c" it\'s"#).main();
        assert!(argv.shell && !argv.expand);
        assert_eq!(argv.words[2], r#"set -f; exec /bin/a -f 'x y' $OPTS "$B"c 'it'\''s'"#);
        assert!(!one("/bin/sh -c 'echo $HOME'").main().shell);
        assert_eq!(one("/bin/a $A $$B ${C}").variables(), ["A", "C"]);
    }

    #[test]
    fn kill_of_the_main_process_is_a_signal() {
        for (value, signal) in [
            ("/bin/kill -HUP $MAINPID", Some(1)),
            ("kill -s USR2 ${MAINPID}", Some(12)),
            ("/usr/bin/kill --signal=SIGINT $MAINPID", Some(2)),
            ("/bin/kill $MAINPID", Some(15)),
            ("/bin/kill -HUP $MAINPID 17", None),
            ("/bin/kill -HUP 17", None),
            ("/bin/pkill -HUP $MAINPID", None),
        ] {
            assert_eq!(one(value).kill().map(|signal| signal.0), signal, "{value}");
        }
    }
}
