//! The units of one load as a graph: who starts after whom, who requires whom.
//! Nodes are the places of units in the list of drafts. It is built once and
//! only ever walked; what is wrong with it is told by `circles` and
//! `opposites`.

use crate::draft::Draft;
use crate::order::Relation;
use std::collections::HashMap;
use std::ops::Range;

/// One unit is something to another.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    /// The unit that the edge leads to.
    pub(crate) to: usize,
    /// The unit whose file says so; with `before` the other end.
    pub(crate) said_by: usize,
    pub(crate) relation: Relation,
    /// Where it says so.
    pub(crate) span: Range<usize>,
}

/// The edges of each unit, by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    /// To those that it starts after.
    pub(crate) after: Vec<Vec<Edge>>,
    /// To those that it requires; each is one of `after` too.
    pub(crate) requires: Vec<Vec<Edge>>,
    /// To those that it wants; each is one of `after` too.
    pub(crate) wants: Vec<Vec<Edge>>,
    /// To those that it says it conflicts with.
    pub(crate) conflicts: Vec<Vec<Edge>>,
    /// To those that it has conditions on.
    pub(crate) of: Vec<Vec<Edge>>,
}

impl Graph {
    /// The graph of all units that could be read at least in part. Names that
    /// none of them has are left out.
    pub(crate) fn new(drafts: &[Draft<'_>]) -> Graph {
        let places: HashMap<&str, usize> =
            drafts.iter().enumerate().map(|(place, draft)| (draft.name, place)).collect();
        let none = || vec![Vec::new(); drafts.len()];
        let (after, requires, wants) = (none(), none(), none());
        let mut graph = Graph { after, requires, wants, conflicts: none(), of: none() };
        let put = |lists: &mut Vec<Vec<Edge>>, from: usize, edge: &Edge| {
            if let Some(list) = lists.get_mut(from) {
                list.push(edge.clone());
            }
        };
        for (from, draft) in drafts.iter().enumerate() {
            for neighbour in &draft.neighbours {
                let Some(to) = places.get(neighbour.name.as_str()).copied() else { continue };
                let relation = neighbour.relation;
                let edge = Edge { to, said_by: from, relation, span: neighbour.span.clone() };
                match relation {
                    Relation::Requires => {
                        put(&mut graph.requires, from, &edge);
                        put(&mut graph.after, from, &edge);
                    }
                    Relation::Wants => {
                        put(&mut graph.wants, from, &edge);
                        put(&mut graph.after, from, &edge);
                    }
                    Relation::After => put(&mut graph.after, from, &edge),
                    Relation::Before => put(&mut graph.after, to, &Edge { to: from, ..edge }),
                    Relation::Conflicts => put(&mut graph.conflicts, from, &edge),
                    Relation::Of => put(&mut graph.of, from, &edge),
                }
            }
        }
        graph
    }

    /// The edges of one unit.
    pub(crate) fn edges(lists: &[Vec<Edge>], unit: usize) -> &[Edge] {
        lists.get(unit).map_or(&[], Vec::as_slice)
    }

    /// The strongly connected parts of `after`: each a list of units that all
    /// start after each other, most of them of one unit. A part comes after
    /// all those that it leads to. Tarjan's algorithm, without recursion: a
    /// chain of ten thousand units must not exhaust the stack.
    pub(crate) fn parts(&self) -> Vec<Vec<usize>> {
        let count = self.after.len();
        let mut walk = Walk { marks: vec![Mark::default(); count], ..Walk::default() };
        for root in 0..count {
            if walk.mark(root).index == 0 {
                walk.from(root, &self.after);
            }
        }
        walk.parts
    }

    /// A shortest way along `lists` from one unit to another, if there is
    /// one: its edges. `within` says which units it may pass.
    pub(crate) fn way(
        lists: &[Vec<Edge>],
        from: usize,
        to: usize,
        within: impl Fn(usize) -> bool,
    ) -> Option<Vec<Edge>> {
        // Unit, to the unit and the edge that it was first reached by.
        let mut reached: HashMap<usize, (usize, &Edge)> = HashMap::new();
        let mut waiting = std::collections::VecDeque::from([from]);
        while let Some(unit) = waiting.pop_front() {
            for edge in Graph::edges(lists, unit).iter().filter(|edge| within(edge.to)) {
                if reached.contains_key(&edge.to) {
                    continue;
                }
                reached.insert(edge.to, (unit, edge));
                if edge.to == to {
                    let mut way = Vec::new();
                    let mut at = to;
                    while let Some((before, edge)) = reached.get(&at) {
                        way.push((*edge).clone());
                        at = *before;
                        if at == from {
                            break;
                        }
                    }
                    way.reverse();
                    return Some(way);
                }
                waiting.push_back(edge.to);
            }
        }
        None
    }
}

/// What Tarjan's algorithm knows of one unit. Indices count from 1; 0 is
/// "not yet visited".
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    index: usize,
    low: usize,
    on_stack: bool,
}

