//! `stop`: how an entity is asked to end, and what is killed if it does not.
//! And which ends are good ones.

use crate::action::EXECUTE_TIMEOUT;
use crate::codes;
use crate::command::Words;
use crate::duration::Bounds;
use crate::reader::{Field, Reader, Table};
use crate::suggest::quoted;
use ham_core::ids::EntityId;
use ham_core::plan::{Ends, EntityPlan, ExecutePlan, KillScope, SendTo, StopPlan};
use toml::de::DeValue;

impl Reader<'_> {
    /// The table `stop`, or its defaults.
    pub(crate) fn stop(&mut self, table: &Table<'_>) -> StopPlan {
        let mut plan = EntityPlan::new(EntityId(0), "", Vec::new()).stop;
        let Some(field) = self.find(table, "stop") else { return plan };
        let Some(entries) = field.as_table() else {
            return self.wrong_type(&field).unwrap_or(plan);
        };
        let inner = self.table("entity.stop", "in `stop`", entries, field.span());
        if let Some(signal) = self.find(&inner, "signal") {
            plan.signal = self.signal(&signal).unwrap_or(plan.signal);
        }
        if let Some(send_to) = self.find(&inner, "send-to") {
            let known = [(SendTo::Main, "main"), (SendTo::All, "all")];
            plan.send_to = self.word(&send_to, &known).unwrap_or_default();
        }
        if let Some(command) = self.find(&inner, "command") {
            plan.command = self.stop_command(&command);
        }
        plan.timeout = self.duration_or(&inner, "timeout", Bounds::Any, plan.timeout);
        if let Some(kill) = self.find(&inner, "kill") {
            let known =
                [(KillScope::All, "all"), (KillScope::Main, "main"), (KillScope::None, "none")];
            plan.kill = self.word(&kill, &known).unwrap_or_default();
        }
        plan
    }

    fn stop_command(&mut self, field: &Field<'_>) -> Option<ExecutePlan> {
        let Some(entries) = field.as_table() else {
            if field.as_str().is_none() && field.as_array().is_none() {
                return self.wrong_type(field);
            }
            let command = self.command(field, Words::Placeholders, None)?;
            let timeout = EXECUTE_TIMEOUT;
            return Some(ExecutePlan { command, wait: true, timeout, identity: None });
        };
        let path = "entity.stop.command";
        let table = self.table(path, "in `command` of `stop`", entries, field.span());
        let command = self.require(&table, "command");
        let command = command.and_then(|field| self.command(&field, Words::Placeholders, None));
        let timeout = self.duration_or(&table, "timeout", Bounds::NotZero, EXECUTE_TIMEOUT);
        let identity = match self.find(&table, "user") {
            Some(user) => Some(self.identity_of(&user)?),
            None => None,
        };
        Some(ExecutePlan { command: command?, wait: true, timeout, identity })
    }

    /// `success-exit` or `no-restart-exit`: exit codes and signals, ascending.
    pub(crate) fn ends(&mut self, table: &Table<'_>, name: &str) -> Ends {
        let mut ends = Ends::default();
        let Some(field) = self.find(table, name) else { return ends };
        let Some(items) = field.as_array() else {
            return self.wrong_type(&field).unwrap_or(ends);
        };
        for item in items {
            let item = field.item(item);
            match item.value.get_ref() {
                DeValue::Integer(_) => {
                    let code = self.integer(&item, 0..=255);
                    ends.codes.extend(code.and_then(|code| u8::try_from(code).ok()));
                }
                // As a string it could be the number of a signal as well.
                DeValue::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                    let message = format!("{} in `{}` is in quotes", quoted(text), field.name);
                    self.error(codes::BAD_VALUE, item.span(), message)
                        .help("write exit codes without quotes, and signals by name");
                }
                DeValue::String(_) => ends.signals.extend(self.signal(&item)),
                DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_)
                | DeValue::Table(_) => {
                    let found = item.value.get_ref().type_str();
                    let message = format!("wrong type in `{}`", field.name);
                    self.error(codes::WRONG_TYPE, item.span(), message)
                        .label(format!("expected exit code or signal, found {found}"));
                }
            }
        }
        ends.codes.sort_unstable();
        ends.codes.dedup();
        ends.signals.sort_unstable();
        ends.signals.dedup();
        ends
    }
}
