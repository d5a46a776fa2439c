//! Derives the mutants from the text of the included files.
//!
//! Which files: those that `main.rs` includes by path, except the facade. What is looked for: calls
//! of the atomic operations and fences whose arguments name an `Ordering`.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use crate::mutation::{Change, Site, ordering};

/// One mutation of one access.
#[derive(Clone, Debug)]
pub(crate) struct Mutant {
    pub(crate) site: Site,
    pub(crate) change: Change,
    /// `file function: operation orderings -> what became of them`: the line number is not part of
    /// it, so that it survives edits elsewhere in the file.
    pub(crate) name: String,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {})", self.name, self.site.line)
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a package of the workspace").into()
}

/// The lock-free files, from the root of the repository: the modules that `main.rs` includes by
/// path, and theirs.
pub(crate) fn files() -> Vec<String> {
    let mut files = BTreeSet::new();
    let mut path = None;
    let mut is_stand_in = false;
    for line in include_str!("main.rs").lines() {
        if let Some(included) = line.strip_prefix("#[path = \"../../src/") {
            let included = included.strip_suffix("\"]").filter(|file| !file.starts_with("sync/"));
            path = included.map(|included| format!("src/{included}"));
        } else if line.trim().starts_with("#[path") {
            is_stand_in = true; // the module on the next line
        } else if line == "}" {
            path = None;
        } else if let (Some(included), Some(name)) = (&path, declared(line)) {
            if included.ends_with(".rs") {
                include(included.clone(), &mut files);
                path = None;
            } else if !std::mem::take(&mut is_stand_in) {
                let file = file_of(included, name).expect("an included module has a file");
                include(file, &mut files);
            }
        }
    }
    assert!(!files.is_empty(), "main.rs includes no file");
    files.into_iter().collect()
}

/// The name in `mod name;`.
fn declared(line: &str) -> Option<&str> {
    line.trim().trim_start_matches("pub(crate) ").strip_prefix("mod ")?.strip_suffix(';')
}

/// The file of the module of that name, if it is in that folder.
fn file_of(folder: &str, name: &str) -> Option<String> {
    let candidates = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")];
    candidates.into_iter().find(|file| root().join(file).exists())
}

/// Adds the file and those of its modules.
fn include(file: String, files: &mut BTreeSet<String>) {
    let folder = file.trim_end_matches(".rs").trim_end_matches("/mod").to_string();
    let text = read(&file).replace("#[cfg(test)]\nmod ", "// ");
    files.insert(file);
    for name in text.lines().filter_map(declared) {
        include(file_of(&folder, name).expect("a declared module has a file"), files);
    }
}

/// Every mutant of every lock-free file, in source order.
pub(crate) fn mutants() -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for file in files() {
        let text = read(&file);
        let mut names: Vec<String> = Vec::new();
        for access in accesses(&file, &text) {
            let shape = access.to_string();
            names.push(shape.clone());
            let same = names.iter().filter(|name| **name == shape).count();
            let shape = if same > 1 { format!("{shape} #{same}") } else { shape };
            for change in access.changes() {
                let name = format!("{file} {shape} -> {}", access.describe(change));
                mutants.push(Mutant { site: access.site.clone(), change, name });
            }
        }
    }
    mutants
}

/// Every access of every lock-free file, those that cannot be weakened included.
pub(crate) fn sites() -> BTreeSet<Site> {
    let of = |file: &String| accesses(file, &read(file)).into_iter().map(|access| access.site);
    files().iter().flat_map(of).collect()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).expect("an included file exists")
}

/// One call of an atomic operation.
struct Access {
    site: Site,
    function: String,
    operation: String,
    orders: Vec<Ordering>,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orders: Vec<String> = self.orders.iter().map(|order| format!("{order:?}")).collect();
        write!(f, "{}: {} {}", self.function, self.operation, orders.join("/"))
    }
}

impl Access {
    fn is_exchange(&self) -> bool {
        self.orders.len() == 2
    }

