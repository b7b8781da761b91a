//! Output that goes to the journal: a socket of the test's own stands in its
//! place, which only its ham sees.

use ham_tests::own_units::Units;
use ham_tests::programs::{Manager, Scratch, ham};
use ham_tests::skip;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

/// A ham with a private /run, in which `journal` is the directory of journald.
fn start(units: &Units, journal: &Path, what: &str) -> Option<Manager> {
    if !skip::is_root(what) {
        return None;
    }
    let unshare = skip::program("unshare", what)?;
    let script = "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && \
                  mount --bind \"$1\" /run/systemd/journal && shift && exec \"$@\"";
    let private = |program: &Path| {
        let mut command = Command::new(&unshare);
        command.args(["-m", "--propagation", "private", "sh", "-c", script, "sh"]);
        command.arg(journal).arg(program);
        command
    };
    if !private(Path::new("true")).status().is_ok_and(|status| status.success()) {
        skip::skipped(what, "no mount namespaces here");
        return None;
    }
    let scratch = Scratch::new("journal");
    Some(Manager::start_by(private(&ham()), scratch, &units.path(), &["-t", "none"]))
}

#[test]
fn what_an_entity_writes_reaches_the_journal_under_its_name() {
    let units = Units::new("journal");
    let place = units.folder().join("socket");
    std::fs::create_dir(&place).unwrap();
    let journal = UnixListener::bind(place.join("stdout")).unwrap();
    units.write(
        "web",
        "[entity]\ncommand = [\"sh\", \"-c\", 'echo out; echo err >&2; echo $JOURNAL_STREAM; \
         stat -L -c %d:%i /proc/self/fd/1']\nrestart = \"no\"\n\
         stdout = \"journal\"\nstderr = \"journal\"\n",
    );
    let Some(_manager) = start(&units, &place, "the journal") else { return };
    let lines: Vec<String> = BufReader::new(journal.accept().unwrap().0)
        .lines()
        .collect::<std::io::Result<_>>()
        .unwrap();
    assert_eq!(lines[..9], ["web", "", "30", "1", "0", "0", "0", "out", "err"], "{lines:?}");
    // A program can tell that it writes there.
    assert_eq!(lines[9], lines[10]);
    assert!(lines[9].contains(':'), "{lines:?}");
}

#[test]
fn without_a_journal_only_an_optional_one_starts() {
    let units = Units::new("no-journal");
    let place = units.folder().join("nothing");
    std::fs::create_dir(&place).unwrap();
    let unit = |rest: &str| {
        format!(
            "[entity]\ncommand = [\"sh\", \"-c\", 'echo written']\nrestart = \"no\"\n\
             stdout = \"journal\"\n{rest}"
        )
    };
    units.write("needs", &unit(""));
    units.write("likes", &unit("optional = [\"journal\"]\n"));
    let Some(mut manager) = start(&units, &place, "no journal") else { return };
    manager.wait_for_log("both", |log| {
        log.contains("needs: could not start: could not reach the journal: No such file")
            && log.contains("\nwritten\n")
            && log.contains("likes: could not connect to /run/systemd/journal/stdout")
    });
    assert_eq!(manager.log().matches("\nwritten\n").count(), 1, "{}", manager.log());
}
