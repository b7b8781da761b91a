//! An entity as the text of a unit: what the reader reads, written. With all
//! that stands in a plan, and no more: how a unit said it (names of users,
//! shorthands, comments) is gone by then.

mod lists;

use crate::capabilities::capability_name;
use crate::limits::{limit_name, limit_unit};
use ham_core::ids::EntityId;
use ham_core::plan::{
    DirectoryPlace, Ends, EntityPlan, Identity, InheritEnvironment, Item, KeepDirectory, KillScope,
    Kind, NotifyAccess, OnChange, OnDependencyRestart, Policy, Readiness, SendTo, Setting,
    StartMode, Stream,
};
use ham_core::time::Span;
use lists::{execute, members, own_action, write_condition};

/// The neighbours of an entity by name.
#[derive(Clone, Debug, Default)]
pub struct NeighbourNames {
    /// Of its `requires`.
    pub requires: Vec<String>,
    /// Of its `wants`.
    pub wants: Vec<String>,
    /// Of its `after`, without those that it requires or wants.
    pub after: Vec<String>,
    /// Of its `conflicts`.
    pub conflicts: Vec<String>,
}

/// What has to be known beside the plan.
pub struct Writing<'a> {
    /// Its neighbours.
    pub neighbours: &'a NeighbourNames,
    /// The name of another entity.
    pub name: &'a dyn Fn(EntityId) -> String,
    /// What is to be said above an item; nothing, of most.
    pub remark: &'a dyn Fn(&Item) -> Option<String>,
}

impl std::fmt::Debug for Writing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writing").field("neighbours", self.neighbours).finish_non_exhaustive()
    }
}

/// The text of a unit that becomes this plan.
#[must_use]
pub fn write_unit(plan: &EntityPlan, with: &Writing<'_>) -> String {
    let mut text = String::new();
    remark(&mut text, with, &Item::Entity);
    if !plan.description.is_empty() {
        line(&mut text, "description", &quoted(&plan.description));
    }
    let head = match plan.kind {
        Kind::Target => "\n[target]\n",
        Kind::Global => "\n[global]\n",
        Kind::Service | Kind::Oneshot { .. } | Kind::Forking { .. } | Kind::Placeholder { .. } => {
            "\n[entity]\n"
        }
    };
    text.push_str(head.trim_start_matches(if text.is_empty() { "\n" } else { "" }));
    entity(&mut text, plan, with);
    tables(&mut text, plan);
    for condition in &plan.conditions {
        write_condition(&mut text, plan, condition, with);
    }
    text
}

fn remark(text: &mut String, with: &Writing<'_>, item: &Item) {
    for said in (with.remark)(item).iter().flat_map(|said| said.lines()) {
        text.push_str(&format!("# {said}\n"));
    }
}

fn line(text: &mut String, key: &str, value: &str) {
    text.push_str(&format!("{key} = {value}\n"));
}

/// A basic string of TOML.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn list<T>(items: &[T], one: impl Fn(&T) -> String) -> String {
    let all: Vec<String> = items.iter().map(one).collect();
    format!("[{}]", all.join(", "))
}

fn strings(items: &[String]) -> String {
    list(items, |item| quoted(item))
}

fn time(span: Span) -> String {
    quoted(&exact(span))
}

