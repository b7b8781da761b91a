//! The numbers of a start, its tables and its picture.

use super::*;
use crate::output::Look;

const MS: u64 = 1_000_000;
/// When the manager of these tests was started.
const ORIGIN: u64 = 77 * MS;

/// Times in milliseconds after that.
fn entity(
    name: &str,
    times: (Option<u64>, Option<u64>, Option<u64>),
    requires: &[&str],
    state: &str,
) -> GraphEntity {
    let at = |ms: Option<u64>| ms.map(|ms| ORIGIN + ms * MS);
    GraphEntity {
        name: name.into(),
        state: state.into(),
        requires: requires.iter().map(|name| (*name).into()).collect(),
        asked_mono_ns: at(times.0),
        begun_mono_ns: at(times.1),
        up_mono_ns: at(times.2),
        ..GraphEntity::default()
    }
}

/// A manager that has brought up a shop.
fn shop() -> Graph {
    let up = |name: &str, begun, up, requires: &[&str]| {
        entity(name, (Some(10), Some(begun), Some(up)), requires, "running")
    };
    let mut entities = vec![
        up("disk", 10, 400, &[]),
        up("net", 10, 300, &[]),
        up("log", 10, 20, &[]),
        up("db", 400, 900, &["disk", "net"]),
        up("web", 901, 1_000, &[]),
        // Up before the last, and after nothing.
        up("lone", 10, 950, &[]),
        entity("slow", (Some(10), Some(300), None), &["net"], "starting"),
        entity("held", (Some(10), None, None), &["slow"], "waiting"),
        entity("bad", (Some(10), Some(20), None), &[], "failed"),
        entity("never", (None, None, None), &[], "stopped"),
    ];
    entities[4].after = vec!["db".into()];
    entities[4].wants = vec!["log".into(), "lone".into()];
    Graph { started_mono_ns: ORIGIN, entities }
}

#[test]
fn the_critical_path_goes_back_over_what_was_up_last_in_time() {
    let boot = boot(&shop());
    // `lone` was up after `web` had begun: it was not waited for.
    assert_eq!(boot.critical, ["disk", "db", "web"]);
    assert_eq!(boot.up_ns, Some(1_000 * MS));
    let names: Vec<&str> = boot.entities.iter().map(|bar| bar.name.as_str()).collect();
    assert_eq!(names, ["log", "net", "disk", "lone", "bad", "slow", "db", "web", "held"]);
    let critical: Vec<&str> =
        boot.entities.iter().filter(|bar| bar.critical).map(|bar| bar.name.as_str()).collect();
    assert_eq!(critical, ["disk", "db", "web"]);
    assert_eq!(boot.entities[6].waited(), Some(390 * MS));
    assert_eq!(boot.entities[6].took(), Some(500 * MS));
    assert_eq!(
        summary(&boot),
        "6 entities up 1.00s after ham was started, 2 still to come, 1 failed"
    );
}

#[test]
fn what_was_started_again_later_does_not_stretch_the_chart() {
    let mut graph = shop();
    // While something still starts, everything belongs to the start.
    let late = (Some(3_600_000), Some(3_600_000), Some(3_600_100));
    graph.entities.push(entity("late", late, &["db"], "running"));
    assert!(boot(&graph).later.is_empty());
    graph.entities.retain(|entity| !["slow", "held"].contains(&entity.name.as_str()));
    let boot = boot(&graph);
    assert_eq!(boot.later, ["late"]);
    assert_eq!(boot.up_ns, Some(1_000 * MS));
    assert!(table::text(&boot, Look::default()).contains("\nStarted again later: late\n"));
}

#[test]
fn a_path_in_a_circle_ends() {
    let times = (Some(5), Some(5), Some(5));
    let entities =
        vec![entity("a", times, &["b"], "running"), entity("b", times, &["a"], "running")];
    let graph = Graph { started_mono_ns: ORIGIN, entities };
    assert_eq!(boot(&graph).critical, ["b", "a"]);
    assert_eq!(boot(&Graph::default()), Boot::default());
}

#[test]
fn the_tables_read_as_they_should() {
    let text = table::text(&boot(&shop()), Look::default());
    let expected = "\
6 entities up 1.00s after ham was started, 2 still to come, 1 failed

Critical path, each after the one above it:
WAITED  BEGAN AT    TOOK  UP AT  ENTITY
   0µs    10.0ms   390ms  400ms  disk
 390ms     400ms   500ms  900ms  db
 891ms     901ms  99.0ms  1.00s  web

Slowest:
";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.ends_with("\nNot up: bad (failed), slow (starting), held (waiting)\n"), "{text}");
    let slowest = text.split("Slowest:\n").nth(1).unwrap();
    let names: Vec<&str> =
        slowest.lines().skip(1).map_while(|line| line.split_whitespace().nth(4)).collect();
    assert_eq!(names, ["lone", "db", "disk", "net", "web", "log"]);
    assert_eq!(table::text(&Boot::default(), Look::default()), "no entity has come up\n");
}

