//! What stands behind a unit and when it is up: `type`, `remain`, `pid-file`,
//! `start-when`, `ready`, and the notifications that go with it.

use crate::codes;
use crate::reader::{Reader, Table};
use ham_core::plan::{Kind, NotifyAccess, Readiness};

/// What `type` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Service,
    Oneshot,
    Forking,
}

const TYPES: [(Type, &str); 3] =
    [(Type::Service, "service"), (Type::Oneshot, "oneshot"), (Type::Forking, "forking")];
/// Below are the standard streams; above, a program would hardly look. The
/// daemon keeps room for these in every process that it makes.
const READY_DESCRIPTORS: std::ops::RangeInclusive<i64> = 3..=63;
/// Far more than a daemon has sockets, and few enough that one entity cannot
/// use up the descriptors of ham.
const MOST_STORED: i64 = 1024;

impl Reader<'_> {
    /// `type` with the keys that only some types have.
    pub(crate) fn kind(&mut self, table: &Table<'_>) -> Kind {
        let type_field = self.find(table, "type");
        let given = type_field.as_ref().map(|field| self.word(field, &TYPES));
        let remain = self.boolean_or(table, "remain", false);
        let pid_field = self.find(table, "pid-file");
        let pid_file = pid_field.as_ref().and_then(|field| self.path(field));
        // A type that cannot be read is reported; what goes with it is not.
        let Some(kind) = given.unwrap_or(Some(Type::Service)) else { return Kind::Service };
        if let Some(field) = self.find(table, "remain")
            && remain
            && kind != Type::Oneshot
        {
            let also = self.also_key(table, "type", field.key_span.start);
            let message = format!("`remain` without `type = \"oneshot\"`{also}");
            self.error(codes::CONFLICT, field.key_span, message)
                .help("only a oneshot has ended and can still count as up");
        }
        match (kind, &pid_field) {
            (Type::Service | Type::Oneshot, Some(field)) => {
                let also = self.also_key(table, "type", field.key_span.start);
                let message = format!("`pid-file` without `type = \"forking\"`{also}");
                self.error(codes::CONFLICT, field.key_span.clone(), message).help(
                    "ham knows the process that it has started; only a command that leaves \
                     a daemon behind needs such a file",
                );
            }
            (Type::Forking, None) if !table.has_misspelt(&["pid-file"]) => {
                let span = type_field.map_or(table.span.clone(), |field| field.span());
                let message = "`type = \"forking\"` without `pid-file`";
                self.error(codes::MISSING_KEY, span, message).help(
                    "name the file that the daemon writes its process id to, or let it run \
                     in the foreground and leave `type` out",
                );
            }
            (Type::Service | Type::Oneshot, None) | (Type::Forking, _) => {}
        }
        match kind {
            Type::Service => Kind::Service,
            Type::Oneshot => Kind::Oneshot { remain },
            Type::Forking => Kind::Forking { pid_file: pid_file.unwrap_or_default() },
        }
    }

    /// The path that must exist before it starts.
    pub(crate) fn start_when(&mut self, table: &Table<'_>) -> Option<String> {
        let field = self.find(table, "start-when")?;
        let Some(entries) = field.as_table() else { return self.wrong_type(&field) };
        let inner = self.table("entity.start-when", "in `start-when`", entries, field.span());
        self.require(&inner, "path").and_then(|path| self.path(&path))
    }

    /// When it is up.
    pub(crate) fn readiness(&mut self, table: &Table<'_>, kind: &Kind) -> Readiness {
        let Some(field) = self.find(table, "ready") else { return Readiness::Exec };
        let ready = if let Some(entries) = field.as_table() {
            let inner = self.table("entity.ready", "in `ready`", entries, field.span());
            self.ready_by_table(&inner)
        } else if field.as_str().is_some_and(|text| text.starts_with('/')) {
            let message = "`ready` cannot be a path";
            self.error(codes::BAD_VALUE, field.span(), message)
                .help("write ready = { path = \"/run/prog.sock\" }");
            None
        } else {
            self.word(&field, &[(Readiness::Exec, "exec"), (Readiness::Notify, "notify")])
        };
        let Some(ready) = ready else { return Readiness::Exec };
        let why = match kind {
            Kind::Service | Kind::Target | Kind::Placeholder { .. } | Kind::Global => None,
            Kind::Oneshot { .. } => Some(("oneshot", "a oneshot is up when it has ended well")),
            Kind::Forking { .. } => {
                Some(("forking", "a forking daemon is up when its first process has ended well"))
            }
        };
        if let Some((word, help)) = why
            && ready != Readiness::Exec
        {
            let also = self.also_key(table, "type", field.key_span.start);
            let message = format!("`ready` beside `type = \"{word}\"`{also}");
            self.error(codes::CONFLICT, field.key_span, message).help(help);
        }
        ready
    }

    fn ready_by_table(&mut self, inner: &Table<'_>) -> Option<Readiness> {
        let descriptor = self.find(inner, "fd");
        let path = self.find(inner, "path");
        match (descriptor, path) {
            (Some(descriptor), None) => {
                let number = self.integer(&descriptor, READY_DESCRIPTORS)?;
                i32::try_from(number).ok().map(Readiness::Descriptor)
            }
            (None, Some(path)) => self.path(&path).map(Readiness::Path),
            (Some(_), Some(path)) => {
                self.error(codes::CONFLICT, path.key_span, "`path` beside `fd`")
                    .help("one of them says when it is up");
                None
            }
            (None, None) => {
                if !inner.has_misspelt(&["fd", "path"]) {
                    let message = "neither `fd` nor `path` in `ready`";
                    self.error(codes::MISSING_KEY, inner.span.clone(), message);
                }
                None
            }
        }
    }

    /// `notify-access` and `fd-store`.
    pub(crate) fn notifications(
        &mut self,
        table: &Table<'_>,
        ready: &Readiness,
        heartbeat: bool,
    ) -> (NotifyAccess, u32) {
        let stored = self.find(table, "fd-store").and_then(|field| {
            self.integer(&field, 0..=MOST_STORED).and_then(|count| u32::try_from(count).ok())
        });
        let stored = stored.unwrap_or(0);
        let needs = match ready {
            Readiness::Notify => Some("`ready = \"notify\"`"),
            Readiness::Exec | Readiness::Descriptor(_) | Readiness::Path(_) => {
                (stored > 0).then_some("`fd-store`")
            }
        };
        // A heartbeat can come by another way, so it does not need this one.
        let heard = needs.is_some() || heartbeat;
        let default = if heard { NotifyAccess::Main } else { NotifyAccess::None };
        let Some(field) = self.find(table, "notify-access") else { return (default, stored) };
        const WORDS: [(NotifyAccess, &str); 4] = [
            (NotifyAccess::None, "none"),
            (NotifyAccess::Main, "main"),
            (NotifyAccess::Exec, "exec"),
            (NotifyAccess::All, "all"),
        ];
        let access = self.word(&field, &WORDS).unwrap_or(default);
        if let Some(needs) = needs
            && access == NotifyAccess::None
        {
            let message = format!("`notify-access = \"none\"` beside {needs}");
            self.error(codes::CONFLICT, field.span(), message)
                .help("nothing that it says would be heard; \"main\" is the default there");
        }
        (access, stored)
    }
}
