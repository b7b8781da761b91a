//! From the core's description of a process to what the kernel is given.

use super::directories::Bases;
use super::environment::{Environment, Inherited};
use super::expand::expanded;
use super::holder::{Held, Holder};
use super::settings;
use super::streams::{JOURNAL, Pipes, Streams};
use crate::facts::{ERROR_ENVIRONMENT_FILE, ERROR_NUL};
use ham_core::effect::{Process, Spawn};
use ham_core::plan::{Identity, NotifyAccess, Stream};
use ham_sys::spawn::{Exec, Ids, Program, Settings, SpawnError, Stage, Stdio};
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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
    /// Path of the notify socket.
    pub(super) notify: OsString,
    /// Path of the control socket.
    pub(super) control: OsString,
}

/// Reads environment files, makes directories and the cgroup, connects to the
/// journal: blocks, for a spawner thread. The streams are to stay until the
/// process has been made.
///
/// # Errors
/// The error word for the slot.
pub(super) fn program(
    spawn: &Spawn,
    surroundings: &Surroundings,
    holder: &Holder,
    pipes: Pipes,
) -> Result<(Program, Streams), u64> {
    let streams = Streams::new(&spawn.plan, pipes, Path::new(JOURNAL))?;
    let described = described(spawn, surroundings, &holder.token(spawn.slot), &streams)?;
    let held = held(spawn);
    let cgroup = holder
        .cgroup(&held)
        .map_err(|error| SpawnError::new(Stage::Cgroup, error.errno).to_word())?;
    let little_memory = holder.limits_memory(&held);
    Ok((Program { cgroup, little_memory, ..described }, streams))
}

/// All but the cgroup. `token`: the variable by which the process is found.
fn described(
    spawn: &Spawn,
    surroundings: &Surroundings,
    token: &str,
    streams: &Streams,
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
    if let Some(connection) = &streams.journal {
        environment.set("JOURNAL_STREAM", connection);
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
        environment.set("HAM_CONTROL", &surroundings.control);
        if let Some(heartbeat) = &plan.heartbeat {
            environment.set("WATCHDOG_USEC", (heartbeat.interval.0 / 1000).to_string());
        }
    }
    if own && tells(plan.notify_access, is_main) {
        environment.set("NOTIFY_SOCKET", &surroundings.notify);
    }
    if let Some((name, value)) = token.split_once('=') {
        environment.set(name, value);
    }
    environment.set_path();
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
        stdout: streams.stdout.clone(),
        stderr: streams.stderr.clone(),
        ids: identity.as_ref().map(ids),
        settings: if own { settings::for_process(&plan.settings) } else { Settings::default() },
        cgroup: None,
        little_memory: false,
        passed: Vec::new(),
        listen_pid: false,
        watchdog_pid: is_main && plan.heartbeat.is_some(),
    })
}

