//! `CapabilityBoundingSet=` and `AmbientCapabilities=`.

use super::toml;
use super::work::{SERVICE, Work};
use ham_unit::capability_name;

/// All that this ham knows, by bit.
fn all() -> u64 {
    (0..64u32).filter(|bit| capability_name(*bit).is_some()).fold(0, |set, bit| set | (1 << bit))
}

fn bit(name: &str) -> Option<u64> {
    let upper = name.to_ascii_uppercase();
    let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
    let known = |known: &str| known.strip_prefix("CAP_").unwrap_or(known) == name;
    (0..64u32).find(|bit| capability_name(*bit).is_some_and(known)).map(|bit| 1 << bit)
}

fn names(set: u64) -> String {
    let bits = (0..64u32).filter(|bit| (set >> bit) & 1 == 1);
    let names: Vec<String> = bits
        .filter_map(capability_name)
        .map(|name| toml::string(name.strip_prefix("CAP_").unwrap_or(name)))
        .collect();
    toml::list(&names)
}

impl Work<'_> {
    pub(crate) fn capabilities(&mut self) {
        let bounding = self.capability_set("CapabilityBoundingSet", "bounding");
        let ambient = self.capability_set("AmbientCapabilities", "ambient");
        if let Some(bounding) = bounding {
            self.draft.field("capabilities", "bounding", names(bounding));
        }
        if let Some(ambient) = ambient.filter(|set| *set != 0) {
            // What the bounding set lacks nobody can have.
            let ambient = bounding.map_or(ambient, |bounding| ambient & bounding);
            self.draft.field("capabilities", "ambient", names(ambient));
        }
    }

    /// The set that all lines of a key make: names add to it, `~` takes away,
    /// and what the first line begins with says what it began as.
    fn capability_set(&mut self, key: &str, field: &str) -> Option<u64> {
        let mut set: Option<u64> = None;
        for from in self.every(SERVICE, key) {
            let (inverted, rest) = match from.value.strip_prefix('~') {
                Some(rest) => (true, rest),
                None => (false, from.value.as_str()),
            };
            let mut these = 0;
            let mut unknown = Vec::new();
            for word in rest.split_whitespace() {
                match bit(word) {
                    Some(bit) => these |= bit,
                    None => unknown.push(word.to_owned()),
                }
            }
            set = Some(match (inverted, rest.trim().is_empty(), set) {
                (false, true, _) => 0,
                (true, true, _) => all(),
                (true, false, None) => all() & !these,
                (true, false, Some(set)) => set & !these,
                (false, false, None) => these,
                (false, false, Some(set)) => set | these,
            });
            if unknown.is_empty() {
                self.translated(&from, format!("`capabilities.{field}`"));
            } else {
                let which = unknown.join(", ");
                self.no_equivalent(&from, format!("ham does not know {which}; the rest is there"));
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits_fit() {
        assert_eq!(bit("CAP_CHOWN"), Some(1));
        assert_eq!(bit("cap_kill"), Some(1 << 5));
        assert_eq!(bit("CAP_FLY"), None);
        assert_eq!(names(1 | (1 << 10)), "[\"CHOWN\", \"NET_BIND_SERVICE\"]");
        assert!(all().count_ones() >= 40);
    }
}
