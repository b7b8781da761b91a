//! Edits of directories of units, made at random, right and wrong ones: what they
//! come to nobody knows, but it is the same for who remembers and who does not.

use proptest::prelude::*;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Units, an instance that may have a file, and a template.
const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "t@1", "t@"];
/// One that is no unit.
const NOBODY: &str = "nobody";
/// The place of the instance.
const INSTANCE: usize = 10;

/// What somebody does, to whom, and a number for the rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit {
    what: What,
    place: usize,
    second: bool,
    number: u32,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Write,
    /// Another file of the same name, size and time.
    Replace,
    Remove,
    /// A link to /dev/null.
    Mask,
    /// A link to a file elsewhere.
    Link,
    DropIn,
    DropInMask,
    DropInRemove,
    Enable,
    Disable,
    Forget,
    /// The two directories change places.
    Swap,
    /// One directory comes back as another one with the same files.
    Copy,
    Chmod,
    Touch,
    Conf,
}

pub(super) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let what = prop_oneof![
        8 => Just(What::Write),
        2 => Just(What::Replace),
        4 => Just(What::Remove),
        1 => Just(What::Mask),
        1 => Just(What::Link),
        4 => Just(What::DropIn),
        1 => Just(What::DropInMask),
        2 => Just(What::DropInRemove),
        1 => Just(What::Enable),
        1 => Just(What::Disable),
        1 => Just(What::Forget),
        1 => Just(What::Swap),
        1 => Just(What::Copy),
        1 => Just(What::Chmod),
        1 => Just(What::Touch),
        1 => Just(What::Conf),
    ];
    let edit = (what, 0..NAMES.len(), prop::bool::weighted(0.2), any::<u32>());
    let edit = edit.prop_map(|(what, place, second, number)| Edit { what, place, second, number });
    proptest::collection::vec(edit, 1..4)
}

/// Decisions from one number, one after the other.
struct Choices(u32);

impl Choices {
    /// One of so many.
    fn of(&mut self, count: u32) -> u32 {
        // Of linear congruence the upper bits are the random ones.
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % count
    }

    /// Whether something with a chance of one in so many happens.
    fn rarely(&mut self, count: u32) -> bool {
        self.of(count) == 0
    }

    /// Another entity; nobody, now and then.
    fn name(&mut self, own: usize) -> &'static str {
        match self.of(60) {
            0 => NOBODY,
            1..5 if own != INSTANCE => NAMES[INSTANCE],
            any => NAMES[(own + 1 + any as usize % (INSTANCE - 1)) % INSTANCE],
        }
    }
}

/// What a unit says, or a drop-in of it.
fn text(place: usize, number: u32, drop_in: bool) -> String {
    let mut choices = Choices(number);
    let mut text = String::new();
    if choices.rarely(40) {
        return "[entity]\ncommnd = 1\n".to_owned();
    }
    if choices.rarely(30) {
        return "mask = true\n".to_owned();
    }
    let _ = writeln!(text, "description = \"{}\"", choices.of(4));
    // What a drop-in says it says of anything.
    let kind = if drop_in || place >= INSTANCE { 9 } else { choices.of(20) };
    match kind {
        0 => text.push_str("[target]\n"),
        1 => text.push_str("[global]\n"),
        _ => text.push_str("[entity]\n"),
    }
    if kind != 1 {
        for (key, chance) in
            [("requires", 6), ("wants", 4), ("after", 3), ("before", 6), ("conflicts", 12)]
        {
            if choices.rarely(chance) && !(drop_in && key == "requires") {
                let softer = if key == "requires" || choices.rarely(4) { "" } else { "?" };
                let _ = writeln!(text, "{key} = [\"{}{softer}\"]", choices.name(place));
            }
        }
        if choices.rarely(3) {
            text.push_str("start = \"manual\"\n");
        }
    }
    if kind > 1 {
        if !drop_in {
            let _ = writeln!(text, "command = [\"/bin/sleep\", \"{}\"]", choices.of(9));
            text.push_str("restart = \"always\"\n");
        }
        for (line, chance) in [
            ("user = \"root\"\n", 4),
            ("environment-file = \"/etc/default/nothing\"\n", 4),
            ("on-change = \"restart\"\n", 4),
            ("nice = 3\n", 4),
        ] {
            if choices.rarely(chance) {
                text.push_str(line);
            }
        }
        if choices.rarely(3) {
            let _ =
                writeln!(text, "[heartbeat]\ninterval = \"1s\"\nlow = 0\nhigh = {}", choices.of(3));
        }
        if choices.rarely(3) {
            let _ = writeln!(text, "[states]\nup = {}\ndown = 7", choices.of(3));
        }
    }
    if kind != 0 && choices.rarely(2) {
        condition(&mut text, place, kind == 1, &mut choices);
    }
    text
}