/// A shop whose `web` waits for a path when `db` is up, and `held` for ever.
fn gated_shop() -> Graph {
    let mut graph = shop();
    graph.entities[4].gated_mono_ns = Some(ORIGIN + 905 * MS);
    graph.entities[4].begun_mono_ns = Some(ORIGIN + 960 * MS);
    graph.entities[4].start_when = Some("/run/shop/<pay>".into());
    graph.entities[7].gated_mono_ns = Some(ORIGIN + 700 * MS);
    graph.entities[7].start_when = Some("/run/never".into());
    graph
}

#[test]
fn a_wait_for_a_path_is_no_wait_for_others_and_no_start() {
    let boot = boot(&gated_shop());
    let web = boot.entities.iter().find(|bar| bar.name == "web").unwrap();
    assert_eq!(web.waited(), Some(895 * MS));
    assert_eq!(web.waited_for_path(), Some(("/run/shop/<pay>", 55 * MS)));
    assert_eq!(web.took(), Some(40 * MS));
    let text = table::text(&boot, Look::default());
    let row = " 895ms     960ms  40.0ms  1.00s  web (waited for /run/shop/<pay> 55.0ms)\n";
    assert!(text.contains(row), "{text}");
}

#[test]
fn a_wait_for_a_path_has_a_colour_of_its_own() {
    let svg = svg::text(&boot(&gated_shop()));
    let place = |name: &str, class: &str| {
        let line = bar(&svg, name, class).unwrap();
        (number(line, "x"), number(line, "width"))
    };
    let pixel = place("disk", "start").1 / 390.0;
    let near = |a: f64, b: f64| (a - b).abs() < 0.1;
    let (wait, gate, start) = (place("web", "wait"), place("web", "gate"), place("web", "start"));
    assert!(near(wait.0 + wait.1, gate.0) && near(gate.0 + gate.1, start.0));
    assert!(near(gate.1, 55.0 * pixel) && near(start.1, 40.0 * pixel));
    assert!(row(&svg, "web")[0].contains("waited for /run/shop/&lt;pay&gt; 55.0ms, took 40.0ms"));
    // One that still waits does so to the edge.
    let held = place("held", "gate");
    assert!(near(held.0 + held.1, place("slow", "start").0 + place("slow", "start").1));
    assert!(row(&svg, "held")[0].contains("waits for /run/never"));
    assert!(bar(&svg, "db", "gate").is_none());
}

#[test]
fn moments_have_three_digits() {
    for (ns, expected) in [
        (0, "0µs"),
        (999_999, "999µs"),
        (1_234_567, "1.23ms"),
        (12_345_678, "12.3ms"),
        (123_456_789, "123ms"),
        (1_234_567_890, "1.23s"),
        (61_000_000_000, "61.00s"),
    ] {
        assert_eq!(moment(ns), expected);
    }
}

#[test]
fn a_failure_reaches_to_when_it_failed() {
    let mut graph = shop();
    // Its start failed after 880 ms; `lone` was up, and failed an hour later.
    graph.entities[8].since_mono_ns = Some(ORIGIN + 900 * MS);
    graph.entities[5].since_mono_ns = Some(ORIGIN + 3_600_000 * MS);
    graph.entities[5].state = "failed".into();
    let boot = boot(&graph);
    assert_eq!(
        summary(&boot),
        "5 entities up 1.00s after ham was started, 2 still to come, 2 failed"
    );
    let svg = svg::text(&boot);
    let end = |line: &str| number(line, "x") + number(line, "width");
    let db = end(bar(&svg, "db", "start").unwrap());
    let bad = bar(&svg, "bad", "start").unwrap();
    assert!((end(bad) - db).abs() < 0.1, "both end at 900 ms");
    assert!((number(bar(&svg, "bad", "fail").unwrap(), "x") - end(bad)).abs() < 0.1);
    assert!(row(&svg, "bad")[0].contains("failed after 880ms"));
    assert!(bar(&svg, "lone", "fail").is_some());
    let text = table::text(&boot, Look::default());
    let slowest = text.split("Slowest:\n").nth(1).unwrap();
    let names: Vec<&str> =
        slowest.lines().skip(1).map_while(|line| line.split_whitespace().nth(4)).collect();
    assert_eq!(names[..3], ["lone", "bad", "db"]);
    assert!(text.contains("\nNot up: lone (failed), bad (failed), "), "{text}");
}

