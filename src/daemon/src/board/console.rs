//! Standard input, output and error of an init that the kernel has started
//! without a console: there may have been no /dev at that time.

use ham_sys::machine::{fill_standard_streams, leads_nowhere};
use std::ffi::CStr;

pub(super) const CONSOLE: &CStr = c"/dev/console";

/// Opens the console where nothing is open. Without a console nobody would read
/// it, so that there is none is said in the log alone.
pub(super) fn fill() -> Option<String> {
    if !(0..3).all(leads_nowhere) {
        return None;
    }
    let error = fill_standard_streams(CONSOLE).err()?;
    // What stands for a closed stream until now keeps what is written to it.
    let _ = fill_standard_streams(c"/dev/null");
    Some(format!("{error}: nothing is said on a console"))
}
