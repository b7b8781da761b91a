//! Units that a test writes for itself, and places where its entities leave
//! word. Knows nothing of what the units say, but for the plainest.

use crate::programs::{PATIENCE, Scratch};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// A unit that does nothing, for ever, and is brought back whatever ends it.
pub const SLEEPER: &str = "[entity]\ncommand = \"sleep infinity\"\nrestart = \"always\"\n";

/// A directory of units beside a folder for their traces, both removed at
/// the end of the test.
#[derive(Debug)]
pub struct Units {
    scratch: Scratch,
}

impl Units {
    /// An empty one; `what` stands in its name.
    ///
    /// # Panics
    /// When the temporary folder cannot be written to.
    #[must_use]
    pub fn new(what: &str) -> Units {
        let scratch = Scratch::new(what);
        fs::create_dir(scratch.path().join("units")).expect("a directory of units");
        Units { scratch }
    }

    /// The directory to be given to `--units`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.scratch.path().join("units")
    }

    /// The folder for everything that is no unit.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// A path in that folder, as text for a unit.
    ///
    /// # Panics
    /// When the temporary folder has a name that is no text.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        let path = self.scratch.path().join(name);
        path.to_str().expect("the temporary folder has a plain name").to_owned()
    }

    /// Writes the unit `name`.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(format!("{name}.toml")), text).expect("a unit");
    }

    /// What a file of the folder holds; nothing when it is not there.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.file(name)).unwrap_or_default()).into_owned()
    }

    /// Waits until a file of the folder says what `holds` looks for, and gives
    /// its text.
    ///
    /// # Panics
    /// When it does not within [`PATIENCE`].
    pub fn wait_for_text(&self, name: &str, holds: impl Fn(&str) -> bool) -> String {
        let mut text = self.text(name);
        wait_until(&format!("{name} as expected"), || {
            text = self.text(name);
            holds(&text)
        });
        text
    }
}

/// Waits for a condition.
///
/// # Panics
/// When it does not come true within [`PATIENCE`].
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(PAUSE);
    }
}