    /// Everything that is done to this access, the strongest weakening last.
    fn changes(&self) -> Vec<Change> {
        let first = self.orders[0];
        let mut changes: Vec<Change> = match self.operation.as_str() {
            "load" => weaker(first, &[Ordering::Acquire, Ordering::Relaxed]),
            "store" => weaker(first, &[Ordering::Release, Ordering::Relaxed]),
            "fence" => weaker(first, &[Ordering::AcqRel, Ordering::Acquire, Ordering::Release]),
            _ => weaker(
                first,
                &[Ordering::AcqRel, Ordering::Acquire, Ordering::Release, Ordering::Relaxed],
            ),
        }
        .into_iter()
        .map(Change::Order)
        .collect();
        if self.operation == "fence" {
            changes.push(Change::Removed);
        }
        if self.is_exchange() {
            let failure = weaker(self.orders[1], &[Ordering::Acquire, Ordering::Relaxed]);
            changes.extend(failure.into_iter().map(Change::Failure));
            changes.push(Change::Store);
        }
        changes
    }

    fn describe(&self, change: Change) -> String {
        match change {
            Change::Order(order) if self.is_exchange() => format!("success {order:?}"),
            Change::Order(order) => format!("{order:?}"),
            Change::Failure(order) => format!("failure {order:?}"),
            Change::Store => "plain store".to_string(),
            Change::Removed => "removed".to_string(),
        }
    }
}

/// Those of `candidates` that promise less than `given`.
fn weaker(given: Ordering, candidates: &[Ordering]) -> Vec<Ordering> {
    let rank = |order| match order {
        Ordering::Relaxed => 0,
        Ordering::Acquire | Ordering::Release => 1,
        Ordering::AcqRel => 2,
        _ => 3,
    };
    candidates.iter().copied().filter(|candidate| rank(*candidate) < rank(given)).collect()
}

const OPERATIONS: &[&str] = &[
    "load",
    "store",
    "swap",
    "fetch_add",
    "fetch_sub",
    "fetch_or",
    "compare_exchange",
    "compare_exchange_weak",
    "exchange", // a helper that hands its orderings on, `#[track_caller]`
    "fence",
];

/// The calls of atomic operations in `text`, up to its unit tests.
fn accesses(file: &str, text: &str) -> Vec<Access> {
    let text = without_comments(text);
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    let mut function = String::new();
    let mut at = 0;
    while at < text.len() {
        let word = word_at(&text[at..]);
        if word.is_empty() {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let end = at + word.len();
        if word == "fn" {
            function = word_at(text[end..].trim_start()).to_string();
        } else if OPERATIONS.contains(&word) && text[end..].starts_with('(') {
            let arguments = in_parentheses(&text[end..]);
            let orders: Vec<Ordering> = arguments
                .iter()
                .filter_map(|argument| ordering(argument.trim().strip_prefix("Ordering::")?))
                .collect();
            let expected = if word.contains("exchange") { 2 } else { 1 };
            if orders.len() == expected {
                let site = site_of(file, text, at);
                let operation = word.to_string();
                found.push(Access { site, function: function.clone(), operation, orders });
            } else {
                assert!(
                    !arguments.concat().contains("Ordering::"),
                    "{file}: {word} not understood"
                );
            }
        }
        at = end;
    }
    found
}

fn word_at(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The arguments of the call that opens with the parenthesis at the start of `text`.
fn in_parentheses(text: &str) -> Vec<&str> {
    let mut arguments = Vec::new();
    let (mut depth, mut start) = (0, 1);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ',' if depth == 1 => {
                arguments.push(&text[start..at]);
                start = at + 1;
            }
            ')' | ']' | '}' => {
                depth -= 1;
                if depth == 0 {
                    arguments.push(&text[start..at]);
                    return arguments;
                }
            }
            _ => {}
        }
    }
    arguments
}

/// Comments blanked out, so that places stay where they are.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.find("//") {
            Some(at) => {
                out.push_str(&line[..at]);
                out.extend(line[at..].chars().map(|c| if c == '\n' { c } else { ' ' }));
            }
            None => out.push_str(line),
        }
    }
    out
}

fn site_of(file: &str, text: &str, at: usize) -> Site {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
    let narrow = |n: usize| u32::try_from(n).expect("a source file is short");
    Site { file: file.to_string(), line: narrow(line), column: narrow(column) }
}