fn condition(text: &mut String, place: usize, global: bool, choices: &mut Choices) {
    let on = [
        "\"death\"",
        "\"heartbeat-missed-high\"",
        if global { "\"raise\"" } else { "{ state = { to = \"up\" } }" },
        "\"stopped\"",
        "\"ready\"",
    ];
    let on = on[choices.of(on.len() as u32) as usize];
    let _ = writeln!(text, "[[condition]]\nname = \"c\"\non = {on}");
    if !global && choices.rarely(2) {
        let _ = writeln!(text, "of = \"{}\"", choices.name(place));
    }
    let name = choices.name(place);
    let action = match choices.of(6) {
        0 => format!("start = \"{name}\""),
        1 => format!("stop = \"{name}\""),
        2 => format!("notify-signal = {{ signal = \"USR1\", entity = \"{name}\" }}"),
        3 => format!("log = \"x\", on-fail = [ {{ start = \"{name}\" }} ]"),
        _ => format!("log = \"{}\"", choices.of(3)),
    };
    let _ = writeln!(text, "actions = [ {{ {action} }} ]");
}

/// Something to begin with: everybody is there, names some, and nothing is wrong.
pub(super) fn begin(directories: &[PathBuf; 2], number: u32) {
    for directory in directories {
        fs::create_dir(directory).unwrap();
    }
    for place in (0..NAMES.len()).filter(|place| *place != INSTANCE) {
        write_right(&directories[0], place, number);
    }
}

/// A unit that names only those before it.
fn write_right(directory: &Path, place: usize, number: u32) {
    let mut choices = Choices(number.wrapping_add(place as u32));
    let mut text = String::from("[entity]\ncommand = [\"/bin/sleep\", \"7\"]\n");
    text.push_str("restart = \"always\"\n");
    let places = place.min(INSTANCE) as u32;
    let mut other = |chance| {
        let is_one = choices.rarely(chance) && places > 0;
        is_one.then(|| NAMES[choices.of(places.max(1)) as usize])
    };
    for (key, chance, softer) in [("wants", 3, "?"), ("after", 3, "?"), ("requires", 8, "")] {
        if let Some(name) = other(chance) {
            let _ = writeln!(text, "{key} = [\"{name}{softer}\"]");
        }
    }
    text.push_str("[states]\nup = 1\n");
    if let Some(name) = other(4) {
        let _ = writeln!(
            text,
            "[[condition]]\nname = \"c\"\non = {{ state = {{ to = \"up\" }} }}\nof = \"{name}\"\n\
             actions = [ {{ log = \"x\" }} ]"
        );
    }
    fs::write(directory.join(format!("{}.toml", NAMES[place])), text).unwrap();
}

