//! `[heartbeat]`: how the heartbeat of an entity is watched; and over all
//! units, whether anybody does something when it stays away.

use crate::codes;
use crate::draft::Draft;
use crate::duration::Bounds;
use crate::reader::{Field, Reader, Table};
use crate::suggest::quoted;
use crate::watching::Watch;
use ham_core::plan::{ConditionKind, HeartbeatPlan, Kind};
use ham_core::time::Span;
use std::collections::HashMap;

/// Misses in a row that are low where nothing is said: two may be a busy machine.
pub const LOW: u32 = 2;
/// Misses in a row that are high: five are no busy machine any more.
pub const HIGH: u32 = 5;

impl Reader<'_> {
    /// Reads the table `[heartbeat]` of a unit whose [entity] is of that kind.
    pub(crate) fn heartbeat(&mut self, field: &Field<'_>, kind: &Kind) -> Option<HeartbeatPlan> {
        let Some(entries) = field.as_table() else { return self.wrong_type(field) };
        let table = self.table("heartbeat", "in [heartbeat]", entries, field.key_span.clone());
        let without = match kind {
            Kind::Service | Kind::Forking { .. } | Kind::Placeholder { .. } => None,
            Kind::Oneshot { .. } => Some("`type = \"oneshot\"`"),
            Kind::Target => Some("[target]"),
            Kind::Global => Some("[global]"),
        };
        if let Some(without) = without {
            let message = format!("[heartbeat] beside {without}");
            self.error(codes::CONFLICT, field.key_span.clone(), message)
                .help("only a process that goes on running has a heartbeat");
        }
        let interval = self.require(&table, "interval").and_then(|field| self.interval(&field));
        let low = self.misses(&table, "low", LOW);
        let high = self.misses(&table, "high", HIGH);
        if let (Some(low), Some(high @ 1..)) = (low, high)
            && low > high
        {
            let at = self.find(&table, "low").or_else(|| self.find(&table, "high"));
            let span = at.map_or(table.span.clone(), |field| field.span());
            let also = self.also_key(&table, "high", span.start);
            let message = format!("`low` ({low}) is more than `high` ({high}){also}");
            self.error(codes::CONFLICT, span, message)
                .help("`high` is the graver of the two; 0 is for never");
        }
        let grace = self.duration_or(&table, "grace", Bounds::Finite, Span::ZERO);
        let most = match self.find(&table, "max") {
            Some(field) => Some(self.limit("heartbeat.max", "in `max`", &field)?),
            None => None,
        };
        Some(HeartbeatPlan { interval: interval?, low: low?, high: high?, grace, most })
    }

    fn interval(&mut self, field: &Field<'_>) -> Option<Span> {
        let interval = self.duration(field, Bounds::Finite)?;
        if interval < HeartbeatPlan::SHORTEST {
            let message = format!("`interval` cannot be {interval}");
            self.error(codes::BAD_DURATION, field.span(), message)
                .label(format!("must be {} or more", HeartbeatPlan::SHORTEST));
            return None;
        }
        Some(interval)
    }

    fn misses(&mut self, table: &Table<'_>, name: &str, default: u32) -> Option<u32> {
        let Some(field) = self.find(table, name) else { return Some(default) };
        let number = self.integer(&field, 0..=i64::from(u32::MAX))?;
        u32::try_from(number).ok()
    }
}

/// Warns of heartbeats that nobody answers for, and of conditions on
/// heartbeats that do not exist.
pub(crate) fn check(drafts: &mut [Draft<'_>]) {
    let places: HashMap<String, usize> =
        drafts.iter().enumerate().map(|(place, draft)| (draft.name.to_owned(), place)).collect();
    let mut answered: Vec<Answered> = vec![Answered::default(); drafts.len()];
    let mut everywhere = Answered::default();
    let mut idle: Vec<(usize, Watch, String)> = Vec::new();
    for (place, draft) in drafts.iter().enumerate() {
        let global = draft.being.is_some_and(|being| being.is_global);
        for watch in &draft.watches {
            let about = match &watch.of {
                Some((name, _)) => places.get(name).copied(),
                None if global => {
                    everywhere.add(watch);
                    continue;
                }
                None => Some(place),
            };
            let Some(about) = about else { continue };
            if let Some(answered) = answered.get_mut(about) {
                answered.add(watch);
            }
            let why = drafts.get(about).and_then(|about| never(about, watch.on));
            idle.extend(why.map(|why| (place, watch.clone(), why)));
        }
    }
    for (place, watch, why) in idle {
        if let Some(draft) = drafts.get_mut(place) {
            draft.report.warning(codes::NO_HEARTBEAT, watch.span, why);
        }
    }
    for (draft, answered) in drafts.iter_mut().zip(answered) {
        let Some(span) = draft.heartbeat.clone() else { continue };
        let Some(heartbeat) = draft.being.and_then(|being| being.heartbeat) else { continue };
        let (word, done) = match heartbeat {
            HeartbeatPlan { high: 0, low: 0, .. } => continue,
            HeartbeatPlan { high: 0, .. } => {
                ("heartbeat-missed-low", answered.low || everywhere.low)
            }
            HeartbeatPlan { .. } => ("heartbeat-missed-high", answered.high || everywhere.high),
        };
        if !done {
            let message = "nothing is done when the heartbeat stays away";
            draft.report.warning(codes::UNANSWERED, span, message).help(format!(
                "add a [[condition]] on \"{word}\": here, with `of` in another unit, or in a \
                 unit with [global]"
            ));
        }
    }
}

/// Whether there are armed conditions on misses.
#[derive(Clone, Copy, Debug, Default)]
struct Answered {
    low: bool,
    high: bool,
}

impl Answered {
    fn add(&mut self, watch: &Watch) {
        let on = |kind| watch.answers && (watch.on == kind || watch.on == ConditionKind::Any);
        self.low |= on(ConditionKind::HeartbeatMissedLow);
        self.high |= on(ConditionKind::HeartbeatMissedHigh);
    }
}

/// Why a condition of that kind on that unit never fires. A process that
/// attaches itself can bring a heartbeat of its own.
fn never(about: &Draft<'_>, on: ConditionKind) -> Option<String> {
    let being = about.being?;
    if being.is_placeholder || being.is_global {
        return None;
    }
    // It is there, with mistakes of its own.
    if about.heartbeat.is_some() && being.heartbeat.is_none() {
        return None;
    }
    let name = quoted(about.name);
    let lacks = |what: &str| Some(format!("`{}` never fires: {name} has {what}", on.word()));
    match (on, being.heartbeat) {
        (
            ConditionKind::HeartbeatMissedLow
            | ConditionKind::HeartbeatMissedHigh
            | ConditionKind::HeartbeatHealthy
            | ConditionKind::HeartbeatTooMany,
            None,
        ) => lacks("no [heartbeat]"),
        (ConditionKind::HeartbeatMissedLow, Some(HeartbeatPlan { low: 0, .. })) => {
            lacks("low = 0 in [heartbeat]")
        }
        (ConditionKind::HeartbeatMissedHigh, Some(HeartbeatPlan { high: 0, .. })) => {
            lacks("high = 0 in [heartbeat]")
        }
        (ConditionKind::HeartbeatTooMany, Some(HeartbeatPlan { most: None, .. })) => {
            lacks("no `max` in [heartbeat]")
        }
        _ => None,
    }
}
