//! What verbs take that is about heartbeats: whether they are counted, and by what
//! those of a process are supervised that is attached.

use super::words::duration;
use clap::Args;
use ham_core::plan::HeartbeatPlan;
use ham_core::time::Span;
use ham_core::wire::AttachHeartbeat;

/// By what the heartbeat of an attached process is supervised.
#[derive(Debug, Args)]
pub(crate) struct Heartbeat {
    /// Supervise its heartbeat by such periods: 1s, 100ms [default: as its unit says]
    #[arg(long = "heartbeat", value_name = "TIME", value_parser = period)]
    interval: Option<Span>,
    /// So many periods in a row without one are low; 0: never
    #[arg(long, value_name = "N", requires = "interval", default_value_t = ham_unit::LOW)]
    low: u32,
    /// So many are high; 0: never
    #[arg(long, value_name = "N", requires = "interval", default_value_t = ham_unit::HIGH)]
    high: u32,
}

impl Heartbeat {
    /// As the interface has it; `None`: nothing is said of it.
    pub(crate) fn asked(&self) -> Option<AttachHeartbeat> {
        let &Heartbeat { interval, low, high } = self;
        interval.map(|interval| AttachHeartbeat { interval_ns: interval.0, low, high })
    }
}

/// What `heartbeat` is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beats {
    /// Not counted until `resume`
    Suspend,
    /// Counted again, as if one had just come
    Resume,
    /// Print `active` or `suspended`
    Query,
}

impl Beats {
    const ALL: [Beats; 3] = [Beats::Suspend, Beats::Resume, Beats::Query];

    /// As the interface has it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Beats::Suspend => "suspend",
            Beats::Resume => "resume",
            Beats::Query => "query",
        }
    }
}

pub(super) fn beats(text: &str) -> Result<Beats, String> {
    Beats::ALL.into_iter().find(|beats| beats.word() == text).ok_or_else(|| {
        format!(
            "suspend, resume or query comes first, then the entity: hamctl heartbeat query {text}"
        )
    })
}

/// A period of a heartbeat.
fn period(text: &str) -> Result<Span, String> {
    let time = duration(text)?;
    if time < HeartbeatPlan::SHORTEST || time.is_infinite() {
        return Err(format!("a period has {} or more, and an end", HeartbeatPlan::SHORTEST));
    }
    Ok(time)
}
