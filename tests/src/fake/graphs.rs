//! What plans say about each other and about the lives of their processes, at
//! random and inside the rules of the loader: no circle of order, readiness of
//! services alone. One more rule lets a quiet machine come to rest: what a
//! stop leaves alone is not what its own process has left behind unseen.

use super::{Edge, Random, link};
use ham_core::ids::EntityId;
use ham_core::plan::{
    ActionPlan, DirectoryPlace, DirectoryPlan, Ends, EntityPlan, ExecutePlan, HeartbeatPlan,
    KeepDirectory, KillScope, Kind, LimitPlan, NotifyAccess, OnDependencyRestart, Readiness,
    SendTo, SignalPlan, SignalTarget, Verb, WaitPlan,
};
use ham_core::signal::Signal;
use ham_core::time::Span;

/// Gives entities links, kinds, readiness and lists of their own.
pub(super) fn dress(random: &mut Random, plans: &mut [EntityPlan]) {
    if random.chance(25) {
        // As plain as before.
        return;
    }
    for plan in plans.iter_mut() {
        dress_one(random, plan);
    }
    let count = plans.len() as u64;
    // Order goes along a row, so that there is no circle.
    let mut row: Vec<u64> = (0..count).collect();
    for place in (1..row.len()).rev() {
        let other = usize::try_from(random.below(place as u64 + 1)).unwrap_or(0);
        row.swap(place, other);
    }
    for later in 1..row.len() {
        for earlier in 0..later {
            if !random.chance(40) {
                continue;
            }
            let of = |place: usize| EntityId(u32::try_from(row[place]).unwrap_or(0));
            let edges = [Edge::Requires, Edge::Requires, Edge::Wants, Edge::After, Edge::Conflicts];
            link(plans, of(later), *random.pick(&edges), of(earlier));
        }
    }
}

fn dress_one(random: &mut Random, plan: &mut EntityPlan) {
    plan.kind = match random.below(10) {
        0..=5 => Kind::Service,
        6 | 7 => Kind::Oneshot { remain: random.chance(50) },
        8 => Kind::Forking { pid_file: format!("/run/{}", plan.name) },
        _ => Kind::Target,
    };
    if plan.kind == Kind::Target {
        plan.command.clear();
    }
    if plan.kind == Kind::Service {
        plan.ready = match random.below(6) {
            0..=2 => Readiness::Exec,
            3 => Readiness::Notify,
            4 => Readiness::Descriptor(3),
            _ => Readiness::Path(format!("/ready/{}", plan.name)),
        };
        // Others of its processes than the last main one may outlive it: then
        // it says nothing of changes, and no rule could follow them.
        plan.stop.kill = *random.pick(&[KillScope::All, KillScope::All, KillScope::Main]);
        if random.chance(15) {
            plan.stop.kill = KillScope::None;
        }
    }
    if matches!(plan.kind, Kind::Service | Kind::Forking { .. }) && random.chance(75) {
        plan.heartbeat = Some(heartbeat(random));
    }
    if plan.ready == Readiness::Notify || random.chance(30) {
        plan.notify_access = NotifyAccess::All;
    }
    if random.chance(40) {
        plan.on_dependency_restart = OnDependencyRestart::Restart;
    }
    if random.chance(10) {
        plan.start_when = Some(format!("/start/{}", plan.name));
    }
    plan.stop.send_to = *random.pick(&[SendTo::Main, SendTo::All]);
    if plan.kind != Kind::Target && random.chance(15) {
        plan.stop.command = Some(command(random));
    }
    for (list, percent) in
        [(&mut plan.pre_start, 20), (&mut plan.reload, 40), (&mut plan.post_stop, 25)]
    {
        if random.chance(percent) {
            *list = (0..1 + random.below(3)).map(|place| action(random, place, false)).collect();
        }
    }
    for action in &mut plan.pre_start {
        // When nothing goes wrong, nothing fails in it for ever.
        action.break_on_fail &= matches!(action.verb, Verb::Execute(_));
        if let Verb::Execute(command) = &mut action.verb {
            command.timeout = Span::seconds(2);
        }
        plan.start_timeout = Span::seconds(8);
    }
    if !plan.reload.is_empty() && random.chance(50) {
        plan.reload.push(action(random, 9, true));
    }
    if random.chance(20) {
        plan.success_exit = Ends { codes: vec![3], signals: vec![Signal(11)] };
    }
    if random.chance(10) {
        plan.no_restart_exit = Ends { codes: vec![1], signals: Vec::new() };
    }
    if random.chance(25) {
        let keep = *random.pick(&[KeepDirectory::No, KeepDirectory::Restart, KeepDirectory::Yes]);
        let names = vec![plan.name.clone()];
        plan.directories =
            vec![DirectoryPlan { place: DirectoryPlace::Runtime, names, mode: 0o755, keep }];
    }
}

fn heartbeat(random: &mut Random) -> HeartbeatPlan {
    let low = u32::try_from(random.below(3)).unwrap_or(0);
    let more = u32::try_from(random.below(3)).unwrap_or(0);
    let most = random.chance(25).then(|| LimitPlan {
        count: 1 + u32::try_from(random.below(5)).unwrap_or(0),
        within: random.micros(100_000, 2_000_000),
    });
    HeartbeatPlan {
        interval: random.micros(30_000, 300_000),
        low,
        high: if random.chance(10) { 0 } else { low + more },
        grace: if random.chance(30) { random.micros(0, 300_000) } else { Span::ZERO },
        most,
    }
}

fn command(random: &mut Random) -> ExecutePlan {
    ExecutePlan {
        command: vec!["/bin/command".to_owned()],
        wait: random.chance(80),
        timeout: random.micros(0, 600_000),
        identity: None,
    }
}

fn action(random: &mut Random, place: u64, ready: bool) -> ActionPlan {
    let verb = match random.below(5) {
        _ if ready => {
            Verb::WaitFor(WaitPlan { path: None, ready, timeout: random.micros(0, 600_000) })
        }
        0..=2 => Verb::Execute(command(random)),
        3 => Verb::NotifySignal(SignalPlan {
            target: SignalTarget::Own,
            signal: Signal(10),
            code: 0,
            value: 7,
        }),
        _ => Verb::Log("{entity}".to_owned()),
    };
    ActionPlan {
        name: format!("a{place}"),
        verb,
        break_on_fail: random.chance(40),
        keep_on_fail: true,
        rearm: true,
        on_fail: Vec::new(),
    }
}
