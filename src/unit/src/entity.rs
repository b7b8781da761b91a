//! `[entity]`: the keys of every kind put together to a plan.

use crate::command::Words;
use crate::duration::Bounds;
use crate::reader::{Reader, Table};
use ham_core::ids::EntityId;
use ham_core::plan::{
    DirectoryPlace, EntityPlan, HeartbeatPlan, Kind, OnChange, OnDependencyRestart, START_TIMEOUT,
    Stream,
};
use ham_core::time::Span;

/// Nothing for others to write, everything for others to read.
const UMASK: u32 = 0o022;

impl Reader<'_> {
    /// Reads what stands in [entity], but for `restart` and the `kind`, and
    /// puts the `heartbeat` to it.
    pub(crate) fn entity(
        &mut self,
        name: &str,
        table: &Table<'_>,
        kind: Kind,
        heartbeat: Option<HeartbeatPlan>,
    ) -> Option<EntityPlan> {
        let start = self.start_mode(table);
        self.order(table, name);
        let on_dependency_restart = match self.find(table, "on-dependency-restart") {
            Some(field) => self.word(
                &field,
                &[(OnDependencyRestart::Keep, "keep"), (OnDependencyRestart::Restart, "restart")],
            ),
            None => None,
        };
        let on_change = self.find(table, "on-change").and_then(|field| {
            let words =
                [(OnChange::NextStart, "apply-at-next-start"), (OnChange::Restart, "restart")];
            self.word(&field, &words)
        });
        let environment = match self.find(table, "environment") {
            Some(field) => self.environment(&field),
            None => Vec::new(),
        };
        let search = environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| &**path);
        let expand = self.boolean_or(table, "expand", false);
        let words = if expand { Words::Variables } else { Words::Plain };
        let command = match (&kind, self.find(table, "command")) {
            (Kind::Placeholder { .. }, _) => Some(Vec::new()),
            (_, command) => command.and_then(|field| self.command(&field, words, search)),
        };
        let identity = self.identity(table);
        let directory = self.find(table, "directory").and_then(|field| self.path(&field));
        let umask = self.find(table, "umask").and_then(|field| self.octal(&field, 0o777, "0027"));
        let environment_files = match self.find(table, "environment-file") {
            Some(field) => self.environment_files(&field),
            None => Vec::new(),
        };
        let inherit_environment = self.inherit_environment(table);
        // systemd, too, waits for ever for a oneshot: a migration may be long.
        let oneshot = matches!(kind, Kind::Oneshot { .. });
        let start_timeout = if oneshot { Span::INFINITE } else { START_TIMEOUT };
        let start_timeout =
            self.duration_or(table, "start-timeout", Bounds::NotZero, start_timeout);
        let ready = self.readiness(table, &kind);
        let (notify_access, fd_store) = self.notifications(table, &ready, heartbeat.is_some());
        let start_when = self.start_when(table);
        let [pre_start, reload, post_stop] = self.own_lists(table);
        let stop = self.stop(table);
        let attach_by = self.attach_by(table, &kind);
        let success_exit = self.ends(table, "success-exit");
        let no_restart_exit = self.ends(table, "no-restart-exit");
        let stdin = self.stream(table, "stdin", Stream::Null);
        let stdout = self.stream(table, "stdout", Stream::Inherit);
        let stderr = self.stream(table, "stderr", Stream::Inherit);
        let tty = self.terminal(table);
        let settings = self.process_settings(table);
        let directories = [
            (DirectoryPlace::Runtime, "runtime-directory"),
            (DirectoryPlace::State, "state-directory"),
            (DirectoryPlace::Cache, "cache-directory"),
            (DirectoryPlace::Logs, "logs-directory"),
        ]
        .into_iter()
        .filter_map(|(place, key)| self.own_directories(table, place, key))
        .collect();
        Some(EntityPlan {
            kind,
            expand,
            start,
            on_dependency_restart: on_dependency_restart.unwrap_or_default(),
            on_change: on_change.unwrap_or_default(),
            start_when,
            ready,
            pre_start,
            reload,
            post_stop,
            success_exit,
            no_restart_exit,
            notify_access,
            fd_store,
            identity,
            directory,
            umask: umask.unwrap_or(UMASK),
            inherit_environment,
            environment,
            environment_files,
            stdin,
            stdout,
            stderr,
            tty,
            settings,
            directories,
            start_timeout,
            stop,
            heartbeat,
            attach_by,
            ..EntityPlan::new(EntityId(0), name, command?)
        })
    }
}
