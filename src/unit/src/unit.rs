//! A whole unit: `description`, `[entity]` or `[target]`, and the conditions.

use crate::codes;
use crate::condition::Shorthand;
use crate::reader::{Field, Reader, Table};
use ham_core::ids::EntityId;
use ham_core::plan::{ConditionPlan, EntityPlan, Kind, StartMode};
use toml::de::DeTable;

impl Reader<'_> {
    /// Reads a unit. Its id and links are set later, when all units are known.
    pub(crate) fn unit(&mut self, name: &str, entries: &DeTable<'_>) -> Option<EntityPlan> {
        let top = self.table("", "at the top of the file", entries, 0..0);
        let description = self.find(&top, "description").and_then(|field| self.string(&field));
        let conditions = self.find(&top, "condition");
        let entity = self.find(&top, "entity");
        let target = self.find(&top, "target");
        let plan = match (&entity, &target) {
            (Some(entity), None) => self.entity_with(name, entity, conditions.as_ref()),
            (None, Some(target)) => self.target_with(name, target, conditions.as_ref()),
            (Some(_), Some(target)) => {
                self.error(codes::CONFLICT, target.key_span.clone(), "[target] beside [entity]")
                    .help("a target has no process; make it a unit of its own");
                None
            }
            (None, None) => {
                if !top.has_misspelt(&["entity", "target"]) {
                    let help = "a unit is one [entity] with a `command`, or a [target], \
                                and its conditions";
                    self.error(codes::MISSING_KEY, 0..0, "no [entity]").help(help);
                }
                self.conditions(conditions.as_ref(), None, &Kind::Service);
                None
            }
        }?;
        let description = description.unwrap_or_default().to_owned();
        let source = self.report.text.file.clone();
        Some(EntityPlan { description, source, ..plan })
    }

    fn entity_with(
        &mut self,
        name: &str,
        field: &Field<'_>,
        conditions: Option<&Field<'_>>,
    ) -> Option<EntityPlan> {
        let Some(entries) = field.as_table() else {
            self.conditions(conditions, None, &Kind::Service);
            return self.wrong_type(field);
        };
        let table = self.table("entity", "in [entity]", entries, field.key_span.clone());
        let kind = self.kind(&table);
        let restart = self.find(&table, "restart");
        let shorthand = restart.as_ref().and_then(|field| self.word(field, &Shorthand::WORDS));
        let oneshot = matches!(kind, Kind::Oneshot { .. });
        if let Some(restart) = &restart
            && oneshot
            && shorthand == Some(Shorthand::Always)
        {
            let message = "`restart = \"always\"` beside `type = \"oneshot\"`";
            self.error(codes::CONFLICT, restart.span(), message)
                .help("it would run again and again; \"on-failure\" repeats it until it succeeds");
        }
        if restart.is_none() && conditions.is_none() && !oneshot {
            let message = "nothing is done when it dies";
            self.report
                .warning(codes::UNSUPERVISED, field.key_span.clone(), message)
                .help("add restart = \"on-failure\", \"always\" or \"no\", or a [[condition]]");
        }
        let plan = self.entity(name, &table, kind.clone());
        let conditions = self.conditions(conditions, shorthand, &kind);
        plan.map(|plan| EntityPlan { conditions, ..plan })
    }

    fn target_with(
        &mut self,
        name: &str,
        field: &Field<'_>,
        conditions: Option<&Field<'_>>,
    ) -> Option<EntityPlan> {
        let conditions: Vec<ConditionPlan> = self.conditions(conditions, None, &Kind::Target);
        let Some(entries) = field.as_table() else { return self.wrong_type(field) };
        let table = self.table("target", "in [target]", entries, field.key_span.clone());
        let start = self.start_mode(&table);
        self.order(&table, name);
        let kind = Kind::Target;
        Some(EntityPlan {
            kind,
            start,
            conditions,
            ..EntityPlan::new(EntityId(0), name, Vec::new())
        })
    }

    /// The key `start` of [entity] or [target].
    pub(crate) fn start_mode(&mut self, table: &Table<'_>) -> StartMode {
        let Some(field) = self.find(table, "start") else { return StartMode::default() };
        let known = [(StartMode::Auto, "auto"), (StartMode::Manual, "manual")];
        self.word(&field, &known).unwrap_or_default()
    }
}
