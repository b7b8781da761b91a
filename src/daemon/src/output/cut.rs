//! Lines in what an entity has written, and their way into a pipe in which none
//! of them is torn.

/// The longest line that is passed on in one piece, in bytes.
pub(super) const LINE: usize = 8 * 1024;

/// The smallest page. What is written to a pipe at once and fits into one is
/// never torn: not by the end of this process, nor by others who write to the
/// same output.
pub(super) const PAGE: usize = 4096;

/// What becomes of bytes at the end that have no end of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// They wait for the rest of their line.
    Waits,
    /// They are passed on: there is no room for the rest of their line.
    GoesOn,
    /// They are a line: nothing comes any more.
    Ends,
}

/// The next piece: its text, whether the line goes on after it, and how many
/// bytes it takes.
pub(super) fn next(bytes: &[u8], rest: Rest) -> Option<(&[u8], bool, usize)> {
    if bytes.is_empty() {
        return None;
    }
    let some = bytes.get(..=LINE).unwrap_or(bytes);
    if let Some(at) = some.iter().position(|byte| *byte == b'\n') {
        return Some((&some[..at], false, at + 1));
    }
    if some.len() > LINE {
        let at = boundary(some, LINE);
        return Some((&some[..at], true, at));
    }
    match rest {
        Rest::Waits => None,
        Rest::GoesOn => Some((some, true, some.len())),
        Rest::Ends => Some((some, false, some.len())),
    }
}

/// Where to cut, at most at `at`, so that no UTF-8 sequence is torn.
fn boundary(bytes: &[u8], at: usize) -> usize {
    let starts = |at: &usize| bytes.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    (at.saturating_sub(3)..=at).rev().find(starts).unwrap_or(at)
}

/// Whole lines, put together to what is written at once.
#[derive(Debug)]
pub(super) struct Packets {
    packets: Vec<Vec<u8>>,
    pages: usize,
    most: usize,
}

impl Packets {
    /// For a pipe of so many bytes.
    pub(super) fn for_pipe(size: usize) -> Packets {
        Packets { packets: Vec::new(), pages: 0, most: size / PAGE }
    }

    /// False: it does not fit.
    pub(super) fn add(&mut self, line: Vec<u8>) -> bool {
        if let Some(last) = self.packets.last_mut()
            && last.len() + line.len() <= PAGE
        {
            last.extend_from_slice(&line);
            return true;
        }
        let pages = line.len().div_ceil(PAGE);
        if self.pages + pages > self.most {
            return false;
        }
        self.pages += pages;
        self.packets.push(line);
        true
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.packets.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut bytes: &[u8], rest: Rest) -> Vec<(Vec<u8>, bool)> {
        let mut pieces = Vec::new();
        while let Some((text, more, taken)) = next(bytes, rest) {
            pieces.push((text.to_vec(), more));
            bytes = &bytes[taken..];
        }
        pieces
    }

    #[test]
    fn lines_are_found_and_what_is_none_waits() {
        let is = |text: &str, more| (text.as_bytes().to_vec(), more);
        assert_eq!(
            all(b"a\n\nbc\nrest", Rest::Waits),
            [is("a", false), is("", false), is("bc", false)]
        );
        assert_eq!(all(b"rest", Rest::Ends), [is("rest", false)]);
        assert_eq!(all(b"a\nrest", Rest::GoesOn), [is("a", false), is("rest", true)]);
        assert_eq!(all(b"", Rest::Ends), []);
    }

    #[test]
    fn a_line_is_cut_only_when_it_is_too_long() {
        let mut exact = vec![b'x'; LINE];
        assert_eq!(all(&exact, Rest::Waits), []);
        exact.push(b'\n');
        assert_eq!(all(&exact, Rest::Waits), [(vec![b'x'; LINE], false)]);
        let mut long = "ä".repeat(LINE).into_bytes();
        long.insert(0, b'x');
        long.push(b'\n');
        let pieces = all(&long, Rest::Waits);
        assert_eq!(pieces.iter().map(|(_, more)| *more).collect::<Vec<_>>(), [true, true, false]);
        assert!(pieces.iter().all(|(text, _)| std::str::from_utf8(text).is_ok()));
        let whole: Vec<u8> = pieces.into_iter().flat_map(|(text, _)| text).collect();
        assert_eq!(whole, &long[..long.len() - 1]);
    }

    #[test]
    fn packets_hold_whole_lines_and_fit() {
        let mut packets = Packets::for_pipe(4 * PAGE);
        let mut lines = 0;
        while packets.add(vec![b'x'; 1000]) {
            lines += 1;
        }
        assert_eq!(lines, 16);
        assert!(packets.iter().all(|packet| packet.len() == 4000));
        let mut packets = Packets::for_pipe(4 * PAGE);
        assert!(packets.add(vec![b'x'; 3 * PAGE]));
        assert!(!packets.add(vec![b'x'; PAGE + 1]));
        assert!(packets.add(vec![b'x'; PAGE]));
    }
}
