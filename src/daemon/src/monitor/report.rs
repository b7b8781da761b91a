//! What the start found: one line about what runs, and one for each thing
//! that is missing, with what replaces it.

use super::Engine;
use crate::facts::Weight;
use ham_sys::process;
use ham_sys::spawn::Method;

impl Engine {
    pub(super) fn report_start(&mut self, no_cgroup: Option<&str>) {
        let options = &self.shared.options;
        let text = format!(
            "version {} on {}, reaper {}, monitor {}",
            env!("CARGO_PKG_VERSION"),
            options.runtime.display(),
            process::parent_pid(),
            process::pid()
        );
        self.remark(Weight::Event, &text);
        let directories: Vec<String> =
            options.directories.iter().map(|path| path.display().to_string()).collect();
        self.remark(Weight::Event, &format!("units from {}", directories.join(", ")));
        for remark in &self.shared.remarks {
            self.remark(Weight::Event, remark);
        }
        if self.abilities.method == Method::Clone {
            let text = "clone3 is refused here: processes are made with clone, as safely";
            self.remark(Weight::Event, text);
        }
        if !self.abilities.own_fd_table {
            let text = "close_range cannot unshare here: a start takes longer the more \
                        descriptors ham has open";
            self.remark(Weight::Event, text);
        }
        if let Some(why) = no_cgroup {
            let text = format!(
                "no cgroup ({why}): processes are held by session and environment, best effort"
            );
            self.remark(Weight::Event, &text);
        } else if !self.abilities.into_cgroup {
            let text = "processes cannot be born in a cgroup here: they join it before exec";
            self.remark(Weight::Detail, text);
        }
    }
}
