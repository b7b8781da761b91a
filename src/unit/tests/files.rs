//! Directories and files as they are found on real disks: several search
//! directories, names, links, permissions, ids.

mod fake_users;
mod folder;
mod files {
    mod explain;
}

use fake_users::FakeUsers;
use folder::{Folder, mode, names, own_uid, settings};
use ham_core::ids::EntityId;
use ham_unit::{Settings, SourceState, check_file, codes, load_directories};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::Command;

const UNIT: &str = "[entity]\ncommand = \"/bin/sh\"\nrestart = \"always\"\n";

#[test]
fn the_first_directory_wins_and_left_overs_are_ignored() {
    let folder = Folder::new("order");
    let (first, second) = (folder.folder("first"), folder.folder("second"));
    folder.write("first/b.toml", UNIT);
    folder.write("first/a.toml", UNIT);
    folder.write("second/a.toml", "nonsense");
    folder.write("second/c.toml", UNIT);
    folder.write("second/masked.toml", UNIT);
    symlink("/dev/null", first.join("masked.toml")).unwrap();
    symlink("c.toml", second.join("link.toml")).unwrap();
    for other in [".h.toml", "a.toml~", ".a.toml.swp", "#a.toml#", "README", "notes.txt"] {
        folder.write(&format!("first/{other}"), "nonsense");
    }
    folder.folder("first/d.toml");
    folder.folder("first/a.toml.d");
    let absent = folder.0.join("absent");
    let loaded = load_directories(&[absent, first.clone(), second.clone()], &settings(false));
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    assert_eq!(names(&loaded), ["a", "b", "c", "link"]);
    assert_eq!(loaded.entities[0].source, first.join("a.toml").display().to_string());
    assert_eq!(loaded.directories, [first, second]);
    let masked = loaded.sources.iter().find(|source| source.name == "masked").unwrap();
    assert_eq!(masked.state, SourceState::Masked);
}

#[test]
fn bad_files_are_refused_and_the_others_kept() {
    let folder = Folder::new("bad");
    folder.write("good.toml", UNIT);
    folder.write("empty.toml", " \n");
    folder.write("latin.toml", b"[entity]\ndescription = \"\xe4\"\n");
    folder.write("large.toml", " ".repeat((1 << 20) + 1));
    folder.write("two words.toml", UNIT);
    folder.write("x@.toml", UNIT);
    folder.write("broken.toml", "[entity]\ncommand = 1\n");
    symlink("nowhere", folder.0.join("dangling.toml")).unwrap();
    symlink("loop.toml", folder.0.join("loop.toml")).unwrap();
    let fifo = folder.0.join("fifo.toml");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff.toml");
    std::fs::write(folder.0.join(odd), UNIT).unwrap();
    let loaded = folder.load(&settings(false));
    folder.compare("bad", &loaded);
    assert_eq!(names(&loaded), ["good"]);
    let refused = [
        "broken",
        "dangling",
        "empty",
        "fifo",
        "large",
        "latin",
        "loop",
        "odd\u{fffd}",
        "two words",
    ];
    assert_eq!(loaded.refused, refused);
}

#[test]
fn others_may_not_write_units() {
    let folder = Folder::new("permissions");
    mode(&folder.write("group.toml", UNIT), 0o664);
    mode(&folder.write("world.toml", UNIT), 0o666);
    folder.write("good.toml", UNIT);
    let strict = folder.load(&settings(true));
    folder.compare("permissions-strict", &strict);
    assert_eq!(names(&strict), ["good"]);
    let lenient = folder.load(&settings(false));
    folder.compare("permissions", &lenient);
    assert_eq!(names(&lenient), ["good", "group"]);

    mode(&folder.0, 0o777);
    let open = folder.load(&settings(false));
    folder.compare("permissions-directory", &open);
    assert!(open.entities.is_empty());
    assert!(open.directories.is_empty());
    assert_eq!(open.refused, ["good", "group", "world"]);
}