#[derive(Debug, Default)]
struct Walk {
    marks: Vec<Mark>,
    visited: usize,
    stack: Vec<usize>,
    parts: Vec<Vec<usize>>,
}

impl Walk {
    fn mark(&self, unit: usize) -> Mark {
        self.marks.get(unit).copied().unwrap_or_default()
    }

    fn set(&mut self, unit: usize, mark: Mark) {
        if let Some(place) = self.marks.get_mut(unit) {
            *place = mark;
        }
    }

    fn enter(&mut self, unit: usize) {
        self.visited = self.visited.saturating_add(1);
        self.set(unit, Mark { index: self.visited, low: self.visited, on_stack: true });
        self.stack.push(unit);
    }

    fn lower(&mut self, unit: usize, to: usize) {
        let mark = self.mark(unit);
        self.set(unit, Mark { low: mark.low.min(to), ..mark });
    }

    /// Visits all that can be reached from a unit. `path` holds the units
    /// between, each with the number of its edges that have been followed.
    fn from(&mut self, root: usize, after: &[Vec<Edge>]) {
        self.enter(root);
        let mut path = vec![(root, 0usize)];
        while let Some((unit, followed)) = path.last_mut() {
            let unit = *unit;
            let edge = Graph::edges(after, unit).get(*followed);
            *followed = followed.saturating_add(1);
            if let Some(edge) = edge {
                let other = self.mark(edge.to);
                if other.index == 0 {
                    self.enter(edge.to);
                    path.push((edge.to, 0));
                } else if other.on_stack {
                    self.lower(unit, other.index);
                }
                continue;
            }
            path.pop();
            let mark = self.mark(unit);
            if let Some((before, _)) = path.last() {
                self.lower(*before, mark.low);
            }
            if mark.low == mark.index {
                self.part_of(unit);
            }
        }
    }

    /// Takes the part that ends with `root` from the stack.
    fn part_of(&mut self, root: usize) {
        let mut part = Vec::new();
        while let Some(unit) = self.stack.pop() {
            self.set(unit, Mark { on_stack: false, ..self.mark(unit) });
            part.push(unit);
            if unit == root {
                break;
            }
        }
        self.parts.push(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(count: usize, edges: impl IntoIterator<Item = (usize, usize)>) -> Graph {
        let mut after = vec![Vec::new(); count];
        for (from, to) in edges {
            after[from].push(Edge { to, said_by: from, relation: Relation::After, span: 0..0 });
        }
        Graph { after, ..Graph::default() }
    }

    #[test]
    fn a_long_chain_and_a_long_circle_need_no_stack() {
        const COUNT: usize = 100_000;
        let chain = graph(COUNT, (1..COUNT).map(|unit| (unit - 1, unit)));
        let parts = chain.parts();
        assert_eq!(parts.len(), COUNT);
        assert_eq!(parts[0], [COUNT - 1], "what others lead to comes first");
        let circle = graph(COUNT, (0..COUNT).map(|unit| (unit, (unit + 1) % COUNT)));
        assert_eq!(circle.parts().iter().map(Vec::len).collect::<Vec<_>>(), [COUNT]);
        let way = Graph::way(&circle.after, 0, 0, |_| true).unwrap();
        assert_eq!(way.len(), COUNT);
    }

    #[test]
    fn the_shortest_way_is_found() {
        let graph = graph(6, [(0, 1), (1, 2), (2, 3), (0, 4), (4, 3), (3, 0), (5, 0)]);
        let ends = |from, to| {
            Graph::way(&graph.after, from, to, |_| true)
                .map(|way| way.iter().map(|edge| edge.to).collect::<Vec<_>>())
        };
        assert_eq!(ends(0, 3), Some(vec![4, 3]));
        assert_eq!(ends(0, 0), Some(vec![4, 3, 0]));
        assert_eq!(ends(0, 5), None);
        let around = Graph::way(&graph.after, 0, 3, |unit| unit != 4).unwrap();
        assert_eq!(around.len(), 3);
        assert_eq!(graph.parts().len(), 2);
    }
}
