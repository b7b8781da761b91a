//! Sets of files, made at random from parts of which the meaning is known without
//! reading them.

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Units; each may name those before it, and instances of the template.
pub(super) const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const TEMPLATE: &str = "t@";
const INSTANCES: [&str; 2] = ["t@1", "t@2"];

/// What a unit says, or a drop-in in its place; each number is another text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Said {
    description: Option<u8>,
    nice: Option<u8>,
    environment: Option<u8>,
    timeout: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    Requires,
    Wants,
    After,
    Conflicts,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reaction {
    on: &'static str,
    of: Option<usize>,
    log: u8,
    starts: Option<usize>,
}

/// The files of a name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unit {
    masked: bool,
    target: bool,
    /// Whether it stands in the second directory, or in both: then that in the
    /// first counts.
    second: bool,
    both: bool,
    manual: bool,
    restarts: bool,
    command: u8,
    own: Said,
    drop_ins: [Option<Said>; 2],
    /// To names before it, and behind those to instances.
    edges: BTreeMap<usize, Edge>,
    reaction: Option<Reaction>,
}

/// By place in [`NAMES`]; behind these the template.
pub(super) type Set = BTreeMap<usize, Unit>;

/// What an entity comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Meant {
    pub(super) target: bool,
    pub(super) keys: BTreeMap<&'static str, String>,
}

fn some(of: std::ops::Range<u8>) -> impl Strategy<Value = Option<u8>> {
    proptest::option::weighted(0.4, of)
}

fn said() -> impl Strategy<Value = Said> {
    (some(1..4), some(1..4), some(1..4), some(1..4)).prop_map(
        |(description, nice, environment, timeout)| Said {
            description,
            nice,
            environment,
            timeout,
        },
    )
}

fn reaction() -> impl Strategy<Value = Reaction> {
    let on = proptest::sample::select(vec!["death", "failure", "stopped"]);
    let other = || proptest::option::weighted(0.4, 0..NAMES.len());
    (on, other(), 1u8..4, other()).prop_map(|(on, of, log, starts)| Reaction {
        on,
        of,
        log,
        starts,
    })
}

fn unit() -> impl Strategy<Value = Unit> {
    let edge =
        proptest::sample::select(vec![Edge::Requires, Edge::Wants, Edge::After, Edge::Conflicts]);
    let edges = proptest::collection::btree_map(0..NAMES.len() + INSTANCES.len(), edge, 0..4);
    let rarely = || proptest::bool::weighted(0.15);
    let flags = (rarely(), rarely(), rarely(), rarely(), rarely(), any::<bool>());
    let drop_in = || proptest::option::weighted(0.2, said());
    let reaction = proptest::option::weighted(0.5, reaction());
    (flags, 1u8..4, said(), [drop_in(), drop_in()], edges, reaction).prop_map(
        |(flags, command, own, drop_ins, edges, reaction)| {
            let (masked, target, second, both, manual, restarts) = flags;
            Unit {
                masked,
                target,
                second,
                both,
                manual,
                restarts,
                command,
                own,
                drop_ins,
                edges,
                reaction,
            }
        },
    )
}

pub(super) fn set() -> impl Strategy<Value = Set> {
    proptest::collection::btree_map(0..=NAMES.len(), unit(), 0..=NAMES.len() + 1)
}

/// A set, and another that shares some of it.
pub(super) fn two_sets() -> impl Strategy<Value = (Set, Set)> {
    let others = proptest::collection::vec(proptest::bool::weighted(0.4), NAMES.len() + 1);
    (set(), set(), others).prop_map(|(first, other, others)| {
        let of = |place: &usize| if others[*place] { &other } else { &first };
        let places = 0..=NAMES.len();
        let second = places.filter_map(|at| Some((at, of(&at).get(&at)?.clone()))).collect();
        (first, second)
    })
}

