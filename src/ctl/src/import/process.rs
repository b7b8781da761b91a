//! How the kernel treats the process: priority, scheduling, processors.

use super::parse::Assignment;
use super::toml;
use super::work::{SERVICE, Work};

impl Work<'_> {
    pub(crate) fn process(&mut self) {
        if let Some(from) = self.last(SERVICE, "Nice") {
            self.number(&from, -20..=19, "nice");
        }
        if let Some(from) = self.last(SERVICE, "OOMScoreAdjust")
            && self.number(&from, -1000..=1000, "oom-score-adjust")
        {
            // systemd goes on when it may not lower it.
            self.draft.push("optional", "\"oom-score-adjust\"".to_owned());
        }
        self.scheduling();
        if let Some(from) = self.list_as_one("CPUAffinity") {
            self.affinity(&from);
        }
        if let Some(from) = self.last(SERVICE, "NoNewPrivileges") {
            match self.truth(&from) {
                Some(true) => {
                    self.draft.set("no-new-privileges", "true");
                    self.translated(&from, "`no-new-privileges`");
                }
                Some(false) => self.no_meaning(&from, "the default"),
                None => {}
            }
        }
    }

    fn number(
        &mut self,
        from: &Assignment,
        range: std::ops::RangeInclusive<i32>,
        key: &'static str,
    ) -> bool {
        let number = from.value.parse::<i32>().ok().filter(|number| range.contains(number));
        match number {
            Some(number) => {
                self.draft.set(key, number.to_string());
                self.translated(from, format!("`{key}`"));
            }
            None => self.unreadable(from, "it is no number that this key takes"),
        }
        number.is_some()
    }

    fn scheduling(&mut self) {
        let policy = self.last(SERVICE, "CPUSchedulingPolicy");
        let priority = self.last(SERVICE, "CPUSchedulingPriority");
        let reset = self.last(SERVICE, "CPUSchedulingResetOnFork");
        let word = match policy.as_ref().map(|from| from.value.as_str()) {
            Some("rr") => "round-robin",
            Some(word @ ("fifo" | "batch" | "idle" | "other")) => word,
            Some(_) => {
                if let Some(from) = &policy {
                    self.unreadable(from, "there is no such policy");
                }
                "other"
            }
            None => "other",
        };
        let real_time = ["fifo", "round-robin"].contains(&word);
        let number = priority.as_ref().and_then(|from| from.value.parse::<u8>().ok());
        let mut fields = vec![("policy".to_owned(), toml::string(word))];
        if real_time {
            // As in systemd, where the lowest is the default.
            let number = number.unwrap_or(1).clamp(1, 99);
            fields.push(("priority".to_owned(), number.to_string()));
        }
        if let Some(from) = &priority {
            if real_time && number.is_some() {
                self.translated(from, "`scheduling.priority`");
            } else if number.is_some() {
                self.no_meaning(from, "the policy has no priority");
            } else {
                self.unreadable(from, "it is no number");
            }
        }
        let resets = reset.as_ref().and_then(|from| self.truth(from)) == Some(true);
        if resets {
            fields.push(("reset-on-fork".to_owned(), "true".to_owned()));
        }
        if let Some(from) = &reset {
            self.translated(from, "`scheduling.reset-on-fork`");
        }
        if let Some(from) = &policy {
            self.translated(from, "`scheduling`");
        }
        if fields.len() > 1 {
            self.draft.set("scheduling", toml::table(&fields));
        } else if word != "other" {
            self.draft.set_string("scheduling", word);
        }
    }

    /// A list that is joined into one value.
    fn list_as_one(&mut self, key: &str) -> Option<Assignment> {
        let all = self.list(SERVICE, key);
        let (last, earlier) = all.split_last()?;
        let mut whole = last.clone();
        for from in earlier {
            whole.value = format!("{} {}", from.value, whole.value);
            self.translated(from, "`affinity`");
        }
        Some(whole)
    }

    fn affinity(&mut self, from: &Assignment) {
        let mut items: Vec<String> = Vec::new();
        for word in from.value.split([' ', ',', '\t']).filter(|word| !word.is_empty()) {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            let range = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
            match range.filter(|(first, last)| first <= last && *last <= 1023) {
                Some((first, last)) if first == last => items.push(first.to_string()),
                Some((first, last)) => items.push(format!("\"{first}-{last}\"")),
                None if word == "numa" => {
                    return self.no_equivalent(from, "name the processors in `affinity`");
                }
                None => return self.unreadable(from, "it is no list of processors"),
            }
        }
        if !items.is_empty() {
            self.draft.set("affinity", toml::list(&items));
            self.translated(from, "`affinity`");
        }
    }
}
