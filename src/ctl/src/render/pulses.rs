//! Channels as a table, and pulses one a line.

use crate::output::Look;
use crate::table::{Cell, Column, Style, harmless, render};
use crate::zone::Zone;
use ham_core::wire::{Channel, ReceivedPulse};

/// A table, or a sentence where there is nothing to show.
pub(crate) fn channels(channels: &[Channel], look: Look) -> String {
    if channels.is_empty() {
        return "No pulse was sent yet.\n".to_owned();
    }
    let left = |heading| Column { heading, right: false };
    let right = |heading| Column { heading, right: true };
    let columns =
        [left("CHANNEL"), right("WAITING"), right("SENT"), right("LOST"), left("RECEIVERS")];
    let row = |channel: &Channel| {
        let bad = |count: u64| if count > 0 { Style::Bad } else { Style::Faint };
        vec![
            Cell::plain(&channel.name),
            Cell::plain(channel.waiting.to_string()),
            Cell::plain(channel.last.to_string()),
            Cell::new(channel.lost.to_string(), bad(channel.lost)),
            Cell::plain(channel.receivers.to_string()),
        ]
    };
    render(&columns, &channels.iter().map(row).collect::<Vec<_>>(), look)
}

/// `TIME ENTITY: pulse 7, code 5, value -1`.
pub(crate) fn lines(pulses: &[ReceivedPulse], zone: &Zone, look: Look) -> String {
    let line = |pulse: &ReceivedPulse| {
        let stamp = Style::Faint.paint(&zone.stamp(pulse.time), look);
        let ReceivedPulse { serial, code, value, entity, .. } = pulse;
        format!("{stamp} {}: pulse {serial}, code {code}, value {value}\n", harmless(entity))
    };
    pulses.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_is_a_line_and_a_channel_a_row() {
        let pulse = ReceivedPulse {
            serial: 7,
            code: -3,
            value: 42,
            time: 1_782_900_000.25,
            entity: "audio".into(),
        };
        let zone = Zone::named("UTC0");
        let expected = "2026-07-01 10:00:00.250 audio: pulse 7, code -3, value 42\n";
        assert_eq!(lines(&[pulse], &zone, Look::default()), expected);
        let channel = Channel { name: "a/b".into(), waiting: 2, last: 9, lost: 0, receivers: 1 };
        let expected = "CHANNEL  WAITING  SENT  LOST  RECEIVERS\na/b            2     9     0  1\n";
        let table = channels(&[channel], Look::default());
        assert_eq!(table, expected);
        assert_eq!(channels(&[], Look::default()), "No pulse was sent yet.\n");
    }
}
