//! The lines of a scenario that something happens in, as events.

use super::{Machine, START};
use crate::changes;
use crate::notation::{self, Line};
use ham_core::directive::{Directive, Heartbeat, Stranger};
use ham_core::event::Event;
use ham_core::ids::RequestId;
use ham_core::way::Way;

impl Machine {
    pub(super) fn event(&self, word: &str, line: &mut Line) -> Event {
        match word {
            "boot" => Event::Boot,
            "tick" => Event::Tick,
            "spawned" => {
                let slot = self.slot(&line.word());
                Event::Spawned { slot, pid: self.pids[&slot] }
            }
            "spawn-failed" => {
                let slot = self.slot(&line.word());
                let error = line.pair("error").expect("an error").parse().expect("a number");
                Event::SpawnFailed { slot, error }
            }
            "exited" => {
                let slot = self.slot(&line.word());
                let pid = line.pair("pid").map(|text| text.parse().expect("a process id"));
                let status = notation::status(line);
                let pid = pid.unwrap_or_else(|| self.pids.get(&slot).copied().unwrap_or(1));
                Event::Exited { slot, pid, status, at: self.now }
            }
            "cleared" => {
                let slot = self.slot(&line.word());
                let left = line.pair("left").map_or(0, |text| text.parse().expect("a number"));
                Event::Cleared { slot, left }
            }
            "freed" => Event::SlotFreed { slot: self.slot(&line.word()) },
            "ready" => Event::Ready { slot: self.slot(&line.word()) },
            "told" => {
                let slot = self.slot(&line.word());
                Event::Told { slot, told: Box::new(self.told(line)) }
            }
            "main-found" => {
                let slot = self.slot(&line.word());
                let pid = line.pair("pid").expect("pid=").parse().expect("a process id");
                Event::MainFound { slot, pid }
            }
            "main-missing" => {
                let slot = self.slot(&line.word());
                Event::MainMissing { slot, left: line.flag("left") }
            }
            "seen" => Event::PathSeen { wait: self.wait(line), ok: true },
            "not-seen" => Event::PathSeen { wait: self.wait(line), ok: false },
            "tidied" => Event::Tidied { entity: self.id(&line.word()) },
            "done" => Event::ActionDone { run: notation::run(&line.word()), ok: true },
            "refused" => Event::ActionDone { run: notation::run(&line.word()), ok: false },
            "ask" => {
                let id = RequestId(line.word().parse().expect("a number"));
                let wait = line.flag("waiting");
                let verb = line.word();
                let entities = line.word().split(',').map(|name| self.id(name)).collect();
                let from = notation::caller(line);
                Event::Request { id, entities, ask: notation::ask(&verb, line), wait, from }
            }
            "state" | "raise" | "heartbeat" => {
                let id = RequestId(line.word().parse().expect("a number"));
                let directive = self.directive(word, line);
                Event::Directive { id, directive, from: notation::caller(line) }
            }
            "beats" => {
                let entity = self.id(&line.word());
                let slot = line.pair("slot").map(|text| notation::slot(&text));
                let slot = slot.unwrap_or_else(|| self.current[&entity]);
                let count = line.word().parse().expect("how many");
                Event::Beats { entity, slot, count }
            }
            "change" => {
                let id = RequestId(line.word().parse().expect("a number"));
                let change = changes::change(line, |name| self.id(name));
                let directive = Directive::Change(Box::new(change));
                Event::Directive { id, directive, from: None }
            }
            "attach" | "attach-named" | "detach" => self.attachment(word, line),
            "pid-read" => {
                let entity = self.id(&line.word());
                let pid = line.pair("pid").map(|text| text.parse().expect("a process id"));
                Event::PidRead { entity, process: pid.map(|pid| (pid, START)) }
            }
            "oom-killed" => {
                let slot = self.slot(&line.word());
                let kills = line.pair("kills").expect("kills=").parse().expect("a number");
                Event::OomKilled { slot, kills, ended: line.flag("ended") }
            }
            "received" => {
                let channel = line.word();
                let upto = line.pair("upto").expect("upto=").parse().expect("a number");
                Event::Received { channel, upto }
            }
            "shutdown" => {
                let code = line.pair("code").map_or(0, |text| text.parse().expect("a code"));
                let word = line.pair("into");
                let way =
                    word.map_or(Way::Exit(code), |word| Way::from_word(&word).expect("a way"));
                let within = notation::span(&line.pair("within").expect("within="));
                let signals = u64::from(line.flag("by-signal"));
                Event::Shutdown { way, within, signals }
            }
            other => panic!("nothing is called {other}"),
        }
    }

    /// `state ID NAME STATE`, `raise ID NAME type=… class=… severity=…`,
    /// `heartbeat ID suspend|resume|query [NAME]`
    fn directive(&self, word: &str, line: &mut Line) -> Directive {
        if word == "heartbeat" {
            let to = match line.word().as_str() {
                "suspend" => Heartbeat::Suspend,
                "resume" => Heartbeat::Resume,
                "query" => Heartbeat::Query,
                other => panic!("nobody can {other} a heartbeat"),
            };
            let entity = line.rest().first().map(|name| self.id(name));
            return Directive::Heartbeat { entity, to };
        }
        let entity = self.id(&line.word());
        if word == "state" {
            return Directive::State { entity, to: line.word().parse().expect("a state") };
        }
        let mut number =
            |key| line.pair(key).map_or(0, |text: String| text.parse().expect("a number"));
        let (kind, class, severity) = (number("type"), number("class"), number("severity"));
        Directive::Raise { entity, kind, class, severity }
    }

    /// `attach ID NAME pid=… slot=… own anew beat=… low=… high=… from=…`, with
    /// `keep` `attach-named`, `detach ID NAME from=…`
    fn attachment(&self, word: &str, line: &mut Line) -> Event {
        let id = RequestId(line.word().parse().expect("a number"));
        let name = line.word();
        let from = notation::caller(line);
        let directive = if word == "detach" {
            Directive::Detach { entity: self.id(&name) }
        } else {
            let pid = line.pair("pid").expect("pid=").parse().expect("a process id");
            let slot = line.pair("slot").map(|name| self.slot(&name));
            let process = Stranger { pid, start: START, slot, own: line.flag("own") };
            let (counting, keep_on_death) = (notation::counting(line), line.flag("keep"));
            match word {
                "attach" => Directive::Attach { entity: self.id(&name), process, counting },
                _ => Directive::AttachNamed { name, keep_on_death, process, counting },
            }
        };
        Event::Directive { id, directive, from }
    }
}