fn is_there(set: &Set, place: usize) -> bool {
    set.get(&place).is_some_and(|unit| !unit.masked)
}

/// Whether a process may stand behind it.
fn is_service(set: &Set, place: usize) -> bool {
    is_there(set, place) && set.get(&place).is_some_and(|unit| !unit.target)
}

/// Edges as they are written: to what is there, and without contradictions.
fn edges(set: &Set, place: usize) -> Vec<(Edge, &'static str)> {
    let Some(unit) = set.get(&place) else { return Vec::new() };
    let edge = |(&to, &edge): (&usize, &Edge)| match to.checked_sub(NAMES.len()) {
        Some(instance) => {
            let edge = if edge == Edge::Requires { edge } else { Edge::Wants };
            is_there(set, NAMES.len()).then_some((edge, INSTANCES[instance]))
        }
        None if to >= place || !is_there(set, to) => None,
        // These two alone, or somebody might need both; nor may both start.
        None if edge == Edge::Conflicts && ((place, to) != (4, 3) || !unit.manual) => {
            Some((Edge::After, NAMES[to]))
        }
        None => Some((edge, NAMES[to])),
    };
    unit.edges.iter().filter_map(edge).collect()
}

fn names(set: &Set, place: usize, edge: Edge) -> Vec<&'static str> {
    edges(set, place).into_iter().filter(|(one, _)| *one == edge).map(|(_, name)| name).collect()
}

/// What is written of a reaction: of whom, and whom it starts.
fn others(set: &Set, place: usize, reaction: &Reaction) -> [Option<&'static str>; 2] {
    let of = reaction.of.filter(|of| *of != place && is_service(set, *of));
    let starts = reaction.starts.filter(|to| *to != place && is_there(set, *to));
    [of, starts].map(|other| other.map(|other| NAMES[other]))
}

fn is_template(place: usize) -> bool {
    place == NAMES.len()
}

fn name_of(place: usize) -> &'static str {
    NAMES.get(place).copied().unwrap_or(TEMPLATE)
}

fn write_said(text: &mut String, said: Said) {
    let keys = [
        ("nice = ", said.nice, ""),
        ("environment = { V = \"", said.environment, "\" }"),
        ("stop = { timeout = \"", said.timeout, "s\" }"),
    ];
    for (before, value, after) in keys {
        if let Some(value) = value {
            let _ = writeln!(text, "{before}{value}{after}");
        }
    }
}

/// The text of a unit.
fn text(set: &Set, place: usize, unit: &Unit) -> String {
    if unit.masked {
        return "mask = true\n".to_owned();
    }
    let mut text = String::new();
    if let Some(number) = unit.own.description {
        let _ = writeln!(text, "description = \"{number}\"");
    }
    let kind = if unit.target { "target" } else { "entity" };
    let _ = writeln!(text, "[{kind}]");
    for (key, edge) in [
        ("requires", Edge::Requires),
        ("wants", Edge::Wants),
        ("after", Edge::After),
        ("conflicts", Edge::Conflicts),
    ] {
        let names = names(set, place, edge);
        if !names.is_empty() && !is_template(place) {
            let _ = writeln!(text, "{key} = {names:?}");
        }
    }
    if unit.manual {
        text.push_str("start = \"manual\"\n");
    }
    if unit.target {
        return text;
    }
    let words = if is_template(place) { "{instance}" } else { "x" };
    let _ = writeln!(text, "command = [\"/bin/sleep\", \"{}\", \"{words}\"]", unit.command);
    text.push_str("restart = \"always\"\n");
    if unit.restarts {
        text.push_str("on-change = \"restart\"\n");
    }
    write_said(&mut text, unit.own);
    if let Some(reaction) = unit.reaction.as_ref().filter(|_| !is_template(place)) {
        let [of, starts] = others(set, place, reaction);
        let _ = writeln!(text, "[[condition]]\nname = \"c\"\non = \"{}\"", reaction.on);
        if let Some(of) = of {
            let _ = writeln!(text, "of = \"{of}\"");
        }
        let starts = starts.map_or_else(String::new, |name| format!(", {{ start = \"{name}\" }}"));
        let _ = writeln!(text, "actions = [{{ log = \"{}\" }}{starts}]", reaction.log);
    }
    text
}