/// In the largest unit that it is whole in: nothing is rounded.
fn exact(span: Span) -> String {
    if span.is_infinite() {
        return "infinity".to_owned();
    }
    const UNITS: [(u64, &str); 5] = [
        (60_000_000_000, "min"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
        (1, "ns"),
    ];
    let whole = |unit: &u64| span.0 != 0 && span.0.checked_rem(*unit) == Some(0);
    match UNITS.iter().find(|(unit, _)| whole(unit)) {
        Some((unit, word)) => format!("{}{word}", span.0.checked_div(*unit).unwrap_or(0)),
        None => "0s".to_owned(),
    }
}

/// An inline table of what is there.
fn table(fields: &[(&str, Option<String>)]) -> String {
    let there =
        fields.iter().filter_map(|(key, value)| Some(format!("{key} = {}", value.as_ref()?)));
    let all: Vec<String> = there.collect();
    if all.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", all.join(", ")) }
}

fn entity(text: &mut String, plan: &EntityPlan, with: &Writing<'_>) {
    let usual = EntityPlan::new(plan.id, &plan.name, Vec::new());
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            line(text, key, &value);
        }
    };
    put("command", (!plan.command.is_empty()).then(|| strings(&plan.command)));
    put("expand", plan.expand.then(|| "true".to_owned()));
    let (kind, remain) = match &plan.kind {
        Kind::Oneshot { remain } => (Some("oneshot"), *remain),
        Kind::Forking { .. } => (Some("forking"), false),
        Kind::Service | Kind::Target | Kind::Placeholder { .. } | Kind::Global => (None, false),
    };
    put("type", kind.map(quoted));
    put("remain", remain.then(|| "true".to_owned()));
    match &plan.kind {
        Kind::Forking { pid_file } => put("pid-file", Some(quoted(pid_file))),
        Kind::Placeholder { pid_file } => put("pid-file", pid_file.as_deref().map(quoted)),
        Kind::Service | Kind::Oneshot { .. } | Kind::Target | Kind::Global => {}
    }
    put("start", (plan.start == StartMode::Manual).then(|| quoted("manual")));
    let near = with.neighbours;
    for (key, names) in [
        ("requires", &near.requires),
        ("wants", &near.wants),
        ("after", &near.after),
        ("conflicts", &near.conflicts),
    ] {
        put(key, (!names.is_empty()).then(|| strings(names)));
    }
    let again = plan.on_dependency_restart == OnDependencyRestart::Restart;
    put("on-dependency-restart", again.then(|| quoted("restart")));
    put("on-change", (plan.on_change == OnChange::Restart).then(|| quoted("restart")));
    let path = |path: &String| table(&[("path", Some(quoted(path)))]);
    put("start-when", plan.start_when.as_ref().map(path));
    put(
        "ready",
        match &plan.ready {
            Readiness::Exec => None,
            Readiness::Notify => Some(quoted("notify")),
            Readiness::Descriptor(fd) => Some(table(&[("fd", Some(fd.to_string()))])),
            Readiness::Path(ready) => Some(path(ready)),
        },
    );
    put("attach-by", plan.attach_by.map(|uid| uid.to_string()));
    // Without a process the rest is said of none.
    if matches!(plan.kind, Kind::Target | Kind::Global) {
        return;
    }
    let other = |is: Span, usual: Span| (is != usual).then(|| time(is));
    put("start-timeout", other(plan.start_timeout, usual.start_timeout));
    for (key, actions) in
        [("pre-start", &plan.pre_start), ("reload", &plan.reload), ("post-stop", &plan.post_stop)]
    {
        put(key, (!actions.is_empty()).then(|| list(actions, own_action)));
    }
    let stop = table(&[
        (
            "signal",
            (plan.stop.signal != usual.stop.signal).then(|| quoted(&plan.stop.signal.to_string())),
        ),
        ("send-to", (plan.stop.send_to == SendTo::All).then(|| quoted("all"))),
        ("command", plan.stop.command.as_ref().map(|command| execute(command, true))),
        ("timeout", other(plan.stop.timeout, usual.stop.timeout)),
        (
            "kill",
            match plan.stop.kill {
                KillScope::All => None,
                KillScope::Main => Some(quoted("main")),
                KillScope::None => Some(quoted("none")),
            },
        ),
    ]);
    put("stop", (stop != "{}").then_some(stop));
    put("success-exit", ends(&plan.success_exit));
    put("no-restart-exit", ends(&plan.no_restart_exit));
    let implied = match plan.ready {
        Readiness::Notify => NotifyAccess::Main,
        _ if plan.heartbeat.is_some() => NotifyAccess::Main,
        Readiness::Exec | Readiness::Descriptor(_) | Readiness::Path(_) => NotifyAccess::None,
    };
    let word = match plan.notify_access {
        NotifyAccess::None => "none",
        NotifyAccess::Main => "main",
        NotifyAccess::Exec => "exec",
        NotifyAccess::All => "all",
    };
    put("notify-access", (plan.notify_access != implied).then(|| quoted(word)));
    put("fd-store", (plan.fd_store != 0).then(|| plan.fd_store.to_string()));
    if let Some(who) = &plan.identity {
        put("user", Some(user(who)));
        put("group", Some(who.gid.to_string()));
        put("groups", Some(list(&who.groups, ToString::to_string)));
    }
    put("directory", plan.directory.as_deref().map(quoted));
    put("umask", (plan.umask != usual.umask).then(|| format!("0o{:03o}", plan.umask)));
    let variables: Vec<String> = plan
        .environment
        .iter()
        .map(|(name, value)| format!("{} = {}", quoted(name), quoted(value)))
        .collect();
    let variables = format!("{{ {} }}", variables.join(", "));
    put("environment", (!plan.environment.is_empty()).then_some(variables));
    let files = &plan.environment_files;
    let file = |file: &ham_core::plan::EnvironmentFile| {
        quoted(&format!("{}{}", if file.optional { "-" } else { "" }, file.path))
    };
    put("environment-file", (!files.is_empty()).then(|| list(files, file)));
    put(
        "inherit-environment",
        match &plan.inherit_environment {
            InheritEnvironment::Default => None,
            InheritEnvironment::All => Some("true".to_owned()),
            InheritEnvironment::Nothing => Some("false".to_owned()),
            InheritEnvironment::Names(names) => Some(strings(names)),
        },
    );
    for (key, stream, usual) in [
        ("stdin", &plan.stdin, &usual.stdin),
        ("stdout", &plan.stdout, &usual.stdout),
        ("stderr", &plan.stderr, &usual.stderr),
    ] {
        put(key, (stream != usual).then(|| write_stream(stream)));
    }
    put(
        "tty",
        plan.tty.as_ref().map(|tty| match tty.hang_up {
            false => quoted(&tty.path),
            true => {
                table(&[("path", Some(quoted(&tty.path))), ("hang-up", Some("true".to_owned()))])
            }
        }),
    );
    settings(&mut put, plan);
}

