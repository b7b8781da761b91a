//! What the machine lacks that units rely on, where ham is its init.

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use std::path::Path;

/// The inode of the first PID namespace (`PROC_PID_INIT_INO` of
/// linux/proc_ns.h, a part of the kernel's ABI): that of the machine itself.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Whether process 1 of this machine is called `ham`; in a container there is
/// no machine that could be looked at.
#[must_use]
pub fn ham_is_init() -> bool {
    let namespace = std::fs::read_link("/proc/self/ns/pid");
    let name = std::fs::read_to_string("/proc/1/comm");
    namespace.is_ok_and(|namespace| namespace.as_os_str() == FIRST_PID_NAMESPACE)
        && name.is_ok_and(|name| name.trim_end() == "ham")
}

/// A warning when there is no hardware watchdog in `devices`, which is `/dev`,
/// unless what was `found` says so of the one that ham.conf names. When that
/// cannot be read nothing is known, and nothing is said.
#[must_use]
pub fn no_watchdog(devices: &Path, found: &[Diagnostic]) -> Option<Diagnostic> {
    if found.iter().any(|diagnostic| diagnostic.code == codes::NO_WATCHDOG) {
        return None;
    }
    let mut names = std::fs::read_dir(devices).ok()?.flatten().map(|entry| entry.file_name());
    if names.any(|name| name.to_string_lossy().starts_with("watchdog")) {
        return None;
    }
    let file = devices.join("watchdog").display().to_string();
    let message = "this machine has no hardware watchdog, and ham is its init".to_owned();
    let mut warning = Diagnostic::of_file(Severity::Warning, codes::NO_WATCHDOG, &file, message);
    warning.help(
        "nobody starts the machine anew when the kernel hangs; load the driver of its watchdog, \
         or softdog if it has none, and name it in ham.conf: [watchdog] device = \
         \"/dev/watchdog0\"",
    );
    Some(warning)
}
