//! The mutants that no model notices, each with its reason in `docs/memory-ordering.md`.
//!
//! There, an item of a list that opens with a mutant's name in back-quotes explains that mutant; a
//! `*` in the name stands for anything.

use crate::source::root;

/// The names, as patterns.
pub(crate) struct Explained(Vec<String>);

impl Explained {
    /// Reads the page.
    pub(crate) fn read() -> Self {
        let page = std::fs::read_to_string(root().join("docs/memory-ordering.md"));
        let page = page.unwrap_or_default();
        let names = page.lines().filter_map(|line| line.strip_prefix("- `")?.split_once('`'));
        Self(
            names
                .map(|(name, _)| name)
                .filter(|name| name.contains(" -> "))
                .map(String::from)
                .collect(),
        )
    }

    /// Whether a pattern of the page names this mutant.
    pub(crate) fn covers(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, name))
    }

    /// Patterns that name none of these mutants.
    pub(crate) fn idle<'e>(&'e self, missed: &'e [String]) -> impl Iterator<Item = &'e str> {
        let used = |pattern: &str| missed.iter().any(|name| matches(pattern, name));
        self.0.iter().map(String::as_str).filter(move |pattern| !used(pattern))
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut ends = !pattern.contains('*');
    for part in parts {
        ends = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    ends || rest.is_empty()
}
