//! `hamctl boot [--svg [FILE]]`: what the start of the manager waited for, as
//! tables or as a chart.

use super::graph::whole;
use crate::connection::Manager;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::render::boot;
use std::fs;
use std::path::PathBuf;

/// See the file. `svg` is where the chart goes, `-` standard output.
pub(super) fn run(manager: &Manager, svg: Option<PathBuf>, output: Output) -> Result<Exit, Error> {
    let boot = boot::boot(&whole(manager)?.read()?);
    match svg {
        Some(path) if path.as_os_str() == "-" => output.print(&boot::svg::text(&boot))?,
        Some(path) => {
            let chart = boot::svg::text(&boot);
            fs::write(&path, chart).map_err(|cause| Error::File { path, cause })?;
            if output.json {
                output.print_document(&boot)?;
            } else {
                output.print_line(&boot::summary(&boot))?;
            }
        }
        None if output.json => output.print_document(&boot)?,
        None => output.print(&boot::table::text(&boot, output.look))?,
    }
    Ok(Exit::Success)
}
