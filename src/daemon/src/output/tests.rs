//! What a helper does with what another has left: each place at which that one
//! can have been killed.

use super::*;
use crate::lines::Look;
use ham_sys::pipe;

const LOOK: Look = Look { format: LogFormat::Text, stamps: Stamps::None, started: 0 };

/// The pipes that outlive a helper, and where it writes to.
struct Bed {
    stage: (OwnedFd, OwnedFd),
    taken: (OwnedFd, OwnedFd),
    out: (OwnedFd, OwnedFd),
    source: (OwnedFd, OwnedFd),
}

impl Bed {
    fn new() -> Bed {
        let new = || pipe::new().unwrap();
        Bed { stage: new(), taken: new(), out: new(), source: new() }
    }

    fn writer(&self) -> Writer {
        let copy = |fd: &OwnedFd| fd.try_clone().unwrap();
        let stage = [copy(&self.stage.0), copy(&self.stage.1)];
        let taken = [copy(&self.taken.0), copy(&self.taken.1)];
        Writer::new(stage, taken, copy(&self.out.1), LOOK).unwrap()
    }

    fn source(&self) -> Source {
        Source::new(self.source.0.try_clone().unwrap(), "web", Origin::Stdout)
    }

    fn say(&self, text: &str) {
        assert_eq!(pipe::put(&self.source.1, text.as_bytes()).unwrap(), text.len());
    }

    /// All that was written out so far.
    fn written(&self) -> String {
        let mut buffer = vec![0; 100_000];
        let count = pipe::take(&self.out.0, &mut buffer).unwrap().unwrap_or(0);
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    }

    fn left(&self) -> [usize; 3] {
        [&self.source.0, &self.stage.0, &self.taken.0].map(|fd| pipe::waiting(fd).unwrap())
    }
}

#[test]
fn whole_lines_are_taken_and_a_beginning_stays() {
    let bed = Bed::new();
    let (mut writer, mut source) = (bed.writer(), bed.source());
    assert_eq!(writer.serve(&source, false).unwrap(), Served::Nothing);
    bed.say("one\ntwo\nthr");
    assert_eq!(writer.serve(&source, false).unwrap(), Served::Some);
    assert_eq!(bed.written(), "web: one\nweb: two\n");
    assert_eq!(bed.left(), [3, 0, 0]);
    assert_eq!(writer.serve(&source, false).unwrap(), Served::Nothing);
    bed.say("ee\n");
    assert_eq!(writer.serve(&source, false).unwrap(), Served::Some);
    assert_eq!(bed.written(), "web: three\n");
    bed.say("end");
    source.ended = true;
    assert_eq!(writer.serve(&source, false).unwrap(), Served::Some);
    assert_eq!((bed.written().as_str(), bed.left()), ("web: end\n", [0, 0, 0]));
}

#[test]
fn killed_before_the_lines_were_taken_they_are_taken_again() {
    let bed = Bed::new();
    bed.say("one\n");
    // A part of what was to be written.
    pipe::put(&bed.stage.1, b"web: o").unwrap();
    let mut writer = bed.writer();
    writer.go_on().unwrap();
    assert_eq!((bed.written().as_str(), bed.left()), ("", [4, 0, 0]));
    writer.serve(&bed.source(), false).unwrap();
    assert_eq!(bed.written(), "web: one\n");
}

#[test]
fn killed_after_the_lines_were_taken_they_are_written() {
    let bed = Bed::new();
    pipe::put(&bed.stage.1, b"web: one\n").unwrap();
    pipe::put(&bed.taken.1, b"one\n").unwrap();
    bed.writer().go_on().unwrap();
    assert_eq!((bed.written().as_str(), bed.left()), ("web: one\n", [0, 0, 0]));
}

#[test]
fn killed_after_the_lines_were_written_they_are_not_written_again() {
    let bed = Bed::new();
    pipe::put(&bed.taken.1, b"one\n").unwrap();
    bed.writer().go_on().unwrap();
    assert_eq!((bed.written().as_str(), bed.left()), ("", [0, 0, 0]));
}

/// A process whose pipe is full and holds no whole line would wait for ever.
#[test]
fn a_full_pipe_is_emptied_though_its_line_has_no_end() {
    let bed = Bed::new();
    if pipe::resize(&bed.source.1, 4096).is_err() {
        return;
    }
    let size = pipe::size(&bed.source.1).unwrap();
    let text = "x".repeat(size.min(cut::LINE));
    bed.say(&text);
    assert_eq!(bed.writer().serve(&bed.source(), false).unwrap(), Served::Some);
    assert_eq!(bed.written(), format!("web: {text} \\\n"));
    assert_eq!(bed.left(), [0, 0, 0]);
}

/// Control characters in JSON take six times their room.
#[test]
fn what_does_not_fit_at_once_comes_after_it() {
    let bed = Bed::new();
    let mut writer = bed.writer();
    writer.look.format = LogFormat::Json;
    let line = format!("{}\n", "\u{1}".repeat(8_000));
    for _ in 0..4 {
        bed.say(&line);
    }
    let (mut all, mut turns) = (String::new(), 0);
    while writer.serve(&bed.source(), false).unwrap() == Served::Some {
        all.push_str(&bed.written());
        turns += 1;
    }
    assert!(turns > 1, "{turns}");
    let texts: Vec<usize> = all
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|object| object["text"].as_str().unwrap().len())
        .collect();
    assert_eq!(texts, [8_000; 4]);
}

#[test]
fn nobody_who_reads_is_no_reason_to_stop() {
    let mut bed = Bed::new();
    let mut writer = bed.writer();
    bed.out = pipe::new().unwrap();
    bed.say("lost\n");
    assert_eq!(writer.serve(&bed.source(), false).unwrap(), Served::Some);
    assert_eq!(bed.left(), [0, 0, 0]);
}

#[test]
fn messages_are_understood() {
    assert_eq!(ended_pipe(b"-17"), Some(17));
    assert_eq!((ended_pipe(b"17"), ended_pipe(b"-")), (None, None));
    let look = Look { format: LogFormat::Json, stamps: Stamps::Relative, started: 7 };
    assert_eq!(look_of(&words(look)[1..]), Ok(look));
    assert!(look_of(&[]).unwrap_err().contains("internal"));
    for origin in [Origin::Stdout, Origin::Stderr] {
        assert_eq!(of_tag(tag(origin)), Some(origin));
    }
}
