//! `[watchdog]` in `ham.conf`: the device that starts the machine anew when the
//! manager does not feed it any more.

use crate::codes;
use crate::duration::Bounds;
use crate::reader::{Field, Reader};
use crate::suggest::quoted;
use ham_core::time::Span;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use toml::de::DeTable;

/// What is taken when nothing is said.
const TIMEOUT: Span = Span::seconds(30);

/// The interface of the kernel counts seconds, and no device has more than a
/// day; one with less says so when it is opened.
const MOST: Span = Span::seconds(24 * 3600);

/// A manager whose monitor hangs replaces it, which takes 6 s, and 2 s more when
/// its guardian does, too. Below this the machine starts anew before that.
const SHORT: Span = Span::seconds(10);

/// The name of the device is kept beside its descriptor, in 255 bytes, with what
/// the device calls itself (32) and two numbers.
const LONGEST_PATH: usize = 160;

/// The hardware watchdog that is fed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watchdog {
    /// Its device: an absolute path.
    pub device: String,
    /// How long after the last feed it starts the machine anew: whole seconds,
    /// from 1 s to a day.
    pub timeout: Span,
    /// It is fed only after something was written to this file: an absolute
    /// path.
    pub check: Option<String>,
}

impl Reader<'_> {
    pub(crate) fn watchdog(
        &mut self,
        field: &Field<'_>,
        entries: &DeTable<'_>,
    ) -> Option<Watchdog> {
        let table = self.table("conf.watchdog", "in [watchdog]", entries, field.key_span.clone());
        let timeout = self.find(&table, "timeout");
        let timeout = timeout.map_or(Some(TIMEOUT), |field| self.seconds(&field));
        let check = self.find(&table, "check").and_then(|field| {
            let path = self.path(&field)?;
            if path.starts_with("/dev/") || path.starts_with("/proc/") || path.ends_with('/') {
                let message = format!("`{path}` tells nothing of a disk");
                self.error(codes::BAD_PATH, field.span(), message)
                    .help("name a file that ham may write, such as /var/lib/ham/watchdog");
            }
            Some(path)
        });
        let field = self.require(&table, "device")?;
        let device = self.path(&field)?;
        if device.len() > LONGEST_PATH || device.contains(['\n', '\0']) {
            let message = "no device of a watchdog has such a path";
            self.error(codes::BAD_PATH, field.span(), message)
                .help("`ls /dev/watchdog*` shows those that there are");
            return None;
        }
        self.look_at_device(&field, &device);
        Some(Watchdog { device, timeout: timeout?, check })
    }

    /// One that is not there may come: a unit may load its driver.
    fn look_at_device(&mut self, field: &Field<'_>, device: &str) {
        let absent = |error: std::io::Error| error.kind() == ErrorKind::NotFound;
        if !self.settings.look_at_commands || !std::fs::metadata(device).is_err_and(absent) {
            return;
        }
        let message = format!("there is no {} on this machine", quoted(device));
        let warning = self.report.warning(codes::NO_WATCHDOG, field.span(), message);
        warning.help(
            "it is tried again until it is there; until then nobody starts the machine anew \
             when the kernel hangs: `ls /dev/watchdog*` shows those that there are",
        );
    }

    fn seconds(&mut self, field: &Field<'_>) -> Option<Span> {
        let span = self.duration(field, Bounds::FiniteNotZero)?;
        if span.0 % Span::seconds(1).0 != 0 || span > MOST {
            let message = "a watchdog takes whole seconds, up to a day";
            self.error(codes::BAD_DURATION, field.span(), message);
            return None;
        }
        if span < SHORT {
            let message =
                format!("after {span} the machine starts anew before ham can help itself");
            let warning = self.report.warning(codes::SHORT_WATCHDOG, field.span(), message);
            warning.help("a monitor that hangs is replaced within 8 s: write \"10s\" or more");
        }
        Some(span)
    }
}
