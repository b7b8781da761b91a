//! Whether items that come from outside can be what they say: names, and the
//! bounds that the rest of the core relies on. Units are checked by their
//! loader, which can say where a mistake stands; here it is refused as a whole.

use super::{ActionPlan, ConditionPlan, EntityPlan, MAX_NAME, PulsePlan, Spacing, Verb};
use super::{Ending, SignalTarget};

/// Bytes of one text: of a line to log, or a path.
const MOST_TEXT: usize = 4096;
/// Words of a command, and bytes of all of them.
const MOST_WORDS: usize = 256;

/// What is wrong, in words.
type Wrong = Result<(), String>;

fn wrong(what: impl Into<String>) -> Wrong {
    Err(what.into())
}

/// Whether an item may have that name.
///
/// # Errors
/// What is wrong with it.
pub fn sound_name(name: &str) -> Wrong {
    if name.is_empty() || name.len() > MAX_NAME {
        return wrong(format!("a name has 1 to {MAX_NAME} bytes, `{name}` has {}", name.len()));
    }
    if name.contains('/') || name.chars().any(char::is_control) {
        return wrong(format!("a name has no `/` and no control characters: {name:?}"));
    }
    Ok(())
}

/// Whether a condition can be one.
///
/// # Errors
/// What is wrong with it.
pub fn sound_condition(condition: &ConditionPlan) -> Wrong {
    sound_name(&condition.name)?;
    for (place, action) in condition.actions.iter().enumerate() {
        sound_action(action)?;
        if condition.actions.iter().take(place).any(|before| before.name == action.name) {
            return wrong(format!("two actions are called `{}`", action.name));
        }
    }
    Ok(())
}

/// Whether an action can be one.
///
/// # Errors
/// What is wrong with it.
pub fn sound_action(action: &ActionPlan) -> Wrong {
    sound_name(&action.name)?;
    sound_verb(&action.verb)?;
    action.on_fail.iter().try_for_each(sound_on_fail)
}

/// Whether an item of an on-fail list can be one.
///
/// # Errors
/// What is wrong with it.
pub fn sound_on_fail(verb: &Verb) -> Wrong {
    if matches!(verb, Verb::Restart(_) | Verb::HeartbeatHealthy) {
        return wrong(format!("`{}` in an on-fail list", verb.word()));
    }
    sound_verb(verb)
}

fn sound_verb(verb: &Verb) -> Wrong {
    match verb {
        Verb::Restart(restart) => {
            let spaced = match &restart.spacing {
                Spacing::Growing { factor_permille, .. } => *factor_permille >= 1000,
                Spacing::List(delays) => !delays.is_empty(),
            };
            if !spaced || restart.limit.is_some_and(|limit| limit.count == 0) {
                return wrong("a restart with a factor below 1, no delays, or a limit of 0");
            }
            Ok(())
        }
        Verb::Execute(execute) => sound_command(&execute.command),
        Verb::NotifySignal(signal) => {
            let target = match &signal.target {
                SignalTarget::Own => true,
                SignalTarget::Entity(name) => sound_name(name).is_ok(),
                SignalTarget::Process { pid, .. } => *pid > 1,
            };
            if !target || !(1..=64).contains(&signal.signal.0) {
                return wrong("no signal is a number outside 1 to 64, or for process 0 or 1");
            }
            Ok(())
        }
        Verb::NotifyPulse(pulse) => {
            if pulse.channel.is_empty() || pulse.channel.len() > PulsePlan::MOST_NAME {
                let most = PulsePlan::MOST_NAME;
                return wrong(format!("the name of a channel has 1 to {most} bytes"));
            }
            sound_text(&pulse.channel)
        }
        Verb::WaitFor(wait) => match &wait.path {
            Some(path) if !path.starts_with('/') => wrong(format!("`{path}` is no absolute path")),
            Some(path) => sound_text(path),
            None => Ok(()),
        },
        Verb::Log(text) => sound_text(text),
        Verb::HeartbeatHealthy => Ok(()),
        Verb::Start(name) | Verb::Stop(name) => sound_name(name),
        Verb::Shutdown(Ending::Execute(command)) => sound_command(command),
        Verb::Shutdown(Ending::Exit(_) | Ending::Reboot) => Ok(()),
    }
}

fn sound_command(command: &[String]) -> Wrong {
    let bytes = command.iter().fold(0usize, |sum, word| sum.saturating_add(word.len()));
    if command.is_empty() || command.len() > MOST_WORDS || bytes > MOST_TEXT {
        return wrong(format!("a command has 1 to {MOST_WORDS} words, and {MOST_TEXT} bytes"));
    }
    command.iter().try_for_each(|word| sound_text(word))
}

fn sound_text(text: &str) -> Wrong {
    if text.len() > MOST_TEXT || text.contains('\0') {
        return wrong(format!("a text has at most {MOST_TEXT} bytes, and no NUL"));
    }
    Ok(())
}

/// Whether an entity that no unit has can be one. It has no neighbours: those
/// would have to know of it.
///
/// # Errors
/// What is wrong with it.
pub fn sound_entity(plan: &EntityPlan) -> Wrong {
    sound_name(&plan.name)?;
    if !plan.links.is_empty() || plan.conditions.iter().any(|condition| condition.of.is_some()) {
        return wrong(
            "an entity made at run time has no neighbours: no `requires`, `wants`, \
                      `after`, `before`, `conflicts`, `of`",
        );
    }
    if plan.main {
        return wrong("an entity made at run time cannot be `main`");
    }
    for (place, condition) in plan.conditions.iter().enumerate() {
        sound_condition(condition)?;
        if plan.conditions.iter().take(place).any(|before| before.name == condition.name) {
            return wrong(format!("two conditions are called `{}`", condition.name));
        }
    }
    let lists = [&plan.pre_start, &plan.reload, &plan.post_stop];
    lists.into_iter().flatten().try_for_each(sound_action)?;
    let texts = [&plan.description, &plan.source];
    let commands = plan.command.iter().chain(texts);
    commands.chain(plan.directory.iter()).try_for_each(|text| sound_text(text))
}
