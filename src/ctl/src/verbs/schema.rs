//! `hamctl schema`: the JSON Schema of unit files, made from the same table of
//! keys that the loader reads by.

use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;

/// See the file.
pub(super) fn run(output: Output) -> Result<Exit, Error> {
    let schema = ham_unit::schema::unit_schema();
    if output.json {
        output.print_document(&schema)?;
    } else {
        let text = serde_json::to_string_pretty(&schema);
        output.print_line(&text.map_err(|cause| Error::Output(cause.into()))?)?;
    }
    Ok(Exit::Success)
}
