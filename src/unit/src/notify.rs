//! The verbs that tell others: `notify-signal` and `notify-pulse`.

use crate::codes;
use crate::condition::ActionContext;
use crate::lists::Place;
use crate::names::Named;
use crate::reader::{Field, Reader, Table};
use crate::suggest::{nearest, quoted};
use ham_core::plan::{PulsePlan, SignalPlan, SignalTarget};
use ham_core::signal::Signal;

impl Reader<'_> {
    pub(crate) fn notify_signal(
        &mut self,
        field: &Field<'_>,
        context: &ActionContext,
    ) -> Option<SignalPlan> {
        let Some(entries) = field.as_table() else { return self.wrong_type(field) };
        let table = self.table("action.notify-signal", "in `notify-signal`", entries, field.span());
        let entity = self.find(&table, "entity").map(|entity| self.entity_name(&entity));
        if entity.is_none() && matches!(context.place, Place::PreStart | Place::PostStop) {
            let place = context.place.word();
            let message = format!("`notify-signal` without `entity` in `{place}`");
            self.error(codes::CONFLICT, field.key_span.clone(), message)
                .help("there is no process then; name another entity");
        }
        let signal = self.require(&table, "signal").and_then(|signal| self.signal(&signal));
        let code = self.whole(&table, "code")?;
        let value = self.whole(&table, "value")?;
        let target = match entity {
            Some(name) => SignalTarget::Entity(name?),
            None => SignalTarget::Own,
        };
        Some(SignalPlan { target, signal: signal?, code, value })
    }

    /// Reads the table of `notify-pulse`.
    pub(crate) fn notify_pulse(&mut self, field: &Field<'_>) -> Option<PulsePlan> {
        let Some(entries) = field.as_table() else { return self.wrong_type(field) };
        let table = self.table("action.notify-pulse", "in `notify-pulse`", entries, field.span());
        let channel = self.require(&table, "channel");
        let channel = channel.and_then(|channel| self.name(&channel, Named::Channel));
        let code = self.require(&table, "code");
        let code =
            code.and_then(|code| self.integer(&code, i64::from(i8::MIN)..=i64::from(i8::MAX)));
        let value = self.whole(&table, "value")?;
        Some(PulsePlan { channel: channel?, code: i8::try_from(code?).ok()?, value, guest: false })
    }

    /// A number of 32 bits, 0 when it is not given.
    fn whole(&mut self, table: &Table<'_>, name: &str) -> Option<i32> {
        let Some(field) = self.find(table, name) else { return Some(0) };
        let number = self.integer(&field, i64::from(i32::MIN)..=i64::from(i32::MAX))?;
        i32::try_from(number).ok()
    }

    /// A signal by name.
    pub(crate) fn signal(&mut self, field: &Field<'_>) -> Option<Signal> {
        let text = self.string(field)?;
        let found = Signal::parse(text);
        if found.is_none() {
            let upper = text.to_ascii_uppercase();
            let word = upper.strip_prefix("SIG").unwrap_or(&upper);
            let near = nearest(word, Signal::names());
            let message = format!("no signal {}", quoted(text));
            let added = self.error(codes::BAD_SIGNAL, field.span(), message);
            if let Some(near) = near {
                added.label(format!("did you mean `{near}`?"));
            }
            added.help("write a name of signal(7) without SIG, RTMIN+n, or RTMAX-n");
        }
        found
    }
}
