//! The verb `waitfor`: a path, the entity itself, or a mere pause.

use crate::codes;
use crate::condition::{ActionContext, NoRestart};
use crate::duration::Bounds;
use crate::lists::Place;
use crate::reader::{Field, Reader, Table};
use ham_core::plan::WaitPlan;
use ham_core::time::Span;

impl Reader<'_> {
    /// Reads the value of `waitfor`.
    pub(crate) fn waitfor(
        &mut self,
        field: &Field<'_>,
        context: &ActionContext,
    ) -> Option<WaitPlan> {
        if field.as_str().is_some() {
            let timeout = self.duration(field, Bounds::FiniteNotZero)?;
            return Some(WaitPlan { path: None, ready: false, timeout });
        }
        let Some(entries) = field.as_table() else { return self.wrong_type(field) };
        let table = self.table("action.waitfor", "in `waitfor`", entries, field.span());
        let path = self.find(&table, "path");
        let ready = self.boolean_or(&table, "ready", false);
        let ready = self.find(&table, "ready").filter(|_| ready);
        let delay = self.find(&table, "delay");
        let mut given: Vec<&Field<'_>> =
            [&path, &ready, &delay].into_iter().filter_map(Option::as_ref).collect();
        given.sort_by_key(|field| field.key_span.start);
        if let [first, second, ..] = given.as_slice() {
            let message = format!("`{}` beside `{}`", second.name, first.name);
            self.error(codes::CONFLICT, second.key_span.clone(), message)
                .help("make it two actions");
            return None;
        }
        if let Some(path) = path {
            let timeout = self.wait_timeout(&table);
            let text = self.path(&path)?;
            self.placeholders(&path, &text);
            return Some(WaitPlan { path: Some(text), ready: false, timeout: timeout? });
        }
        if let Some(ready) = ready {
            let timeout = self.wait_timeout(&table);
            if matches!(context.place, Place::PreStart | Place::PostStop) {
                let message = format!("`waitfor` for `ready` in `{}`", context.place.word());
                self.error(codes::CONFLICT, ready.key_span.clone(), message)
                    .help("the entity has no process then, and never gets ready");
            }
            if context.restart == Some(NoRestart::Global) {
                let message = "`waitfor` for `ready` in a unit with [global]";
                self.error(codes::CONFLICT, ready.key_span.clone(), message)
                    .help("it would wait for that unit itself; write it in the entity's own");
            }
            return Some(WaitPlan { path: None, ready: true, timeout: timeout? });
        }
        let Some(delay) = delay else {
            if !table.has_misspelt(&["path", "ready", "delay"]) {
                let message = "neither `path` nor `ready` nor `delay`";
                self.error(codes::MISSING_KEY, field.span(), message);
            }
            return None;
        };
        if let Some(timeout) = self.find(&table, "timeout") {
            self.error(codes::CONFLICT, timeout.key_span, "`timeout` beside `delay`")
                .help("a mere pause never fails; `timeout` goes with `path` and `ready`");
        }
        let timeout = self.duration(&delay, Bounds::FiniteNotZero)?;
        Some(WaitPlan { path: None, ready: false, timeout })
    }

    fn wait_timeout(&mut self, table: &Table<'_>) -> Option<Span> {
        let timeout = self.require(table, "timeout")?;
        self.duration(&timeout, Bounds::NotZero)
    }
}
