//! A file system that does not answer: FUSE (Linux, Documentation/filesystems/
//! fuse.rst) with nobody, or nobody useful, behind it. It is mounted in a mount
//! namespace of the test's own, so nothing else on the machine can touch it.

use crate::skip::{is_root, skipped};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

/// How it is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    /// Requests are not taken: who waits for an answer can be killed.
    Silent,
    /// Requests are taken and not answered, as by a server that has lost its
    /// network: who waits cannot be killed.
    Stubborn,
}

/// A mounted one; it ends when this is dropped, and with it whatever waits.
#[derive(Debug)]
pub struct DeadMount {
    path: PathBuf,
    device: Option<Arc<File>>,
    server: Option<JoinHandle<()>>,
}

/// Runs a test in a thread with a mount namespace of its own, which processes
/// that it starts are in, too; says what was skipped when there can be none, or
/// no FUSE in it.
///
/// # Panics
/// As the test does.
pub fn in_own_namespace(what: &'static str, test: impl FnOnce() + Send + 'static) {
    if !is_root(what) {
        return;
    }
    if !Path::new("/dev/fuse").exists() {
        return skipped(what, "no /dev/fuse");
    }
    let thread = std::thread::spawn(move || {
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        let none = None::<&str>;
        let made =
            unshare(CloneFlags::CLONE_NEWNS).and_then(|()| mount(none, "/", none, private, none));
        match made {
            Ok(()) => test(),
            Err(errno) => skipped(what, &format!("no mount namespace: {errno}")),
        }
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

impl DeadMount {
    /// Mounts one on a directory; to be called [`in_own_namespace`]. Says what
    /// was skipped when it is refused.
    ///
    /// # Panics
    /// When the kernel speaks another protocol.
    #[must_use]
    pub fn on(path: &Path, dead: Dead, what: &str) -> Option<DeadMount> {
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
        let device = device.map_err(|error| skipped(what, &format!("/dev/fuse: {error}"))).ok()?;
        let number = device.as_raw_fd();
        let data = format!("fd={number},rootmode=40000,user_id=0,group_id=0");
        let kind = Some("fuse");
        let mounted = mount(Some("ham-test"), path, kind, MsFlags::empty(), Some(data.as_str()));
        if let Err(errno) = mounted {
            skipped(what, &format!("FUSE cannot be mounted: {errno}"));
            return None;
        }
        let device = Arc::new(device);
        let server = (dead == Dead::Stubborn).then(|| {
            let device = Arc::clone(&device);
            std::thread::spawn(move || take_requests(&device))
        });
        Some(DeadMount { path: path.to_owned(), device: Some(device), server })
    }

    /// Ends it: whatever waits for an answer gets an error, and the directory
    /// is what it was before.
    pub fn end(&mut self) {
        if self.device.is_none() {
            return;
        }
        // Forced, it ends the connection, also when it is in use.
        let _ = umount2(&self.path, MntFlags::MNT_FORCE | MntFlags::UMOUNT_NOFOLLOW);
        let _ = umount2(&self.path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW);
        let server = self.server.take().map(JoinHandle::join);
        self.device = None;
        if let Some(Err(panic)) = server
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for DeadMount {
    fn drop(&mut self) {
        self.end();
    }
}

/// Takes all requests and answers the first, without which the kernel would
/// send no other: `FUSE_INIT`, protocol 7.
fn take_requests(mut device: &File) {
    // The least that the kernel reads into (FUSE_MIN_READ_BUFFER).
    let mut request = vec![0; 8_192];
    let mut first = true;
    // An error: it has ended.
    while device.read(&mut request).is_ok() {
        if !std::mem::take(&mut first) {
            continue;
        }
        assert_eq!(request[4..8], 26u32.to_ne_bytes(), "the first request is FUSE_INIT");
        assert_eq!(request[40..44], 7u32.to_ne_bytes(), "of this protocol");
        // fuse_out_header and fuse_init_out, which has room for later versions.
        let mut answer = vec![0; 80];
        answer[0..4].copy_from_slice(&80u32.to_ne_bytes());
        answer[8..16].copy_from_slice(&request[8..16]);
        // Version 7.31, and requests of up to a page.
        answer[16..20].copy_from_slice(&7u32.to_ne_bytes());
        answer[20..24].copy_from_slice(&31u32.to_ne_bytes());
        answer[36..40].copy_from_slice(&4_096u32.to_ne_bytes());
        device.write_all(&answer).expect("the kernel takes the answer");
    }
}
