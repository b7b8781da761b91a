//! Units that are made of several files: drop-ins, templates and instances,
//! masks, and what of that is shown.

mod fake_users;
mod folder;

use folder::{Folder, mode, names, own_uid, settings};
use ham_core::plan::{EntityPlan, StartMode, Verb};
use ham_unit::{Loaded, Settings, SourceState, check_file, load_directories, merged, unit_files};
use std::os::unix::fs::symlink;

const UNIT: &str = "[entity]\ncommand = [\"/bin/sh\", \"-c\", \"true\"]\nrestart = \"always\"\n";
const ANSWERED: &str = "[entity]\ncommand = \"/bin/sh\"\numask = \"0027\"\n\
                        environment = { A = \"a\", B = \"b\" }\n\
                        stop = { signal = \"INT\", timeout = \"3s\" }\n\
                        [[condition]]\non = \"death\"\nactions = [ { restart = {} } ]\n\
                        [[condition]]\nname = \"gone\"\non = \"failure\"\n\
                        actions = [ { log = \"a\" }, { log = \"b\" } ]\n";

fn entity<'l>(loaded: &'l Loaded, name: &str) -> &'l EntityPlan {
    let found = loaded.entities.iter().find(|entity| entity.name == name);
    found.unwrap_or_else(|| panic!("no {name}: {:#?}", loaded.diagnostics))
}

fn state(loaded: &Loaded, name: &str) -> SourceState {
    let found = loaded.sources.iter().find(|source| source.name == name);
    found.unwrap_or_else(|| panic!("no {name}")).state
}

#[test]
fn a_drop_in_says_what_is_different() {
    let folder = Folder::new("dropins");
    folder.write("a.toml", ANSWERED);
    folder.folder("a.toml.d");
    folder.write(
        "a.toml.d/10-first.toml",
        "description = \"ten\"\n[entity]\numask = \"0077\"\nenvironment.B = \"c\"\n\
         [entity.stop]\ntimeout = \"9s\"\n\
         [[condition]]\nname = \"gone\"\nactions = [ { log = \"c\" } ]\n\
         [[condition]]\non = \"death\"\nenabled = false\n",
    );
    folder.write(
        "a.toml.d/20-second.toml",
        "description = \"twenty\"\n[[condition]]\non = \"stopped\"\nactions = [ { log = \"d\" } ]\n",
    );
    folder.write("a.toml.d/README", "nonsense");
    folder.write("a.toml.d/.hidden.toml", "nonsense");
    let loaded = folder.load(&settings(false));
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let plan = entity(&loaded, "a");
    assert_eq!((plan.description.as_str(), plan.umask), ("twenty", 0o077));
    let of = |name: &str| plan.environment.iter().find(|(key, _)| key == name).unwrap().1.clone();
    assert_eq!((of("A"), of("B")), ("a".to_owned(), "c".to_owned()));
    assert_eq!((plan.stop.signal.0, plan.stop.timeout.0), (2, 9_000_000_000));
    let conditions: Vec<(&str, bool, usize)> = plan
        .conditions
        .iter()
        .map(|condition| (condition.name.as_str(), condition.enabled, condition.actions.len()))
        .collect();
    assert_eq!(conditions, [("death", false, 1), ("gone", true, 1), ("stopped", true, 1)]);
    assert_eq!(plan.conditions[1].actions[0].verb, Verb::Log("c".to_owned()));
}

#[test]
fn drop_ins_of_all_directories_go_by_their_names() {
    let folder = Folder::new("dropin-order");
    let (first, second) = (folder.folder("first"), folder.folder("second"));
    folder.write("second/a.toml", UNIT);
    for directory in ["first", "second"] {
        folder.folder(&format!("{directory}/a.toml.d"));
    }
    let says = |text: &str| format!("description = \"{text}\"\n");
    folder.write("first/a.toml.d/10.toml", says("hidden by 20"));
    folder.write("second/a.toml.d/20.toml", says("second"));
    folder.write("second/a.toml.d/30.toml", says("switched off"));
    symlink("/dev/null", first.join("a.toml.d/30.toml")).unwrap();
    let load = || load_directories(&[first.clone(), second.clone()], &settings(false));
    let loaded = load();
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    assert_eq!(entity(&loaded, "a").description, "second");
    // The same name in the first directory takes the place of the other; an
    // empty one says nothing in it.
    folder.write("first/a.toml.d/20.toml", "");
    assert_eq!(entity(&load(), "a").description, "hidden by 20");
    let files = unit_files(&[first.clone(), second.clone()], "a", &settings(false)).unwrap();
    let expected =
        [second.join("a.toml"), first.join("a.toml.d/10.toml"), first.join("a.toml.d/20.toml")];
    assert_eq!(files.files, expected);
}

