//! Standard input, output and error of an init that the kernel has started
//! without a console: there may have been no /dev at that time.

use ham_sys::machine::fill_standard_streams;
use std::ffi::CStr;
use std::fs;
use std::os::unix::fs::MetadataExt;

pub(super) const CONSOLE: &CStr = c"/dev/console";

/// /dev/null, major 1 and minor 3, which the language runtime opens for a stream
/// that is closed.
const NULL: u64 = 0x103;

/// Opens the console where nothing is open. Without a console nobody would read
/// it, so that there is none is said in the log alone.
pub(super) fn fill() -> Option<String> {
    let leads_nowhere = |stream: i32| {
        let open = fs::metadata(format!("/proc/self/fd/{stream}"));
        open.map_or(true, |file| file.rdev() == NULL)
    };
    if !(0..3).all(leads_nowhere) {
        return None;
    }
    let error = fill_standard_streams(CONSOLE).err()?;
    Some(format!("{error}: nothing is said on a console"))
}
