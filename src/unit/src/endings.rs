//! The verbs that end the manager: `shutdown`, `reboot` and `exec-recovery`;
//! and tables in which nothing stands.

use crate::command::Words;
use crate::reader::{Field, Reader};
use ham_core::plan::Ending;

impl Reader<'_> {
    /// Reads the table of `shutdown`.
    pub(crate) fn shutdown(&mut self, field: &Field<'_>) -> Option<Ending> {
        let Some(entries) = field.as_table() else { return self.wrong_type(field) };
        let table = self.table("action.shutdown", "in `shutdown`", entries, field.span());
        let code = match self.find(&table, "exit-code") {
            Some(code) => self.integer(&code, 0..=i64::from(u8::MAX))?,
            None => 0,
        };
        u8::try_from(code).ok().map(Ending::Exit)
    }

    /// Reads the command of `exec-recovery`. It is executed in the place of
    /// the manager, when much may be broken: nothing is looked up for it.
    pub(crate) fn exec_recovery(&mut self, field: &Field<'_>) -> Option<Ending> {
        if field.as_str().is_none() && field.as_array().is_none() {
            return self.wrong_type(field);
        }
        self.command(field, Words::Absolute, None).map(Ending::Execute)
    }

    /// Reads `{}`, the value of `what`.
    pub(crate) fn nothing(&mut self, field: &Field<'_>, path: &'static str) -> Option<()> {
        let Some(entries) = field.as_table() else { return self.wrong_type(field) };
        self.table(path, "in a table that stays empty", entries, field.span());
        Some(())
    }
}
