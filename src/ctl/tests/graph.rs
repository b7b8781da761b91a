//! hamctl's verbs about what entities are to each other, against a manager
//! that follows a script: what is asked, what is printed, and that the programs
//! which are to read it can.

mod fake;

use fake::{Fake, Folder, Step, command, outcomes, status};
use ham_core::wire::{EntityStatus, Graph, GraphEntity, Refusal, Status, Stops};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const MS: u64 = 1_000_000;

fn entity(name: &str, kind: &str, state: &str, requires: &[&str], times: [u64; 3]) -> GraphEntity {
    GraphEntity {
        name: name.into(),
        kind: kind.into(),
        start: "auto".into(),
        state: state.into(),
        ready: state == "running",
        requires: requires.iter().map(|name| (*name).to_owned()).collect(),
        asked_mono_ns: Some(times[0] * MS),
        begun_mono_ns: Some(times[1] * MS),
        up_mono_ns: Some(times[2] * MS).filter(|_| state == "running"),
        ..GraphEntity::default()
    }
}

fn shop() -> Graph {
    let mut entities = vec![
        entity("db", "forking", "running", &[], [1, 1, 40]),
        entity("migrate", "oneshot", "failed", &["db"], [1, 40, 0]),
        entity("shop", "target", "running", &["web"], [1, 90, 90]),
        entity("web", "service", "running", &["db"], [1, 40, 90]),
    ];
    entities[1].why = "died: exit \"3\"".into();
    entities[3].wants = vec!["migrate".into()];
    entities[3].after = vec!["net".into()];
    entities[3].conflicts = vec!["old-web".into()];
    Graph { started_mono_ns: 0, entities }
}

fn some(names: &[&str]) -> Graph {
    let mut graph = shop();
    graph.entities.retain(|entity| names.contains(&entity.name.as_str()));
    graph
}

#[test]
fn reload_asks_for_it_and_tells_what_became_of_each() {
    let done = outcomes(&[("db", true, "reloaded"), ("web", false, "it has no process")]);
    let fake = Fake::new(vec![Step::result(&done)]);
    let run = fake.hamctl(&["reload", "db", "web"]);
    assert_eq!((run.code, run.out.as_str()), (1, "db: reloaded\n"));
    assert_eq!(run.err, "hamctl: web: it has no process\n");
    let parameters = r#"{"names":["db","web"],"wait":true}"#;
    assert_eq!(fake.requests(), [("Reload".to_owned(), parameters.to_owned())]);

    let unknown = Refusal::UnknownEntity { name: "wbe".into(), nearest: Some("web".into()) };
    let fake = Fake::new(vec![Step::refusal(&unknown)]);
    assert_eq!(fake.hamctl(&["reload", "--no-wait", "wbe"]).code, 5);
}

