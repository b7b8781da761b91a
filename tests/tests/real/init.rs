//! `ham init`, beside the programs whose place it takes: point by point as
//! docs/init.md has it, each measured on every one of them that is installed;
//! then what the others do not have.

mod bed;
mod ends;
mod jobs;
mod names;
mod passing;
mod points;
mod table;
