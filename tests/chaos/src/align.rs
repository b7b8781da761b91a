//! Two sequences of process ids that should be the same, put side by side.
//! Process ids come back after some thirty thousand, so they say who it was
//! only by their place in the sequence.

/// What belongs together.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    /// For each of the first sequence its place in the second.
    pub(crate) matches: Vec<Option<usize>>,
    /// Places in the second that belong to none of the first.
    pub(crate) extra: Vec<usize>,
}

/// More missing or surplus in a row than this is not told apart any more.
const AHEAD: usize = 16;

/// Puts `found` beside `truth`.
pub(crate) fn align(truth: &[u64], found: &[u64]) -> Aligned {
    let mut aligned = Aligned::default();
    let (mut here, mut there) = (0, 0);
    while here < truth.len() && there < found.len() {
        if truth[here] == found[there] {
            aligned.matches.push(Some(there));
            (here, there) = (here + 1, there + 1);
            continue;
        }
        let missing = (1..AHEAD).find(|n| truth.get(here + n) == Some(&found[there]));
        let surplus = (1..AHEAD).find(|n| found.get(there + n) == Some(&truth[here]));
        match (missing, surplus) {
            (Some(missing), surplus) if surplus.is_none_or(|surplus| missing <= surplus) => {
                aligned.matches.extend((0..missing).map(|_| None));
                here += missing;
            }
            (_, Some(surplus)) => {
                aligned.extra.extend(there..there + surplus);
                there += surplus;
            }
            _ => {
                aligned.matches.push(None);
                aligned.extra.push(there);
                (here, there) = (here + 1, there + 1);
            }
        }
    }
    aligned.matches.resize(truth.len(), None);
    aligned.extra.extend(there..found.len());
    aligned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_found_where_they_are() {
        let check = |truth: &[u64], found: &[u64], matches: &[Option<usize>], extra: &[usize]| {
            let aligned = align(truth, found);
            assert_eq!(aligned.matches, matches, "{truth:?} {found:?}");
            assert_eq!(aligned.extra, extra, "{truth:?} {found:?}");
        };
        check(&[1, 2, 3], &[1, 2, 3], &[Some(0), Some(1), Some(2)], &[]);
        check(&[1, 2, 3], &[1, 3], &[Some(0), None, Some(1)], &[]);
        check(&[1, 2], &[1, 1, 2], &[Some(0), Some(2)], &[1]);
        check(&[1, 2, 3], &[1, 9, 3], &[Some(0), None, Some(2)], &[1]);
        check(&[1, 2], &[], &[None, None], &[]);
    }
}
