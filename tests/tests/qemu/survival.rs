//! A machine whose manager is killed in every way that there is, and one of
//! whose entities has no memory left: `tests/qemu/survival`. On several kernels.

use super::architecture::{AARCH64, X86_64};
use super::machine::Machine;
use super::{Parts, guest, parts};

/// All that the guest is to say.
const PASSED: &[&str] = &[
    "boot: ham is process 1",
    "boot: in the order of the units",
    "boot: the target is up",
    "boot: no unit has an error",
    "boot: entities are in cgroups",
    "boot: each in its own",
    "storm: all monitors were replaced",
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
    "memory: all restarts of one that takes too much",
    "memory: each is told with its cause",
    "memory: no monitor was lost",
    "memory: all starts of one that has none",
    "memory: that costs no monitor",
    "memory: with memory it runs",
    "watchdog: it runs",
    "watchdog: it was fed all the time",
];

/// `kills`: how many monitors; `times`: how often an entity lacks memory, in each of
/// two ways.
fn survives(name: &str, parts: &Parts, (kills, times): (u32, u32)) {
    let watchdog = ["drivers/watchdog/watchdog", "drivers/watchdog/softdog"];
    let machine = Machine {
        name,
        parts,
        files: guest::files(parts, "survival", &watchdog),
        words: &format!("kills={kills} times={times}"),
        disk: None,
        restarts: false,
    };
    let console = machine.run();
    console.demand(PASSED, &["Power down"]);
    // Modules stand in a folder that is called as their kernel calls itself.
    let kernel = parts.kernel.modules.file_name().expect("a folder").to_string_lossy();
    assert!(console.has(&format!("on Linux {kernel}")), "not {kernel}");
}

#[test]
#[ignore = "fetches a kernel and builds ham anew"]
fn process_1_and_its_monitors_survive() {
    let Some(parts) = parts("process_1_and_its_monitors_survive") else { return };
    survives("survival", parts, (50, 100));
}

/// The oldest kernel that Debian still mends, which is nearest to what ham needs at
/// least.
#[test]
#[ignore = "fetches a kernel and builds ham anew"]
fn they_survive_on_an_old_kernel() {
    let what = "they_survive_on_an_old_kernel";
    let Some(programs) = parts(what).map(|parts| parts.programs.clone()) else { return };
    let Some(kernel) = super::kernel::kernel(&X86_64, Some("bullseye"), what) else { return };
    survives("old", &Parts { architecture: X86_64, kernel, programs }, (10, 30));
}

/// Another processor, with another order in memory. It is emulated at a fraction of
/// the speed, so all is done less often.
#[test]
#[ignore = "fetches a kernel and builds ham anew"]
fn they_survive_on_aarch64() {
    let Some(parts) = Parts::get(AARCH64, None, "they_survive_on_aarch64") else { return };
    survives("aarch64", &parts, (10, 20));
}
