//! How the kernel treats the process: `nice`, `scheduling`, `affinity`,
//! `oom-score-adjust`, `no-new-privileges`, and which of the settings may fail.

use crate::codes;
use crate::reader::{Field, Reader, Table};
use crate::suggest::quoted;
use ham_core::plan::{Policy, Scheduling, Setting, Settings};
use std::collections::BTreeSet;
use toml::de::DeValue;

/// The largest number of a processor, as for `CPU_SET` of <sched.h>.
const LAST_PROCESSOR: u16 = 1023;

const POLICIES: [(Policy, &str); 5] = [
    (Policy::Other, "other"),
    (Policy::Batch, "batch"),
    (Policy::Idle, "idle"),
    (Policy::Fifo, "fifo"),
    (Policy::RoundRobin, "round-robin"),
];

fn is_real_time(policy: Policy) -> bool {
    matches!(policy, Policy::Fifo | Policy::RoundRobin)
}

impl Reader<'_> {
    /// All settings of the process.
    pub(crate) fn process_settings(&mut self, table: &Table<'_>) -> Settings {
        let limits = self.limits(table);
        let nice = self.find(table, "nice").and_then(|field| self.integer(&field, -20..=19));
        let oom_score = self.find(table, "oom-score-adjust");
        let oom_score = oom_score.and_then(|field| self.integer(&field, -1000..=1000));
        Settings {
            limits,
            nice: nice.and_then(|nice| i8::try_from(nice).ok()),
            scheduling: self.find(table, "scheduling").and_then(|field| self.scheduling(&field)),
            affinity: match self.find(table, "affinity") {
                Some(field) => self.affinity(&field),
                None => Vec::new(),
            },
            oom_score_adjust: oom_score.and_then(|score| i16::try_from(score).ok()),
            no_new_privileges: self.boolean_or(table, "no-new-privileges", false),
            capabilities: match self.find(table, "capabilities") {
                Some(field) => self.capabilities(&field),
                None => None,
            },
            optional: self.optional(table),
        }
    }

    fn scheduling(&mut self, field: &Field<'_>) -> Option<Scheduling> {
        let Some(entries) = field.as_table() else {
            if field.as_str().is_none() {
                return self.wrong_type(field);
            }
            let policy = self.word(field, &POLICIES)?;
            if is_real_time(policy) {
                let word = field.as_str().unwrap_or_default();
                let message = format!("`{word}` needs a priority");
                let help = format!("write scheduling = {{ policy = \"{word}\", priority = 10 }}");
                self.error(codes::MISSING_KEY, field.span(), message).help(help);
                return None;
            }
            return Some(Scheduling { policy, priority: 0, reset_on_fork: false });
        };
        let table = self.table("entity.scheduling", "in `scheduling`", entries, field.span());
        let policy = self.require(&table, "policy").and_then(|field| self.word(&field, &POLICIES));
        let priority_field = self.find(&table, "priority");
        let priority = match &priority_field {
            Some(priority) => self.integer(priority, 1..=99),
            None => None,
        };
        let reset_on_fork = self.boolean_or(&table, "reset-on-fork", false);
        let policy = policy?;
        match (is_real_time(policy), &priority_field) {
            (true, None) => {
                let message = "no `priority` in `scheduling`";
                self.error(codes::MISSING_KEY, table.span.clone(), message)
                    .help("`fifo` and `round-robin` have one, 1 to 99");
                return None;
            }
            (false, Some(priority)) => {
                let message = "`priority` beside a policy that has none";
                self.error(codes::CONFLICT, priority.key_span.clone(), message)
                    .help("only `fifo` and `round-robin` have one; for the others there is `nice`");
                return None;
            }
            (true, Some(_)) | (false, None) => {}
        }
        let priority = match priority_field {
            Some(_) => u8::try_from(priority?).ok()?,
            None => 0,
        };
        Some(Scheduling { policy, priority, reset_on_fork })
    }

    /// Processors in ascending order.
    fn affinity(&mut self, field: &Field<'_>) -> Vec<u16> {
        let Some(items) = field.as_array() else {
            return self.wrong_type(field).unwrap_or_default();
        };
        if items.is_empty() {
            self.error(codes::BAD_VALUE, field.span(), "`affinity` is empty")
                .help("leave it out for all processors");
        }
        let mut processors = BTreeSet::new();
        for item in items {
            let item = field.item(item);
            match item.value.get_ref() {
                DeValue::Integer(_) => {
                    let number = self.integer(&item, 0..=i64::from(LAST_PROCESSOR));
                    processors.extend(number.and_then(|number| u16::try_from(number).ok()));
                }
                DeValue::String(text) => match parse_range(text) {
                    Some(range) => processors.extend(range),
                    None => {
                        let message = format!("{} is no range of processors", quoted(text));
                        self.error(codes::BAD_VALUE, item.span(), message)
                            .label(format!("within 0 to {LAST_PROCESSOR}, the smaller first"))
                            .help("write for example [0, 2, \"4-7\"]");
                    }
                },
                DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_)
                | DeValue::Table(_) => {
                    self.wrong_type::<()>(&item);
                }
            }
        }
        processors.into_iter().collect()
    }

    /// The settings that may fail. One that the unit does not use is worth a
    /// word: it may stand there for another key.
    fn optional(&mut self, table: &Table<'_>) -> Vec<Setting> {
        let Some(field) = self.find(table, "optional") else { return Vec::new() };
        let Some(items) = field.as_array() else {
            return self.wrong_type(&field).unwrap_or_default();
        };
        let mut settings: Vec<Setting> = Vec::new();
        for item in items {
            let item = field.item(item);
            let Some(setting) = self.word(&item, &Setting::ALL) else { continue };
            let word = item.as_str().unwrap_or_default();
            if settings.contains(&setting) {
                let message = format!("`{word}` is optional twice");
                self.report.warning(codes::NO_EFFECT, item.span(), message);
                continue;
            }
            settings.push(setting);
            let (is_used, help) = match setting {
                Setting::Journal => (
                    ["stdout", "stderr"].into_iter().any(|key| {
                        let field = self.find(table, key);
                        field.is_some_and(|field| field.as_str() == Some("journal"))
                    }),
                    "it is about stdout = \"journal\" and stderr = \"journal\"".to_owned(),
                ),
                Setting::Limits
                | Setting::Nice
                | Setting::Scheduling
                | Setting::Affinity
                | Setting::OomScoreAdjust
                | Setting::NoNewPrivileges
                | Setting::Capabilities => (
                    self.find(table, word).is_some(),
                    format!("without the key `{word}` there is nothing that could fail"),
                ),
            };
            if !is_used {
                let message = format!("`{word}` is optional, and is not set");
                self.report.warning(codes::NO_EFFECT, item.span(), message).help(help);
            }
        }
        settings
    }
}

/// `"3"` or `"0-3"`.
fn parse_range(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let number = |text: &str| -> Option<u16> {
        let text = text.trim();
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| digits && *number <= LAST_PROCESSOR)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::parse_range;

    #[test]
    fn ranges_of_processors_ascend() {
        assert_eq!(parse_range("0-3"), Some(0..=3));
        assert_eq!(parse_range(" 7 "), Some(7..=7));
        assert_eq!(parse_range("1023"), Some(1023..=1023));
        for wrong in ["", "-", "3-1", "0-1024", "a", "1-2-3", "+1", "-1"] {
            assert_eq!(parse_range(wrong), None, "{wrong}");
        }
    }
}