#[test]
fn a_mistake_is_shown_where_it_was_made() {
    let folder = Folder::new("dropin-mistakes");
    folder.write("a.toml", format!("{UNIT}x-long = \"{}\"\n", "y".repeat(200)));
    folder.write("b.toml", ANSWERED);
    folder.write("c.toml", "[entity]\ncomand = \"/bin/sh\"\n");
    for unit in ["a", "b", "c", "d"] {
        folder.folder(&format!("{unit}.toml.d"));
    }
    // Mistakes of every stage: syntax, a key, a value, a name of others.
    folder.write(
        "a.toml.d/mistakes.toml",
        "[entity]\nstart-timout = \"1s\"\numask = \"0999\"\nwants = \"bb\"\ndescription = \n\
         [[condition]]\non = \"death\"\nactions = [ { restart = {} } ]\n",
    );
    folder.write(
        "b.toml.d/contradictions.toml",
        "[entity]\nrestart = \"always\"\n[target]\n\
         [[condition]]\nname = \"gon\"\nenabled = false\n",
    );
    folder.write("b.toml.d/later.toml", "[entity]\nrestart = \"on-failure\"\n");
    folder.write("c.toml.d/mends-nothing.toml", "[entity]\numask = \"0022\"\n");
    folder.write("d.toml.d/lost.toml", UNIT);
    let loaded = folder.load(&settings(false));
    folder.compare("drop-ins", &loaded);
    assert_eq!(loaded.refused, ["a", "b", "c"]);
    // One drop-in is checked as a part of its unit.
    let one = check_file(&folder.0.join("c.toml.d/mends-nothing.toml"), &settings(false));
    assert!(one.has_errors() && one.diagnostics[0].file.ends_with("c.toml"));
    let lost = check_file(&folder.0.join("d.toml.d/lost.toml"), &settings(false));
    assert!(!lost.has_errors());
    assert_eq!(lost.diagnostics[0].code, ham_unit::codes::NO_UNIT);
}

#[test]
fn what_is_missing_in_one_text_hides_nothing_of_any() {
    let folder = Folder::new("dropin-repair");
    folder.write("a.toml", "[entity\ncommand = \"/bin/sh\"\nrestart = \"always\"\numaks = 1\n");
    folder.folder("a.toml.d");
    folder.write(
        "a.toml.d/1.toml",
        "[entity]\noptional = [\"nice\", \"limits\"\nwants = \"bb\"\nstart-timout = \"1s\"\n",
    );
    folder.write(
        "a.toml.d/2.toml",
        "[[condition]\non = \"death\"\nactions = [ { restart = {} } ]\n[[condition]]\n\
         on = \"death\"\nactions = [ { log = \"x\" } ]\n",
    );
    let loaded = folder.load(&settings(false));
    folder.compare("repaired", &loaded);
    // Both places of the two that exclude each other, each in its file.
    let related = |code| {
        let found = loaded.diagnostics.iter().find(|found| found.code == code).unwrap();
        let first = found.related.first().unwrap();
        let file = first.file.rsplit('/').next().unwrap().to_owned();
        (file, first.line, first.column)
    };
    assert_eq!(related(ham_unit::codes::CONFLICT), ("a.toml".to_owned(), 3, 1));
    assert_eq!(related(ham_unit::codes::DUPLICATE_NAME), ("2.toml".to_owned(), 2, 6));
}

