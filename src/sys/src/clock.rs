//! Reading the clocks: the monotonic one for every deadline, the real one for
//! display, and the identity of this boot, without which a start time means
//! nothing. May not set a clock and never waits.

use nix::time::{ClockId, clock_gettime};

const NANOSECONDS: u64 = 1_000_000_000;

fn read(clock: ClockId) -> u64 {
    // Both clocks exist on every kernel since 2.6, so the call cannot fail; a
    // zero keeps this function total all the same.
    clock_gettime(clock).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let rest = u64::try_from(time.tv_nsec()).unwrap_or(0);
        seconds.saturating_mul(NANOSECONDS).saturating_add(rest)
    })
}

/// CLOCK_MONOTONIC in nanoseconds: starts at boot, stands still in suspend,
/// is never set back. The same for all processes (outside time namespaces).
pub fn monotonic() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// CLOCK_REALTIME in nanoseconds since 1970. May jump; for display only.
pub fn realtime() -> u64 {
    read(ClockId::CLOCK_REALTIME)
}

/// When something that began so many clock ticks after boot (a process, as
/// proc_pid_stat(5) has it) began on the real clock as that is set at present,
/// in nanoseconds since 1970. Rounded down, by one tick at most.
pub fn realtime_of_ticks(ticks: u64) -> u64 {
    // SAFETY: no pointers. 100 on every kernel of the supported machines.
    let per_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100);
    let since_boot = ticks.saturating_mul(NANOSECONDS / per_second.max(1));
    let age = read(ClockId::CLOCK_BOOTTIME).saturating_sub(since_boot);
    realtime().saturating_sub(age)
}

/// A time of day where this machine says it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalTime {
    /// With its century.
    pub year: i32,
    /// 1 to 12.
    pub month: i32,
    /// 1 to 31.
    pub day: i32,
    /// 0 to 23.
    pub hour: i32,
    /// 0 to 59.
    pub minute: i32,
    /// 0 to 60.
    pub second: i32,
}

/// Seconds since 1970 as local time (localtime_r(3)); reads the zone file at
/// its first use. For display only.
pub fn local_time(seconds: u64) -> LocalTime {
    let time = libc::time_t::try_from(seconds).unwrap_or(0);
    // SAFETY: all zeros is a valid `tm`: integers and a null pointer.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both point to valid objects of this frame.
    unsafe { libc::localtime_r(&raw const time, &raw mut parts) };
    LocalTime::of(&parts)
}

/// Seconds since 1970 as the time of day in UTC (gmtime_r(3)).
pub fn universal_time(seconds: u64) -> LocalTime {
    let time = libc::time_t::try_from(seconds).unwrap_or(0);
    // SAFETY: as in `local_time`.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both point to valid objects of this frame.
    unsafe { libc::gmtime_r(&raw const time, &raw mut parts) };
    LocalTime::of(&parts)
}

impl LocalTime {
    fn of(parts: &libc::tm) -> LocalTime {
        LocalTime {
            year: parts.tm_year.saturating_add(1900),
            month: parts.tm_mon.saturating_add(1),
            day: parts.tm_mday,
            hour: parts.tm_hour,
            minute: parts.tm_min,
            second: parts.tm_sec,
        }
    }
}

/// The random identity of this boot, from /proc/sys/kernel/random/boot_id
/// (random(4)). `None` without a mounted /proc.
pub fn boot_id() -> Option<[u8; 16]> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    parse_boot_id(text.trim())
}

fn parse_boot_id(text: &str) -> Option<[u8; 16]> {
    let mut id = [0u8; 16];
    let mut digits = text.bytes().filter(|byte| *byte != b'-');
    for byte in &mut id {
        let high = char::from(digits.next()?).to_digit(16)?;
        let low = char::from(digits.next()?).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    digits.next().is_none().then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_moves_and_the_real_one_is_in_this_century() {
        let first = monotonic();
        assert!(first > 0);
        assert!(monotonic() >= first);
        assert!(realtime() > 1_500_000_000 * NANOSECONDS);
    }

    #[test]
    fn a_process_began_when_it_did() {
        let before = realtime();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let began = realtime_of_ticks(crate::process::start_time(pid).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        // A tick of 10 ms, and as much for two clocks that are read in turn.
        assert!(began + 20_000_000 >= before, "{began} {before}");
        assert!(began <= realtime(), "{began}");
    }

    #[test]
    fn a_boot_id_is_sixteen_bytes_and_nothing_else() {
        let id = parse_boot_id("00010203-0405-0607-0809-0a0b0c0d0eff").unwrap();
        assert_eq!(id[0..4], [0, 1, 2, 3]);
        assert_eq!(id[15], 0xff);
        assert_eq!(parse_boot_id("0001"), None);
        assert_eq!(parse_boot_id("00010203-0405-0607-0809-0a0b0c0d0eff00"), None);
        assert_eq!(parse_boot_id("zz010203-0405-0607-0809-0a0b0c0d0eff"), None);
        assert_eq!(boot_id(), boot_id());
    }
}
