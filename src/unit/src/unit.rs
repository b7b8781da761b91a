//! A whole unit: `description`; `[entity]`, `[target]` or `[global]`; `[heartbeat]`
//! and `[states]`; and the conditions.

use crate::codes;
use crate::condition::Shorthand;
use crate::reader::{Field, Reader, Table};
use ham_core::ids::EntityId;
use ham_core::plan::{EntityPlan, Kind, StartMode};
use toml::de::DeTable;

/// Of these a unit has one.
const HEADS: [&str; 3] = ["entity", "target", "global"];

/// The tables at the top of a file that go with one of [entity], [target] and
/// [global].
#[derive(Clone, Debug)]
struct Tops<'v> {
    conditions: Option<Field<'v>>,
    /// Whether there seem to be some under a wrong name.
    misspelt_conditions: bool,
    heartbeat: Option<Field<'v>>,
    states: Option<Field<'v>>,
}

impl Reader<'_> {
    /// Reads a unit. Its id and links are set later, when all units are known.
    pub(crate) fn unit(&mut self, name: &str, entries: &DeTable<'_>) -> Option<EntityPlan> {
        let top = self.table("", "at the top of the file", entries, 0..0);
        // What it says was looked at before, when units were put together.
        self.boolean_or(&top, "mask", false);
        let description = self.find(&top, "description").and_then(|field| self.string(&field));
        let tops = Tops {
            conditions: self.find(&top, "condition"),
            misspelt_conditions: top.has_misspelt(&["condition"]),
            heartbeat: self.find(&top, "heartbeat"),
            states: self.find(&top, "states"),
        };
        let heads: Vec<Field<'_>> = HEADS.iter().filter_map(|head| self.find(&top, head)).collect();
        let plan = match heads.as_slice() {
            [entity] if entity.name == "entity" => self.entity_with(name, entity, &tops),
            [target] if target.name == "target" => self.target_with(name, target, &tops),
            [global] => self.global_with(name, global, &tops),
            [first, second, ..] => {
                let also = self.also(first.key_span.start, second.key_span.start);
                let message = format!("[{}] beside [{}]{also}", second.name, first.name);
                self.error(codes::CONFLICT, second.key_span.clone(), message).help(format!(
                    "a {} has no process; make it a unit of its own",
                    if second.name == "target" { "target" } else { "unit of global conditions" }
                ));
                None
            }
            [] => {
                if !top.has_misspelt(&HEADS) {
                    let help = "a unit is one [entity], a [target], or a [global], and its \
                                conditions";
                    self.error(codes::MISSING_KEY, 0..0, "no [entity]").help(help);
                }
                self.conditions(tops.conditions.as_ref(), None, name, &Kind::Service);
                None
            }
        }?;
        let description = description.unwrap_or_default().to_owned();
        let source = self.report.text.file().to_owned();
        Some(EntityPlan { description, source, ..plan })
    }

    fn entity_with(
        &mut self,
        name: &str,
        field: &Field<'_>,
        tops: &Tops<'_>,
    ) -> Option<EntityPlan> {
        let conditions = tops.conditions.as_ref();
        let Some(entries) = field.as_table() else {
            self.conditions(conditions, None, name, &Kind::Service);
            return self.wrong_type(field);
        };
        let table = self.table("entity", "in [entity]", entries, field.key_span.clone());
        let placeholder = self.is_placeholder(&table);
        let kind = if placeholder { self.placeholder(&table) } else { self.kind(&table) };
        let restart = self.find(&table, "restart");
        let shorthand = restart.as_ref().and_then(|field| self.word(field, &Shorthand::WORDS));
        let oneshot = matches!(kind, Kind::Oneshot { .. });
        if let Some(restart) = &restart
            && oneshot
            && shorthand == Some(Shorthand::Always)
        {
            let type_at = self.find(&table, "type").map_or(0, |field| field.key_span.start);
            let also = self.also(type_at, restart.span().start);
            let message = format!("`restart = \"always\"` beside `type = \"oneshot\"`{also}");
            self.error(codes::CONFLICT, restart.span(), message)
                .help("it would run again and again; \"on-failure\" repeats it until it succeeds");
        }
        let misspelt = tops.misspelt_conditions || table.has_misspelt(&["restart"]);
        if restart.is_none() && conditions.is_none() && !oneshot && !misspelt {
            let message = "nothing is done when it dies";
            let help = match placeholder {
                true => "add a [[condition]], or restart = \"no\" to have it so",
                false => "add restart = \"on-failure\", \"always\" or \"no\", or a [[condition]]",
            };
            self.report.warning(codes::UNSUPERVISED, field.key_span.clone(), message).help(help);
        }
        let heartbeat = tops.heartbeat.as_ref().and_then(|field| self.heartbeat(field, &kind));
        let states = tops.states.as_ref().map(|field| self.states(field)).unwrap_or_default();
        let plan = self.entity(name, &table, kind.clone(), heartbeat);
        let shorthand = shorthand.zip(restart.map(|field| field.key_span.start));
        let conditions = self.conditions(conditions, shorthand, name, &kind);
        // The reader has those of single states first.
        let state_sets = self.states.get(states.len()..).unwrap_or_default().to_vec();
        plan.map(|plan| EntityPlan { conditions, states, state_sets, ..plan })
    }

    fn target_with(
        &mut self,
        name: &str,
        field: &Field<'_>,
        tops: &Tops<'_>,
    ) -> Option<EntityPlan> {
        let kind = Kind::Target;
        self.no_process(tops, &kind);
        let conditions = self.conditions(tops.conditions.as_ref(), None, name, &kind);
        let Some(entries) = field.as_table() else { return self.wrong_type(field) };
        let table = self.table("target", "in [target]", entries, field.key_span.clone());
        let start = self.start_mode(&table);
        self.order(&table, name);
        Some(EntityPlan {
            kind,
            start,
            conditions,
            ..EntityPlan::new(EntityId(0), name, Vec::new())
        })
    }

    fn global_with(
        &mut self,
        name: &str,
        field: &Field<'_>,
        tops: &Tops<'_>,
    ) -> Option<EntityPlan> {
        let kind = Kind::Global;
        self.no_process(tops, &kind);
        if tops.conditions.is_none() {
            let message = "a unit with [global] and no conditions does nothing";
            self.report
                .warning(codes::NO_ACTIONS, field.key_span.clone(), message)
                .help("add a [[condition]]: it is fired by what happens to any entity");
        }
        let conditions = self.conditions(tops.conditions.as_ref(), None, name, &kind);
        let Some(entries) = field.as_table() else { return self.wrong_type(field) };
        self.table("global", "in [global]", entries, field.key_span.clone());
        Some(EntityPlan { kind, conditions, ..EntityPlan::new(EntityId(0), name, Vec::new()) })
    }

    /// What only an entity with a process can have.
    fn no_process(&mut self, tops: &Tops<'_>, kind: &Kind) {
        if let Some(field) = &tops.heartbeat {
            self.heartbeat(field, kind);
        }
        if let Some(field) = &tops.states {
            self.states(field);
            let head = if *kind == Kind::Global { "global" } else { "target" };
            let message = format!("[states] beside [{head}]");
            self.error(codes::CONFLICT, field.key_span.clone(), message)
                .help("a process reports states; name them in its unit");
        }
    }

    /// The key `start` of [entity] or [target].
    pub(crate) fn start_mode(&mut self, table: &Table<'_>) -> StartMode {
        let Some(field) = self.find(table, "start") else { return StartMode::default() };
        let known = [(StartMode::Auto, "auto"), (StartMode::Manual, "manual")];
        self.word(&field, &known).unwrap_or_default()
    }
}
