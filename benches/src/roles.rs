//! Processes that tell when they began, or when they were told something:
//! entities of the measured manager. They leave the time in a file that is
//! mapped by whoever measures, so that telling costs them one store.

use crate::Error;
use ham_sys::shm::Map;
use ham_sys::{clock, process};
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const FILE: &CStr = c"times";
const WORDS: usize = 512;

/// What the processes have told.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    words: &'static [AtomicU64],
}

/// A word of it.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub enum Word {
    /// When the probe began, CLOCK_MONOTONIC.
    Began = 0,
    /// Its process id; stored after the time.
    Probe = 1,
    /// When the last signal came to the ear.
    Heard = 2,
    /// How many did.
    Signals = 3,
    /// The ear is ready for them.
    Listens = 4,
}

impl Told {
    /// The file in a directory, made if need be.
    ///
    /// # Errors
    /// Those of opening and mapping it.
    pub fn within(directory: &Path) -> Result<Told, Error> {
        let directory = File::open(directory)?;
        let (map, _fd) = Map::file(directory.as_fd(), FILE, WORDS * 8, true)?;
        Ok(Told { words: map.words() })
    }

    /// A word.
    #[must_use]
    pub fn get(&self, word: Word) -> u64 {
        self.words.get(word as usize).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Changes a word.
    pub fn set(&self, word: Word, value: u64) {
        if let Some(word) = self.words.get(word as usize) {
            word.store(value, Ordering::Release);
        }
    }
}

/// The role of a process that was started as `PROGRAM ROLE …`; `None`: it is
/// none. `began`: the first thing that its `main` has looked at.
#[must_use]
pub fn play(words: &[String], began: u64) -> Option<Result<(), Error>> {
    let directory = words.get(1).map(Path::new);
    match (words.first().map(String::as_str), directory) {
        (Some("role-probe"), Some(directory)) => Some(probe(directory, began)),
        (Some("role-ear"), Some(directory)) => Some(ear(directory)),
        (Some("role-busy"), _) => busy(),
        _ => None,
    }
}

fn probe(directory: &Path, began: u64) -> Result<(), Error> {
    let told = Told::within(directory)?;
    told.set(Word::Began, began);
    told.set(Word::Probe, u64::from(process::pid().unsigned_abs()));
    loop {
        std::thread::park();
    }
}

fn ear(directory: &Path) -> Result<(), Error> {
    let told = Told::within(directory)?;
    ham_sys::signals::block_all()?;
    let signals = ham_sys::signals::SignalFd::new(&[EAR_SIGNAL])?;
    let poller = ham_sys::poller::Poller::new()?;
    poller.add(&signals, 0, ham_sys::poller::Interest::READ)?;
    let mut ready = [ham_sys::poller::Ready::default(); 1];
    let mut received = [ham_sys::signals::Received::default(); 8];
    told.set(Word::Listens, 1);
    loop {
        poller.wait(&mut ready, None)?;
        let heard = clock::monotonic();
        let count = signals.read(&mut received)?;
        told.set(Word::Heard, heard);
        told.set(Word::Signals, told.get(Word::Signals) + count as u64);
    }
}

/// SIGUSR1 on the architectures ham runs on (signal(7)).
const EAR_SIGNAL: i32 = 10;

fn busy() -> ! {
    loop {
        std::hint::spin_loop();
    }
}
