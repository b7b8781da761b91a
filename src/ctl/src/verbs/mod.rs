//! One file per verb. A verb asks the manager (or, for `check`, the unit
//! files), prints the result and says how the run ends.

mod act;
mod boot;
mod check;
mod enable;
mod events;
mod graph;
mod history;
mod is;
mod kill;
mod list;
mod pulses;
mod show;
mod shutdown;
mod status;
mod stop;
mod verbosity;
mod why;

use crate::arguments::{Arguments, Stop, Unit, Verb};
use crate::connection::Manager;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::runtime;
use enable::Wish;

/// Does what the command line says. `program` is the name to complain under.
///
/// # Errors
/// When it could not be done; what was done but went wrong for an entity is
/// an [`Exit`].
pub(crate) fn run(program: &str, mut arguments: Arguments) -> Result<Exit, Error> {
    let output = Output::new(&arguments);
    let verb = arguments.verb.take().unwrap_or(Verb::Status { names: Vec::new() });
    let manager = || runtime::place(&arguments).map(|place| Manager::at(&place));
    match verb {
        Verb::Status { names } => status::run(&manager()?, names, output),
        Verb::List { names, tree: false, .. } => list::run(&manager()?, names, output),
        Verb::List { names, tree: true, reverse } => {
            graph::tree(&manager()?, names, reverse, output)
        }
        Verb::Show { name } => show::run(&manager()?, name, output),
        Verb::Start(targets) => act::run(program, &manager()?, "Start", targets, output),
        Verb::Stop(Stop { targets, plan: false }) => {
            act::run(program, &manager()?, "Stop", targets, output)
        }
        Verb::Stop(Stop { targets, plan: true }) => stop::plan(&manager()?, targets.names, output),
        Verb::Restart(targets) => act::run(program, &manager()?, "Restart", targets, output),
        Verb::Reload(targets) => act::run(program, &manager()?, "Reload", targets, output),
        Verb::Graph { names } => graph::run(&manager()?, names, output),
        Verb::Boot { svg } => boot::run(&manager()?, svg, output),
        Verb::Enable(Unit { units, now }) => {
            let manager = now.then(&manager).transpose()?;
            enable::run(program, Wish::Enable, &units, arguments.user, manager.as_ref(), output)
        }
        Verb::Disable(Unit { units, now }) => {
            let manager = now.then(&manager).transpose()?;
            enable::run(program, Wish::Disable, &units, arguments.user, manager.as_ref(), output)
        }
        Verb::Mask { units } => {
            enable::run(program, Wish::Mask, &units, arguments.user, None, output)
        }
        Verb::Unmask { units } => {
            enable::run(program, Wish::Unmask, &units, arguments.user, None, output)
        }
        Verb::IsEnabled { name, directories } => {
            enable::is(&name, &directories, arguments.user, output)
        }
        Verb::Kill { signal, names } => kill::run(program, &manager()?, signal, names, output),
        Verb::Check { paths } => {
            check::run(&paths, arguments.user, runtime::effective_uid(), output)
        }
        Verb::Shutdown { code } => shutdown::run(&manager()?, code, output),
        Verb::IsActive { name } => is::active(&manager()?, name, output),
        Verb::IsFailed { name } => is::failed(&manager()?, name, output),
        Verb::History { names, since, lines } => {
            history::run(&manager()?, names, since, lines, output)
        }
        Verb::Events { names, follow, lines } => {
            events::run(program, &manager()?, names, follow, lines, output)
        }
        Verb::Pulses { channel: None, .. } => pulses::list(&manager()?, output),
        Verb::Pulses { channel: Some(channel), follow } => {
            pulses::receive(program, &manager()?, channel, follow, output)
        }
        Verb::Why { name } => why::run(&manager()?, name, output),
        Verb::Verbosity { level } => verbosity::run(&manager()?, level, output),
    }
}