#[test]
fn files_of_other_users_are_not_trusted() {
    let folder = Folder::new("owner");
    let uid = own_uid();
    if uid == 0 {
        let path = folder.write("foreign.toml", UNIT);
        std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
        let loaded = folder.load(&settings(false));
        folder.compare("owner", &loaded);
        assert_eq!(loaded.refused, ["foreign"]);
    } else {
        // Without root the file stays ours and the manager is somebody else.
        folder.write("foreign.toml", UNIT);
        let other = Settings::new(&FakeUsers, uid + 1);
        let loaded = folder.load(&other);
        assert!(loaded.entities.is_empty());
        assert!(loaded.diagnostics[0].message.contains(&format!("belongs to user {uid}")));
    }
}

#[test]
fn without_any_directory_there_is_an_error() {
    let folder = Folder::new("none");
    let absent = [folder.0.join("absent"), folder.0.join("gone")];
    let loaded = load_directories(&absent, &settings(false));
    folder.compare("no-directory", &loaded);
    let file = folder.write("file", "");
    let not_one = load_directories(&[file], &settings(false));
    folder.compare("not-a-directory", &not_one);
    assert!(loaded.has_errors() && not_one.has_errors());
}

#[test]
fn actions_may_name_every_unit_that_exists_even_a_refused_one() {
    let folder = Folder::new("references");
    let with =
        |actions: &str| format!("{UNIT}[[condition]]\non = \"death\"\nactions = [ {actions} ]\n");
    folder.write("broken.toml", "[entity]\ncommand = 1\n");
    folder.write("good.toml", with("{ start = \"broken\" }, { stop = \"other\" }"));
    folder.write("other.toml", UNIT);
    folder.write("lost.toml", with("{ start = \"othre\" }, { stop = \"masked\" }"));
    symlink("/dev/null", folder.0.join("masked.toml")).unwrap();
    let loaded = folder.load(&settings(false));
    folder.compare("references", &loaded);
    assert_eq!(names(&loaded), ["good", "other"]);
    // Alone, a file is checked against its neighbours, and only warned about.
    let alone = check_file(&folder.0.join("good.toml"), &settings(false));
    assert!(alone.diagnostics.is_empty(), "{:#?}", alone.diagnostics);
    let lost = check_file(&folder.0.join("lost.toml"), &settings(false));
    assert_eq!(lost.entities.len(), 1);
    assert!(!lost.diagnostics.is_empty() && !lost.has_errors());
}

#[test]
fn one_file_is_checked_like_one_of_a_directory() {
    let folder = Folder::new("one");
    let world = folder.write("world.toml", UNIT);
    mode(&world, 0o666);
    assert_eq!(check_file(&world, &settings(false)).refused, ["world"]);
    let odd = folder.write("two words.toml", UNIT);
    let loaded = check_file(&odd, &settings(false));
    assert!(loaded.entities.is_empty() && loaded.has_errors());
    assert_eq!(loaded.refused, ["two words"]);
    assert!(check_file(&folder.0.join("absent.toml"), &settings(false)).has_errors());
}

#[test]
fn ids_are_kept_and_those_in_use_are_not_given_out() {
    let folder = Folder::new("ids");
    for name in ["a", "b", "c", "d"] {
        folder.write(&format!("{name}.toml"), UNIT);
    }
    let known = |name: &str| (name == "c").then_some(EntityId(1));
    // 0 belongs to an entity whose file is gone.
    let in_use = |id: EntityId| id.0 <= 1;
    let loaded =
        folder.load(&Settings { known_ids: &known, id_in_use: &in_use, ..settings(false) });
    let ids: Vec<u32> = loaded.entities.iter().map(|entity| entity.id.0).collect();
    assert_eq!(ids, [2, 3, 1, 4]);
    let first = folder.load(&settings(false));
    let ids: Vec<u32> = first.entities.iter().map(|entity| entity.id.0).collect();
    assert_eq!(ids, [0, 1, 2, 3]);
    let full = folder.load(&Settings { id_in_use: &|_| true, ..settings(false) });
    folder.compare("full", &full);
    assert_eq!(full.refused, ["a", "b", "c", "d"]);
    // What is loaded can be written as a plan.
    ham_core::plan::encode(&loaded.entities).unwrap();
}

