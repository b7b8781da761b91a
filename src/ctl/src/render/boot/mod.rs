//! The start of the manager: what waited for what, and what all of it waited
//! for. Here are the numbers; `svg` draws them, `table` writes them.

pub(crate) mod svg;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use ham_core::wire::{Graph, GraphEntity};
use serde::Serialize;
use std::collections::BTreeMap;

/// A start that is asked for this long after everything else was up belongs
/// to what came later: somebody restarted something.
const LATER_NS: u64 = 1_000_000_000;

/// The start of one entity; times in nanoseconds since the manager was
/// started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) state: String,
    /// From here on it waited for others.
    pub(crate) asked_ns: u64,
    /// From here on it waited for the path of `start-when`; `None`: it has
    /// none, or never got there.
    pub(crate) gated_ns: Option<u64>,
    /// That path.
    pub(crate) path: Option<String>,
    /// From here on it was being started; `None`: it still waits, or never
    /// got there.
    pub(crate) begun_ns: Option<u64>,
    /// From here on it was up.
    pub(crate) up_ns: Option<u64>,
    /// When it failed without having been up.
    pub(crate) failed_ns: Option<u64>,
    /// Whether it stands on the critical path.
    pub(crate) critical: bool,
}

impl Bar {
    /// How long it waited for others.
    pub(crate) fn waited(&self) -> Option<u64> {
        self.gated_ns.or(self.begun_ns).map(|end| end.saturating_sub(self.asked_ns))
    }

    /// The path that it waited for, and how long.
    pub(crate) fn waited_for_path(&self) -> Option<(&str, u64)> {
        let took = self.begun_ns?.saturating_sub(self.gated_ns?);
        Some((self.path.as_deref()?, took))
    }

    /// How long its own start took, or took to fail.
    pub(crate) fn took(&self) -> Option<u64> {
        self.up_ns.or(self.failed_ns).zip(self.begun_ns).map(|(up, begun)| up.saturating_sub(begun))
    }

    /// The last that is known of its start.
    fn last(&self) -> u64 {
        let ends = self.up_ns.or(self.failed_ns).or(self.begun_ns);
        ends.or(self.gated_ns).unwrap_or(0).max(self.asked_ns)
    }

    /// Whether it has failed, be it after it was up.
    pub(crate) fn is_failed(&self) -> bool {
        self.state == "failed"
    }

    /// Whether it is still on its way.
    pub(crate) fn is_open(&self) -> bool {
        self.up_ns.is_none() && matches!(self.state.as_str(), "starting" | "waiting" | "backoff")
    }
}

/// The whole start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Boot {
    /// When all that came up was up, since the manager was started.
    pub(crate) up_ns: Option<u64>,
    /// Names from the first to the one that was up last: each began when the
    /// one before it was up.
    pub(crate) critical: Vec<String>,
    /// In the order in which they began.
    pub(crate) entities: Vec<Bar>,
    /// Entities whose last start was later, so that their first is not known.
    pub(crate) later: Vec<String>,
}

/// The start as the times of the entities tell it.
pub(crate) fn boot(graph: &Graph) -> Boot {
    let mut bars: Vec<Bar> =
        graph.entities.iter().filter_map(|entity| bar(entity, graph.started_mono_ns)).collect();
    bars.sort_by(|a, b| a.asked_ns.cmp(&b.asked_ns).then_with(|| a.name.cmp(&b.name)));
    let later = split_later(&mut bars);
    let path = critical(graph, &bars);
    for bar in &mut bars {
        bar.critical = path.contains(&bar.name);
    }
    bars.sort_by(|a, b| {
        let key = |bar: &Bar| (bar.begun_ns.unwrap_or(u64::MAX), bar.last());
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
    });
    Boot {
        up_ns: bars.iter().filter_map(|bar| bar.up_ns).max(),
        critical: path,
        entities: bars,
        later,
    }
}

