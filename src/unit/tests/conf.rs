//! `ham.conf`: what it says, and what is said about it.

mod fake_users;
mod folder;

use folder::{Folder, mode, names, settings};
use ham_core::time::Span;
use ham_unit::keys::CONF_KEYS;
use ham_unit::{ALLOWED_VERBS, Apply, Conf, check_file, load_directories};

const UNIT: &str = "[entity]\ncommand = \"/bin/sh\"\nrestart = \"always\"\n";

#[test]
fn without_the_file_everything_is_as_ever() {
    let folder = Folder::new("conf-none");
    folder.write("a.toml", UNIT);
    assert_eq!(folder.load(&settings(false)).conf, Some(Conf::default()));
    folder.write("ham.conf", "# nothing\n");
    assert_eq!(folder.load(&settings(false)).conf, Some(Conf::default()));
}

#[test]
fn every_key_is_read() {
    let folder = Folder::new("conf-all");
    folder.write(
        "ham.conf",
        "[manager]\napply = \"manual\"\nstop-deadline = \"1min\"\nverbosity = 2\n\
         log = \"/var/log/ham.log\"\n\
         [watchdog]\ndevice = \"/dev/null\"\ntimeout = \"2min\"\ncheck = \"/var/wd\"\n\
         [[allow]]\ngroup = \"audio\"\nverbs = [\"start\", \"stop\"]\nentities = \"web*\"\n\
         [[allow]]\nuser = [\"root\", 1234]\nverbs = \"shutdown\"\nentities = [\"a\", \"*\"]\n",
    );
    let loaded = folder.load(&settings(false));
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let conf = loaded.conf.unwrap();
    assert_eq!(conf.apply, Apply::Manual);
    assert_eq!(conf.stop_deadline, Some(Span::seconds(60)));
    assert_eq!((conf.verbosity, conf.log.as_deref()), (Some(2), Some("/var/log/ham.log")));
    assert_eq!(conf.allow[0].verbs, ["start", "stop"]);
    assert_eq!(conf.allow[0].entities, ["web*"]);
    assert_eq!((conf.allow[0].users.len(), conf.allow[0].groups.len()), (0, 1));
    assert_eq!(conf.allow[1].users, [0, 1234]);
    let watchdog = conf.watchdog.unwrap();
    assert_eq!((watchdog.device.as_str(), watchdog.timeout), ("/dev/null", Span::seconds(120)));
    assert_eq!(watchdog.check.as_deref(), Some("/var/wd"));
}

#[test]
fn a_watchdog_needs_no_more_than_its_device() {
    let folder = Folder::new("conf-watchdog");
    folder.write("a.toml", UNIT);
    // It is there, which is all that is looked at.
    folder.write("ham.conf", "[watchdog]\ndevice = \"/dev/null\"\n");
    let loaded = folder.load(&settings(false));
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let watchdog = loaded.conf.unwrap().watchdog.unwrap();
    assert_eq!((watchdog.timeout, watchdog.check), (Span::seconds(30), None));
}

#[test]
fn mistakes_about_the_watchdog_are_shown() {
    let folder = Folder::new("conf-watchdog-mistakes");
    folder.write("a.toml", UNIT);
    let long = "w".repeat(200);
    for (name, text, good) in [
        ("watchdog", "[watchdog]\ntimeot = \"30s\"\ncheck = \"/dev/sda\"\n".to_owned(), false),
        (
            "watchdog-timeout",
            "[watchdog]\ndevice = \"watchdog0\"\ntimeout = \"1500ms\"\n".to_owned(),
            false,
        ),
        ("watchdog-path", format!("[watchdog]\ndevice = \"/dev/{long}\"\ntimeout = 30\n"), false),
        (
            "watchdog-short",
            "[watchdog]\ndevice = \"/dev/null\"\ntimeout = \"9s\"\n".to_owned(),
            true,
        ),
        ("watchdog-absent", "[watchdog]\ndevice = \"/dev/no-watchdog\"\n".to_owned(), true),
    ] {
        folder.write("ham.conf", &text);
        let loaded = folder.load(&settings(false));
        folder.compare(name, &loaded);
        assert_eq!(loaded.conf.is_some(), good, "{name}");
    }
}

#[test]
fn only_the_first_directory_has_one() {
    let folder = Folder::new("conf-first");
    let (first, second) = (folder.folder("first"), folder.folder("second"));
    folder.write("first/a.toml", UNIT);
    folder.write("second/ham.conf", "nonsense");
    let loaded = load_directories(&[first, second], &settings(false));
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    assert_eq!(loaded.conf, Some(Conf::default()));
}

#[test]
fn mistakes_are_shown_as_those_of_units() {
    let folder = Folder::new("conf-mistakes");
    folder.write("a.toml", UNIT);
    folder.write(
        "ham.conf",
        "verbosity = 1\n[manager]\nappply = \"auto\"\nstop-deadline = 5\nverbosity = 10\n\
         log = \"ham.log\"\napply = \"never\"\n[entity]\n\
         [[allow]]\nverbs = \"strat\"\nentities = \"a b\"\n\
         [[allow]]\nuser = \"nobody-here\"\nentities = \"web\"\n\
         [[allow]]\nuser = \"root\"\nverbs = \"shutdown\"\nentities = \"web\"\n",
    );
    let loaded = folder.load(&settings(false));
    folder.compare("conf", &loaded);
    assert_eq!(loaded.conf, None);
    assert_eq!(names(&loaded), ["a"], "units are units all the same");
    let one = check_file(&folder.0.join("ham.conf"), &settings(false));
    assert_eq!(one.diagnostics.len(), loaded.diagnostics.len());
}

#[test]
fn others_may_not_write_it() {
    let folder = Folder::new("conf-owner");
    mode(&folder.write("ham.conf", "[manager]\nverbosity = 2\n"), 0o666);
    let loaded = folder.load(&settings(false));
    assert_eq!(loaded.conf, None);
    assert_eq!(loaded.diagnostics[0].code, ham_unit::codes::UNSAFE_PERMISSIONS);
    assert_eq!(loaded.diagnostics.len(), 1);
}

/// ham(8) has every key with what it takes and its default, and every verb.
#[test]
fn the_manual_page_says_the_same() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../man/ham.8");
    let mut page = std::fs::read_to_string(path).unwrap();
    for font in ["\\fB", "\\fI", "\\fR"] {
        page = page.replace(font, "");
    }
    let page = page.replace("\\-", "-");
    let (_, section) = page.split_once("\n.SH CONFIGURATION\n").expect("a section");
    let section = section.split("\n.SH ").next().unwrap();
    for key in CONF_KEYS {
        let path = key.path.strip_prefix("conf.").unwrap();
        let Some((_, name)) = path.split_once('.') else {
            assert!(section.contains(&format!("[{path}]")), "{path}");
            continue;
        };
        let default = match key.default {
            "required" => " (required)".to_owned(),
            "none" => String::new(),
            other => format!(" (default: {other})"),
        };
        let line = format!("\n.TP\n{name} = {}{default}\n", key.kind);
        assert!(section.contains(&line), "{line}");
    }
    for verb in ALLOWED_VERBS {
        assert!(
            section.contains(&format!(".BR {verb}")) || section.contains(&format!(".B {verb}")),
            "{verb}"
        );
    }
}
