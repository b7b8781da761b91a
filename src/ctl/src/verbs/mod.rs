//! One file per verb. A verb asks the manager (or, for `check`, the unit
//! files), prints the result and says how the run ends.

mod act;
mod add;
mod attach;
mod boot;
mod change;
mod check;
mod enable;
mod events;
mod explain;
mod files;
mod graph;
mod healthy;
mod history;
mod import;
mod is;
mod kill;
mod list;
mod machine;
mod pulses;
mod reload;
mod say;
mod schema;
mod show;
mod shutdown;
mod status;
mod stop;
mod verbosity;
mod why;

use crate::arguments::{Arguments, Beats, Flags, Stop, Unit, Verb};
use crate::connection::Manager;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::runtime;
use enable::Wish;
use ham_core::way::Way;

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
        Verb::Show { name, merged: true, directories, .. } => {
            files::merged(program, &name, (&directories, arguments.user), output)
        }
        Verb::Show { name, toml, .. } => show::run(&manager()?, name, toml, output),
        Verb::Cat { units } => {
            files::cat(&units.names, (&units.directories, arguments.user), output)
        }
        Verb::Arm { path, recursive } => {
            change::arming(&manager()?, "Arm", (path, recursive, None), output)
        }
        Verb::Disarm { path, recursive, time } => {
            change::arming(&manager()?, "Disarm", (path, recursive, time), output)
        }
        Verb::Flags { path, flags } => {
            change::flags(&manager()?, path, Flags::read(&flags)?, output)
        }
        Verb::Add { path, file, now, keep } => {
            let addition = add::Addition { path, file: &file, now, keep };
            add::run(program, &manager()?, &addition, runtime::effective_uid(), output)
        }
        Verb::Remove { path } => change::remove(&manager()?, path, output),
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
        Verb::State { name, state } => say::state(&manager()?, name, state, output),
        Verb::Raise { name, kind, class, severity } => {
            say::raise(&manager()?, name, (kind, class, severity), output)
        }
        Verb::Heartbeat { to, name } => {
            say::heartbeat(&manager()?, to.unwrap_or(Beats::Query), name, output)
        }
        Verb::Check { paths, name, strict } => {
            let (user, uid) = (arguments.user, runtime::effective_uid());
            let name = name.as_deref();
            check::run(&check::Check { paths: &paths, name, strict, user, uid }, output)
        }
        Verb::Explain { code } => explain::run(code.as_deref(), output),
        Verb::Schema => schema::run(output),
        Verb::Import { output: directory, force, strict, files } => {
            let directory = (directory.as_os_str() != "-").then_some(directory);
            let wish = import::Wish { files, directory, force, strict };
            import::run(program, &wish, arguments.user, runtime::effective_uid(), output)
        }
        Verb::Plan { reload, exit_code } => {
            reload::plan(&manager()?, reload.into(), exit_code, output)
        }
        Verb::Apply { reload } => reload::apply(&manager()?, reload.into(), output),
        Verb::Shutdown { code } => shutdown::run(&manager()?, code, output),
        Verb::Poweroff { force } if force.force => machine::force(Way::PowerOff),
        Verb::Reboot { force } if force.force => machine::force(Way::Reboot),
        Verb::Halt { force } if force.force => machine::force(Way::Halt),
        Verb::Poweroff { .. } => machine::end(&manager()?, Way::PowerOff, output),
        Verb::Reboot { .. } => machine::end(&manager()?, Way::Reboot, output),
        Verb::Halt { .. } => machine::end(&manager()?, Way::Halt, output),
        Verb::SoftReboot => machine::begin_again(&manager()?, output),
        Verb::IsActive { name } => is::active(&manager()?, name, output),
        Verb::IsFailed { name } => is::failed(&manager()?, name, output),
        Verb::IsHealthy { names } => healthy::run(program, manager(), names, output),
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
        Verb::Attach { name, pid, keep_on_death, heartbeat } => {
            let how = (keep_on_death, heartbeat.asked());
            attach::attach(&manager()?, name, pid, how, output)
        }
        Verb::Detach { name } => attach::detach(&manager()?, name, output),
        Verb::Guard { name, keep_on_death, heartbeat, command } => {
            attach::guard(&manager()?, name, (keep_on_death, heartbeat.asked()), &command)
        }
        Verb::Verbosity { level } => verbosity::run(&manager()?, level, output),
    }
}
