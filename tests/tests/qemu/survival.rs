//! A machine whose manager is killed in every way that there is, and one of
//! whose entities has no memory left: `tests/qemu/survival`.

use super::machine::Machine;
use super::{guest, parts};

#[test]
#[ignore = "fetches a kernel and builds ham anew"]
fn process_1_and_its_monitors_survive() {
    let Some(parts) = parts("process_1_and_its_monitors_survive") else { return };
    let machine = Machine {
        name: "survival",
        kernel: &parts.kernel,
        files: guest::files(
            parts,
            "survival",
            &["drivers/watchdog/watchdog", "drivers/watchdog/softdog"],
        ),
        words: "",
        disk: None,
        restarts: false,
    };
    machine.run().demand(
        &[
            "boot: ham is process 1",
            "boot: in the order of the units",
            "boot: the target is up",
            "boot: no unit has an error",
            "boot: entities are in cgroups",
            "boot: each in its own",
            "storm: fifty monitors were replaced",
            "storm: entities have not noticed",
            "fault: KILL and STOP do nothing",
            "fault: SEGV is survived",
            "fault: ABRT is survived",
            "fault: it is the same program",
            "fault: entities have not noticed",
            "books: quick goes on",
            "books: short goes on",
            "books: killed goes on",
            "books: quick was started once at a time, and each end is known",
            "books: short was started once at a time, and each end is known",
            "books: killed was started once at a time, and each end is known",
            "memory: a hundred restarts of one that takes too much",
            "memory: each is told with its cause",
            "memory: no monitor was lost",
            "memory: a hundred starts of one that has none",
            "memory: that costs no monitor",
            "memory: with memory it runs",
            "watchdog: it runs",
            "watchdog: it was fed all the time",
        ],
        &["Power down"],
    );
}
