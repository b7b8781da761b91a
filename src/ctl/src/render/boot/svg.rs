//! The start of the manager as a picture: SVG 1.1 that needs nothing else. A
//! row an entity, its name at the left, a light bar while it waited for
//! others, one of another colour while it waited for a path, a full one while it
//! started; what is on the critical path has
//! another colour.

use super::{Bar, Boot, moment, summary};
use crate::table::{clip, harmless};
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Lengths are in pixels of a screen with 96 in an inch.
const MARGIN: f64 = 16.0;
/// Of one row; its text is 12 high.
const ROW: f64 = 20.0;
const BAR: f64 = 12.0;
/// Width of a character of a monospaced font of 12 pixels: 7.2, and a little.
const CHARACTER: f64 = 7.4;
/// Characters of a name; the whole one is in the title of its row.
const LONGEST_NAME: usize = 40;
/// Characters of a name in the critical path below the chart: with its times
/// it fits into the width that a chart with names of [`LONGEST_NAME`] has.
const LONGEST_LINE: usize = 80;
/// Room for a time after a bar that ends at the right: nine characters, as in
/// "1234.56s", and a gap.
const TIMES: f64 = 10.0 * CHARACTER;
/// Of the area that time goes over: ten labels of the axis fit side by side.
const CHART: f64 = 800.0;
/// A start that led to nothing has no end; it is shown as a mark so wide.
const MARK: f64 = 4.0;
/// Lines of the head: title, legend, labels of the axis.
const HEAD: f64 = 76.0;
/// Where rows are many, the axis is repeated below them.
const MANY: usize = 25;

const STYLE: &str = "\
text{font:12px monospace;fill:#222}.title{font-size:15px}.axis,.note{fill:#666}\
.name{text-anchor:end}.mid{text-anchor:middle}.grid{stroke:#e4e4e4}.stripe{fill:#f7f7f7}\
.wait{fill:#cfd8e3}.gate{fill:#b79fd4}.start{fill:#4a7fb5}.fail{fill:#c0392b}\
.critical .wait{fill:#f6d9b8}.critical .gate{fill:#9560b8}.critical .start{fill:#e07b16}.critical text{fill:#a4540a}";

/// The picture.
pub(crate) fn text(boot: &Boot) -> String {
    let scale = Scale::new(boot);
    let rows = boot.entities.len();
    let path_lines = if boot.critical.is_empty() { 0 } else { boot.critical.len() + 1 };
    let foot = if rows > MANY { ROW } else { 0.0 };
    let below = HEAD + ROW * rows as f64 + foot;
    let height = below + ROW * path_lines as f64 + MARGIN * 2.0;
    let width = scale.left + CHART + TIMES + MARGIN;
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\">\n<style>{STYLE}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
    );
    head(&mut svg, boot);
    for place in (0..rows).step_by(2) {
        let y = HEAD + ROW * place as f64;
        let _ = writeln!(
            svg,
            "<rect class=\"stripe\" x=\"0\" y=\"{y:.1}\" width=\"{width:.0}\" height=\"{ROW}\"/>"
        );
    }
    axis(&mut svg, &scale, rows);
    for (place, bar) in boot.entities.iter().enumerate() {
        row(&mut svg, &scale, bar, HEAD + ROW * place as f64);
    }
    path(&mut svg, boot, below + MARGIN);
    svg.push_str("</svg>\n");
    svg
}

/// From nanoseconds to pixels.
struct Scale {
    left: f64,
    step: u64,
    end: u64,
}

impl Scale {
    fn new(boot: &Boot) -> Scale {
        let names = boot.entities.iter().map(|bar| label(&bar.name).width());
        let longest = names.max().unwrap_or(0) as f64;
        let last = boot.entities.iter().map(Bar::last).max().unwrap_or(0);
        let step = step(last);
        // The axis ends at a tick, after all that is to be seen.
        let end = last.div_ceil(step).max(1).saturating_mul(step);
        Scale { left: MARGIN + longest * CHARACTER + 8.0, step, end }
    }

    fn x(&self, at: u64) -> f64 {
        self.left + CHART * (at.min(self.end) as f64 / self.end as f64)
    }
}

/// The distance of ticks: 1, 2 or 5 times a power of ten, so that there are
/// at most ten.
fn step(last: u64) -> u64 {
    let mut power: u64 = 1_000;
    loop {
        for factor in [1, 2, 5] {
            let step = power.saturating_mul(factor);
            // Ten of them that no u64 holds reach farther than any time.
            if step.checked_mul(10).is_none_or(|reach| last <= reach) {
                return step;
            }
        }
        power = power.saturating_mul(10);
    }
}

/// A tick in the unit of the whole axis, with as many digits as the step has.
fn tick(at: u64, step: u64) -> String {
    let (unit, word): (u64, &str) = match step {
        0..100_000 => (1_000, "µs"),
        100_000..100_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let digits = usize::from(!step.is_multiple_of(unit));
    format!("{:.digits$}{word}", at as f64 / unit as f64)
}

fn head(svg: &mut String, boot: &Boot) {
    text_at(svg, "title", MARGIN, 28.0, &summary(boot));
    let mut x = MARGIN;
    for (group, class, words) in [
        ("", "wait", "waits"),
        ("", "start", "starts"),
        ("critical", "wait", "waits, critical path"),
        ("critical", "start", "starts, critical path"),
        ("", "gate", "waits for a path"),
        ("", "fail", "failed, or not up"),
    ] {
        let _ = writeln!(
            svg,
            "<g class=\"{group}\"><rect class=\"{class}\" x=\"{x:.1}\" y=\"38\" width=\"{BAR}\" \
             height=\"{BAR}\"/></g>"
        );
        text_at(svg, "note", x + BAR + 6.0, 48.0, words);
        x += BAR + 6.0 + (words.len() as f64 + 3.0) * CHARACTER;
    }
}

fn axis(svg: &mut String, scale: &Scale, rows: usize) {
    let bottom = HEAD + ROW * rows as f64;
    for at in (0..=scale.end / scale.step).map(|tick| tick.saturating_mul(scale.step)) {
        let x = scale.x(at);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{HEAD}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>"
        );
        let words = tick(at, scale.step);
        text_at(svg, "axis mid", x, HEAD - 6.0, &words);
        if rows > MANY {
            text_at(svg, "axis mid", x, bottom + 14.0, &words);
        }
    }
}

