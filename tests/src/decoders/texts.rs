//! Texts from outside: units, and what comes through the control socket.

use super::choices::Choices;
use ham_core::wire::{
    Answer, Call, Frames, History, HistoryParameters, KillParameters, Names, OneName, Outcomes,
    Shown, ShutdownParameters, Status, VerbosityParameters, to_frame,
};
use ham_unit::{Settings, UserEntry, Users, check_text};
use serde_json::{Value, from_slice, from_value};

/// A machine on which one user exists.
#[derive(Debug)]
struct OneUser;

impl Users for OneUser {
    fn user(&self, name_or_id: &str) -> Result<Option<UserEntry>, String> {
        let text = |text: &str| text.to_owned();
        Ok((name_or_id == "root").then(|| UserEntry {
            name: text("root"),
            uid: 0,
            gid: 0,
            home: text("/root"),
            shell: text("/bin/sh"),
        }))
    }

    fn group(&self, _: &str) -> Result<Option<u32>, String> {
        Ok(None)
    }

    fn groups_of(&self, _: &str) -> Result<Vec<u32>, String> {
        Ok(Vec::new())
    }
}

/// Checks a unit file.
///
/// # Panics
/// When the answer does not hold together.
pub fn unit(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let loaded = check_text("unit", "unit.toml", &text, &Settings::new(&OneUser, 1000));
    assert_eq!(loaded.entities.is_empty(), loaded.has_errors());
    for diagnostic in &loaded.diagnostics {
        let shown = diagnostic.render_plain();
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    }
    if !loaded.entities.is_empty() {
        ham_core::plan::encode(&loaded.entities).expect("a unit without errors is a plan");
    }
}

/// Reads a stream as a manager reads that of a client, and as a client reads
/// that of a manager. The first byte says in which pieces it comes.
///
/// # Panics
/// When a message is not what stands between two NULs.
pub fn wire(bytes: &[u8]) {
    const LIMIT: usize = 512;
    let mut choices = Choices::new(bytes);
    let piece = 1 + choices.below(64);
    let stream = choices.rest();
    let mut frames = Frames::new();
    let mut given = Vec::new();
    for piece in stream.chunks(piece) {
        if frames.push(piece, LIMIT).is_err() {
            let unfinished = stream.split(|byte| *byte == 0).any(|text| text.len() > LIMIT);
            assert!(unfinished, "refused without a reason");
            return;
        }
        while let Some(frame) = frames.next_frame() {
            message(&frame);
            given.extend_from_slice(&frame);
            given.push(0);
        }
    }
    assert_eq!(given.len() + frames.pending(), stream.len());
    assert_eq!(given, stream[..given.len()]);
}

fn message(frame: &[u8]) {
    if let Ok(call) = from_slice::<Call>(frame) {
        let again = to_frame(&call).expect("what was read can be written");
        let (_, text) = again.split_last().expect("a NUL at least");
        assert_eq!(from_slice::<Call>(text).ok().as_ref(), Some(&call));
        let given = |value: &Value| value.clone();
        let _ = from_value::<Names>(given(&call.parameters));
        let _ = from_value::<OneName>(given(&call.parameters));
        let _ = from_value::<KillParameters>(given(&call.parameters));
        let _ = from_value::<ShutdownParameters>(given(&call.parameters));
        let _ = from_value::<HistoryParameters>(given(&call.parameters));
        let _ = from_value::<VerbosityParameters>(call.parameters);
    }
    if let Ok(answer) = from_slice::<Answer>(frame) {
        if let Some(refusal) = answer.as_refusal() {
            let _ = (refusal.error_name(), Answer::refusal(&refusal));
        }
        let given = |value: &Value| value.clone();
        let _ = from_value::<Status>(given(&answer.parameters));
        let _ = from_value::<Shown>(given(&answer.parameters));
        let _ = from_value::<Outcomes>(given(&answer.parameters));
        let _ = from_value::<History>(answer.parameters);
    }
}
