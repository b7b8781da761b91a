//! The pages of `hamctl explain` say what is so: each wrong example gives the
//! diagnostic that it is about, and mended it gives no error and none of those.

use crate::folder::{Folder, settings};
use ham_unit::explain::{self, Example, Page};
use ham_unit::{Loaded, check_file, codes, no_watchdog};
use std::process::Command;

fn write(folder: &Folder, files: &[(&str, &str)]) {
    for (name, text) in files {
        folder.write(name, text.trim_start());
    }
}

fn codes_of(loaded: &Loaded) -> Vec<&'static str> {
    loaded.diagnostics.iter().map(|found| found.code).collect()
}

fn run(folder: &Folder, commands: &str) {
    let mut shell = Command::new("/bin/sh");
    // A directory that is not there: as PWD the shell has it all the same.
    let there = folder.0.is_dir();
    shell.current_dir(if there { folder.0.as_path() } else { std::path::Path::new("/") });
    let at = if there { String::new() } else { format!("PWD='{}'; ", folder.0.display()) };
    let status = shell.args(["-ec", &format!("umask 022; {at}{commands}")]).status().unwrap();
    assert!(status.success(), "{commands}");
}

/// What is said of the example, wrong and mended.
fn both(page: &Page) -> (Loaded, Loaded) {
    let folder = Folder::new(&format!("explain-{}", page.short()));
    let load = || folder.load(&settings(false));
    match page.example {
        Example::Unit(wrong, mended) => {
            write(&folder, &[("audio.toml", wrong)]);
            let loaded = load();
            write(&folder, &[("audio.toml", mended)]);
            (loaded, load())
        }
        Example::Units(wrong, mended) => {
            write(&folder, wrong);
            let loaded = load();
            write(&folder, mended);
            (loaded, load())
        }
        Example::Machine(..) => {
            let mut wrong = folder.load(&settings(false));
            wrong.diagnostics.extend(no_watchdog(&folder.0, &[]));
            folder.write("watchdog0", "");
            assert!(no_watchdog(&folder.0, &[]).is_none());
            (wrong, folder.load(&settings(false)))
        }
        Example::Commands(wrong, mended) => {
            let good = "[entity]\ncommand = [\"/bin/sleep\", \"infinity\"]\nrestart = \"always\"\n";
            write(&folder, &[("audio.toml", good)]);
            // A template is checked by itself, too.
            let template = folder.0.join("audio@.toml");
            let look = |looks: bool| {
                let mut loaded = load();
                if looks && template.exists() {
                    let alone = check_file(&template, &settings(false));
                    loaded.diagnostics.extend(alone.diagnostics);
                }
                loaded
            };
            let looks = page.code == codes::TEMPLATE;
            run(&folder, wrong);
            let loaded = look(looks);
            run(&folder, mended);
            (loaded, look(looks))
        }
    }
}

#[test]
fn every_example_is_wrong_as_it_says_and_right_when_mended() {
    for page in explain::pages() {
        let (wrong, mended) = both(page);
        let said = codes_of(&wrong);
        assert!(said.contains(&page.code), "{}: {said:?}", page.code);
        assert!(!mended.has_errors(), "{}: {:#?}", page.code, mended.diagnostics);
        // What the machine lacks that tests run on is no mistake of the example.
        let all = mended.diagnostics.iter();
        let still = all.filter(|found| found.code != codes::NO_WATCHDOG);
        let still: Vec<_> = still.map(ham_unit::Diagnostic::render_plain).collect();
        assert!(still.is_empty(), "{}: {still:#?}", page.code);
        // What a page calls a warning refuses nothing.
        let found = wrong.diagnostics.iter().filter(|found| found.code == page.code);
        for found in found {
            assert_eq!(found.severity, page.severity(), "{}", page.code);
        }
    }
}

#[test]
fn pages_look_as_written_down() {
    // One of each kind of example; the others look the same.
    let folder = Folder::new("explain");
    let mut all = String::new();
    for code in [codes::UNKNOWN_KEY, codes::CIRCLE, codes::NOT_UTF8] {
        all.push_str(&explain::page(code).unwrap().text());
        all.push('\n');
    }
    folder.same_text("explain", &all);
}

#[test]
fn a_machine_without_a_watchdog_is_told_of() {
    let folder = Folder::new("machine");
    let loaded = Loaded {
        diagnostics: no_watchdog(&folder.0, &[]).into_iter().collect(),
        ..Loaded::default()
    };
    folder.compare("no-watchdog", &loaded);
    // Nor is it said twice.
    assert!(no_watchdog(&folder.0, &loaded.diagnostics).is_none());
    // Where nothing can be seen, nothing is said.
    assert!(no_watchdog(&folder.0.join("absent"), &[]).is_none());
}