#[test]
fn a_stop_plan_does_nothing_and_keeps_the_order() {
    let stops = Stops { stops: vec!["shop".into(), "web".into(), "db".into()] };
    let fake = Fake::new(vec![Step::result(&stops), Step::result(&stops)]);
    let run = fake.hamctl(&["stop", "--plan", "db"]);
    assert_eq!((run.code, run.out.as_str()), (0, "shop\nweb\ndb\n"), "{}", run.err);
    let json = fake.hamctl(&["stop", "db", "--plan", "--json"]);
    assert_eq!(json.out, "{\"stops\":[\"shop\",\"web\",\"db\"]}\n");
    for request in fake.requests() {
        assert_eq!(request, ("StopPlan".to_owned(), r#"{"names":["db"]}"#.to_owned()));
    }
    let unknown = Refusal::UnknownEntity { name: "x".into(), nearest: None };
    let fake = Fake::new(vec![Step::refusal(&unknown)]);
    assert_eq!(fake.hamctl(&["stop", "--plan", "x"]).code, 4, "nothing was to be done");
    assert_eq!(fake.hamctl(&["stop", "--plan", "--no-wait", "x"]).code, 2);
}

#[test]
fn list_shows_trees_and_takes_names() {
    let fake = Fake::new(vec![Step::result(&shop()); 2]);
    let run = fake.hamctl(&["list", "--tree"]);
    let expected = "\
shop running
`-web running
  |-db running
  `-migrate failed (wanted)
    `-db running
";
    assert_eq!((run.code, run.out.as_str()), (0, expected), "{}", run.err);
    let json = fake.hamctl(&["list", "--tree", "--json"]);
    assert_eq!(serde_json::from_str::<Graph>(&json.out).unwrap(), shop());
    assert_eq!(fake.requests()[0], ("Graph".to_owned(), r#"{"names":[]}"#.to_owned()));

    // The manager expands names, and then all are asked for.
    let fake = Fake::new(vec![Step::result(&some(&["db"])), Step::result(&shop())]);
    let run = fake.hamctl(&["list", "--tree", "--reverse", "d*"]);
    let expected = "\
db running
|-migrate failed
| `-web running (wanted)
|   `-shop running
`-web running (see above)
";
    assert_eq!(run.out, expected);
    let requests = fake.requests();
    assert_eq!(requests[0].1, r#"{"names":["d*"]}"#);
    assert_eq!(requests[1].1, r#"{"names":[]}"#);

    let fake = Fake::new(vec![Step::result(&status(2, &[("db", "running")]))]);
    assert_eq!(fake.hamctl(&["list", "d*"]).out, "db running\n");
    assert_eq!(fake.requests()[0].1, r#"{"names":["d*"],"wait":true}"#);
    assert_eq!(fake::hamctl(&Folder::new().0, &["list", "--reverse"]).code, 2);
}

/// Feeds a program; `None` when it is not installed.
fn through(program: &str, arguments: &[&str], text: &str) -> Option<std::process::Output> {
    let mut run = Command::new(program);
    run.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = run.spawn() else {
        eprintln!("SKIPPED: {program} is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

#[test]
fn dot_reads_the_graph() {
    let fake = Fake::new(vec![Step::result(&shop())]);
    let run = fake.hamctl(&["graph"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let Some(output) = through("dot", &["-Tplain"], &run.out) else { return };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{}", run.out);
    let plain = String::from_utf8(output.stdout).unwrap();
    let words = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
    // node NAME X Y WIDTH HEIGHT LABEL STYLE SHAPE COLOUR FILL, and
    // edge FROM TO N POINTS… STYLE COLOUR.
    let nodes: Vec<Vec<String>> =
        plain.lines().filter(|line| line.starts_with("node ")).map(words).collect();
    let node = |name: &str| nodes.iter().find(|node| node[1] == name).unwrap();
    assert_eq!(node("db")[8..], ["box3d", "black", "palegreen"]);
    assert_eq!(node("migrate")[8..], ["ellipse", "black", "lightcoral"]);
    assert_eq!(node("shop")[8], "hexagon");
    let edges: Vec<Vec<String>> =
        plain.lines().filter(|line| line.starts_with("edge ")).map(words).collect();
    let mut ties: Vec<String> = edges
        .iter()
        .map(|edge| {
            let (from, to) = (edge[1].trim_matches('"'), edge[2].trim_matches('"'));
            let [style, colour] = &edge[edge.len() - 2..] else { panic!("{edge:?}") };
            format!("{from} {to} {style} {colour}")
        })
        .collect();
    ties.sort_unstable();
    let expected = [
        "migrate db bold black",
        "shop web bold black",
        "web db bold black",
        "web migrate dashed black",
        "web net dotted black",
        "web old-web solid red",
    ];
    assert_eq!(ties, expected);
}

#[test]
fn a_graph_of_some_has_their_neighbours() {
    let fake = Fake::new(vec![Step::result(&some(&["migrate"])), Step::result(&shop())]);
    let out = fake.hamctl(&["graph", "migrate"]).out;
    assert!(out.contains("\"web\" -> \"migrate\"") && out.contains("\"migrate\" -> \"db\""));
    assert!(!out.contains("shop"), "{out}");
    let fake = Fake::new(vec![Step::result(&some(&[]))]);
    let run = fake.hamctl(&["graph", "x*"]);
    assert_eq!((run.code, run.err.as_str()), (4, "hamctl: no entity `x*`\n"));
}

#[test]
fn boot_prints_tables_json_and_a_chart() {
    let folder = Folder::new();
    let file = folder.0.join("boot.svg");
    let path = file.to_str().unwrap();
    let fake = Fake::new(vec![Step::result(&shop()); 4]);
    let run = fake.hamctl(&["boot"]);
    assert!(run.out.starts_with("3 entities up 90.0ms after ham was started, 1 failed\n"));
    assert!(run.out.contains("\nNot up: migrate (failed)\n"), "{}", run.out);
    let json: serde_json::Value =
        serde_json::from_str(&fake.hamctl(&["boot", "--json"]).out).unwrap();
    assert_eq!(json["critical"], serde_json::json!(["db", "web", "shop"]));
    assert_eq!(json["up_ns"], 90 * MS);
    let chart = fake.hamctl(&["boot", "--svg"]).out;
    let run = fake.hamctl(&["boot", "--svg", path]);
    assert_eq!(run.out, "3 entities up 90.0ms after ham was started, 1 failed\n", "{}", run.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), chart);
    assert_eq!(fake.requests().len(), 4);

    // By a reader of XML that is none of ours: bars, names, and the path.
    let script = "\
import sys, xml.etree.ElementTree as tree
svg = '{http://www.w3.org/2000/svg}'
root = tree.fromstring(sys.stdin.buffer.read())
assert root.tag == svg + 'svg', root.tag
for group in root.iter(svg + 'g'):
    title = group.find(svg + 'title')
    if title is None: continue
    bars = [(bar.get('class'), float(bar.get('width'))) for bar in group.iter(svg + 'rect')]
    assert all(width > 0 for _, width in bars), bars
    print(group.get('class'), group.find(svg + 'text').text, *[kind for kind, _ in bars])
";
    let Some(output) = through("python3", &["-c", script], &chart) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = "\
critical db start
entity migrate wait fail
critical web wait start
critical shop wait start
";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);

    let fake = Fake::new(vec![Step::result(&shop())]);
    let run = fake.hamctl(&["boot", "--svg", "/nowhere/at/all.svg"]);
    assert_eq!(run.code, 1);
    assert!(run.err.starts_with("hamctl: could not write /nowhere/at/all.svg: "), "{}", run.err);
}

#[test]
fn status_of_one_says_what_holds_it_up() {
    let web = EntityStatus {
        name: "web".into(),
        state: "waiting".into(),
        waits_for: vec!["migrate".into()],
        status_text: "warming up".into(),
        ..EntityStatus::default()
    };
    let status = Status { entities: vec![web], ..status(2, &[]) };
    let mut graph = shop();
    graph.entities[3].waits_for = vec!["migrate".into()];
    let fake = Fake::new(vec![Step::result(&status), Step::result(&graph)]);
    let run = fake.hamctl(&["status", "web"]);
    assert_eq!(run.code, 3, "{}", run.err);
    for line in [
        "waits for migrate\n",
        "\n  kind        service, starts with the manager, not ready\n",
        "\n  says        warming up\n",
        "\n  held up by  migrate failed: died: exit \"3\"\n",
    ] {
        assert!(run.out.contains(line), "no {line:?} in:\n{}", run.out);
    }
    // Of a manager that does not know the graph the table is all there is.
    let unknown = r#"{"error":"org.varlink.service.MethodNotFound","parameters":{"method":"x"}}"#;
    let fake = Fake::new(vec![Step::result(&status), Step::text(unknown)]);
    let run = fake.hamctl(&["status", "web"]);
    assert_eq!((run.code, run.err.as_str()), (3, ""));
    assert!(!run.out.contains("kind"), "{}", run.out);
}

#[test]
fn what_is_up_without_a_process_counts_as_running() {
    let mut status = status(2, &[("shop", "finished")]);
    status.entities[0].ready = true;
    let fake = Fake::new(vec![Step::result(&status)]);
    assert_eq!(fake.hamctl(&["is-active", "shop"]).code, 0);
}

#[test]
fn the_tree_is_drawn_with_the_characters_of_the_locale() {
    let fake = Fake::new(vec![Step::result(&shop())]);
    let mut run = command(Path::new(env!("CARGO_BIN_EXE_hamctl")), &["list", "--tree"]);
    run.env("HAM_RUNTIME_DIR", &fake.folder.0).env("LC_ALL", "C.UTF-8");
    let output = run.output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("\n└─web running\n"));
}
