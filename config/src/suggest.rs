//! What somebody probably meant to write. Only suggests; nothing is ever corrected silently.

/// Longest word worth comparing; the table grows with the product of both lengths.
const WORD_MAX: usize = 64;

/// The candidate that `word` most likely stands for, if one is near enough to be no guess.
pub(crate) fn nearest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let word = normal(word);
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .iter()
        .map(|candidate| (distance(&word, &normal(candidate)), *candidate))
        .filter(|(distance, candidate)| {
            *distance <= allowed && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "`a`, `b`, `c`".
pub(crate) fn listed(candidates: &[&str]) -> String {
    candidates.iter().map(|candidate| format!("`{candidate}`")).collect::<Vec<_>>().join(", ")
}

/// Case and the two ways to join words do not count as differences.
fn normal(word: &str) -> String {
    word.chars()
        .take(WORD_MAX)
        .map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() })
        .collect()
}

/// Insertions, deletions, replacements and swaps of neighbours that make `a` from `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut before = None;
    for (i, letter) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        let mut left = i + 1;
        for (j, other) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let replaced = cell(&row, j) + usize::from(letter != *other);
            let mut least = replaced.min(cell(&row, j + 1) + 1).min(left + 1);
            let neighbour = j.checked_sub(1).and_then(|at| b.get(at));
            if before == Some(*other) && neighbour == Some(&letter) {
                least = least.min(cell(&above, j.saturating_sub(1)) + 1);
            }
            next.push(least);
            left = least;
        }
        above = std::mem::replace(&mut row, next);
        before = Some(letter);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_a_gap_and_a_hyphen_are_near() {
        let keys = ["name", "listen", "frame_max", "connect_timeout"];
        for (word, meant) in [
            ("frame_mxa", Some("frame_max")),
            ("max_frmae", None),
            ("lsten", Some("listen")),
            ("connect-timeout", Some("connect_timeout")),
            ("Name", Some("name")),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &keys), meant, "{word}");
        }
    }
}
