//! hamctl's verbs about what has happened, against a manager that follows a
//! script: what is asked, what is printed, and how a stream goes on after the
//! connection broke.

mod fake;

use fake::{Fake, Step, command, program, status};
use ham_core::wire::{
    Answer, ExitReport, History, HistoryFact, Refusal, Shown, ShownAction, ShownCondition,
    Verbosity, to_frame,
};
use serde_json::{Value, json};
use std::process::Stdio;

/// 2026-07-01 10:00:00 UTC.
const TEN: f64 = 1_782_900_000.0;

fn fact(number: u64, name: &str, kind: &str, text: &str) -> HistoryFact {
    HistoryFact {
        number,
        time: TEN + number as f64,
        name: name.into(),
        kind: kind.into(),
        text: text.into(),
        ..HistoryFact::default()
    }
}

/// Answers of one stream, of which only the last one may end it.
fn stream(batches: &[History], ends: bool) -> Step {
    let frames = batches.iter().enumerate().map(|(place, batch)| {
        let mut answer = Answer::result(batch).unwrap();
        answer.continues = !ends || place + 1 < batches.len();
        to_frame(&answer).unwrap()
    });
    Step::Answer(frames.flatten().collect())
}

/// As [`Fake::hamctl`], in UTC.
fn hamctl(fake: &Fake, words: &[&str]) -> (i32, String, String) {
    let mut command = command(program(), words);
    let output = command.env("HAM_RUNTIME_DIR", &fake.folder.0).env("TZ", "UTC0").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn parameters(request: &(String, String)) -> Value {
    assert_eq!(request.0, "History");
    serde_json::from_str(&request.1).unwrap()
}

#[test]
fn history_prints_a_line_for_each_fact_or_what_the_manager_wrote() {
    let facts = vec![
        fact(0, "", "manager", "shutting down"),
        fact(1, "audio", "died", "died: exit 3 (pid 7)"),
    ];
    let history = History { facts, next: 2, lost: 0 };
    let answer = || Step::result(&history);
    let fake = Fake::new(vec![answer(), answer(), answer()]);
    let (code, out, errors) = hamctl(&fake, &["history"]);
    let expected = "\
2026-07-01 10:00:00.000 ham: shutting down
2026-07-01 10:00:01.000 audio: died: exit 3 (pid 7)
";
    assert_eq!((code, out.as_str(), errors.as_str()), (0, expected, ""));
    let (_, out, _) = hamctl(&fake, &["history", "--json", "audio", "w*", "-n", "5"]);
    assert_eq!(serde_json::from_str::<History>(&out).unwrap(), history);
    assert_eq!(out.lines().count(), 1);
    hamctl(&fake, &["history", "--since", "2026-07-01 09:00"]);
    let requests = fake.requests();
    let expected =
        json!({ "names": [], "after": null, "since": null, "limit": null, "follow": false });
    assert_eq!(parameters(&requests[0]), expected);
    assert_eq!(parameters(&requests[1])["names"], json!(["audio", "w*"]));
    assert_eq!(parameters(&requests[1])["limit"], 5);
    assert_eq!(parameters(&requests[2])["since"], TEN - 3_600.0);
}

#[test]
fn a_time_that_is_none_is_refused() {
    let fake = Fake::new(Vec::new());
    for time in ["25:00", "10", "yesterday", "2026-13-01 00:00:00"] {
        let (code, out, errors) = hamctl(&fake, &["history", "--since", time]);
        assert_eq!((code, out.as_str()), (2, ""), "{time}");
        assert!(errors.contains("--since"), "{errors}");
    }
}

#[test]
fn events_follow_over_takeovers_with_no_line_missing_and_none_twice() {
    let some = |from: u64, to: u64, lost| History {
        facts: (from..to)
            .map(|number| fact(number, "audio", "log", &format!("<{number}>")))
            .collect(),
        next: to,
        lost,
    };
    let fake = Fake::new(vec![
        stream(&[some(3, 5, 0), some(5, 6, 0)], false),
        Step::CloseUnread,
        Step::CloseAfterReading,
        stream(&[some(6, 6, 0)], false),
        stream(&[some(9, 10, 3), some(10, 11, 0)], true),
    ]);
    let (code, out, errors) = hamctl(&fake, &["events", "-f", "-n", "2", "audio"]);
    let told: Vec<&str> = out.lines().filter_map(|line| line.split("audio: ").nth(1)).collect();
    assert_eq!(told, ["<3>", "<4>", "<5>", "<9>", "<10>"]);
    assert_eq!(errors, "hamctl: 3 facts were overwritten before they came\n");
    assert_eq!(code, 0);
    let requests = fake.requests();
    let asked: Vec<Value> = requests.iter().map(parameters).collect();
    let place = |asked: &Value| (asked["after"].clone(), asked["limit"].clone());
    assert_eq!(place(&asked[0]), (Value::Null, json!(2)));
    for asked in &asked[1..] {
        assert_eq!(place(asked), (json!(6), Value::Null));
    }
    assert!(
        asked.iter().all(|asked| asked["follow"] == true && asked["names"] == json!(["audio"]))
    );
}

#[test]
fn events_in_json_are_a_document_for_each_fact() {
    let batch = History {
        facts: vec![fact(0, "a", "died", "x"), fact(1, "b", "log", "y")],
        next: 2,
        lost: 0,
    };
    for (words, step) in [
        (&["events", "--json", "-f"][..], stream(std::slice::from_ref(&batch), true)),
        (&["events", "--json"], Step::result(&batch)),
    ] {
        let fake = Fake::new(vec![step]);
        let (code, out, _) = hamctl(&fake, words);
        let facts: Vec<HistoryFact> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((code, facts), (0, batch.facts.clone()));
        assert_eq!(parameters(&fake.requests()[0])["limit"], 10);
    }
}

#[test]
fn events_end_as_the_manager_does() {
    let unknown = Refusal::UnknownEntity { name: "audoi".into(), nearest: Some("audio".into()) };
    let fake = Fake::new(vec![Step::refusal(&unknown)]);
    let (code, _, errors) = hamctl(&fake, &["events", "-f", "audoi"]);
    assert_eq!((code, errors.as_str()), (4, "hamctl: no entity `audoi`; did you mean `audio`?\n"));

    // Managers that are gone before they have said anything are no manager.
    let fake = Fake::new(vec![Step::CloseAfterReading; 30]);
    let (code, _, errors) = hamctl(&fake, &["events", "-f"]);
    assert_eq!(code, 1);
    assert!(errors.starts_with("hamctl: could not call History: 20 times"), "{errors}");

    // The script is over and nobody listens any more: not in good order.
    let fake = Fake::new(vec![stream(&[History::default()], false)]);
    let (code, _, errors) = hamctl(&fake, &["events", "-f"]);
    assert_eq!(code, 7, "{errors}");
}

#[test]
fn a_reader_of_events_that_goes_away_is_no_failure() {
    let batch = History { facts: vec![fact(0, "a", "log", "y")], next: 1, lost: 0 };
    let fake = Fake::new(vec![stream(&[batch], false)]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut run = command(program(), &["events", "-f"]);
    run.env("HAM_RUNTIME_DIR", &fake.folder.0).stdout(writer).stderr(Stdio::piped());
    let output = run.output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn why_is_one_sentence() {
    let restart = ShownAction {
        name: "restart".into(),
        verb: "restart".into(),
        armed: true,
        ..ShownAction::default()
    };
    let death = ShownCondition {
        name: "death".into(),
        on: "death".into(),
        armed: true,
        actions: vec![restart],
        ..ShownCondition::default()
    };
    let mut entity = status(2, &[("audio", "running")]).entities.remove(0);
    (entity.pid, entity.attempts) = (Some(812), 1);
    (entity.since, entity.cause) = (Some(TEN + 3.0), "restarted".into());
    let shown = Shown {
        status: entity,
        source: String::new(),
        command: Vec::new(),
        user: None,
        conditions: vec![death],
        running: Vec::new(),
        ..Shown::default()
    };
    let exit = ExitReport {
        code: None,
        signal: Some("SEGV".into()),
        abnormal: true,
        text: "signal SEGV".into(),
    };
    let (condition, action) = (Some("death".to_owned()), Some("restart".to_owned()));
    let facts = vec![
        HistoryFact { pid: Some(790), exit: Some(exit), ..fact(2, "audio", "died", "") },
        HistoryFact { condition: condition.clone(), ..fact(2, "audio", "fired", "") },
        HistoryFact { pid: Some(812), again: Some(true), ..fact(3, "audio", "started", "") },
        HistoryFact { condition, action, ..fact(3, "audio", "action-done", "") },
    ];
    let history = History { facts, next: 4, lost: 0 };
    let script = || vec![Step::result(&shown), Step::result(&history)];
    let fake = Fake::new([script(), script()].concat());
    let (code, out, errors) = hamctl(&fake, &["why", "audio"]);
    let expected = "audio is running (pid 812) since 2026-07-01 10:00:03: its process 790 died at \
                    2026-07-01 10:00:02 (signal SEGV), condition \"death\" fired, action \
                    \"restart\" started it again, attempt 1.\n";
    assert_eq!((code, out.as_str(), errors.as_str()), (0, expected, ""));
    let (_, out, _) = hamctl(&fake, &["why", "audio", "--json"]);
    let printed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(printed["sentence"], expected.trim_end());
    assert_eq!(printed["facts"].as_array().map(Vec::len), Some(4));
    assert_eq!((&printed["name"], &printed["status"]["pid"]), (&json!("audio"), &json!(812)));
    assert_eq!(parameters(&fake.requests()[1])["names"], json!(["audio"]));
    let fake = Fake::new(Vec::new());
    assert_eq!(hamctl(&fake, &["why", "a*"]).0, 2);
}

#[test]
fn verbosity_is_shown_or_set() {
    let answer = |verbosity| Step::result(&Verbosity { verbosity });
    let fake = Fake::new(vec![answer(1), answer(3), answer(9), answer(9), answer(0), answer(0)]);
    for (words, printed) in [
        (&["verbosity"][..], "1\n"),
        (&["verbosity", "3"], "3\n"),
        (&["verbosity", "+"], "9\n"),
        (&["verbosity", "-", "--json"], "{\"verbosity\":0}\n"),
    ] {
        let (code, out, errors) = hamctl(&fake, words);
        assert_eq!((code, out.as_str(), errors.as_str()), (0, printed, ""), "{words:?}");
    }
    let sets: Vec<String> = fake.requests().into_iter().map(|request| request.1).collect();
    let [none, three, nine, zero] = ["null", "3", "9", "0"].map(|set| format!("{{\"set\":{set}}}"));
    assert_eq!(sets, [&none, &three, &none, &nine, &none, &zero].map(String::clone));
}
