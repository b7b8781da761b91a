//! States and sets of them: the table `[states]`, which names them, and the
//! sets in conditions. A set is a state, a list, or `{ not = … }`; `"*"` is
//! every state. What a name in a condition means can be said only when the
//! unit that it is about is known, so sets are kept as they are written.

use crate::codes;
use crate::names::{self, Named};
use crate::reader::{Field, Reader};
use crate::suggest::{nearest, one_of, quoted};
use crate::text::Report;
use ham_core::plan::StateSet;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use toml::de::DeValue;

/// Names of one unit, and members of one set. A program has a handful.
const MOST: usize = 256;
/// The name of all states together.
const EVERY: &str = "*";
/// The table of keys that says what may stand in a set.
const SET: &str = "condition.on.state.to";

/// A set as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Written {
    /// Whether all others are meant.
    not: bool,
    members: Vec<(Member, Range<usize>)>,
    /// Where it stands.
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Member {
    Number(u32),
    Every,
    Name(String),
}

/// Names with what they stand for; a single state is a set of one.
pub(crate) type Names = [(String, StateSet)];

impl Written {
    /// What is meant, if all names are known; if not, that is reported.
    /// `whose` says in words where names are looked for; `None`: there are
    /// none.
    pub(crate) fn resolve(
        &self,
        names: &Names,
        whose: Option<&str>,
        report: &mut Report<'_>,
    ) -> Option<StateSet> {
        let mut set = StateSet::In(Vec::new());
        for (member, span) in &self.members {
            let one = match member {
                Member::Number(number) => StateSet::In(vec![*number]),
                Member::Every => StateSet::Any,
                Member::Name(name) => match names.iter().find(|(known, _)| known == name) {
                    Some((_, meant)) => meant.clone(),
                    None => {
                        unknown(name, span.clone(), names, whose, report);
                        return None;
                    }
                },
            };
            set = union(set, one);
        }
        if self.not {
            set = all_but(set);
        }
        if set == StateSet::In(Vec::new()) {
            report
                .error(codes::BAD_VALUE, self.span.clone(), "no state is in this set")
                .help("such a condition would never fire");
            return None;
        }
        Some(set)
    }
}

fn unknown(
    name: &str,
    span: Range<usize>,
    names: &Names,
    whose: Option<&str>,
    report: &mut Report<'_>,
) {
    let known = || names.iter().map(|(name, _)| name.as_str());
    let Some(whose) = whose else {
        let message = format!("the name {} of a state in a unit with [global]", quoted(name));
        report
            .error(codes::BAD_VALUE, span, message)
            .help("write the number: it is about any entity, and each names its own states");
        return;
    };
    let message = format!("no state {} in {whose}", quoted(name));
    let added = report.error(codes::BAD_VALUE, span, message);
    if let Some(near) = nearest(name, known()) {
        added.label(format!("did you mean `{near}`?"));
    }
    added.help(if names.is_empty() {
        "write its number, or name it there, as in run = 2".to_owned()
    } else {
        format!("named are {}; others are written as numbers", one_of(known()))
    });
}

fn sorted(mut states: Vec<u32>) -> Vec<u32> {
    states.sort_unstable();
    states.dedup();
    states
}

fn not_in(states: Vec<u32>) -> StateSet {
    if states.is_empty() { StateSet::Any } else { StateSet::NotIn(sorted(states)) }
}

fn union(a: StateSet, b: StateSet) -> StateSet {
    match (a, b) {
        (StateSet::Any, _) | (_, StateSet::Any) => StateSet::Any,
        (StateSet::In(mut a), StateSet::In(b)) => {
            a.extend(b);
            StateSet::In(sorted(a))
        }
        (StateSet::In(inside), StateSet::NotIn(mut outside))
        | (StateSet::NotIn(mut outside), StateSet::In(inside)) => {
            outside.retain(|state| !inside.contains(state));
            not_in(outside)
        }
        (StateSet::NotIn(mut a), StateSet::NotIn(b)) => {
            a.retain(|state| b.contains(state));
            not_in(a)
        }
    }
}

fn all_but(set: StateSet) -> StateSet {
    match set {
        StateSet::Any => StateSet::In(Vec::new()),
        StateSet::In(states) => not_in(states),
        StateSet::NotIn(states) => StateSet::In(states),
    }
}

