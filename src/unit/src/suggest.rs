//! The word that was probably meant, and lists of words for people.

/// The known word nearest to `word`, if one is near enough that a typing
/// mistake explains the difference.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer texts are no misspelt words, and comparing them takes time.
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase();
    // One mistake in short words, a third of the letters in longer ones: with
    // more than that almost any word resembles any other.
    let allowed = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one
/// word into the other (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (row, a_char) in a.chars().enumerate() {
        let mut current = vec![row.saturating_add(1)];
        let mut previous_b = None;
        for (column, b_char) in b.iter().enumerate() {
            let at = |list: &[usize], place: usize| list.get(place).copied().unwrap_or(usize::MAX);
            let next = column.saturating_add(1);
            let replaced = at(&last, column).saturating_add(usize::from(a_char != *b_char));
            let mut best = replaced
                .min(at(&last, next).saturating_add(1))
                .min(at(&current, column).saturating_add(1));
            if let (Some(earlier_a), Some(earlier_b)) = (previous_a, previous_b)
                && earlier_a == *b_char
                && earlier_b == a_char
            {
                best = best.min(at(&before_last, column.saturating_sub(1)).saturating_add(1));
            }
            current.push(best);
            previous_b = Some(*b_char);
        }
        previous_a = Some(a_char);
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(0)
}

/// `a`, `b` or `c`, in code quotes.
pub(crate) fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    joined(words, "or")
}

/// `a`, `b` and `c`, in code quotes.
pub(crate) fn and<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    joined(words, "and")
}

fn joined<'a>(words: impl IntoIterator<Item = &'a str>, between: &str) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} {between} {last}", rest.join(", ")),
    }
}

/// A word of the file for a message: cut when it is long.
pub(crate) fn quoted(word: &str) -> String {
    // Long enough for any name, short enough for one line.
    const MAX: usize = 60;
    if word.chars().count() <= MAX {
        return format!("`{word}`");
    }
    let cut: String = word.chars().take(MAX).collect();
    format!("`{cut}...`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["command", "start", "stop", "user"];
        assert_eq!(nearest("comand", known), Some("command"));
        assert_eq!(nearest("sotp", known), Some("stop"));
        assert_eq!(nearest("USER", known), Some("user"));
        assert_eq!(nearest("heartbeat", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"user".repeat(40), known), None);
    }

    #[test]
    fn distances_are_those_of_the_definition() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("abcd", "abdc"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(one_of([]), "");
        assert_eq!(one_of(["a"]), "`a`");
        assert_eq!(one_of(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
