//! `[[condition]]`: what fires it and its list of actions.

use crate::action::UnnamedAction;
use crate::codes;
use crate::lists::Place;
use crate::names::Named;
use crate::on::On;
use crate::reader::{Field, Reader};
use crate::suggest::quoted;
use crate::watching::Watch;
use ham_core::plan::{
    ActionPlan, Class, ConditionKind, ConditionPlan, Kind, MAX_ACTIONS, MAX_CONDITIONS, Only,
    RestartPlan, Verb,
};
use std::collections::HashMap;
use std::ops::Range;

/// What an action has to know of the list that it stands in.
#[derive(Clone, Debug)]
pub(crate) struct ActionContext {
    pub(crate) place: Place,
    pub(crate) on: Option<ConditionKind>,
    pub(crate) class: Class,
    /// Whether it is about another entity.
    pub(crate) of: bool,
    /// Why the entity cannot have a restart action more, in words and with
    /// help: it has one, or has no process.
    pub(crate) restart: Option<NoRestart>,
}

impl ActionContext {
    /// That of a list in its place.
    pub(crate) fn of(place: Place) -> ActionContext {
        ActionContext { place, on: None, class: Class::InOrder, of: false, restart: None }
    }
}

/// Why no restart action may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRestart {
    /// The short form in [entity], which stands there.
    Shorthand(usize),
    /// One before it, which stands there.
    Earlier(usize),
    /// A target, without a process.
    Target,
    /// A unit of conditions on any entity.
    Global,
    /// A process that ham does not start.
    Placeholder,
}

/// What `restart` of `[entity]` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shorthand {
    OnFailure,
    Always,
    No,
}

impl Shorthand {
    /// The word for none.
    pub(crate) const NO: &'static str = "no";
    pub(crate) const WORDS: [(Shorthand, &'static str); 3] = [
        (Shorthand::OnFailure, "on-failure"),
        (Shorthand::Always, "always"),
        (Shorthand::No, Shorthand::NO),
    ];

    fn kind(self) -> Option<ConditionKind> {
        match self {
            Shorthand::OnFailure => Some(ConditionKind::Failure),
            Shorthand::Always => Some(ConditionKind::Death),
            Shorthand::No => None,
        }
    }
}

impl Reader<'_> {
    /// All conditions of a unit, that of the shorthand first: in the file
    /// `[entity]` stands before them too. With the shorthand comes its place.
    pub(crate) fn conditions(
        &mut self,
        field: Option<&Field<'_>>,
        shorthand: Option<(Shorthand, usize)>,
        unit: &str,
        kind: &Kind,
    ) -> Vec<ConditionPlan> {
        let restart = match kind {
            Kind::Target => Some(NoRestart::Target),
            Kind::Global => Some(NoRestart::Global),
            Kind::Placeholder { .. } => Some(NoRestart::Placeholder),
            Kind::Service | Kind::Oneshot { .. } | Kind::Forking { .. } => {
                shorthand.map(|(_, at)| NoRestart::Shorthand(at))
            }
        };
        let mut context = ActionContext { restart, ..ActionContext::of(Place::Condition) };
        let mut conditions = Vec::new();
        let mut names: HashMap<String, usize> = HashMap::new();
        if let Some(field) = field {
            let Some(items) = field.as_array() else {
                return self.wrong_type(field).unwrap_or_default();
            };
            for item in items {
                let item = field.item(item);
                let Some((plan, name_span)) = self.condition(&item, &mut context, unit, kind)
                else {
                    continue;
                };
                if let Some(first) = names.get(&plan.name).copied() {
                    let message = format!("a second condition {}", quoted(&plan.name));
                    let text = self.report.text;
                    let place = text.beside(first, name_span.start);
                    self.error(codes::DUPLICATE_NAME, name_span, message)
                        .help(format!(
                            "give it a `name` of its own, or put its actions into the first, \
                             {place}"
                        ))
                        .related([text.related(first, "the first")]);
                } else {
                    names.insert(plan.name.clone(), name_span.start);
                }
                conditions.push(plan);
            }
        }
        if let Some(kind) = shorthand.and_then(|(shorthand, _)| shorthand.kind()) {
            let name = free_name("restart", |name| names.contains_key(name));
            conditions.insert(0, shorthand_condition(name, kind));
        }
        let actions = conditions
            .iter()
            .fold(0usize, |sum, condition| sum.saturating_add(condition.actions.len()));
        let span = field.map_or(0..0, |field| field.key_span.clone());
        if conditions.len() > MAX_CONDITIONS {
            let message = format!("more than {MAX_CONDITIONS} conditions");
            self.error(codes::TOO_MANY, span.clone(), message);
        }
        if actions > MAX_ACTIONS {
            let message = format!("more than {MAX_ACTIONS} actions in one unit");
            self.error(codes::TOO_MANY, span, message);
        }
        conditions
    }

