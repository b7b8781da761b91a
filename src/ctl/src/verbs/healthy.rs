//! `hamctl is-healthy [NAME…]`: whether all is well, for whoever looks every few
//! seconds (the HEALTHCHECK of a container). Told by 0 and 1 and nothing else,
//! since other codes mean other things there.

use super::status::{request, runs};
use crate::connection::{Manager, Manner};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, complain};
use crate::table::harmless;
use ham_core::wire::{EntityStatus, Status};
use serde::Serialize;

/// What `--json` prints.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Answer {
    healthy: bool,
    problems: Vec<Problem>,
}

/// Why it is not.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Problem {
    /// The entity, or `ham`.
    name: String,
    problem: String,
}

/// Success when there is no problem. Who cannot be asked is not healthy.
pub(super) fn run(
    program: &str,
    manager: Result<Manager, Error>,
    names: Vec<String>,
    output: Output,
) -> Result<Exit, Error> {
    let named = !names.is_empty();
    let asked = manager.and_then(|manager| {
        let reply = manager.call("Status", &request(names), Manner::AT_ONCE)?;
        reply.read::<Status>()
    });
    let status = match asked {
        Ok(status) => status,
        Err(error) => {
            complain(program, &error.to_string());
            return Ok(Exit::Failed);
        }
    };
    let ham = &status.ham;
    let manager = if ham.stopping {
        Some("is shutting down")
    } else if ham.plan.generation == 0 {
        Some("has not read its units yet, or could not")
    } else {
        None
    };
    let problems = problems(manager, &status.entities, named);
    let healthy = problems.is_empty();
    if output.json {
        output.print_document(&Answer { healthy, problems })?;
    } else if healthy {
        output.print_line("healthy")?;
    } else {
        for Problem { name, problem } in &problems {
            output.print_line(&format!("{}: {}", harmless(name), harmless(problem)))?;
        }
    }
    Ok(if healthy { Exit::Success } else { Exit::Failed })
}

/// `manager`: what is wrong with it. `named`: somebody has asked for these, so each
/// of them is to be up.
fn problems(manager: Option<&str>, entities: &[EntityStatus], named: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |name: &str, problem: String| {
        problems.push(Problem { name: name.to_owned(), problem });
    };
    if let Some(problem) = manager {
        add("ham", problem.to_owned());
    }
    if named && entities.is_empty() {
        add("ham", "has none of these".to_owned());
    }
    for entity in entities {
        if let Some(problem) = problem_of(entity, named) {
            add(&entity.name, problem);
        }
    }
    problems
}

fn problem_of(entity: &EntityStatus, named: bool) -> Option<String> {
    let state = &entity.state;
    if matches!(state.as_str(), "failed" | "held") {
        return Some(format!("{state}: {}", entity.why));
    }
    let up = runs(entity) || state == "finished";
    if !up && (named || entity.main) {
        return Some(format!("{state}: {}", entity.why));
    }
    let heart = entity.heartbeat.as_ref()?;
    let missed = heart.level != "healthy" && !heart.suspended;
    missed.then(|| format!("has missed its heartbeat {} times in a row", heart.missed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ham_core::wire::HeartbeatStatus;

    fn entity(state: &str, main: bool) -> EntityStatus {
        EntityStatus {
            name: "app".to_owned(),
            state: state.to_owned(),
            why: "exit 3".to_owned(),
            main,
            ..EntityStatus::default()
        }
    }

    #[test]
    fn each_state_is_well_or_not() {
        for (state, main, named, well) in [
            ("running", true, true, true),
            ("finished", true, true, true),
            ("starting", false, false, true),
            ("backoff", false, false, true),
            ("stopped", false, false, true),
            ("placeholder", false, false, true),
            ("failed", false, false, false),
            ("held", false, false, false),
            ("starting", true, false, false),
            ("backoff", true, false, false),
            ("stopped", true, false, false),
            ("stopped", false, true, false),
            ("backoff", false, true, false),
        ] {
            let problem = problem_of(&entity(state, main), named);
            assert_eq!(problem.is_none(), well, "{state}, main {main}, named {named}: {problem:?}");
        }
    }

    #[test]
    fn a_heartbeat_that_is_missed_is_a_problem_unless_nobody_counts() {
        let beating = |level: &str, suspended| {
            let heartbeat = HeartbeatStatus {
                age_ns: None,
                missed: 3,
                level: level.to_owned(),
                interval_ns: 1,
                suspended,
            };
            let beating = EntityStatus { heartbeat: Some(heartbeat), ..entity("running", false) };
            problem_of(&beating, false)
        };
        assert_eq!(beating("healthy", false), None);
        assert_eq!(beating("low", true), None);
        let said = Some("has missed its heartbeat 3 times in a row".to_owned());
        assert_eq!((beating("low", false), beating("high", false)), (said.clone(), said));
    }

    #[test]
    fn a_manager_that_goes_down_is_not_well_and_nobody_is_no_answer() {
        assert_eq!(problems(None, &[], false), []);
        assert_eq!(problems(None, &[], true).len(), 1);
        assert_eq!(problems(Some("is shutting down"), &[], false)[0].name, "ham");
    }
}