#[test]
fn a_contradiction_names_both_places() {
    let folder = Folder::new("contradiction");
    folder.write("a.toml", UNIT);
    folder.folder("a.toml.d");
    folder.write(
        "a.toml.d/x.toml",
        "[[condition]]\non = \"failure\"\nactions = [ { restart = {} } ]\n",
    );
    folder.write("b.toml", "[entity]\ncommand = \"/bin/sh\"\nrestart = \"always\"\n");
    folder.folder("b.toml.d");
    folder.write("b.toml.d/once.toml", "[entity]\ntype = \"oneshot\"\n");
    folder.write("d.toml", format!("{UNIT}type = \"oneshot\"\n").replace("always", "on-failure"));
    folder.folder("d.toml.d");
    folder.write("d.toml.d/x.toml", "[entity]\nready = \"notify\"\npid-file = \"/run/d.pid\"\n");
    folder.write("e.toml", format!("{UNIT}[heartbeat]\ninterval = \"1s\"\nlow = 9\n"));
    folder.folder("e.toml.d");
    folder.write("e.toml.d/x.toml", "[heartbeat]\nhigh = 3\n");
    folder.write("c.toml", UNIT);
    folder.folder("c.toml.d");
    let stopped = "[[condition]]\non = \"stopped\"\nactions = [ { log = \"1\" } ]\n";
    folder.write("c.toml.d/twice.toml", format!("{stopped}{stopped}"));
    let loaded = folder.load(&settings(false));
    folder.compare("contradictions", &loaded);
    assert_eq!(loaded.refused, ["a", "b", "c", "d", "e"]);
}

#[test]
fn instances_have_the_text_of_their_template() {
    let folder = Folder::new("templates");
    folder.write(
        "w@.toml",
        "description = \"worker {instance}\"\n[entity]\n\
         command = [\"/bin/sh\", \"-c\", \"echo {instance} ${instance} {{instance}} {x}\"]\n\
         directory = \"/srv/{instance}\"\nenvironment = { NAME = \"{instance}\" }\n\
         [[condition]]\non = \"death\"\n\
         actions = [ { restart = {} }, { log = \"{instance} of {entity}\" } ]\n",
    );
    symlink("w@.toml", folder.0.join("w@link.toml")).unwrap();
    folder.write("w@empty.toml", "\n");
    folder.write("w@more.toml", "[entity]\numask = \"0077\"\n");
    folder.folder("w@.toml.d");
    folder.write("w@.toml.d/all.toml", "[entity.environment]\nALL = \"all-{instance}\"\n");
    folder.folder("w@link.toml.d");
    folder.write("w@link.toml.d/one.toml", "[entity]\ndirectory = \"/one/{instance}\"\n");
    folder.write("alone@x.toml", UNIT);
    let loaded = folder.load(&settings(false));
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    assert_eq!(names(&loaded), ["alone@x", "w@empty", "w@link", "w@more"]);
    assert_eq!(state(&loaded, "w@"), SourceState::Template);
    let link = entity(&loaded, "w@link");
    assert_eq!(link.description, "worker link");
    assert_eq!(link.command[2], "echo link ${instance} {instance} {x}");
    assert_eq!(link.directory.as_deref(), Some("/one/link"));
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(link.environment, [pair("NAME", "link"), pair("ALL", "all-link")]);
    let log = &link.conditions[0].actions[1].verb;
    assert_eq!(*log, Verb::Log("{instance} of {entity}".to_owned()), "the manager fills it in");
    let more = entity(&loaded, "w@more");
    assert_eq!((more.umask, more.directory.as_deref()), (0o077, Some("/srv/more")));
    assert_eq!(link.start, StartMode::Auto);
}