    fn condition(
        &mut self,
        field: &Field<'_>,
        context: &mut ActionContext,
        unit: &str,
        kind: &Kind,
    ) -> Option<(ConditionPlan, Range<usize>)> {
        let Some(entries) = field.as_table() else { return self.wrong_type(field) };
        let table = self.table("condition", "in [[condition]]", entries, field.span());
        let on_field = self.require(&table, "on");
        let on = on_field.as_ref().and_then(|on| self.on(on));
        let of_field = self.find(&table, "of");
        let of = of_field.as_ref().and_then(|of| Some((self.of(of, unit, kind)?, of.span())));
        let name_field = self.find(&table, "name");
        let name = match &name_field {
            Some(name) => self.name(name, Named::Condition),
            None => on.as_ref().map(|on| on.kind.word().to_owned()),
        };
        const CLASSES: [(Class, &str); 3] = [
            (Class::InOrder, "in-order"),
            (Class::NoWait, "no-wait"),
            (Class::Independent, "independent"),
        ];
        let class = match self.find(&table, "run") {
            Some(run) => self.word(&run, &CLASSES).unwrap_or_default(),
            None => Class::default(),
        };
        let rearm = self.boolean_or(&table, "rearm", true);
        let enabled = self.boolean_or(&table, "enabled", true);
        context.on = on.as_ref().map(|on| on.kind);
        context.class = class;
        context.of = of_field.is_some();
        let actions_field = self.find(&table, "actions");
        let (actions, given) = match &actions_field {
            Some(actions) => self.actions(actions, context),
            None => (Vec::new(), 0),
        };
        if given == 0 {
            let message = "a condition without actions does nothing";
            self.report.warning(codes::NO_ACTIONS, table.span.clone(), message);
        }
        let span = on_field.as_ref().map_or(table.span.clone(), Field::span);
        let name_span = name_field.or(on_field).map_or(table.span, |field| field.span());
        let (name, On { kind: on, only, transition }) = (name?, on?);
        self.watches.push(Watch {
            condition: name.clone(),
            on,
            span,
            answers: enabled && !actions.is_empty(),
            of,
            transition,
        });
        // Whom it is about is a number only when all units are known.
        let of = None;
        let plan = ConditionPlan { name, on, only, of, class, rearm, enabled, actions };
        Some((plan, name_span))
    }

    /// The actions that could be read, and how many were given.
    pub(crate) fn actions(
        &mut self,
        field: &Field<'_>,
        context: &mut ActionContext,
    ) -> (Vec<ActionPlan>, usize) {
        let Some(items) = field.as_array() else {
            self.wrong_type::<()>(field);
            return (Vec::new(), 1);
        };
        let read: Vec<UnnamedAction> =
            items.iter().filter_map(|item| self.action(&field.item(item), context)).collect();
        let mut names: HashMap<String, usize> = HashMap::new();
        for (name, span) in read.iter().filter_map(|action| action.name.as_ref()) {
            if let Some(first) = names.get(name).copied() {
                let message = format!("a second action {} in this list", quoted(name));
                let text = self.report.text;
                let place = text.beside(first, span.start);
                self.error(codes::DUPLICATE_NAME, span.clone(), message)
                    .help(format!("give it another `name`, or none; the first is {place}"))
                    .related([text.related(first, "the first")]);
            } else {
                names.insert(name.clone(), span.start);
            }
        }
        let mut actions = Vec::with_capacity(read.len());
        for UnnamedAction { name, mut plan } in read {
            plan.name = match name {
                Some((name, _)) => name,
                None => free_name(plan.verb.word(), |name| names.contains_key(name)),
            };
            names.entry(plan.name.clone()).or_default();
            actions.push(plan);
        }
        (actions, items.len())
    }
}

/// `word`, or `word-2`, `word-3` … when that is taken.
fn free_name(word: &str, taken: impl Fn(&str) -> bool) -> String {
    std::iter::once(word.to_owned())
        .chain((2u32..).map(|number| format!("{word}-{number}")))
        .find(|name| !taken(name))
        .unwrap_or_default()
}

fn shorthand_condition(name: String, on: ConditionKind) -> ConditionPlan {
    ConditionPlan {
        name,
        on,
        only: Only::All,
        of: None,
        class: Class::InOrder,
        rearm: true,
        enabled: true,
        actions: vec![ActionPlan {
            name: "restart".to_owned(),
            verb: Verb::Restart(RestartPlan::default()),
            break_on_fail: false,
            keep_on_fail: true,
            rearm: true,
            on_fail: Vec::new(),
        }],
    }
}