fn row(svg: &mut String, scale: &Scale, bar: &Bar, y: f64) {
    let group = if bar.critical { "critical" } else { "entity" };
    let _ = writeln!(svg, "<g class=\"{group}\"><title>{}</title>", escaped(&tip(bar, &bar.name)));
    let baseline = y + 14.0;
    text_at(svg, "name", scale.left - 8.0, baseline, &label(&bar.name));
    let top = y + (ROW - BAR) / 2.0;
    let mut rect = |class: &str, from: f64, to: f64| {
        let width = to - from;
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{from:.2}\" y=\"{top:.1}\" width=\"{width:.2}\" \
             height=\"{BAR}\"/>"
        );
    };
    // What is on its way goes on to the edge.
    let edge = scale.x(scale.end);
    let asked = scale.x(bar.asked_ns);
    let begun = bar.begun_ns.map(|at| scale.x(at));
    let gated = bar.gated_ns.map(|at| scale.x(at));
    let mut end = begun.unwrap_or(if bar.is_open() { edge } else { gated.unwrap_or(asked) });
    let others_end = gated.unwrap_or(end).min(end);
    if others_end > asked {
        rect("wait", asked, others_end);
    }
    if end > others_end {
        rect("gate", others_end, end);
    }
    if let Some(begun) = begun
        && let Some(up) =
            bar.up_ns.or(bar.failed_ns).map(|at| scale.x(at)).or(bar.is_open().then_some(edge))
    {
        // At least a line, however short it was.
        end = up.max(begun + 1.0);
        rect("start", begun, end);
    }
    if bar.is_failed() || (bar.up_ns.is_none() && !bar.is_open()) {
        rect("fail", end, end + MARK);
        end += MARK;
    }
    let words = match bar.took() {
        Some(took) if !bar.is_failed() => moment(took),
        _ => harmless(&bar.state),
    };
    text_at(svg, "note", end + 5.0, baseline, &clip(&words, 9));
    svg.push_str("</g>\n");
}

/// The critical path in words.
fn path(svg: &mut String, boot: &Boot, y: f64) {
    if boot.critical.is_empty() {
        return;
    }
    text_at(svg, "", MARGIN, y + 12.0, "Critical path, each after the one above it:");
    let bars =
        boot.critical.iter().filter_map(|name| boot.entities.iter().find(|bar| bar.name == *name));
    for (place, bar) in bars.enumerate() {
        let y = y + 12.0 + ROW * (place as f64 + 1.0);
        // A path takes the room of half a name.
        let longest = bar.waited_for_path().map_or(LONGEST_LINE, |_| LONGEST_NAME);
        text_at(svg, "", MARGIN * 2.0, y, &tip(bar, &clip(&bar.name, longest)));
    }
}

fn tip(bar: &Bar, name: &str) -> String {
    let mut text = name.to_owned();
    if let Some(waited) = bar.waited() {
        let _ = write!(text, ": waited {}", moment(waited));
    }
    if let Some((path, took)) = bar.waited_for_path() {
        let _ = write!(text, ", waited for {} {}", clip(path, LONGEST_NAME), moment(took));
    } else if let Some(path) =
        bar.path.as_deref().filter(|_| bar.is_open() && bar.gated_ns.is_some())
    {
        let _ = write!(text, ", waits for {}", clip(path, LONGEST_NAME));
    }
    match bar.took().zip(bar.up_ns) {
        Some((took, up)) => {
            let _ = write!(text, ", took {}, up at {}", moment(took), moment(up));
        }
        None => {
            let _ = write!(text, ", {}", bar.state);
            if let Some(took) = bar.took() {
                let _ = write!(text, " after {}", moment(took));
            }
        }
    }
    text
}

fn label(name: &str) -> String {
    clip(&harmless(name), LONGEST_NAME)
}

fn text_at(svg: &mut String, class: &str, x: f64, y: f64, words: &str) {
    let words = escaped(words);
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>");
}

/// Text of XML 1.0, which no control characters may stand in.
fn escaped(text: &str) -> String {
    harmless(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_not_too_many() {
        for (last, expected) in [
            (0, 1_000),
            (9_000_000, 1_000_000),
            (10_000_000, 1_000_000),
            (10_000_001, 2_000_000),
            (1_234_000_000, 200_000_000),
            (90_000_000_000, 10_000_000_000),
        ] {
            assert_eq!(step(last), expected, "{last}");
        }
        assert!(step(u64::MAX) > u64::MAX / 20);
        assert_eq!(tick(400_000_000, 200_000_000), "0.4s");
        assert_eq!(tick(0, 200_000_000), "0.0s");
        assert_eq!(tick(3_000_000_000, 1_000_000_000), "3s");
        assert_eq!(tick(1_500_000, 500_000), "1.5ms");
        assert_eq!(tick(20_000_000, 20_000_000), "20ms");
    }

    #[test]
    fn what_is_xml_stays_text() {
        assert_eq!(escaped("<a&\"b\u{1}>"), "&lt;a&amp;&quot;b\u{fffd}&gt;");
    }
}