#[test]
fn instances_are_made_when_they_are_named() {
    let folder = Folder::new("named");
    folder.write(
        "w@.toml",
        "[entity]\ncommand = \"/bin/sh\"\nrestart = \"always\"\nrequires = \"deep@{instance}\"\n",
    );
    folder.write("deep@.toml", UNIT);
    folder.write("unused@.toml", UNIT);
    folder.write(
        "user.toml",
        "[entity]\ncommand = \"/bin/sh\"\nrequires = \"w@a\"\nwants = [\"w@b?\", \"no@b?\"]\n\
         [[condition]]\non = \"failure\"\nactions = [ { restart = {} }, { start = \"w@c\" } ]\n",
    );
    folder.folder("enabled");
    symlink("../w@.toml", folder.0.join("enabled/w@d.toml")).unwrap();
    let wanted = ["w@e".to_owned(), "none@e".to_owned(), "w@bad name".to_owned()];
    let loaded = folder.load(&Settings { instances: &wanted, ..settings(false) });
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let expected = [
        "deep@a", "deep@b", "deep@c", "deep@d", "deep@e", "user", "w@a", "w@b", "w@c", "w@d", "w@e",
    ];
    assert_eq!(names(&loaded), expected);
    let starts: Vec<&str> = loaded
        .entities
        .iter()
        .filter(|entity| entity.start == StartMode::Auto)
        .map(|entity| entity.name.as_str())
        .collect();
    assert_eq!(starts, ["user", "w@d"], "the others when they are needed");
    let alone = check_file(&folder.0.join("user.toml"), &settings(false));
    assert!(alone.diagnostics.is_empty(), "{:#?}", alone.diagnostics);
}

#[test]
fn a_template_without_end_has_one() {
    let folder = Folder::new("endless");
    folder.write("w@.toml", UNIT.replace("restart", "wants = \"w@{instance}a\"\nrestart"));
    folder.write("w@a.toml", "");
    let loaded = folder.load(&settings(false));
    // The last one names one whose name would be too long, which is an error;
    // all before it require nothing, so they stay.
    assert!(loaded.has_errors());
    assert!(loaded.entities.len() > 100, "{}", loaded.entities.len());
    assert!(loaded.entities.iter().all(|entity| entity.name.len() <= 128));
}

#[test]
fn mistakes_of_templates_are_told_once() {
    let folder = Folder::new("template-mistakes");
    // Nobody is called as the instance is, but that says nothing of others.
    folder.write(
        "fine@.toml",
        format!("{UNIT}user = \"{{instance}}\"\nafter = \"x@{{instance}}\"\n"),
    );
    folder.write("bad@.toml", format!("{UNIT}umaks = \"0077\"\n"));
    folder.write("used@.toml", format!("{UNIT}umaks = \"0077\"\nuser = \"{{instance}}\"\n"));
    folder.write("used@a.toml", "");
    folder.write("used@b.toml", "");
    folder.write("nothing@x.toml", "");
    let loaded = folder.load(&settings(false));
    folder.compare("templates", &loaded);
    assert_eq!(loaded.refused, ["bad@", "nothing@x", "used@a", "used@b"]);
    let alone = check_file(&folder.0.join("fine@.toml"), &settings(false));
    folder.compare("template", &alone);
    assert!(!alone.has_errors());
    assert!(check_file(&folder.0.join("bad@.toml"), &settings(false)).has_errors());
}

#[test]
fn a_key_masks_as_a_link_does() {
    let folder = Folder::new("masks");
    folder.write("key.toml", format!("mask = true\n{UNIT}"));
    folder.write("only.toml", "mask = true\n");
    folder.write("by-drop-in.toml", UNIT);
    folder.folder("by-drop-in.toml.d");
    folder.write("by-drop-in.toml.d/off.toml", "mask = true\n");
    folder.write("back.toml", format!("mask = true\n{UNIT}"));
    folder.folder("back.toml.d");
    folder.write("back.toml.d/on.toml", "mask = false\n");
    folder.write("t@.toml", format!("mask = true\n{UNIT}"));
    folder.write("t@a.toml", "");
    folder.write("user.toml", format!("{UNIT}requires = [\"key\", \"by-drop-in\", \"t@b\"]\n"));
    folder.write("wrong.toml", format!("mask = \"yes\"\n{UNIT}"));
    let loaded = folder.load(&settings(false));
    folder.compare("masks", &loaded);
    assert_eq!(names(&loaded), ["back"]);
    assert_eq!(loaded.refused, ["user", "wrong"]);
    for name in ["key", "only", "by-drop-in", "t@", "t@a"] {
        assert_eq!(state(&loaded, name), SourceState::Masked, "{name}");
    }
    assert!(check_file(&folder.0.join("only.toml"), &settings(false)).diagnostics.is_empty());
}