/// Whether a process of the entity may tell of it.
fn tells(access: NotifyAccess, is_main: bool) -> bool {
    match access {
        NotifyAccess::None => false,
        NotifyAccess::Main => is_main,
        NotifyAccess::Exec | NotifyAccess::All => true,
    }
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
            let file = Path::new(OsStr::from_bytes(directory)).join(OsStr::from_bytes(bytes));
            CString::new(file.as_os_str().as_bytes()).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ham_core::ids::{EntityId, SlotRef};
    use ham_core::plan::{
        DirectoryPlace, DirectoryPlan, EntityPlan, InheritEnvironment, KeepDirectory,
    };
    use std::path::PathBuf;
    use std::sync::Arc;

    struct Folder(PathBuf);

    impl Folder {
        fn new(what: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("ham-{what}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn surroundings(folder: &Path) -> Surroundings {
        let mut all = Environment::default();
        all.set("PATH", "/usr/bin");
        all.set("FROM_HAM", "yes");
        let notify = folder.join("notify").into_os_string();
        let control = OsString::from("/run/ham/control");
        Surroundings { inherited: Inherited::of(all), bases: Bases::below(folder), notify, control }
    }

    fn identity(uid: u32) -> Identity {
        Identity {
            uid,
            gid: uid,
            groups: Vec::new(),
            user: format!("u{uid}"),
            home: "/home".to_owned(),
            shell: String::new(),
        }
    }

    /// An entity with something of everything. It is its own manager's user,
    /// so that anybody can run this.
    fn plan() -> EntityPlan {
        let words = ["/bin/${WHAT}", "--run=${RUNTIME_DIRECTORY}", "$$HOME"];
        let mut plan = EntityPlan::new(EntityId(1), "web", words.map(str::to_owned).to_vec());
        plan.expand = true;
        plan.environment = vec![("WHAT".to_owned(), "true".to_owned())];
        plan.identity = Some(Identity {
            gid: ham_sys::process::effective_gid(),
            ..identity(ham_sys::process::effective_uid())
        });
        plan.directory = Some("/usr".to_owned());
        plan.umask = 0o027;
        plan.settings.nice = Some(3);
        plan.directories = vec![DirectoryPlan {
            place: DirectoryPlace::Runtime,
            names: vec!["web".to_owned()],
            mode: 0o755,
            keep: KeepDirectory::No,
        }];
        plan
    }

    fn spawn(plan: EntityPlan, what: Process) -> Spawn {
        let slot = SlotRef { index: 9, generation: 1 };
        Spawn { slot, entity: plan.id, plan: Arc::new(plan), what }
    }

    fn command(own: bool, identity: Option<Identity>) -> Process {
        let argv = vec!["/bin/echo".to_owned(), "${WHAT}".to_owned()];
        let variables = vec![("HAM_CONDITION".to_owned(), "death".to_owned())];
        Process::Command { argv, identity, own, variables }
    }

    fn described_by(spawn: &Spawn, around: &Surroundings) -> Result<Program, u64> {
        let streams = Streams::new(&spawn.plan, Pipes::default(), Path::new("/none"))?;
        described(spawn, around, "T=1", &streams)
    }

    fn words(texts: &[CString]) -> Vec<&str> {
        texts.iter().map(|text| text.to_str().unwrap()).collect()
    }

    #[test]
    fn an_entity_is_as_its_plan_says() {
        let folder = Folder::new("prepare-main");
        let around = surroundings(&folder.0);
        let program = described_by(&spawn(plan(), Process::Main), &around).unwrap();
        let run = folder.0.join("run/web");
        assert!(run.is_dir());
        let option = format!("--run={}", run.display());
        assert_eq!(words(&program.argv), ["/bin/true", &option, "$HOME"]);
        assert_eq!(program.exec, Exec::Paths(vec![c"/bin/true".to_owned()]));
        let told = format!("RUNTIME_DIRECTORY={}", run.display());
        for variable in ["FROM_HAM=yes", "WHAT=true", "HAM_ENTITY=web", "T=1", &told] {
            assert!(words(&program.envp).contains(&variable), "{variable}");
        }
        assert_eq!(program.settings.nice, Some(3));
        assert_eq!(program.directory.as_deref(), Some(c"/usr"));
        // A variable of the unit is the last word.
        let mut other = plan();
        other.environment.push(("RUNTIME_DIRECTORY".to_owned(), "/mine".to_owned()));
        other.inherit_environment = InheritEnvironment::Nothing;
        other.expand = false;
        let program = described_by(&spawn(other, Process::Main), &around).unwrap();
        assert!(words(&program.envp).contains(&"RUNTIME_DIRECTORY=/mine"));
        assert!(!words(&program.envp).contains(&"FROM_HAM=yes"));
        assert_eq!(words(&program.argv)[0], "/bin/${WHAT}");
    }

    #[test]
    fn a_command_of_its_own_has_its_surroundings() {
        let folder = Folder::new("prepare-own");
        let around = surroundings(&folder.0);
        let program = described_by(&spawn(plan(), command(true, None)), &around).unwrap();
        assert!(folder.0.join("run/web").is_dir(), "made for the first that needs it");
        assert_eq!(words(&program.argv), ["/bin/echo", "true"]);
        assert!(words(&program.envp).contains(&"HAM_CONDITION=death"));
        assert!(!words(&program.envp).contains(&"HAM_ENTITY=web"));
        assert_eq!(program.ids.unwrap().uid, ham_sys::process::effective_uid());
        assert_eq!(program.directory.as_deref(), Some(c"/usr"));
        assert_eq!((program.settings.nice, program.umask), (Some(3), 0o027));
        let another = command(true, Some(identity(4321)));
        let program = described_by(&spawn(plan(), another), &around).unwrap();
        assert!(words(&program.envp).contains(&"USER=u4321"));
        assert_eq!(program.ids.unwrap().uid, 4321);
    }

    #[test]
    fn a_command_of_the_managers_has_not() {
        let folder = Folder::new("prepare-command");
        let around = surroundings(&folder.0);
        let program = described_by(&spawn(plan(), command(false, None)), &around).unwrap();
        assert!(!folder.0.join("run").exists());
        assert_eq!(words(&program.argv), ["/bin/echo", "${WHAT}"]);
        assert!(words(&program.envp).contains(&"WHAT=true"));
        assert_eq!((program.ids, program.settings), (None, Settings::default()));
        assert_ne!(program.directory.as_deref(), Some(c"/usr"));
    }

    #[test]
    fn what_cannot_be_made_is_told_before_anything_else() {
        let folder = Folder::new("prepare-error");
        std::fs::write(folder.0.join("run"), "").unwrap();
        let around = surroundings(&folder.0);
        let error = described_by(&spawn(plan(), Process::Main), &around).unwrap_err();
        let text = crate::facts::spawn_error(error);
        assert!(text.starts_with("could not make its runtime directory: "), "{text}");
    }
}
