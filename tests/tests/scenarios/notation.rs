//! The notation of plans and events in scenario files. What is not given has
//! the defaults of unit files; a word that is not known fails the scenario.

use ham_core::event::Ask;
use ham_core::ids::{EntityId, RunRef, SlotRef};
use ham_core::plan::{
    ActionPlan, Class, ConditionKind, ConditionPlan, EntityPlan, ExecutePlan, LimitPlan,
    RestartPlan, SignalPlan, Spacing, StartMode, StopPlan, Verb, WaitPlan,
};
use ham_core::signal::Signal;
use ham_core::status::ExitStatus;
use ham_core::time::Span;
use ham_tests::fake::plain;

/// The words of a line: bare ones, and `key=value` pairs.
#[derive(Debug)]
pub(crate) struct Line {
    words: Vec<String>,
    pairs: Vec<(String, String)>,
}

impl Line {
    pub(crate) fn new(text: &str) -> Line {
        let (pairs, words): (Vec<&str>, Vec<&str>) =
            text.split_whitespace().partition(|word| word.contains('='));
        let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
        Line {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            pairs: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        }
    }

    /// The next bare word.
    pub(crate) fn word(&mut self) -> String {
        assert!(!self.words.is_empty(), "a word is missing");
        self.words.remove(0)
    }

    /// Whether that bare word stands there.
    pub(crate) fn flag(&mut self, word: &str) -> bool {
        let place = self.words.iter().position(|other| other == word);
        place.map(|place| self.words.remove(place)).is_some()
    }

    pub(crate) fn pair(&mut self, key: &str) -> Option<String> {
        let place = self.pairs.iter().position(|(other, _)| other == key)?;
        Some(self.pairs.remove(place).1)
    }

    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::mem::take(&mut self.words)
    }

    pub(crate) fn end(self) {
        assert!(self.words.is_empty() && self.pairs.is_empty(), "too many words: {self:?}");
    }
}

/// `1.5s`, `200ms`, `infinity`.
pub(crate) fn span(text: &str) -> Span {
    if text == "infinity" {
        return Span::INFINITE;
    }
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1_000_000.0),
        None => (text.strip_suffix('s').expect("a time ends with s or ms"), 1_000_000_000.0),
    };
    Span((number.parse::<f64>().expect("a time") * unit).round() as u64)
}

pub(crate) fn signal(text: &str) -> Signal {
    Signal::parse(text).expect("a signal")
}

/// `#8.1`
pub(crate) fn slot(text: &str) -> SlotRef {
    let (index, generation) =
        text.strip_prefix('#').and_then(|text| text.split_once('.')).expect("#slot.generation");
    SlotRef { index: index.parse().expect("a slot"), generation: generation.parse().expect("one") }
}

/// `@0.3.1`
pub(crate) fn run(text: &str) -> RunRef {
    let numbers: Vec<u32> = text
        .strip_prefix('@')
        .map(|text| text.split('.').map(|number| number.parse().expect("a number")).collect())
        .expect("@run.serial.step");
    RunRef { index: numbers[0], serial: numbers[1], step: numbers[2] }
}

/// `status=3`, or `signal=SEGV` with or without `core`, or `unknown`.
pub(crate) fn status(line: &mut Line) -> ExitStatus {
    if let Some(code) = line.pair("status") {
        return ExitStatus::Code(code.parse().expect("an exit code"));
    }
    if line.flag("unknown") {
        return ExitStatus::Unknown;
    }
    let name = line.pair("signal").expect("status=, signal= or unknown");
    ExitStatus::Signal { signal: signal(&name), core: line.flag("core") }
}

pub(crate) fn ask(word: &str, line: &mut Line) -> Ask {
    match word {
        "start" => Ask::Start,
        "stop" => Ask::Stop,
        "restart" => Ask::Restart,
        "kill" => Ask::Kill(signal(&line.word())),
        other => panic!("nobody can ask for {other}"),
    }
}

