//! The result, as tables for people or as JSON.

use crate::aim::Way;
use crate::compare::{Fault, Findings};
use crate::story::{Kill, Whom};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// What became of one scenario.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) scenario: &'static str,
    /// The kills.
    pub(crate) kills: Vec<Kill>,
    /// Entities that were killed by name.
    pub(crate) by_name: usize,
    /// How long it took.
    pub(crate) took: Duration,
    /// The verdict; `Err`: it could not be run, and why.
    pub(crate) findings: Result<Findings, String>,
}

impl Row {
    /// Whether it was run and found nothing.
    pub(crate) fn is_clean(&self) -> bool {
        self.findings.as_ref().is_ok_and(Findings::is_clean)
    }

    fn killed(&self, whom: Whom) -> usize {
        self.kills.iter().filter(|kill| kill.whom == whom).count()
    }
}

const WHOM: [(Whom, &str); 4] = [
    (Whom::Monitor, "monitor"),
    (Whom::Guardian, "guardian"),
    (Whom::Both, "both"),
    (Whom::Reaper, "reaper"),
];

const SIGNALS: [(Signal, &str); 4] = [
    (Signal::SIGKILL, "KILL"),
    (Signal::SIGSEGV, "SEGV"),
    (Signal::SIGABRT, "ABRT"),
    (Signal::SIGSTOP, "STOP"),
];

/// The tables.
pub(crate) fn tables(rows: &[Row]) -> String {
    let mut out = String::new();
    let mut table = vec![vec!["scenario".to_owned()]];
    let header = ["kills", "starts", "actions", "facts"];
    table[0].extend(header.map(str::to_owned));
    table[0].extend(Fault::ALL.map(|(_, name)| name.to_owned()));
    table[0].extend(["repeats allowed", "slow seconds", "seconds"].map(str::to_owned));
    for row in rows {
        let mut cells = vec![row.scenario.to_owned(), row.kills.len().to_string()];
        match &row.findings {
            Ok(findings) => {
                cells.extend(
                    [findings.starts, findings.acts, findings.facts].map(|n| n.to_string()),
                );
                cells.extend(Fault::ALL.map(|(fault, _)| findings.count(fault).to_string()));
                cells.extend([findings.repeats, findings.slow].map(|n| n.to_string()));
            }
            Err(why) => cells.push(format!("NOT RUN: {why}")),
        }
        cells.resize(table[0].len() - 1, String::new());
        cells.push(format!("{:.0}", row.took.as_secs_f64()));
        table.push(cells);
    }
    upright(&mut out, &table);
    kills(&mut out, rows);
    for row in rows {
        details(&mut out, row);
    }
    let clean = !rows.is_empty() && rows.iter().all(Row::is_clean);
    let _ = writeln!(out, "\n{}", if clean { "nothing was found" } else { "FAULTS WERE FOUND" });
    out
}

/// A table with its columns as lines: there are more of them than scenarios.
fn upright(out: &mut String, table: &[Vec<String>]) {
    let widths: Vec<usize> = table
        .iter()
        .map(|row| row.iter().map(|cell| cell.chars().count()).max().unwrap_or(0))
        .map(|width| width.min(20))
        .collect();
    let lines = table.first().map_or(0, Vec::len);
    for line in 0..lines {
        for (place, (row, width)) in table.iter().zip(&widths).enumerate() {
            let cell = row.get(line).map_or("", String::as_str);
            let _ = match place {
                0 => write!(out, "{cell:<width$}"),
                _ => write!(out, "  {cell:>width$}"),
            };
        }
        out.push('\n');
    }
}

fn kills(out: &mut String, rows: &[Row]) {
    let _ = writeln!(out, "\nkills of   at              by    times  moment met");
    for (whom, whose) in WHOM {
        for way in Way::ALL {
            for (signal, name) in SIGNALS {
                let all = rows.iter().flat_map(|row| &row.kills);
                let such: Vec<&Kill> = all
                    .filter(|kill| kill.whom == whom && kill.way == way && kill.signal == signal)
                    .collect();
                if such.is_empty() {
                    continue;
                }
                let met = such.iter().filter(|kill| kill.hit).count();
                let _ = writeln!(
                    out,
                    "{whose:<9}  {:<14}  {name}  {:>5}  {met:>10}",
                    way.word(),
                    such.len()
                );
            }
        }
    }
    let by_name: usize = rows.iter().map(|row| row.by_name).sum();
    let _ = writeln!(out, "entities killed by name: {by_name}");
}

fn details(out: &mut String, row: &Row) {
    let Ok(findings) = &row.findings else { return };
    for (fault, name) in Fault::ALL {
        let Some((count, examples)) = findings.faults.get(&fault) else { continue };
        let _ = writeln!(out, "\n{}: {name}: {count}", row.scenario);
        for example in examples {
            let _ = writeln!(out, "  {example}");
        }
    }
    for (text, count) in findings.troubles.iter().take(5) {
        let _ = writeln!(out, "{}: ham said {count} times: {text}", row.scenario);
    }
}

/// The same for programs.
pub(crate) fn as_json(rows: &[Row], seed: u64) -> String {
    let scenarios: Vec<Value> = rows.iter().map(scenario).collect();
    let clean = !rows.is_empty() && rows.iter().all(Row::is_clean);
    json!({ "seed": seed, "clean": clean, "scenarios": scenarios }).to_string()
}

fn scenario(row: &Row) -> Value {
    let killed: serde_json::Map<String, Value> =
        WHOM.into_iter().map(|(whom, name)| (name.to_owned(), row.killed(whom).into())).collect();
    let mut value = json!({
        "name": row.scenario,
        "kills": killed,
        "entities_killed": row.by_name,
        "seconds": row.took.as_secs_f64(),
        "clean": row.is_clean(),
    });
    match &row.findings {
        Err(why) => value["not_run"] = why.clone().into(),
        Ok(findings) => {
            for (name, count) in [
                ("starts", findings.starts),
                ("actions", findings.acts),
                ("facts", findings.facts),
                ("repeats_allowed", findings.repeats),
                ("slow_seconds", findings.slow),
            ] {
                value[name] = count.into();
            }
            for (fault, name) in Fault::ALL {
                let examples = findings.faults.get(&fault).map(|(_, examples)| examples.clone());
                value["faults"][name.replace(' ', "_")] = json!({
                    "count": findings.count(fault),
                    "examples": examples.unwrap_or_default(),
                });
            }
        }
    }
    value
}
