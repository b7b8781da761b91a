//! The words of plans and events in scenario files; a word that is not known
//! fails the scenario.

use ham_core::directive::{Counting, Numbers};
use ham_core::event::{Ask, Caller};
use ham_core::ids::{RunRef, SlotRef};
use ham_core::plan::{LimitPlan, StateSet};
use ham_core::signal::Signal;
use ham_core::status::ExitStatus;
use ham_core::time::Span;

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

    /// All that is left of it.
    pub(crate) fn take(&mut self) -> Line {
        let (words, pairs) = (std::mem::take(&mut self.words), std::mem::take(&mut self.pairs));
        Line { words, pairs }
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

/// `3/10s`: so many in so much time.
pub(crate) fn limit(text: &str) -> LimitPlan {
    let (count, within) = text.split_once('/').expect("COUNT/TIME");
    LimitPlan { count: count.parse().expect("a count"), within: span(within) }
}

/// `3`, `1,2`, `!1,2` (all but these); nothing said: any.
pub(crate) fn states(text: Option<String>) -> StateSet {
    let Some(text) = text else { return StateSet::Any };
    let numbers = |text: &str| -> Vec<u32> {
        text.split(',').map(|number| number.parse().expect("a state")).collect()
    };
    match text.strip_prefix('!') {
        Some(others) => StateSet::NotIn(numbers(others)),
        None => StateSet::In(numbers(&text)),
    }
}

/// `from=CLIENT.SERIAL`, and of another user than root `uid=NUMBER`: who asks, so
/// that it can be repeated.
pub(crate) fn caller(line: &mut Line) -> Option<Caller> {
    let text = line.pair("from")?;
    let (client, serial) = text.split_once('.').expect("from=CLIENT.SERIAL");
    let number = |text: &str| text.parse().expect("a number");
    let uid = line.pair("uid").map_or(0, |uid| uid.parse().expect("a user"));
    Some(Caller { uid, own: uid == 0, client: number(client), serial: number(serial) })
}

/// `anew`, or `beat=INTERVAL low=… high=…`
pub(crate) fn counting(line: &mut Line) -> Counting {
    let number = |text: String| text.parse().expect("a number");
    match line.pair("beat") {
        Some(interval) => Counting::By(Numbers {
            interval: span(&interval),
            low: line.pair("low").map_or(0, number),
            high: line.pair("high").map_or(0, number),
        }),
        None if line.flag("anew") => Counting::Anew,
        None => Counting::GoesOn,
    }
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
        "reload" => Ask::Reload,
        "kill" => Ask::Kill(signal(&line.word())),
        other => panic!("nobody can ask for {other}"),
    }
}
