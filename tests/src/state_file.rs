//! The header of a manager's state, read from outside while it runs: what its
//! processes tell each other, faster than they could be asked. Only reads, and
//! only where the state is a file (on a tmpfs).

use ham_snapshot::header::Field;
use ham_snapshot::layout::WORD;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The state of a running manager.
#[derive(Debug)]
pub struct StateFile(File);

impl StateFile {
    /// That of the manager on this runtime directory, which may just be
    /// starting.
    ///
    /// # Panics
    /// When there is none for [`crate::programs::PATIENCE`].
    #[must_use]
    pub fn open(runtime: &Path) -> StateFile {
        let mut file = None;
        crate::own_units::wait_until("a state", || {
            file = File::open(runtime.join("state")).ok().map(StateFile);
            // The last that the start writes into the header.
            file.as_ref().is_some_and(|state| state.get(Field::StartedReal) != 0)
        });
        file.expect("waited for")
    }

    /// A word of the header.
    #[must_use]
    pub fn get(&self, field: Field) -> u64 {
        let mut bytes = [0u8; WORD];
        let at = (field as usize * WORD) as u64;
        match self.0.read_exact_at(&mut bytes, at) {
            Ok(()) => u64::from_le_bytes(bytes),
            Err(_) => 0,
        }
    }
}
