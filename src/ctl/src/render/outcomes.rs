//! What became of a request, one line an entity.

use crate::table::harmless;
use ham_core::wire::Outcome;

/// `audio: started`.
pub(crate) fn line(outcome: &Outcome) -> String {
    let name = harmless(&outcome.name);
    let text = match outcome.text.as_str() {
        "" if outcome.ok => &outcome.state,
        "" => "failed",
        text => text,
    };
    format!("{name}: {}", harmless(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_never_empty() {
        let mut outcome = Outcome {
            name: "audio".into(),
            ok: true,
            text: "started".into(),
            state: "running".into(),
        };
        assert_eq!(line(&outcome), "audio: started");
        outcome.text.clear();
        assert_eq!(line(&outcome), "audio: running");
        outcome.ok = false;
        assert_eq!(line(&outcome), "audio: failed");
    }
}