/// An attribute of a line of the picture.
fn number(line: &str, name: &str) -> f64 {
    let (_, rest) = line.split_once(&format!(" {name}=\"")).unwrap();
    rest.split_once('"').unwrap().0.parse().unwrap()
}

/// The lines of the row of an entity.
fn row<'s>(svg: &'s str, name: &str) -> Vec<&'s str> {
    let start = svg.find(&format!("<title>{name}")).unwrap();
    svg[start..].split("</g>").next().unwrap().lines().collect()
}

fn bar<'s>(svg: &'s str, name: &str, class: &str) -> Option<&'s str> {
    let wanted = format!("<rect class=\"{class}\"");
    row(svg, name).into_iter().find(|line| line.starts_with(&wanted))
}

#[test]
fn bars_are_as_long_as_what_they_stand_for() {
    let svg = svg::text(&boot(&shop()));
    let start = |name: &str| {
        let line = bar(&svg, name, "start").unwrap();
        (number(line, "x"), number(line, "width"))
    };
    // From `disk` the scale, and by it everything else.
    let (x, width) = start("disk");
    let pixel = width / 390.0;
    let zero = x - 10.0 * pixel;
    let near = |a: f64, b: f64| (a - b).abs() < 0.1;
    assert!(near(start("db").0, zero + 400.0 * pixel) && near(start("db").1, 500.0 * pixel));
    assert!(near(start("web").1, 99.0 * pixel));
    let wait = bar(&svg, "db", "wait").unwrap();
    assert!(near(number(wait, "x"), x) && near(number(wait, "width"), 390.0 * pixel));
    assert!(bar(&svg, "disk", "wait").is_none(), "it did not wait");
    // On its way to the edge, waiting to the edge, and a mark.
    let edge = zero + 1_000.0 * pixel;
    assert!(near(start("slow").0 + start("slow").1, edge));
    let held = bar(&svg, "held", "wait").unwrap();
    assert!(near(number(held, "x") + number(held, "width"), edge));
    assert!(bar(&svg, "held", "start").is_none());
    assert!(bar(&svg, "bad", "fail").is_some() && bar(&svg, "bad", "start").is_none());
    assert_eq!(svg.matches("<g class=\"critical\"><title>").count(), 3);
    assert!(!svg.contains("never"));
    // Everything is inside the picture.
    let right = number(svg.lines().nth(1).unwrap(), "width");
    for line in svg.lines().filter(|line| line.starts_with("<text")) {
        let words = line.split_once('>').unwrap().1.split("</").next().unwrap();
        assert!(number(line, "x") + words.chars().count() as f64 * 4.0 < right, "{line}");
    }
}

#[test]
fn rows_do_not_overlap_however_many_there_are() {
    let mut graph = Graph { started_mono_ns: 0, entities: Vec::new() };
    for number in 0..200 {
        let times = (Some(0), Some(number), Some(number + 5));
        graph.entities.push(entity(
            &format!("n{number}-{}", "x".repeat(100)),
            times,
            &[],
            "running",
        ));
    }
    // The last one, on the critical path, has waited for a path as long.
    let last = graph.entities.last_mut().unwrap();
    last.gated_mono_ns = Some(1);
    last.start_when = Some(format!("/{}", "p".repeat(200)));
    let svg = svg::text(&boot(&graph));
    let names = svg.lines().filter(|line| line.starts_with("<text class=\"name\""));
    let mut places: Vec<(f64, f64)> = names
        .map(|line| {
            let words = line.split_once('>').unwrap().1.split("</").next().unwrap();
            assert!(words.ends_with('…'), "{line}");
            // Ends at x, and begins inside the picture.
            let x = number(line, "x");
            assert!(x - words.chars().count() as f64 * 7.2 > 0.0, "{line}");
            (number(line, "y"), x)
        })
        .collect();
    assert_eq!(places.len(), 200);
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(places.windows(2).all(|two| two[1].0 - two[0].0 >= 16.0));
    // Nor does the critical path go over the edge.
    let right = number(svg.lines().nth(1).unwrap(), "width");
    let lines = svg.lines().filter(|line| line.contains(" x=\"32.0\" "));
    let words = lines.map(|line| line.split_once('>').unwrap().1.split("</").next().unwrap());
    let widest = words.map(|words| words.chars().count() as f64 * 7.4).fold(0.0, f64::max);
    assert!(widest > 600.0 && 32.0 + widest < right, "{widest} {right}");
    let none = svg::text(&Boot::default());
    assert!(none.contains("no entity has come up"), "{none}");
}