fn bar(entity: &GraphEntity, origin: u64) -> Option<Bar> {
    let since = |at: u64| at.saturating_sub(origin);
    Some(Bar {
        name: entity.name.clone(),
        state: entity.state.clone(),
        asked_ns: since(entity.asked_mono_ns?),
        gated_ns: entity.gated_mono_ns.map(since),
        path: entity.start_when.clone(),
        begun_ns: entity.begun_mono_ns.map(since),
        up_ns: entity.up_mono_ns.map(since),
        failed_ns: entity
            .since_mono_ns
            .filter(|at| {
                entity.state == "failed"
                    && entity.up_mono_ns.is_none()
                    && entity.begun_mono_ns.is_some_and(|begun| begun <= *at)
            })
            .map(since),
        critical: false,
    })
}

/// Takes out what was asked for when the start was over. Bars come in the
/// order in which they were asked for.
fn split_later(bars: &mut Vec<Bar>) -> Vec<String> {
    let mut reached: Option<u64> = None;
    let end = bars.iter().position(|bar| {
        let later = reached.is_some_and(|reached| bar.asked_ns > reached.saturating_add(LATER_NS));
        reached = Some(reached.unwrap_or(0).max(if bar.is_open() { u64::MAX } else { bar.last() }));
        later
    });
    let mut later: Vec<String> =
        bars.split_off(end.unwrap_or(bars.len())).into_iter().map(|bar| bar.name).collect();
    later.sort_unstable();
    later
}

/// From what was up last, back over what each waited for last.
fn critical(graph: &Graph, bars: &[Bar]) -> Vec<String> {
    let bars: BTreeMap<&str, &Bar> = bars.iter().map(|bar| (bar.name.as_str(), bar)).collect();
    let before: BTreeMap<&str, &GraphEntity> =
        graph.entities.iter().map(|entity| (entity.name.as_str(), entity)).collect();
    let mut path: Vec<String> = Vec::new();
    let up = |bar: &&&Bar| (bar.up_ns, bar.begun_ns, std::cmp::Reverse(bar.name.clone()));
    let mut next = bars.values().filter(|bar| bar.up_ns.is_some()).max_by_key(up).copied();
    while let Some(bar) = next {
        path.push(bar.name.clone());
        let begun = bar.begun_ns.unwrap_or(bar.asked_ns);
        let came_first = before
            .get(bar.name.as_str())
            .into_iter()
            .flat_map(|entity| entity.requires.iter().chain(&entity.wants).chain(&entity.after));
        let came_first = came_first.filter_map(|name| bars.get(name.as_str()));
        let in_time =
            |bar: &&&Bar| bar.up_ns.is_some_and(|up| up <= begun) && !path.contains(&bar.name);
        next = came_first.filter(in_time).max_by_key(up).copied();
    }
    path.reverse();
    path
}

/// A time of a start for people: three digits are as much as they compare.
pub(crate) fn moment(ns: u64) -> String {
    let us = ns / 1_000;
    match us {
        0..1_000 => format!("{us}µs"),
        1_000..10_000 => format!("{}.{:02}ms", us / 1_000, us % 1_000 / 10),
        10_000..100_000 => format!("{}.{}ms", us / 1_000, us % 1_000 / 100),
        100_000..1_000_000 => format!("{}ms", us / 1_000),
        _ => format!("{}.{:02}s", us / 1_000_000, us % 1_000_000 / 10_000),
    }
}

/// `3 entities up 1.25s after ham was started`.
pub(crate) fn summary(boot: &Boot) -> String {
    let came = |bar: &&Bar| bar.up_ns.is_some() && !bar.is_failed();
    let up = boot.entities.iter().filter(came).count();
    let entities = if up == 1 { "entity" } else { "entities" };
    let mut text = match boot.up_ns {
        Some(ns) => format!("{up} {entities} up {} after ham was started", moment(ns)),
        None => "no entity has come up".to_owned(),
    };
    let open = boot.entities.iter().filter(|bar| bar.is_open()).count();
    let failed = boot.entities.iter().filter(|bar| bar.is_failed()).count();
    let others = boot.entities.len() - up - open - failed;
    for (count, what) in [(open, "still to come"), (failed, "failed"), (others, "not up")] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text
}
