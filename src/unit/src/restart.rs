//! The `restart` action: how attempts are spaced and when they are given up.

use crate::codes;
use crate::duration::Bounds;
use crate::reader::{Field, Reader, Table};
use ham_core::plan::{LimitPlan, RestartPlan, Spacing};
use ham_core::time::Span;
use std::ops::RangeInclusive;
use toml::de::DeValue;

/// Growth beyond a thousandfold reaches any longest wait in one step.
const FACTOR_PERMILLE: RangeInclusive<u32> = 1_000..=1_000_000;
/// Waits of one list; with more, growth by a factor is what is meant.
const MAX_DELAYS: usize = 64;
/// The keys that describe growth and so exclude a list of waits.
const GROWTH: [&str; 4] = ["first", "delay", "factor", "max-delay"];

impl Reader<'_> {
    /// Reads the table of a `restart` action.
    pub(crate) fn restart(&mut self, field: &Field<'_>) -> Option<RestartPlan> {
        let Some(entries) = field.as_table() else {
            return self.wrong_type(field);
        };
        let table = self.table("action.restart", "in `restart`", entries, field.span());
        let defaults = RestartPlan::default();
        let spacing = match self.find(&table, "delays") {
            Some(delays) => self.delays(&table, &delays),
            None => self.growth(&table, &defaults),
        };
        let reset_after =
            self.duration_or(&table, "reset-after", Bounds::Any, defaults.reset_after);
        let limit = match self.find(&table, "limit") {
            Some(limit) => Some(self.limit("action.restart.limit", "in `limit`", &limit)?),
            None => None,
        };
        Some(RestartPlan { spacing: spacing?, reset_after, limit })
    }

    fn delays(&mut self, table: &Table<'_>, delays: &Field<'_>) -> Option<Spacing> {
        for name in GROWTH {
            if let Some(other) = self.find(table, name) {
                let message = format!("`{name}` beside `delays`");
                self.error(codes::CONFLICT, other.key_span, message)
                    .help("`delays` lists every wait; leave the other keys out");
            }
        }
        let Some(items) = delays.as_array() else { return self.wrong_type(delays) };
        if items.is_empty() {
            self.error(codes::BAD_VALUE, delays.span(), "`delays` is empty");
            return None;
        }
        if items.len() > MAX_DELAYS {
            let message = format!("more than {MAX_DELAYS} delays");
            self.error(codes::TOO_MANY, delays.key_span.clone(), message);
            return None;
        }
        let spans: Vec<Option<Span>> =
            items.iter().map(|item| self.duration(&delays.item(item), Bounds::Finite)).collect();
        Some(Spacing::List(spans.into_iter().collect::<Option<Vec<Span>>>()?))
    }

    fn growth(&mut self, table: &Table<'_>, defaults: &RestartPlan) -> Option<Spacing> {
        // The default is of this kind; a list would mean that the table of
        // defaults and this reader disagree, and then nothing is assumed.
        let Spacing::Growing { first, delay, factor_permille, max_delay } = defaults.spacing else {
            return None;
        };
        let first = self.duration_or(table, "first", Bounds::Finite, first);
        let delay = self.duration_or(table, "delay", Bounds::Finite, delay);
        let max_delay = self.duration_or(table, "max-delay", Bounds::Any, max_delay);
        let factor_permille = match self.find(table, "factor") {
            Some(factor) => self.factor(&factor)?,
            None => factor_permille,
        };
        if delay > max_delay {
            let at = self.find(table, "delay").or_else(|| self.find(table, "max-delay"));
            let span = at.map_or(table.span.clone(), |field| field.span());
            let message = format!("`delay` ({delay}) is longer than `max-delay` ({max_delay})");
            self.error(codes::CONFLICT, span, message).help("raise `max-delay`");
            return None;
        }
        Some(Spacing::Growing { first, delay, factor_permille, max_delay })
    }

    fn factor(&mut self, field: &Field<'_>) -> Option<u32> {
        let permille = match field.value.get_ref() {
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .ok()
                .and_then(|whole| u32::try_from(whole).ok())
                .and_then(|whole| whole.checked_mul(1_000)),
            DeValue::Float(float) => permille_of(float.as_str()),
            DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => return self.wrong_type(field),
        };
        let found = permille.filter(|permille| FACTOR_PERMILLE.contains(permille));
        if found.is_none() {
            self.error(codes::BAD_VALUE, field.span(), "`factor` is out of range")
                .label("must be 1 to 1000, with up to three decimals");
        }
        found
    }

    /// So many in so much time: the table of keys at `path`.
    pub(crate) fn limit(
        &mut self,
        path: &'static str,
        place: &'static str,
        field: &Field<'_>,
    ) -> Option<LimitPlan> {
        let Some(entries) = field.as_table() else { return self.wrong_type(field) };
        let table = self.table(path, place, entries, field.span());
        let count = self.require(&table, "count");
        let count = count.and_then(|count| self.integer(&count, 1..=i64::from(u32::MAX)));
        let within = self.require(&table, "within");
        let within = within.and_then(|within| self.duration(&within, Bounds::NotZero));
        Some(LimitPlan { count: u32::try_from(count?).ok()?, within: within? })
    }
}

/// A decimal number in thousandths, exactly; floating point would round.
fn permille_of(text: &str) -> Option<u32> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (whole, fraction) = text.split_once('.')?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 3 {
        return None;
    }
    let thousandths: u32 = format!("{fraction:0<3}").parse().ok()?;
    whole.parse::<u32>().ok()?.checked_mul(1_000)?.checked_add(thousandths)
}

#[cfg(test)]
mod tests {
    use super::permille_of;

    #[test]
    fn factors_are_exact() {
        assert_eq!(permille_of("1.5"), Some(1_500));
        assert_eq!(permille_of("1.001"), Some(1_001));
        assert_eq!(permille_of("+2.0000"), Some(2_000));
        for wrong in ["1.0001", "-1.5", "1e3", "inf", "nan", "1.5e1", "", "."] {
            assert_eq!(permille_of(wrong), None, "{wrong}");
        }
    }
}
