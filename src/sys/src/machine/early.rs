//! What has to be before the language runtime: that opens /dev/null for each
//! standard stream that is closed, and aborts where there is none. An init whose
//! kernel has no console begins with three closed streams, perhaps on a root
//! where nothing has made /dev yet, and an init that aborts is a panic.

use crate::raw::call;

/// The name of the file that stands for a stream (memfd_create(2)), as
/// /proc/PID/fd shows it.
pub(super) const NOTHING: &str = "/memfd:ham-no-stream";

#[used]
// SAFETY: the C library calls what is listed there before main, with arguments
// that need not be taken; it uses system calls alone, and no library.
#[unsafe(link_section = ".init_array")]
static BEFORE_THE_RUNTIME: extern "C" fn() = fill_closed_streams;

extern "C" fn fill_closed_streams() {
    // SAFETY: no pointers.
    if unsafe { call(libc::SYS_getpid, [0; 5]) } != 1 {
        return;
    }
    for stream in 0..3usize {
        // SAFETY: no pointers.
        let open = unsafe { call(libc::SYS_fcntl, [stream, libc::F_GETFD as usize, 0, 0, 0]) };
        if open != -(libc::EBADF as isize) {
            continue;
        }
        // The lowest number is given, which is this one. It takes what is written
        // and is never read: whoever may write here has nothing to say yet.
        // SAFETY: a static C string.
        unsafe { call(libc::SYS_memfd_create, [c"ham-no-stream".as_ptr() as usize, 0, 0, 0, 0]) };
    }
}
