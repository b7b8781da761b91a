//! One action: its verb, and what happens when it fails.

use crate::codes;
use crate::command::Words;
use crate::condition::{ActionContext, NoRestart};
use crate::duration::Bounds;
use crate::keys::{self, VERBS};
use crate::lists::Place;
use crate::names::Named;
use crate::reader::{Field, Reader, Table, Value};
use crate::references::Reference;
use crate::suggest::one_of;
use ham_core::plan::{ActionPlan, Class, ConditionKind, Ending, ExecutePlan, MAX_ON_FAIL, Verb};
use ham_core::time::Span;
use std::ops::Range;

/// Long enough for a command that pages somebody, short enough that a list
/// that hangs is noticed.
pub(crate) const EXECUTE_TIMEOUT: Span = Span::seconds(60);

/// An action whose default name is not yet known.
#[derive(Clone, Debug)]
pub(crate) struct UnnamedAction {
    pub(crate) name: Option<(String, Range<usize>)>,
    pub(crate) plan: ActionPlan,
}

impl Reader<'_> {
    /// Reads one item of `actions`.
    pub(crate) fn action(
        &mut self,
        field: &Field<'_>,
        condition: &mut ActionContext,
    ) -> Option<UnnamedAction> {
        let Some(entries) = field.as_table() else { return self.wrong_type(field) };
        let table = self.table("action", "in an action", entries, field.span());
        let verb = self.verb(&table, condition, false);
        let name = self.find(&table, "name").and_then(|name| {
            let span = name.span();
            self.name(&name, Named::Action).map(|name| (name, span))
        });
        // What fails in a list of the entity's own must stop what follows: a
        // start without its directory, a reload of a broken configuration.
        let own_list = condition.place != Place::Condition;
        let break_on_fail = self.boolean_or(&table, "break-on-fail", own_list);
        if own_list {
            for name in ["keep-on-fail", "rearm"] {
                if let Some(field) = self.find(&table, name) {
                    let message = format!("`{name}` in `{}`", condition.place.word());
                    self.error(codes::CONFLICT, field.key_span, message)
                        .help("such a list is the same every time; leave it out");
                }
            }
        }
        let keep_on_fail = self.boolean_or(&table, "keep-on-fail", true);
        let rearm = self.boolean_or(&table, "rearm", true);
        let on_fail = match self.find(&table, "on-fail") {
            Some(list) => self.on_fail(&list, condition),
            None => Vec::new(),
        };
        let plan = ActionPlan {
            name: String::new(),
            verb: verb?,
            break_on_fail,
            keep_on_fail,
            rearm,
            on_fail,
        };
        Some(UnnamedAction { name, plan })
    }

    fn on_fail(&mut self, list: &Field<'_>, condition: &mut ActionContext) -> Vec<Verb> {
        let Some(items) = list.as_array() else {
            return self.wrong_type(list).unwrap_or_default();
        };
        if items.len() > MAX_ON_FAIL {
            let message = format!("more than {MAX_ON_FAIL} items in `on-fail`");
            self.error(codes::TOO_MANY, list.key_span.clone(), message);
            return Vec::new();
        }
        items.iter().filter_map(|item| self.on_fail_item(list, item, condition)).collect()
    }

    fn on_fail_item(
        &mut self,
        list: &Field<'_>,
        item: &Value<'_>,
        condition: &mut ActionContext,
    ) -> Option<Verb> {
        let field = list.item(item);
        let Some(entries) = field.as_table() else { return self.wrong_type(&field) };
        let table = self.table("action", "in an item of `on-fail`", entries, field.span());
        for (name, _) in keys::of_table("action").filter(|(name, _)| !VERBS.contains(name)) {
            if let Some(other) = self.find(&table, name) {
                let message = format!("`{name}` in an item of `on-fail`");
                self.error(codes::CONFLICT, other.key_span, message).help(
                    "only verbs stand there; they are done in order, whatever becomes of them",
                );
            }
        }
        self.verb(&table, condition, true)
    }

    /// The one verb of a table.
    fn verb(
        &mut self,
        table: &Table<'_>,
        condition: &mut ActionContext,
        in_on_fail: bool,
    ) -> Option<Verb> {
        let mut found: Vec<Field<'_>> =
            VERBS.iter().filter_map(|verb| self.find(table, verb)).collect();
        found.sort_by_key(|field| field.key_span.start);
        let Some((first, others)) = found.split_first() else {
            if !table.has_misspelt(&VERBS) {
                let message = format!("no verb {}", table.place);
                self.error(codes::MISSING_KEY, table.span.clone(), message)
                    .help(format!("an action is {}", one_of(VERBS)));
            }
            return None;
        };
        for other in others {
            let message = format!("`{}` beside `{}` {}", other.name, first.name, table.place);
            self.error(codes::CONFLICT, other.key_span.clone(), message)
                .label("a second verb")
                .help("one verb an action; make it an action of its own");
        }
        match first.name {
            "restart" => {
                if in_on_fail {
                    self.error(codes::CONFLICT, first.key_span.clone(), "`restart` in `on-fail`")
                        .help("a failed restart is tried again by itself");
                    return None;
                }
                if condition.place != Place::Condition {
                    let message = format!("`restart` in `{}`", condition.place.word());
                    self.error(codes::CONFLICT, first.key_span.clone(), message)
                        .help("it answers a death; write it in a [[condition]]");
                    return None;
                }
                self.may_restart(first, condition);
                self.restart(first).map(Verb::Restart)
            }
            "execute" => self.execute(first, condition).map(Verb::Execute),
            "notify-signal" => self.notify_signal(first, condition).map(Verb::NotifySignal),
            "notify-pulse" => self.notify_pulse(first).map(Verb::NotifyPulse),
            "waitfor" => {
                if condition.class == Class::NoWait {
                    let message = "`waitfor` in a condition that does not wait";
                    self.error(codes::CONFLICT, first.key_span.clone(), message)
                        .help("use run = \"in-order\" or \"independent\"");
                }
                self.waitfor(first, condition).map(Verb::WaitFor)
            }
            "log" => {
                let text = self.string(first)?;
                self.placeholders(first, text);
                Some(Verb::Log(text.to_owned()))
            }
            "heartbeat-healthy" => self.heartbeat_healthy(first, condition, in_on_fail),
            "start" => self.entity_name(first).map(Verb::Start),
            "stop" => self.entity_name(first).map(Verb::Stop),
            "shutdown" => self.shutdown(first).map(Verb::Shutdown),
            "reboot" => {
                self.nothing(first, "action.reboot")?;
                Some(Verb::Shutdown(Ending::Reboot))
            }
            _ => self.exec_recovery(first).map(Verb::Shutdown),
        }
    }

    fn heartbeat_healthy(
        &mut self,
        field: &Field<'_>,
        condition: &ActionContext,
        in_on_fail: bool,
    ) -> Option<Verb> {
        self.nothing(field, "action.heartbeat-healthy")?;
        let (place, help) = match condition.place {
            _ if in_on_fail => ("on-fail", "it never fails; make it an action of the list"),
            Place::PreStart | Place::PostStop => {
                (condition.place.word(), "there is no process then that could have a heartbeat")
            }
            Place::Condition | Place::Reload => return Some(Verb::HeartbeatHealthy),
        };
        let message = format!("`heartbeat-healthy` in `{place}`");
        self.error(codes::CONFLICT, field.key_span.clone(), message).help(help);
        None
    }

    fn may_restart(&mut self, field: &Field<'_>, condition: &mut ActionContext) {
        if let Some(on) = condition.on
            && !on.may_restart()
        {
            let message = format!("`restart` in a condition on `{}`", on.word());
            let is_alive = matches!(
                on,
                ConditionKind::HeartbeatMissedLow
                    | ConditionKind::HeartbeatMissedHigh
                    | ConditionKind::HeartbeatTooMany
            );
            let help = match is_alive {
                true => {
                    "end it here, { notify-signal = { signal = \"KILL\" } }, and answer its `death` by \
                     a restart"
                }
                false => {
                    "only `death`, `abnormal-death` and `failure` can be answered by a restart"
                }
            };
            self.error(codes::CONFLICT, field.key_span.clone(), message).help(help);
            return;
        }
        if condition.of {
            let message = "`restart` in a condition with `of`";
            self.error(codes::CONFLICT, field.key_span.clone(), message)
                .help("an entity is brought back by its own unit; `start` starts another");
            return;
        }
        let earlier = match condition.restart {
            None => {
                condition.restart = Some(NoRestart::Earlier(field.key_span.start));
                return;
            }
            Some(NoRestart::Target) => {
                self.error(codes::CONFLICT, field.key_span.clone(), "`restart` of a target")
                    .help("a target has no process that could die");
                return;
            }
            Some(NoRestart::Global) => {
                let message = "`restart` in a unit with [global]";
                self.error(codes::CONFLICT, field.key_span.clone(), message)
                    .help("an entity is brought back by its own unit");
                return;
            }
            Some(NoRestart::Placeholder) => {
                let message = "`restart` of an entity without `command`";
                self.error(codes::CONFLICT, field.key_span.clone(), message).help(
                    "ham cannot start again what it has not started; add `command` to [entity]",
                );
                return;
            }
            Some(NoRestart::Shorthand(at)) => ("the key `restart` of [entity]", at),
            Some(NoRestart::Earlier(at)) => ("an earlier `restart` action", at),
        };
        let (earlier, at) = earlier;
        let message = format!("a second restart for this entity, beside {earlier}");
        let text = self.report.text;
        let place = text.beside(at, field.key_span.start);
        let first = text.related(at, "the first");
        self.error(codes::CONFLICT, field.key_span.clone(), message)
            .help(format!(
                "an entity has one; two would start it twice: take one out (the first is {place})"
            ))
            .related([first]);
    }

    pub(crate) fn entity_name(&mut self, field: &Field<'_>) -> Option<String> {
        let name = self.name(field, Named::Entity)?;
        let span = field.span();
        self.references.push(Reference { name: name.clone(), span, softer: None });
        Some(name)
    }

    fn execute(&mut self, field: &Field<'_>, condition: &ActionContext) -> Option<ExecutePlan> {
        let waits = condition.class != Class::NoWait;
        let Some(entries) = field.as_table() else {
            if field.as_str().is_none() && field.as_array().is_none() {
                return self.wrong_type(field);
            }
            let command = self.command(field, Words::Placeholders, None)?;
            let timeout = EXECUTE_TIMEOUT;
            return Some(ExecutePlan { command, wait: waits, timeout, identity: None });
        };
        let table = self.table("action.execute", "in `execute`", entries, field.span());
        let command = self.require(&table, "command");
        let command = command.and_then(|field| self.command(&field, Words::Placeholders, None));
        let wait = self.boolean_or(&table, "wait", waits);
        if wait && !waits {
            let span = self.find(&table, "wait").map_or(field.span(), |wait| wait.key_span);
            let message = "`wait` in a condition that does not wait";
            self.error(codes::CONFLICT, span, message)
                .help("use run = \"in-order\" or \"independent\", or leave `wait` out");
        }
        let timeout = self.duration_or(&table, "timeout", Bounds::NotZero, EXECUTE_TIMEOUT);
        let identity = match self.find(&table, "user") {
            Some(user) => Some(self.identity_of(&user)?),
            None => None,
        };
        Some(ExecutePlan { command: command?, wait, timeout, identity })
    }
}
