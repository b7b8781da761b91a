//! How processes are made here: found once by trying, and kept in the state,
//! so that a successor does not spend its first millisecond on finding the
//! same again.

use super::holder::Holder;
use ham_snapshot::State;
use ham_snapshot::header::Field;
use ham_sys::spawn::{Abilities, Method, ProbeError, probe};
use std::os::fd::AsFd;

const KNOWN: u64 = 1;
const CLONE3: u64 = 1 << 1;
const OWN_FD_TABLE: u64 = 1 << 2;
const INTO_CGROUP: u64 = 1 << 3;

pub(super) fn find(state: State, holder: &Holder) -> Result<Abilities, ProbeError> {
    let known = state.get(Field::Abilities);
    if known & KNOWN != 0 {
        return Ok(Abilities {
            method: if known & CLONE3 != 0 { Method::Clone3 } else { Method::Clone },
            own_fd_table: known & OWN_FD_TABLE != 0,
            into_cgroup: known & INTO_CGROUP != 0,
        });
    }
    let mut abilities = probe()?;
    if let Some(cgroup) = holder.probe_cgroup() {
        abilities.check_cgroup(cgroup.as_fd());
        holder.probe_done();
    }
    let mut word = KNOWN;
    for (yes, bit) in [
        (abilities.method == Method::Clone3, CLONE3),
        (abilities.own_fd_table, OWN_FD_TABLE),
        (abilities.into_cgroup, INTO_CGROUP),
    ] {
        if yes {
            word |= bit;
        }
    }
    state.set(Field::Abilities, word);
    Ok(abilities)
}
