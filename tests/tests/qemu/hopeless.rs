//! A machine whose process 1 has fault after fault, and yet neither panics nor
//! ends in any other way than it is asked to: `tests/qemu/hopeless`.

use super::machine::Machine;
use super::{guest, parts};

#[test]
#[ignore = "fetches a kernel and builds ham anew"]
fn a_machine_without_a_manager_goes_on_until_it_is_told() {
    let Some(parts) = parts("a_machine_without_a_manager_goes_on_until_it_is_told") else {
        return;
    };
    let machine = Machine {
        name: "hopeless",
        parts,
        files: guest::files(parts, "hopeless", &[]),
        words: "rdinit=/sbin/init",
        disk: None,
        restarts: false,
    };
    machine.run().demand(
        &[
            "hopeless: fault 1 is survived",
            "hopeless: fault 2 is survived",
            "hopeless: after one more the manager is given up",
            "hopeless: process 1 is there",
            "hopeless: an entity has not noticed",
            "hopeless: whatever ends is reaped",
        ],
        // TERM asks an init for that.
        &["Restarting system"],
    );
}
