//! The control protocol, without I/O: Varlink (NUL-framed JSON) and the
//! messages of the interface `io.ham.Manager`, which `schema/` describes.
//! Server and clients use the same types, so the two cannot drift apart.

mod attach;
mod changes;
mod directives;
mod frames;
mod graph;
mod heartbeat;
mod history;
mod manager;
mod pulses;
mod reload;
mod show;

pub use attach::*;
pub use changes::*;
pub use directives::*;
pub use frames::{FrameError, Frames, MAX_FRAME, to_frame};
pub use graph::*;
pub use heartbeat::*;
pub use history::*;
pub use manager::*;
pub use pulses::*;
pub use reload::*;
pub use show::*;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The interface of the manager.
pub const INTERFACE: &str = "io.ham.Manager";
/// The interface that every Varlink service answers.
pub const SERVICE_INTERFACE: &str = "org.varlink.service";

/// A call of a method, as the Varlink specification words it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Interface and method, `io.ham.Manager.Start`.
    pub method: String,
    /// An object with the method's parameters.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub parameters: Value,
    /// The client wants no reply.
    #[serde(default, skip_serializing_if = "is_false")]
    pub oneway: bool,
    /// The client takes several replies.
    #[serde(default, skip_serializing_if = "is_false")]
    pub more: bool,
    /// The client wants the connection to change its protocol; never granted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub upgrade: bool,
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The result, or what belongs to the error.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub parameters: Value,
    /// More answers follow.
    #[serde(default, skip_serializing_if = "is_false")]
    pub continues: bool,
    /// Name of the error; absent when the call went well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Call {
    /// A call of a method of [`INTERFACE`].
    ///
    /// # Errors
    /// When the parameters cannot be written as JSON.
    pub fn to_manager<P: Serialize>(method: &str, parameters: &P) -> serde_json::Result<Call> {
        Ok(Call {
            method: format!("{INTERFACE}.{method}"),
            parameters: serde_json::to_value(parameters)?,
            oneway: false,
            more: false,
            upgrade: false,
        })
    }
}

impl Answer {
    /// A result.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn result<P: Serialize>(parameters: &P) -> serde_json::Result<Answer> {
        let parameters = serde_json::to_value(parameters)?;
        Ok(Answer { parameters, continues: false, error: None })
    }

    /// An error of the manager.
    #[must_use]
    pub fn refusal(refusal: &Refusal) -> Answer {
        let mut parameters = serde_json::to_value(refusal).unwrap_or(Value::Null);
        // Externally tagged: {"UnknownEntity": {…}}; Varlink wants the name
        // apart from what belongs to it.
        if let Value::Object(tagged) = &mut parameters {
            let inner = tagged.values_mut().next().map(Value::take);
            parameters = inner.unwrap_or(Value::Null);
        }
        Answer { parameters, continues: false, error: Some(refusal.error_name()) }
    }

    /// The refusal in it, if it is one that this version knows.
    #[must_use]
    pub fn as_refusal(&self) -> Option<Refusal> {
        let name = self.error.as_deref()?.rsplit('.').next()?;
        let mut tagged = serde_json::Map::new();
        tagged.insert(name.to_owned(), self.parameters.clone());
        serde_json::from_value(Value::Object(tagged)).ok()
    }
}
