//! What `ham.conf` says, beside the command line, which wins. The loader reads
//! it together with the units.

use super::Engine;
use crate::facts::Weight;
use crate::options::{STOP_DEADLINE, VERBOSITY};
use ham_core::time::Span;
use ham_snapshot::header::Field;
use ham_unit::Conf;
use std::path::PathBuf;

impl Engine {
    /// What holds from this load on; `None`: the file has errors, which are
    /// shown, and what held before holds on.
    pub(super) fn take_conf(&mut self, conf: Option<Conf>) {
        let Some(conf) = conf else {
            self.remark(Weight::Always, "ham.conf could not be taken: what held before holds on");
            return;
        };
        self.loading.conf_known = true;
        let before = std::mem::replace(&mut self.loading.conf, conf);
        let verbosity = self.loading.conf.verbosity;
        // What was set by hand stays, unless the file has changed.
        if before.verbosity != verbosity && self.shared.options.verbosity.is_none() {
            self.state.set(Field::Verbosity, u64::from(verbosity.unwrap_or(VERBOSITY)));
        }
        self.recall_conf();
        self.watchdog_wanted();
    }

    /// What each monitor has to be told anew.
    pub(super) fn recall_conf(&mut self) {
        self.core.set_stop_deadline(self.stop_deadline());
        if self.shared.options.log_file.is_none() {
            self.log.write_to(self.loading.conf.log.as_ref().map(PathBuf::from));
        }
    }

    /// How long a shutdown may take.
    pub(super) fn stop_deadline(&self) -> Span {
        let given = self.shared.options.stop_deadline;
        given.or(self.loading.conf.stop_deadline).unwrap_or(STOP_DEADLINE)
    }
}
