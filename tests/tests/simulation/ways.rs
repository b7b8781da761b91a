//! What a life ends in: asked for at random, perhaps twice, and what must come of
//! that, written down apart from the core.

use ham_core::monitor::Host;
use ham_core::way::{Last, Way};
use ham_tests::fake::Checked;
use ham_tests::fake::Random;

/// Every second life is that of a machine's init.
pub(crate) fn host(seed: u64) -> Host {
    Host { reboots: seed.is_multiple_of(2), ..Host::default() }
}

pub(crate) fn some(random: &mut Random, code: u8) -> Way {
    let all = [Way::Exit(code), Way::PowerOff, Way::Reboot, Way::Halt, Way::SoftReboot];
    let which = usize::try_from(random.bits() % 8).unwrap_or(0);
    all.get(which).copied().unwrap_or(Way::Exit(code))
}

/// What came, perhaps once for each of several monitors, is what had to. `took`:
/// the exit code that a signal learns where there is no other.
pub(crate) fn came(host: Host, asked: &[Way], took: u8, finished: &[Last]) -> Checked {
    let expected = match expected(host, asked) {
        Some(Way::Exit(0)) => Some(Last::Way(Way::Exit(took))),
        other => other.map(Last::Way),
    };
    match finished.iter().find(|one| Some(*one) != expected.as_ref()) {
        Some(last) => Err(format!("finished as {last:?}, not {expected:?} of {asked:?}")),
        None => Ok(()),
    }
}

/// What comes after these were asked for, in this order.
fn expected(host: Host, asked: &[Way]) -> Option<Way> {
    let asked = asked.iter().map(|way| match way {
        Way::PowerOff | Way::Reboot | Way::Halt if !host.reboots => Way::Exit(0),
        way => *way,
    });
    asked.reduce(|before, later| match (before, later) {
        (_, Way::PowerOff | Way::Reboot | Way::Halt) => later,
        (Way::Exit(_) | Way::SoftReboot, Way::SoftReboot) => later,
        (_, Way::Exit(_) | Way::SoftReboot) => before,
    })
}
