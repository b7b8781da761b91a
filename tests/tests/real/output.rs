//! Output of entities that goes through ham (`stdout = "ham"`) or to the
//! journal, over kills of whoever is on the way.

mod journal;
mod kills;
mod lines;
mod reader;