impl Reader<'_> {
    /// A set of states.
    pub(crate) fn state_set(&mut self, field: &Field<'_>) -> Option<Written> {
        let span = field.span();
        let (not, members) = match field.as_table() {
            Some(entries) => {
                let table = self.table(SET, "in a set of states", entries, field.span());
                let not = self.require(&table, "not")?;
                (true, self.members(&not)?)
            }
            None => (false, self.members(field)?),
        };
        Some(Written { not, members, span })
    }

    fn members(&mut self, field: &Field<'_>) -> Option<Vec<(Member, Range<usize>)>> {
        let items = field.one_or_more();
        if items.is_empty() {
            let message = format!("`{}` is an empty list", field.name);
            self.error(codes::BAD_VALUE, field.span(), message)
                .help("leave it out for any state, or write \"*\"");
            return None;
        }
        if items.len() > MOST {
            let message = format!("more than {MOST} states in one set");
            self.error(codes::TOO_MANY, field.span(), message);
            return None;
        }
        let members: Vec<Option<(Member, Range<usize>)>> =
            items.iter().map(|item| Some((self.member(item)?, item.span()))).collect();
        members.into_iter().collect()
    }

    fn member(&mut self, item: &Field<'_>) -> Option<Member> {
        match item.value.get_ref() {
            DeValue::Integer(_) => self.state_number(item).map(Member::Number),
            DeValue::String(text) if text == EVERY => Some(Member::Every),
            DeValue::String(_) => self.name(item, Named::State).map(Member::Name),
            DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => self.wrong_type(item),
        }
    }

    fn state_number(&mut self, item: &Field<'_>) -> Option<u32> {
        let Some(integer) = item.value.get_ref().as_integer() else {
            return self.wrong_type(item);
        };
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        if number.is_none() {
            // The key is its name, which says less than what it should be.
            self.error(codes::BAD_VALUE, item.span(), "the number of a state is out of range")
                .label(format!("must be 0 to {}", u32::MAX));
        }
        number
    }

    /// The table `[states]`: all its names, and of them those of single
    /// states, in the order of the file.
    pub(crate) fn states(&mut self, field: &Field<'_>) -> Vec<(String, u32)> {
        let Some(entries) = field.as_table() else {
            return self.wrong_type(field).unwrap_or_default();
        };
        if entries.len() > MOST {
            let message = format!("more than {MOST} names of states");
            self.error(codes::TOO_MANY, field.key_span.clone(), message);
            return Vec::new();
        }
        let mut items: Vec<(String, Field<'_>)> = Vec::new();
        for (name, value) in entries.iter() {
            let item = Field { key_span: name.span(), ..field.item(value) };
            let name: &str = name.get_ref();
            if let Some(why) = names::refuse(name, Named::State) {
                let message = format!("{} is no name of a state", quoted(name));
                self.error(codes::BAD_NAME, item.key_span, message).label(format!("it {why}"));
                continue;
            }
            items.push((name.to_owned(), item));
        }
        items.sort_by_key(|(_, item)| item.key_span.start);
        let (single, sets): (Vec<_>, Vec<_>) = items
            .into_iter()
            .partition(|(_, item)| matches!(item.value.get_ref(), DeValue::Integer(_)));
        let mut states: Vec<(String, u32)> = Vec::new();
        for (name, item) in single {
            let Some(number) = self.state_number(&item) else { continue };
            if let Some((other, _)) = states.iter().find(|(_, known)| *known == number) {
                let message = format!("{} is the state {number}, as `{other}` is", quoted(&name));
                self.error(codes::CONFLICT, item.span(), message)
                    .help(format!("a state has one name; a set may have another: [\"{other}\"]"));
                continue;
            }
            states.push((name, number));
        }
        self.states = states
            .iter()
            .map(|(name, number)| (name.clone(), StateSet::In(vec![*number])))
            .collect();
        // A set is made of states, not of sets: that needs no order.
        let names = self.states.clone();
        for (name, item) in sets {
            if let Some(written) = self.named_set(&name, &item)
                && let Some(set) = written.resolve(&names, Some("[states]"), &mut self.report)
            {
                self.states.push((name, set));
            }
        }
        states
    }

    fn named_set(&mut self, name: &str, item: &Field<'_>) -> Option<Written> {
        match item.value.get_ref() {
            DeValue::String(_) | DeValue::Array(_) | DeValue::Table(_) => self.state_set(item),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {
                let found = item.value.get_ref().type_str();
                let message = format!("wrong type for the state {}", quoted(name));
                self.error(codes::WRONG_TYPE, item.span(), message)
                    .label(format!("expected number, list of states or table, found {found}"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_joined_and_turned_round() {
        let of = |states: &[u32]| StateSet::In(states.to_vec());
        let not = |states: &[u32]| StateSet::NotIn(states.to_vec());
        assert_eq!(union(of(&[3, 1]), of(&[1, 2])), of(&[1, 2, 3]));
        assert_eq!(union(not(&[1, 2]), of(&[2, 5])), not(&[1]));
        assert_eq!(union(of(&[1]), not(&[1])), StateSet::Any);
        assert_eq!(union(not(&[1, 2]), not(&[2, 3])), not(&[2]));
        assert_eq!(union(not(&[1]), not(&[2])), StateSet::Any);
        assert_eq!(all_but(of(&[2, 1])), not(&[1, 2]));
        assert_eq!(all_but(not(&[4])), of(&[4]));
        assert_eq!(all_but(StateSet::Any), of(&[]));
        // What is said of a set is true of every state.
        let sets = [StateSet::Any, of(&[]), of(&[0, 2]), of(&[1]), not(&[0, 2]), not(&[1, 2])];
        for a in &sets {
            for state in 0..4 {
                assert_ne!(all_but(a.clone()).holds(state), a.holds(state));
                for b in &sets {
                    let both = union(a.clone(), b.clone());
                    assert_eq!(both.holds(state), a.holds(state) || b.holds(state));
                }
            }
        }
    }
}
