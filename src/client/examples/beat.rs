//! Beats as a program that ham supervises would: `beat INTERVAL-MS [BEATS]`, and
//! after so many it hangs.

use std::thread::sleep;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let interval = arguments.next().unwrap_or_else(|| "500".to_owned()).parse()?;
    let beats: Option<u64> = arguments.next().map(|beats| beats.parse()).transpose()?;
    let heart = libham::Ham::connect()?.heart()?;
    let mut so_far = 0u64;
    while beats.is_none_or(|beats| so_far < beats) {
        heart.beat();
        so_far += 1;
        sleep(Duration::from_millis(interval));
    }
    loop {
        sleep(Duration::from_secs(3600));
    }
}