#[test]
fn others_may_not_write_drop_ins_either() {
    let folder = Folder::new("dropin-owner");
    for unit in ["a", "b", "c"] {
        folder.write(&format!("{unit}.toml"), UNIT);
        folder.folder(&format!("{unit}.toml.d"));
    }
    mode(&folder.write("a.toml.d/x.toml", "description = \"x\"\n"), 0o666);
    mode(&folder.0.join("b.toml.d"), 0o777);
    mode(&folder.write("c.toml.d/x.toml", "description = \"x\"\n"), 0o664);
    // A link is as good as where it leads, and whoever may write there may
    // exchange that.
    let open = folder.folder("open");
    folder.write("open/target", UNIT);
    symlink("open/target", folder.0.join("d.toml")).unwrap();
    mode(&open, 0o777);
    // So may whoever a link belongs to.
    folder.write("safe-target", UNIT);
    symlink("safe-target", folder.0.join("f.toml")).unwrap();
    let foreign = own_uid() == 0;
    if foreign {
        std::os::unix::fs::lchown(folder.0.join("f.toml"), Some(12_345), None).unwrap();
    }
    let safe = folder.folder("safe");
    folder.write("safe/target", UNIT);
    symlink("safe/target", folder.0.join("e.toml")).unwrap();
    let strict = folder.load(&settings(true));
    let of_link = |found: &&ham_unit::Diagnostic| found.message.contains("the link belongs to");
    assert_eq!(strict.diagnostics.iter().filter(of_link).count(), usize::from(foreign));
    let others = Loaded {
        diagnostics: strict.diagnostics.iter().filter(|found| !of_link(found)).cloned().collect(),
        ..Loaded::default()
    };
    folder.compare("drop-ins-permissions", &others);
    let f = ["f"].iter().copied().filter(|_| foreign);
    let refused: Vec<&str> = ["a", "b", "c", "d"].into_iter().chain(f).collect();
    assert_eq!(strict.refused, refused);
    let lenient = folder.load(&settings(false));
    assert!(names(&lenient).starts_with(&["c", "e"]), "{:?}", names(&lenient));
    assert!(safe.exists());
}

#[test]
fn what_files_make_together_says_where_it_is_from() {
    let folder = Folder::new("merged");
    folder.write("w@.toml", format!("description = \"worker {{instance}}\"\n{ANSWERED}"));
    folder.write("w@a.toml", "# nothing of its own\n");
    folder.folder("w@a.toml.d");
    folder.write(
        "w@a.toml.d/10.toml",
        "[entity]\numask = \"0077\"\nx-note = \"a \\\"word\\\"\\t\"\n[entity.stop]\ntimeout = \"9s\"\n\
         [[condition]]\nname = \"gone\"\nactions = [ { log = \"{instance}\" } ]\n",
    );
    let directories = [folder.0.clone()];
    let shown = merged(&directories, "w@a", &settings(false)).unwrap();
    assert!(shown.diagnostics.is_empty(), "{:#?}", shown.diagnostics);
    folder.same_text("merged", &shown.text);
    let of = |key: &str| shown.values.iter().find(|value| value.key == key).unwrap();
    let umask = of("entity.umask");
    assert!(umask.file.ends_with("w@a.toml.d/10.toml"), "{umask:?}");
    assert_eq!((umask.line, umask.value.as_str()), (2, "\"0077\""));
    assert_eq!(of("condition.gone.1").line, 8);
    // It is a unit itself, and the same one.
    let again = ham_unit::check_text("w@a", "again.toml", &shown.text, &settings(false));
    let first = folder.load(&settings(false));
    let plain = |loaded: &Loaded| {
        let plan = entity(loaded, "w@a").clone();
        EntityPlan { source: String::new(), ..plan }
    };
    assert_eq!(plain(&again), plain(&first));
    // Likewise an instance that nobody has asked for, and the template.
    assert!(merged(&directories, "w@b", &settings(false)).unwrap().text.contains("worker b"));
    assert!(merged(&directories, "w@", &settings(false)).unwrap().text.contains("{instance}"));
    assert_eq!(merged(&directories, "x", &settings(false)).unwrap_err(), None);
    let near = unit_files(&directories, "w@@", &settings(false)).unwrap_err();
    assert_eq!(near.as_deref(), Some("w@"));
}