/// Does it; what cannot be done is not.
pub(super) fn edit(edit: &Edit, directories: &[PathBuf; 2], elsewhere: &Path) {
    let Edit { what, place, second, number } = *edit;
    let directory = &directories[usize::from(second)];
    let name = NAMES[place];
    let path = directory.join(format!("{name}.toml"));
    let folder = directory.join(format!("{name}.toml.d"));
    let drop_in = folder.join(format!("{}.toml", number % 2));
    let link = directories[0].join("enabled").join(format!("{name}.toml"));
    let text = |drop_in| text(place, number, drop_in);
    let fresh = |path: &Path| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(path);
    };
    // Whoever writes to a link writes to what it leads to: /dev/null is not ours.
    let leads_away = fs::read_link(&path).is_ok_and(|to| !to.starts_with(elsewhere));
    match what {
        What::Replace | What::Chmod | What::Touch if leads_away => {}
        What::Write if leads_away => {
            fresh(&path);
            fs::write(&path, text(false)).unwrap();
        }
        What::Write => drop(fs::write(&path, text(false))),
        What::Replace => replace(&path),
        What::Remove => drop(fs::remove_file(&path)),
        What::Mask => {
            fresh(&path);
            symlink("/dev/null", &path).unwrap();
        }
        What::Link => {
            fresh(&path);
            let target = elsewhere.join(format!("{name}.{}", number % 2));
            fs::write(&target, text(false)).unwrap();
            symlink(&target, &path).unwrap();
        }
        What::DropIn => {
            fresh(&drop_in);
            fs::write(&drop_in, text(true)).unwrap();
        }
        What::DropInMask => {
            fresh(&drop_in);
            symlink("/dev/null", &drop_in).unwrap();
        }
        What::DropInRemove => drop(fs::remove_dir_all(&folder)),
        What::Enable | What::Disable => {
            fresh(&link);
            let target = if matches!(what, What::Enable) { "../x.toml" } else { "/dev/null" };
            symlink(target, &link).unwrap();
        }
        What::Forget => drop(fs::remove_file(&link)),
        What::Swap => {
            let [one, two] = directories;
            let aside = elsewhere.join("aside");
            fs::rename(one, &aside).unwrap();
            fs::rename(two, one).unwrap();
            fs::rename(&aside, two).unwrap();
        }
        What::Copy => {
            let aside = elsewhere.join("aside");
            fs::rename(directory, &aside).unwrap();
            copy(&aside, directory);
            fs::remove_dir_all(&aside).unwrap();
        }
        What::Chmod => {
            let mode = [0o644, 0o600, 0o664, 0o666][number as usize % 4];
            drop(fs::set_permissions(&path, PermissionsExt::from_mode(mode)));
        }
        What::Touch => {
            if let Ok(file) = fs::File::options().write(true).open(&path) {
                file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
            }
        }
        What::Conf => {
            let text = format!("[manager]\nverbosity = {}\n", number % 3);
            fs::write(directories[0].join("ham.conf"), text).unwrap();
        }
    }
}

/// Makes good what these edits may have made wrong.
pub(super) fn mend(edits: &[Edit], directories: &[PathBuf; 2], number: u32) {
    for edit in edits {
        let name = NAMES[edit.place];
        for directory in directories {
            let _ = fs::remove_file(directory.join(format!("{name}.toml")));
            let _ = fs::remove_dir_all(directory.join(format!("{name}.toml.d")));
        }
        if edit.place != INSTANCE {
            write_right(&directories[0], edit.place, number);
        }
    }
}

/// Puts another digit into the file, and its time back.
fn replace(path: &Path) {
    let Ok(text) = fs::read_to_string(path) else { return };
    let Ok(modified) = fs::metadata(path).and_then(|is| is.modified()) else { return };
    let turned =
        text.replace("sleep\", \"7", "sleep\", \"#").replace("sleep\", \"1", "sleep\", \"7");
    fs::write(path, turned.replace('#', "1")).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
}

/// As cp -a does, without links to files.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if let Ok(target) = fs::read_link(&from) {
            symlink(target, to).unwrap();
        } else if from.is_dir() {
            copy(&from, &to);
        } else {
            let modified = fs::metadata(&from).unwrap().modified().unwrap();
            fs::copy(&from, &to).unwrap();
            fs::File::options().write(true).open(&to).unwrap().set_modified(modified).unwrap();
        }
    }
}
