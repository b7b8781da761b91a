//! `--background`: the process that was started returns when the manager, its
//! child, answers and has read its units.

use crate::exit;
use crate::options::Options;
use crate::trouble::Trouble;
use ham_sys::process::{self, Forked};
use ham_sys::reap;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How long `--background` waits for the control socket.
const BACKGROUND_WAIT: Duration = Duration::from_secs(60);

/// The parent waits until its child answers on the control socket and has read
/// its units; `None`: this is the child.
pub(super) fn go_to_background(options: &Options) -> Result<Option<ExitCode>, Trouble> {
    let Forked::Parent(child) = process::fork()? else {
        process::new_session()?;
        return Ok(None);
    };
    let socket = options.runtime.join("control");
    let deadline = std::time::Instant::now() + BACKGROUND_WAIT;
    while std::time::Instant::now() < deadline {
        if let Some(exit) = reap::peek(child) {
            let code = if exit.code == reap::Exit::EXITED { exit.status } else { 1 };
            return Ok(Some(ExitCode::from(u8::try_from(code).unwrap_or(1))));
        }
        if fs::symlink_metadata(&socket).is_ok() && is_up(&socket, child) {
            return Ok(Some(ExitCode::SUCCESS));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(Trouble::new(exit::SYSTEM, "the manager does not answer; it goes on in the background"))
}

/// Whether the manager whose reaper is `reaper` answers there and has read its
/// units, for better or worse. One that stops at once (`--strict`) is not up:
/// its exit code is waited for.
fn is_up(socket: &Path, reaper: i32) -> bool {
    use ham_core::wire::{Answer, Call, Frames, Names, Status, to_frame};
    use std::io::{Read, Write};
    let ask = || -> Option<Status> {
        let mut stream = UnixStream::connect(socket).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let call = Call::to_manager("Status", &Names::default()).ok()?;
        stream.write_all(&to_frame(&call).ok()?).ok()?;
        let mut frames = Frames::new();
        let mut bytes = [0u8; 4096];
        loop {
            let count = stream.read(&mut bytes).ok().filter(|count| *count > 0)?;
            frames.push(bytes.get(..count)?, ham_core::wire::MAX_FRAME).ok()?;
            if let Some(frame) = frames.next_frame() {
                let answer: Answer = serde_json::from_slice(&frame).ok()?;
                return serde_json::from_value(answer.parameters).ok();
            }
        }
    };
    ask().map(|status| status.ham).is_some_and(|ham| {
        let loaded = ham.plan.generation > 0 || !ham.plan.errors.is_empty();
        ham.reaper.pid == reaper && loaded && !ham.stopping
    })
}
