//! Parameters and results of `Pulses` and `ReceivePulses`.

use super::manager::null_is_missing;
use serde::{Deserialize, Serialize};

/// Result of `Pulses`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels {
    /// Those into which anything was ever sent, by name.
    pub channels: Vec<Channel>,
}

/// A channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Pulses that wait.
    pub waiting: u64,
    /// The number of the last one that was sent.
    pub last: u64,
    /// Those that were sent, never received, and could not be read after a
    /// takeover.
    pub lost: u64,
    /// Who receives from it at the moment.
    pub receivers: u64,
}

/// Parameters of `ReceivePulses`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiveParameters {
    /// The channel.
    pub channel: String,
    /// Up to this number all were received, and wait no longer.
    #[serde(default)]
    pub after: Option<u64>,
    /// The `manager` of the answer that told that number: one of another
    /// manager says nothing.
    #[serde(default)]
    pub manager: Option<String>,
    /// Answer at once, whether there is any.
    #[serde(default, deserialize_with = "null_is_missing")]
    pub at_once: bool,
}

/// Result of `ReceivePulses`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Received {
    /// In the order in which they were sent.
    pub pulses: Vec<ReceivedPulse>,
    /// As in [`Channel`].
    pub lost: u64,
    /// Which manager this is, to be given with `after`.
    pub manager: String,
}

/// A pulse.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReceivedPulse {
    /// Its number, counted up from 1 in its channel.
    pub serial: u64,
    /// Its code, -128 to 127.
    pub code: i32,
    /// Its value.
    pub value: i32,
    /// When it was sent, in seconds since the epoch.
    pub time: f64,
    /// The entity to which something has happened.
    pub entity: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_channel_must_be_given() {
        let nulls = r#"{"channel": "a", "after": null, "manager": null, "at_once": null}"#;
        for text in [r#"{"channel": "a"}"#, nulls] {
            let asked: ReceiveParameters = serde_json::from_str(text).unwrap();
            let expected = ReceiveParameters { channel: "a".into(), ..Default::default() };
            assert_eq!(asked, expected);
        }
        assert!(serde_json::from_str::<ReceiveParameters>("{}").is_err());
    }
}