fn settings(put: &mut impl FnMut(&str, Option<String>), plan: &EntityPlan) {
    for directory in &plan.directories {
        let key = match directory.place {
            DirectoryPlace::Runtime => "runtime-directory",
            DirectoryPlace::State => "state-directory",
            DirectoryPlace::Cache => "cache-directory",
            DirectoryPlace::Logs => "logs-directory",
        };
        let keep = match directory.keep {
            KeepDirectory::No => None,
            KeepDirectory::Restart => Some(quoted("restart")),
            KeepDirectory::Yes => Some(quoted("yes")),
        };
        let keep = keep.filter(|_| directory.place == DirectoryPlace::Runtime);
        let mode = Some(format!("0o{:03o}", directory.mode));
        let names = Some(strings(&directory.names));
        put(key, Some(table(&[("names", names), ("mode", mode), ("keep", keep)])));
    }
    let own = &plan.settings;
    let limit = |(number, soft, hard): &(u32, u64, u64)| {
        let one = |value: u64| match value {
            u64::MAX => "infinity".to_owned(),
            value => match limit_unit(*number) {
                Some(unit) => exact(Span(value.saturating_mul(unit))),
                None => value.to_string(),
            },
        };
        Some((limit_name(*number)?, quoted(&format!("{}:{}", one(*soft), one(*hard)))))
    };
    let limits: Vec<(&str, Option<String>)> =
        own.limits.iter().filter_map(limit).map(|(name, value)| (name, Some(value))).collect();
    put("limits", (!limits.is_empty()).then(|| table(&limits)));
    put("nice", own.nice.map(|nice| nice.to_string()));
    put(
        "scheduling",
        own.scheduling.map(|scheduling| {
            let policy = match scheduling.policy {
                Policy::Other => "other",
                Policy::Batch => "batch",
                Policy::Idle => "idle",
                Policy::Fifo => "fifo",
                Policy::RoundRobin => "round-robin",
            };
            let real_time = scheduling.priority != 0;
            table(&[
                ("policy", Some(quoted(policy))),
                ("priority", real_time.then(|| scheduling.priority.to_string())),
                ("reset-on-fork", scheduling.reset_on_fork.then(|| "true".to_owned())),
            ])
        }),
    );
    put("affinity", (!own.affinity.is_empty()).then(|| list(&own.affinity, ToString::to_string)));
    put("oom-score-adjust", own.oom_score_adjust.map(|score| score.to_string()));
    put("no-new-privileges", own.no_new_privileges.then(|| "true".to_owned()));
    let names = |set: u64| {
        let bits = (0..64u32).filter(|bit| set.checked_shr(*bit).unwrap_or(0) & 1 == 1);
        let all: Vec<String> = bits.filter_map(capability_name).map(str::to_owned).collect();
        strings(&all)
    };
    put(
        "capabilities",
        own.capabilities.map(|capabilities| {
            let ambient = (capabilities.ambient != 0).then(|| names(capabilities.ambient));
            table(&[("bounding", capabilities.bounding.map(names)), ("ambient", ambient)])
        }),
    );
    let word = |setting: &Setting| {
        let known = Setting::ALL.iter().find(|(known, _)| known == setting);
        quoted(known.map_or("", |(_, word)| *word))
    };
    put("optional", (!own.optional.is_empty()).then(|| list(&own.optional, word)));
}

