//! Closes descriptors that came from others. What close(2) does is the business
//! of whoever made them: on a hung file system (FUSE, NFS) it waits for ever,
//! and the event loop waits for nobody. So threads do it.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Threads at most; more only when those that are there do not come back.
const THREADS: usize = 4;

/// What waits at most before no more is taken from others: a program that
/// hands over what cannot be closed fills no table of ours.
const ENOUGH: usize = 256;

#[derive(Clone, Debug, Default)]
pub(super) struct Closer {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    work: Mutex<Work>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct Work {
    waiting: VecDeque<OwnedFd>,
    idle: usize,
    threads: usize,
}

impl Closer {
    /// Some time soon.
    pub(super) fn close(&self, fd: OwnedFd) {
        let mut work = self.inner.lock();
        work.waiting.push_back(fd);
        if work.idle == 0 && work.threads < THREADS {
            let inner = Arc::clone(&self.inner);
            let made = std::thread::Builder::new()
                .name("ham-close".to_owned())
                .stack_size(64 * 1024)
                .spawn(move || inner.run());
            // Without a thread it stays open until there is one.
            work.threads += usize::from(made.is_ok());
        }
        drop(work);
        self.inner.ready.notify_one();
    }

    /// All of them.
    pub(super) fn close_all(&self, fds: impl IntoIterator<Item = OwnedFd>) {
        fds.into_iter().for_each(|fd| self.close(fd));
    }

    /// Whether so much waits that no more should be taken.
    pub(super) fn has_enough(&self) -> bool {
        self.inner.lock().waiting.len() >= ENOUGH
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut work = self.lock();
        loop {
            match work.waiting.pop_front() {
                Some(fd) => {
                    drop(work);
                    drop(fd);
                    work = self.lock();
                }
                None => {
                    work.idle += 1;
                    work = self.ready.wait(work).unwrap_or_else(PoisonError::into_inner);
                    work.idle -= 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_is_handed_over_is_closed() {
        let closer = Closer::default();
        for _ in 0..3 {
            let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            closer.close(theirs.into());
            // Ends when the other end is closed, and not before.
            assert_eq!(ours.read(&mut [0; 1]).unwrap(), 0);
        }
        assert!(!closer.has_enough());
    }
}
