//! From the core's description of a process to what the kernel is given.

use super::directories::Bases;
use super::environment::{Environment, Inherited};
use super::expand::expanded;
use super::holder::{Held, Holder};
use super::settings;
use crate::facts::{ERROR_ENVIRONMENT_FILE, ERROR_NUL};
use ham_core::effect::{Process, Spawn};
use ham_core::plan::{Identity, Stream};
use ham_sys::spawn::{Exec, Ids, Program, Settings, SpawnError, Stage, Stdio};
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;

/// Which process of which entity this is, for its containment.
pub(super) fn held(spawn: &Spawn) -> Held {
    let command = matches!(spawn.what, Process::Command { .. });
    Held { slot: spawn.slot, name: spawn.plan.name.clone(), command }
}

/// What of a manager its entities come to see.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) inherited: Inherited,
    pub(super) bases: Bases,
}

/// Reads environment files, makes directories and the cgroup: blocks, for a
/// spawner thread.
///
/// # Errors
/// The error word for the slot.
pub(super) fn program(
    spawn: &Spawn,
    surroundings: &Surroundings,
    holder: &Holder,
) -> Result<Program, u64> {
    let plan = &spawn.plan;
    let mut environment = surroundings.inherited.chosen(&plan.inherit_environment);
    // `own`: it has all that surrounds the entity, but for its input.
    let (argv, identity, own, is_main) = match &spawn.what {
        Process::Main => (&plan.command, &plan.identity, true, true),
        Process::Command { argv, identity, own: true, .. } => {
            (argv, if identity.is_some() { identity } else { &plan.identity }, true, false)
        }
        Process::Command { argv, identity, own: false, .. } => (argv, identity, false, false),
    };
    if let Some(identity) = identity {
        environment.set_user(identity);
    }
    if own {
        surroundings.bases.make(plan)?;
        // The unit's own variables and files may say otherwise, as systemd has
        // it.
        surroundings.bases.tell(plan, &mut environment);
    }
    environment
        .set_unit(plan)
        .map_err(|errno| ERROR_ENVIRONMENT_FILE | u64::from(u32::try_from(errno).unwrap_or(5)))?;
    if let Process::Command { variables, .. } = &spawn.what {
        for (name, value) in variables {
            environment.set(name, value);
        }
    } else {
        environment.set("HAM_ENTITY", &plan.name);
    }
    let token = holder.token(spawn.slot);
    if let Some((name, value)) = token.split_once('=') {
        environment.set(name, value);
    }
    let text = |text: &str| CString::new(text).map_err(|_| ERROR_NUL);
    let word = |word: &String| {
        if own && plan.expand {
            CString::new(expanded(word, &environment)).map_err(|_| ERROR_NUL)
        } else {
            text(word)
        }
    };
    let argv: Vec<CString> = argv.iter().map(word).collect::<Result<_, _>>()?;
    let paths = argv.first().map(|name| candidates(name, &environment)).unwrap_or_default();
    let cgroup = holder
        .cgroup(&held(spawn))
        .map_err(|error| SpawnError { stage: Stage::Cgroup, errno: error.errno }.to_word())?;
    let output = |stream: &Stream| -> Result<Stdio, u64> {
        Ok(match stream {
            Stream::Inherit | Stream::Journal | Stream::Ham => Stdio::Inherit,
            Stream::Null => Stdio::Null,
            Stream::File(path) => Stdio::Append(text(path)?),
            Stream::Same => Stdio::Same,
        })
    };
    let directory = plan.directory.as_deref().filter(|_| own).map(text).transpose()?;
    let is_root = ham_sys::process::effective_uid() == 0;
    Ok(Program {
        exec: Exec::Paths(paths),
        argv,
        envp: environment.to_strings().ok_or(ERROR_NUL)?,
        // A daemon that keeps a mount busy by its directory is a nuisance; a
        // user's own manager stands where its user does.
        directory: directory.or_else(|| is_root.then(|| c"/".to_owned())),
        umask: plan.umask,
        stdin: match &plan.stdin {
            Stream::File(path) if is_main => Stdio::Read(text(path)?),
            Stream::Inherit if is_main => Stdio::Inherit,
            Stream::File(_)
            | Stream::Inherit
            | Stream::Null
            | Stream::Same
            | Stream::Journal
            | Stream::Ham => Stdio::Null,
        },
        stdout: output(&plan.stdout)?,
        stderr: output(&plan.stderr)?,
        ids: identity.as_ref().map(ids),
        settings: if own { settings::for_process(&plan.settings) } else { Settings::default() },
        cgroup,
        passed: Vec::new(),
    })
}

fn ids(identity: &Identity) -> Ids {
    Ids { uid: identity.uid, gid: identity.gid, groups: identity.groups.clone() }
}

/// A name with a slash is a path; any other is looked for as a shell would.
fn candidates(name: &CString, environment: &Environment) -> Vec<CString> {
    let bytes = name.as_bytes();
    if bytes.contains(&b'/') {
        return vec![name.clone()];
    }
    let path = environment.path();
    path.as_bytes()
        .split(|byte| *byte == b':')
        .filter_map(|directory| {
            let directory = if directory.is_empty() { &b"."[..] } else { directory };
            let file =
                std::path::Path::new(OsStr::from_bytes(directory)).join(OsStr::from_bytes(bytes));
            CString::new(file.as_os_str().as_bytes()).ok()
        })
        .collect()
}