fn tables(text: &mut String, plan: &EntityPlan) {
    if let Some(heartbeat) = &plan.heartbeat {
        text.push_str("\n[heartbeat]\n");
        line(text, "interval", &time(heartbeat.interval));
        for (key, count) in [("low", heartbeat.low), ("high", heartbeat.high)] {
            // Also 0, never, which is not what they are when they are left out.
            line(text, key, &count.to_string());
        }
        if heartbeat.grace != Span::ZERO {
            line(text, "grace", &time(heartbeat.grace));
        }
        if let Some(most) = heartbeat.most {
            let within = Some(time(most.within));
            line(
                text,
                "max",
                &table(&[("count", Some(most.count.to_string())), ("within", within)]),
            );
        }
    }
    if !plan.states.is_empty() || !plan.state_sets.is_empty() {
        text.push_str("\n[states]\n");
        for (name, number) in &plan.states {
            line(text, &quoted(name), &number.to_string());
        }
        for (name, set) in &plan.state_sets {
            line(text, &quoted(name), &members(Some(plan), set));
        }
    }
}

fn write_stream(stream: &Stream) -> String {
    match stream {
        Stream::Inherit => quoted("inherit"),
        Stream::Null => quoted("null"),
        Stream::File(path) => table(&[("file", Some(quoted(path)))]),
        Stream::Same => quoted("same"),
        Stream::Journal => quoted("journal"),
        Stream::Ham => quoted("ham"),
    }
}

fn user(who: &Identity) -> String {
    if who.user.is_empty() { who.uid.to_string() } else { quoted(&who.user) }
}

fn ends(ends: &Ends) -> Option<String> {
    let codes = ends.codes.iter().map(ToString::to_string);
    let signals = ends.signals.iter().map(|signal| quoted(&signal.to_string()));
    let all: Vec<String> = codes.chain(signals).collect();
    (!all.is_empty()).then(|| format!("[{}]", all.join(", ")))
}
