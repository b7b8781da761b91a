//! `%i` and its kin, by the name of the unit and the manager that it is for.

use super::name::{Name, unescape};

/// Stands for the instance of a template until it is written, since what is
/// written depends on whether braces are doubled there.
pub(crate) const INSTANCE: char = '\u{1}';
/// Stands for the process id of the main process, likewise.
pub(crate) const PID: char = '\u{2}';

/// Whose manager the units are for.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    /// Whether it is one's own and not the system's.
    pub(crate) own: bool,
    pub(crate) user: String,
    pub(crate) uid: u32,
    pub(crate) home: String,
    pub(crate) shell: String,
    /// `%t`, `%S`, `%C`, `%L` and `%E`.
    pub(crate) places: [String; 5],
}

impl Owner {
    /// The system's manager.
    pub(crate) fn system() -> Owner {
        Owner {
            own: false,
            user: "root".to_owned(),
            uid: 0,
            home: "/root".to_owned(),
            shell: "/bin/sh".to_owned(),
            places: ["/run", "/var/lib", "/var/cache", "/var/log", "/etc"].map(str::to_owned),
        }
    }
}

/// A text with what stood for its specifiers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expanded {
    pub(crate) text: String,
    /// Specifiers that are known when the unit runs only, or not at all. They
    /// stand in the text as they did.
    pub(crate) left: Vec<String>,
    /// Whether a template's instance was to be unescaped.
    pub(crate) unescaped: bool,
}

/// Resolves the specifiers of a text.
pub(crate) fn expand(text: &str, name: &Name, owner: &Owner) -> Expanded {
    let mut out = Expanded::default();
    let mut chars = text.chars();
    let [run, state, cache, logs, configuration] = &owner.places;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.text.push(c);
            continue;
        }
        let template = name.is_template();
        let instance = name.instance.as_deref().unwrap_or_default();
        let marked = INSTANCE.to_string();
        let word = chars.next();
        let value: String = match word {
            Some('%') => "%".to_owned(),
            Some('n') if template => format!("{}@{INSTANCE}.service", name.prefix),
            Some('n') => name.file.clone(),
            Some('N') if template => format!("{}@{INSTANCE}", name.prefix),
            Some('N') => name.file.trim_end_matches(".service").to_owned(),
            Some('p') => name.prefix.clone(),
            Some('P') => unescape(&name.prefix),
            Some('j') => last_part(&name.prefix).to_owned(),
            Some('J') => unescape(last_part(&name.prefix)),
            Some('i') if template => marked,
            Some('i') => instance.to_owned(),
            Some('I') if template => {
                out.unescaped = true;
                marked
            }
            Some('I') => unescape(instance),
            Some('f') if template => {
                out.unescaped = true;
                format!("/{marked}")
            }
            Some('f') => {
                let of = if name.instance.is_some() { instance } else { &name.prefix };
                format!("/{}", unescape(of).trim_start_matches('/'))
            }
            Some('u' | 'g') => owner.user.clone(),
            Some('U' | 'G') => owner.uid.to_string(),
            Some('h') => owner.home.clone(),
            Some('s') => owner.shell.clone(),
            Some('t') => run.clone(),
            Some('S') => state.clone(),
            Some('C') => cache.clone(),
            Some('L') => logs.clone(),
            Some('E') => configuration.clone(),
            Some('T') => "/tmp".to_owned(),
            Some('V') => "/var/tmp".to_owned(),
            other => {
                let text: String = std::iter::once('%').chain(other).collect();
                out.left.push(text.clone());
                text
            }
        };
        out.text.push_str(&value);
    }
    out
}

fn last_part(prefix: &str) -> &str {
    prefix.rsplit('-').next().unwrap_or(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, file: &str) -> String {
        expand(text, &Name::of(file).unwrap(), &Owner::system()).text
    }

    #[test]
    fn specifiers_are_resolved_by_name() {
        for (text, file, expected) in [
            ("%n %N %p", "a-b.service", "a-b.service a-b a-b"),
            ("%p %i %I", "db@15-main.service", "db 15-main 15/main"),
            ("%i %n", "db@.service", "\u{1} db@\u{1}.service"),
            (
                "%t %S %C %L %E %T %V",
                "a.service",
                "/run /var/lib /var/cache /var/log /etc /tmp /var/tmp",
            ),
            ("%u %U %h 100%%", "a.service", "root 0 /root 100%"),
            ("%f", "fsck@dev-sda1.service", "/dev/sda1"),
            ("%j", "x-y-z.service", "z"),
            (r"%I", r"a@b\x2dc.service", "b-c"),
        ] {
            assert_eq!(of(text, file), expected, "{text} of {file}");
        }
    }

    #[test]
    fn what_only_the_machine_knows_is_told() {
        let found = expand("/x/%H/%z%", &Name::of("a.service").unwrap(), &Owner::system());
        assert_eq!(found.text, "/x/%H/%z%");
        assert_eq!(found.left, ["%H", "%z", "%"]);
        assert!(expand("%I", &Name::of("a@.service").unwrap(), &Owner::system()).unescaped);
    }
}