/// A typo in a key, a missing brace, a circle and a wrong duration, in four
/// files: four answers that say how to mend them, though the circle leads
/// through the file that lacks the brace.
#[test]
fn four_mistakes_in_four_files_are_four_answers() {
    let folder = Folder::new("four");
    folder.write("key.toml", UNIT.replace("restart", "restrat"));
    folder.write("brace.toml", format!("{UNIT}stop = {{ signal = \"INT\"\nafter = \"circle\"\n"));
    folder.write("circle.toml", format!("{UNIT}after = \"brace\"\n"));
    folder.write("duration.toml", format!("{UNIT}start-timeout = \"90\"\n"));
    folder.write("good.toml", UNIT);
    let loaded = folder.load(&settings(false));
    folder.compare("four", &loaded);
    assert_eq!(names(&loaded), ["good"]);
    let errors: Vec<&ham_unit::Diagnostic> =
        loaded.diagnostics.iter().filter(|found| found.is_error()).collect();
    let mut found: Vec<&str> = errors.iter().map(|error| error.code).collect();
    found.sort_unstable();
    let expected = [codes::BAD_DURATION, codes::CIRCLE, codes::SYNTAX, codes::UNKNOWN_KEY];
    assert_eq!(found, expected);
    for error in errors {
        let says_how = error.help.is_some() || error.label.starts_with("did you mean");
        assert!(says_how && error.line > 0, "{}", error.render_plain());
        // Each step of the circle has its place, for programs too.
        let related: Vec<(String, u32)> = error
            .related
            .iter()
            .map(|place| (place.file.rsplit('/').next().unwrap().to_owned(), place.line))
            .collect();
        if error.code == codes::CIRCLE {
            assert_eq!(related, [("brace.toml".to_owned(), 5), ("circle.toml".to_owned(), 4)]);
        }
    }
}

/// Wherever a unit can name another, one that does not exist is told of.
#[test]
fn no_unknown_entity_goes_unnoticed() {
    let folder = Folder::new("unknown");
    let condition =
        |actions: &str| format!("{UNIT}[[condition]]\non = \"restart\"\nactions = [ {actions} ]\n");
    let places = [
        ("requires", format!("{UNIT}requires = \"lost\"\n")),
        ("wants", format!("{UNIT}wants = [\"lost\"]\n")),
        ("after", format!("{UNIT}after = \"lost\"\n")),
        ("before", format!("{UNIT}before = \"lost\"\n")),
        ("conflicts", format!("{UNIT}conflicts = \"lost\"\n")),
        ("target", "[target]\nwants = \"lost\"\n".to_owned()),
        ("of", condition("{ log = \"x\" }").replace("on =", "of = \"lost\"\non =")),
        ("start", condition("{ start = \"lost\" }")),
        ("stop", condition("{ stop = \"lost\" }")),
        ("signal", condition("{ notify-signal = { entity = \"lost\", signal = \"HUP\" } }")),
        ("on-fail", condition("{ log = \"x\", on-fail = [ { start = \"lost\" } ] }")),
        ("pre-start", format!("{UNIT}pre-start = [ {{ start = \"lost\" }} ]\n")),
    ];
    for (name, text) in &places {
        folder.write(&format!("{name}.toml"), text);
    }
    let loaded = folder.load(&settings(false));
    for (name, text) in &places {
        let file = folder.0.join(format!("{name}.toml")).display().to_string();
        let said: Vec<&ham_unit::Diagnostic> =
            loaded.diagnostics.iter().filter(|found| found.file == file).collect();
        assert_eq!(said.len(), 1, "{name}: {said:#?}");
        assert_eq!(said[0].code, codes::UNKNOWN_ENTITY, "{name}");
        let (start, end) = said[0].span.unwrap();
        assert_eq!(text.get(start..end), Some("\"lost\""), "{name}");
    }
    assert!(names(&loaded).is_empty());
}
