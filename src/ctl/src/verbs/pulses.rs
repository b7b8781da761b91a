//! `hamctl pulses [CHANNEL] [-f]`: what waits in which channel; or the pulses
//! of one, which are taken out of it as they are printed.

use crate::connection::{Manager, Manner, Reply};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, complain};
use crate::render;
use crate::zone::Zone;
use ham_core::wire::{Channels, ReceiveParameters, Received};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

/// An answer whose pulses stay as they were written.
#[derive(Deserialize)]
struct Raw {
    pulses: Vec<Box<RawValue>>,
}

/// Lists the channels.
pub(super) fn list(manager: &Manager, output: Output) -> Result<Exit, Error> {
    let reply = manager.call("Pulses", &json!({}), Manner::AT_ONCE)?;
    if output.json {
        output.print_line(reply.json())?;
    } else {
        let channels: Channels = reply.read()?;
        output.print(&render::pulses::channels(&channels.channels, output.look))?;
    }
    Ok(Exit::Success)
}

/// Prints what waits in a channel, or goes on with what comes. Each answer is
/// acknowledged by the next call, when it is printed: should this program end
/// in between, its pulses wait for the next receiver.
pub(super) fn receive(
    program: &str,
    manager: &Manager,
    channel: String,
    follow: bool,
    output: Output,
) -> Result<Exit, Error> {
    let zone = Zone::local();
    let manner = if follow { Manner::WHEN_DONE } else { Manner::AT_ONCE };
    let mut asked = ReceiveParameters { channel, at_once: !follow, ..Default::default() };
    let mut lost = 0;
    loop {
        let reply = manager.call("ReceivePulses", &asked, manner)?;
        let received: Received = reply.read()?;
        if received.lost > lost {
            lost = received.lost;
            complain(program, &format!("{lost} pulses were lost before they came"));
        }
        let Some(last) = received.pulses.last() else {
            // There are no more; or the manager ends.
            return Ok(Exit::Success);
        };
        asked.after = Some(last.serial);
        print(&reply, &received, &zone, output)?;
        asked.manager = Some(received.manager);
    }
}

fn print(reply: &Reply, received: &Received, zone: &Zone, output: Output) -> Result<(), Error> {
    if output.json {
        let Raw { pulses } = reply.read()?;
        return output.print(&pulses.iter().map(|pulse| format!("{pulse}\n")).collect::<String>());
    }
    output.print(&render::pulses::lines(&received.pulses, zone, output.look))
}