/// What the entity of a file comes to.
fn meant(set: &Set, place: usize, unit: &Unit) -> Meant {
    let mut keys: BTreeMap<&'static str, String> = BTreeMap::new();
    let all = || unit.drop_ins.iter().flatten().copied();
    let mut say = |key, of: &dyn Fn(Said) -> Option<u8>| {
        if let Some(value) = all().filter_map(of).last().or(of(unit.own)) {
            keys.insert(key, value.to_string());
        }
    };
    say("description", &|said| said.description);
    if !unit.target {
        say("nice", &|said| said.nice);
        say("environment", &|said| said.environment);
        say("stop", &|said| said.timeout);
        keys.insert("command", unit.command.to_string());
        if unit.restarts {
            keys.insert("on-change", String::new());
        }
    }
    if is_template(place) {
        // Somebody needs it, or it is not there.
        keys.insert("start", "manual".to_owned());
        return Meant { target: unit.target, keys };
    }
    if unit.manual {
        keys.insert("start", "manual".to_owned());
    }
    for (key, edge) in [
        ("requires", Edge::Requires),
        ("wants", Edge::Wants),
        ("after", Edge::After),
        ("conflicts", Edge::Conflicts),
    ] {
        let mut all = names(set, place, edge);
        if edge == Edge::Conflicts && place == 3 && is_there(set, 4) {
            // It holds from both ends.
            let back = names(set, 4, edge);
            all.extend(back.into_iter().filter(|name| *name == NAMES[3]).map(|_| NAMES[4]));
        }
        if !all.is_empty() {
            keys.insert(key, all.join(" "));
        }
    }
    if let Some(reaction) = unit.reaction.as_ref().filter(|_| !unit.target) {
        let others = others(set, place, reaction);
        keys.insert("condition", format!("{} {} {others:?}", reaction.on, reaction.log));
    }
    Meant { target: unit.target, keys }
}

/// All entities that the files come to.
pub(super) fn entities(set: &Set) -> BTreeMap<&'static str, Meant> {
    let mut all = BTreeMap::new();
    for (&place, unit) in set.iter().filter(|(place, unit)| !is_template(**place) && !unit.masked) {
        all.insert(NAMES[place], meant(set, place, unit));
        for (_, name) in edges(set, place) {
            if let Some(template) = set.get(&NAMES.len()).filter(|_| INSTANCES.contains(&name)) {
                all.insert(name, meant(set, NAMES.len(), template));
            }
        }
    }
    all
}

/// Writes the files into empty directories, of which the first comes first.
pub(super) fn write(set: &Set, first: &Path, second: &Path) {
    let put = |directory: &Path, name: String, text: String| {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join(name), text).unwrap();
    };
    for (&place, unit) in set {
        let name = name_of(place);
        let own = if unit.second && !unit.both { second } else { first };
        put(own, format!("{name}.toml"), text(set, place, unit));
        if unit.both {
            let other = Unit { command: 9, masked: false, ..unit.clone() };
            put(second, format!("{name}.toml"), text(set, place, &other));
        }
        for (number, said) in unit.drop_ins.iter().enumerate() {
            let Some(said) = said.filter(|_| !unit.masked) else { continue };
            let mut text = String::new();
            if let Some(number) = said.description {
                let _ = writeln!(text, "description = \"{number}\"");
            }
            if !unit.target {
                text.push_str("[entity]\n");
                write_said(&mut text, said);
            }
            put(&first.join(format!("{name}.toml.d")), format!("{number}.toml"), text);
        }
    }
}