/// A whole plan: entities by indentation 0, conditions 2, actions 4, items of
/// on-fail lists 6.
pub(crate) fn plan(text: &str) -> Vec<EntityPlan> {
    let mut entities: Vec<EntityPlan> = Vec::new();
    for (number, text) in text.lines().enumerate() {
        let depth = text.len() - text.trim_start().len();
        let mut line = Line::new(text);
        let first = line.word();
        let entity = entities.last_mut();
        let condition = entity.and_then(|entity| entity.conditions.last_mut());
        match (depth, first.as_str()) {
            (0, "entity") => {
                let id = u32::try_from(entities.len()).expect("few entities");
                entities.push(entity_plan(EntityId(id), line));
            }
            (2, "on") => {
                let entity = entities.last_mut().expect("an entity before its conditions");
                entity.conditions.push(condition_plan(line));
            }
            (4, verb) => {
                let actions = &mut condition.expect("a condition before its actions").actions;
                actions.push(action_plan(verb, line, actions.len()));
            }
            (6, "on-fail") => {
                let action = condition.and_then(|condition| condition.actions.last_mut());
                let word = line.word();
                let verb = self::verb(&word, &mut line);
                action.expect("an action before its on-fail list").on_fail.push(verb);
            }
            _ => panic!("line {} of the plan: {text}", number + 1),
        }
    }
    entities
}

fn entity_plan(id: EntityId, mut line: Line) -> EntityPlan {
    let name = line.word();
    let start = if line.flag("manual") { StartMode::Manual } else { StartMode::Auto };
    let time = |text: Option<String>, usual| text.map_or(usual, |text| span(&text));
    let start_timeout = time(line.pair("start-timeout"), Span::seconds(10));
    let timeout = time(line.pair("stop-timeout"), Span::seconds(5));
    line.end();
    let command = format!("/bin/{name}");
    let plain = plain(id, name, &command);
    let stop = StopPlan { timeout, ..plain.stop.clone() };
    EntityPlan { start, start_timeout, stop, ..plain }
}

fn condition_plan(mut line: Line) -> ConditionPlan {
    let kind = line.word();
    let (on, _) = ConditionKind::ALL
        .into_iter()
        .find(|(_, word)| *word == kind)
        .expect("a kind of condition");
    let class = if line.flag("no-wait") {
        Class::NoWait
    } else if line.flag("independent") {
        Class::Independent
    } else {
        Class::InOrder
    };
    let name = line.pair("name").unwrap_or(kind);
    let (rearm, enabled) = (!line.flag("no-rearm"), !line.flag("disabled"));
    line.end();
    ConditionPlan { name, on, class, rearm, enabled, actions: Vec::new() }
}

fn action_plan(word: &str, mut line: Line, place: usize) -> ActionPlan {
    let break_on_fail = line.flag("break-on-fail");
    let keep_on_fail = !line.flag("no-keep-on-fail");
    let rearm = !line.flag("no-rearm");
    let verb = verb(word, &mut line);
    line.end();
    let name = format!("a{place}");
    ActionPlan { name, verb, break_on_fail, keep_on_fail, rearm, on_fail: Vec::new() }
}

fn verb(word: &str, line: &mut Line) -> Verb {
    match word {
        "restart" => Verb::Restart(restart(line)),
        "execute" => Verb::Execute(ExecutePlan {
            wait: !line.flag("without-waiting"),
            timeout: line.pair("timeout").map_or(Span::seconds(60), |text| span(&text)),
            command: line.rest(),
            identity: None,
        }),
        "notify-signal" => Verb::NotifySignal(SignalPlan {
            entity: line.pair("entity"),
            signal: signal(&line.word()),
            value: 7,
        }),
        "waitfor" => Verb::WaitFor(WaitPlan {
            path: line.pair("path"),
            ready: line.flag("ready"),
            timeout: span(&line.pair("timeout").expect("a timeout")),
        }),
        "log" => Verb::Log(line.rest().join(" ")),
        "start" => Verb::Start(line.word()),
        "stop" => Verb::Stop(line.word()),
        other => panic!("no verb is called {other}"),
    }
}

fn restart(line: &mut Line) -> RestartPlan {
    let mut plan = RestartPlan::default();
    if let Some(delays) = line.pair("delays") {
        plan.spacing = Spacing::List(delays.split(',').map(span).collect());
    }
    if let Spacing::Growing { first, delay, factor_permille, max_delay } = &mut plan.spacing {
        for (key, field) in [("first", first), ("delay", delay), ("max-delay", max_delay)] {
            if let Some(text) = line.pair(key) {
                *field = span(&text);
            }
        }
        if let Some(text) = line.pair("factor") {
            *factor_permille = text.parse::<u32>().expect("a factor") * 1000;
        }
    }
    if let Some(text) = line.pair("reset-after") {
        plan.reset_after = span(&text);
    }
    plan.limit = line.pair("limit").map(|text| {
        let (count, within) = text.split_once('/').expect("limit=COUNT/TIME");
        LimitPlan { count: count.parse().expect("a count"), within: span(within) }
    });
    plan
}
