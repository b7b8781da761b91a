//! What `ham --help` says.

/// `ham --help`.
pub(crate) const HELP: &str = "\
ham, a High Availability Manager for Linux

Usage: ham [run] [OPTIONS]
       ham init [OPTIONS] [--] COMMAND [ARGUMENTS]

Starts the manager in the foreground. TERM and INT stop all entities and end
it; a second one hurries. `ham init` is the init of one command: `ham init -h`.

Options:
      --units DIR          read units from DIR (repeatable; default: /etc/ham,
                           /run/ham/units, /usr/local/lib/ham, /usr/lib/ham)
      --runtime-dir DIR    control socket and state (default: /run/ham, or
                           $XDG_RUNTIME_DIR/ham for a user's manager)
      --user               be a user's manager, also when run by root
      --strict             refuse to start when a unit has an error
      --background         return when the units have been read
      --board              as process 1: treat its namespaces as a machine
      --stop-deadline TIME how long a shutdown may take (default: 8s)
      --container WHETHER  yes, no or auto: be the init of a container, which ends
                           when all entities have, and names who writes what
                           (default: auto, as PID 1 of a PID namespace)
      --signals WHOSE      board: BusyBox's, as the init of a machine has them;
                           container: TERM and INT end it (default: by place)
  -f FILE                  append the log to FILE instead of standard error
  -t KIND                  time stamps: none, relative, absolute, shortabs
      --log-format FORMAT  text or json: the log, and the output of entities
                           that goes through ham
  -v                       say more (repeatable)
  -V LEVEL                 set the verbosity: 0 errors, 1 events, 2 details
  -d                       verbosity 0
  -h, -?, --help           this text
      --version            version of ham

See ham(8), ham-init(8), ham.unit(5), hamctl(1).
";
