//! Facts about the source that the compiler does not check: layers, unsafe, orderings, labels, links.
//!
//! Each test states one fact and prints every place where it does not hold. Taste is not tested.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Folders of `src/`, each with the folders it may import from. Downwards only.
const LAYERS: &[(&str, &[&str])] = &[
    ("sync", &[]),
    ("base", &["sync"]),
    ("pool", &["sync", "base"]),
    ("lane", &["sync", "base", "pool"]),
    ("coordinator", &["sync", "base", "pool", "lane"]),
    ("task", &[]),
    ("store", &["base", "task"]),
    ("cluster", &["sync", "base", "task", "store"]),
    ("service", &["sync", "base", "pool", "lane", "coordinator", "task", "store", "cluster"]),
];

/// The files that may hold `unsafe`, and nobody else.
const UNSAFE_FILES: &[&str] = &[
    "src/base/epoch_cell.rs",
    "src/base/promise.rs",
    "src/base/seat.rs",
    "src/coordinator/current.rs",
    "src/coordinator/handle.rs",
    "src/coordinator/inline.rs",
    "src/coordinator/token_group.rs",
    "src/lane/desk.rs",
    "src/lane/inbox.rs",
    "src/lane/roster.rs",
    "src/lane/shard.rs",
    "src/lane/tour.rs",
    "src/pool/broadcast.rs",
    "src/pool/affinity.rs",
    "src/pool/claim.rs",
    "src/pool/forked.rs",
    "src/pool/frame.rs",
    "src/pool/guest.rs",
    "src/pool/injector.rs",
    "src/pool/join.rs",
    "src/pool/latch.rs",
    "src/pool/offer.rs",
    "src/pool/scope.rs",
    "src/pool/sleep/mod.rs",
    "src/pool/spawn.rs",
    "src/pool/station.rs",
    "src/pool/thread.rs",
    "src/pool/work.rs",
    "src/pool/worker.rs",
    "src/sync/model_deque.rs",
];

/// The lock-free files. They import `crate::sync`, each other, and nothing else of ours, so that
/// no mutex can be reached from them and the model checker can include them by path.
const LOCK_FREE_FILES: &[&str] = &[
    "src/base/epoch_cell.rs",
    "src/base/promise.rs",
    "src/base/seat.rs",
    "src/coordinator/token_group.rs",
    "src/lane/inbox.rs",
    "src/pool/crew.rs",
    "src/pool/injector.rs",
    "src/pool/latch.rs",
    "src/pool/ring.rs",
    "src/pool/sleep/counters.rs",
    "src/pool/sleep/mod.rs",
];

/// Files that may read the clock; all others are handed the time.
const CLOCK_FILES: &[&str] = &["src/base/clock.rs", "src/sync/native.rs"];

const ORDERINGS: &[&str] = &["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Lines with their numbers (from 1), up to an inline `mod tests {`.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        self.text[..end].lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &str, ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            let name =
                path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                let relative = path.strip_prefix(root()).expect("below the root");
                let text = fs::read_to_string(&path).expect("UTF-8 source");
                found.push(Source { path: relative.to_string_lossy().into_owned(), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The library's sources without its unit tests.
fn library() -> Vec<Source> {
    let found: Vec<Source> =
        files_below("src", ".rs").into_iter().filter(|s| !s.path.contains("tests")).collect();
    assert!(found.len() > 10, "the test looks at nothing");
    found
}

fn assert_none(fact: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{fact}; broken at:\n  {}", broken.join("\n  "));
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The code part of a line: without its trailing comment.
fn code_part(line: &str) -> &str {
    if is_comment(line) { "" } else { line.split(" // ").next().unwrap_or(line) }
}

/// Names of our folders and files that follow `crate::` in this line.
fn imports(line: &str) -> Vec<String> {
    let code = code_part(line);
    code.match_indices("crate::")
        .map(|(at, marker)| {
            code[at + marker.len()..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':')
                .collect()
        })
        .collect()
}

#[test]
fn layers_import_downwards_only() {
    let mut broken = Vec::new();
    for source in library() {
        let parts: Vec<&str> = source.path.split('/').skip(1).collect();
        let [folder, _, ..] = parts[..] else { continue };
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == folder) else {
            broken.push(source.at(1, "a folder that is in no layer"));
            continue;
        };
        for (number, line) in source.code() {
            for import in imports(line) {
                let target = import.split("::").next().unwrap_or_default();
                let ours = LAYERS.iter().any(|(name, _)| *name == target);
                if ours && target != folder && !allowed.contains(&target) {
                    broken.push(source.at(number, &format!("{folder} imports {target}")));
                }
            }
        }
    }
    assert_none("a layer imports only from the layers below it", broken);
}

#[test]
fn the_task_core_is_pure() {
    let impure = ["std::fs", "std::net", "std::thread", "std::sync", "Instant::now", "SystemTime"];
    let mut broken = Vec::new();
    for source in library().iter().filter(|s| s.path.starts_with("src/task/")) {
        for (number, line) in source.code() {
            // Sharing is pure; everything else in `std::sync` is about other threads.
            let code = code_part(line).replace("std::sync::Arc", "");
            for word in impure.iter().filter(|word| code.contains(**word)) {
                broken.push(source.at(number, word));
            }
        }
    }
    assert_none("src/task does no I/O, reads no clock, spawns nothing", broken);
}

#[test]
fn unsafe_stays_in_the_listed_files() {
    let words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe trait", "unsafe extern"];
    let mut broken = Vec::new();
    let mut used = BTreeSet::new();
    for source in library() {
        let lines: Vec<(usize, &str)> = source.code().collect();
        for &(number, line) in &lines {
            let code = code_part(line);
            if !words.iter().any(|word| code.contains(word)) {
                continue;
            }
            used.insert(source.path.clone());
            if !UNSAFE_FILES.contains(&source.path.as_str()) {
                broken.push(source.at(number, "unsafe outside the listed files"));
            }
            let states_duty = code.contains("unsafe fn ");
            let documented = lines[..number - 1]
                .iter()
                .rev()
                .take_while(|(_, l)| is_comment(l) || l.trim_start().starts_with('#'))
                .any(|(_, l)| l.contains("# Safety") || l.contains("SAFETY:"));
            if states_duty && !documented {
                broken.push(source.at(number, "an unsafe fn without `# Safety`"));
            }
        }
    }
    for listed in UNSAFE_FILES.iter().filter(|listed| !used.contains(**listed)) {
        broken.push(format!("{listed}: listed, but holds no unsafe"));
    }
    assert_none("unsafe is where the list says, with its duty stated", broken);
}

/// The comment that argues line `at`: trailing on it, or the nearest block above, going up over the
/// lines of the same statement.
fn comment_of(lines: &[(usize, &str)], at: usize) -> String {
    let mut above = at;
    for _ in 0..8 {
        if let Some((_, trailing)) = lines[above].1.split_once(" // ") {
            return trailing.trim().to_string();
        }
        let end = above == 0 || lines[above - 1].1.trim().is_empty();
        if end || is_comment(lines[above - 1].1) {
            break;
        }
        above -= 1;
    }
    let mut block: Vec<&str> = lines[..above]
        .iter()
        .rev()
        .take_while(|(_, line)| is_comment(line))
        .map(|(_, line)| line.trim_start().trim_start_matches('/').trim())
        .collect();
    block.reverse();
    block.join("\n")
}

#[test]
fn every_ordering_is_argued() {
    let mut broken = Vec::new();
    let mut seen = 0;
    for source in library().iter().filter(|s| s.path != "src/sync/model.rs") {
        let lines: Vec<(usize, &str)> = source.code().collect();
        for (at, (number, line)) in lines.iter().enumerate() {
            let code = code_part(line);
            for ordering in ORDERINGS {
                if code.contains(&format!("Ordering::{ordering}")) {
                    seen += 1;
                    let comment = comment_of(&lines, at);
                    let argued = |l: &str| ORDERINGS.iter().any(|o| l.starts_with(o));
                    if !comment.lines().any(argued) {
                        broken.push(source.at(*number, &format!("{ordering} without argument")));
                    }
                }
                let ambiguous = ["Acquire", "Release"].contains(ordering);
                let bare = [format!("({ordering})"), format!(", {ordering})")];
                if !ambiguous && bare.iter().any(|bare| code.contains(bare)) {
                    broken.push(source.at(*number, "write orderings as `Ordering::…`"));
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} orderings seen: the test looks at the wrong words");
    assert_none("an ordering's comment begins with the ordering", broken);
}

/// Labels `[like-this]` in plain comments, with the places of each.
fn labels() -> BTreeMap<String, Vec<String>> {
    let mut labels: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in library() {
        for (number, line) in source.code() {
            let Some(at) = line.find("// ") else { continue };
            let comment = &line[at + 3..];
            for (start, _) in comment.match_indices('[') {
                let Some(length) = comment[start..].find(']') else { continue };
                let label = &comment[start + 1..start + length];
                let shape = |c: char| c.is_ascii_lowercase() || c == '-';
                if label.len() > 2 && label.chars().all(shape) {
                    labels.entry(label.to_string()).or_default().push(source.at(number, label));
                }
            }
        }
    }
    labels
}

#[test]
fn every_handshake_has_two_ends_and_its_page() {
    let page = fs::read_to_string(root().join("docs/memory-ordering.md")).expect("the page exists");
    let labels = labels();
    let mut broken = Vec::new();
    for (label, places) in &labels {
        if places.len() < 2 {
            broken.push(format!("[{label}] has one end only: {}", places[0]));
        }
        if !page.contains(&format!("[{label}]")) {
            broken.push(format!("[{label}] is not in docs/memory-ordering.md"));
        }
    }
    for line in page.lines().filter(|line| line.starts_with("### [")) {
        let label = line.trim_start_matches("### [").split(']').next().unwrap_or_default();
        if !labels.contains_key(label) {
            broken.push(format!("docs/memory-ordering.md names [{label}], the source does not"));
        }
    }
    assert!(labels.len() > 5, "only {} labels seen", labels.len());
    assert_none("a handshake label stands at both ends and on its page", broken);
}

#[test]
fn no_mutex_is_reachable_from_the_lock_free_files() {
    let locks = ["Mutex", "RwLock", "Condvar", "parking_lot", "Barrier"];
    let mut broken = Vec::new();
    let library = library();
    for listed in LOCK_FREE_FILES {
        let Some(source) = library.iter().find(|s| s.path == *listed) else {
            broken.push(format!("{listed}: listed, but not there"));
            continue;
        };
        for (number, line) in source.code() {
            for lock in locks.iter().filter(|lock| code_part(line).contains(**lock)) {
                broken.push(source.at(number, lock));
            }
            for import in imports(line) {
                let path = format!("src/{}", import.replace("::", "/"));
                let lock_free = LOCK_FREE_FILES.iter().any(|file| {
                    path.starts_with(file.trim_end_matches(".rs").trim_end_matches("/mod"))
                });
                if !import.starts_with("sync") && !lock_free {
                    broken.push(source.at(number, &format!("imports {import}")));
                }
            }
        }
    }
    let facade = library.iter().find(|s| s.path == "src/sync/native.rs").expect("the facade");
    for (number, line) in facade.code().filter(|(_, line)| code_part(line).contains("Mutex")) {
        broken.push(facade.at(number, line.trim()));
    }
    assert_none("the lock-free files reach no lock", broken);
}

#[test]
fn atomics_and_crossbeam_come_through_the_facade() {
    let words = ["std::sync::atomic", "core::sync::atomic", "crossbeam_", "std::cell::UnsafeCell"];
    let mut broken = Vec::new();
    for source in library().iter().filter(|s| !s.path.starts_with("src/sync/")) {
        for (number, line) in source.code() {
            for word in words.iter().filter(|word| code_part(line).contains(**word)) {
                broken.push(source.at(number, word));
            }
            if code_part(line).contains("laneway_loom") && source.path != "src/lib.rs" {
                broken.push(source.at(number, "a model cfg outside sync/"));
            }
        }
    }
    assert_none("only sync/ sees atomics, crossbeam and the model cfg", broken);
}

#[test]
fn the_clock_is_read_in_one_place() {
    let mut broken = Vec::new();
    for source in library().iter().filter(|s| !CLOCK_FILES.contains(&s.path.as_str())) {
        for (number, line) in source.code() {
            let code = code_part(line);
            if ["Instant::now", "SystemTime::now"].iter().any(|word| code.contains(word)) {
                broken.push(source.at(number, line.trim()));
            }
        }
    }
    assert_none("src/base/clock.rs reads the clock", broken);
}

#[test]
fn panics_are_caught_at_the_boundaries_only() {
    let mut broken = Vec::new();
    for source in library().iter().chain(&files_below("ffi/src", ".rs")) {
        if ["src/pool/unwind.rs", "ffi/src/boundary.rs"].contains(&source.path.as_str()) {
            continue;
        }
        for (number, line) in source.code() {
            if code_part(line).contains("catch_unwind") {
                broken.push(source.at(number, line.trim()));
            }
        }
    }
    assert_none("catch_unwind is in pool/unwind.rs and ffi/src/boundary.rs only", broken);
}

#[test]
fn the_library_does_not_unwrap() {
    let words = [".unwrap()", "todo!(", "unimplemented!(", "dbg!("];
    let mut broken = Vec::new();
    let ffi = files_below("ffi/src", ".rs");
    for source in library().iter().chain(ffi.iter().filter(|s| !s.path.ends_with("tests.rs"))) {
        for (number, line) in source.code() {
            for word in words.iter().filter(|word| code_part(line).contains(**word)) {
                broken.push(source.at(number, word));
            }
        }
    }
    assert_none("library code says why it cannot fail", broken);
}

#[test]
fn nothing_sleeps_and_nothing_is_ignored() {
    let words = [concat!("thread::", "sleep"), concat!("#[", "ignore")];
    let mut broken = Vec::new();
    for source in files_below("", ".rs") {
        for (number, line) in source.text.lines().enumerate() {
            for word in words.iter().filter(|word| code_part(line).contains(**word)) {
                broken.push(source.at(number + 1, word));
            }
        }
    }
    assert_none("no code synchronises by sleeping, no test is switched off", broken);
}

#[test]
fn every_file_opens_with_its_page() {
    let mut broken = Vec::new();
    for source in files_below("", ".rs") {
        if !source.text.starts_with("//!") {
            broken.push(source.at(1, "opens without `//!`"));
        }
    }
    assert_none("a file opens with its page", broken);
}

#[test]
fn every_source_file_is_compiled() {
    let sources = files_below("src", ".rs");
    let mut broken = Vec::new();
    for source in sources.iter().filter(|s| s.path != "src/lib.rs") {
        let path = PathBuf::from(&source.path);
        let folder = path.parent().expect("in src");
        let named = if source.path.ends_with("/mod.rs") { folder } else { &path };
        let name = named.file_stem().expect("a name").to_string_lossy();
        let parent = named.parent().expect("in src");
        // The model's stand-ins are declared by its side of the facade.
        let above = ["mod.rs", "lib.rs", "model.rs"].map(|name| parent.join(name));
        let above = above.into_iter().chain([parent.with_extension("rs")]).collect::<Vec<_>>();
        let declared = sources.iter().any(|other| {
            above.iter().any(|a| a.to_string_lossy() == other.path)
                && (other.text.contains(&format!("mod {name};"))
                    || other.text.contains(&format!("\"{name}.rs\"")))
        });
        if !declared {
            broken.push(format!("{}: no `mod {name};`", source.path));
        }
    }
    assert_none("no dead source file", broken);
}

#[test]
fn links_in_the_pages_resolve() {
    let mut broken = Vec::new();
    let mut seen = 0;
    for page in files_below("", ".md") {
        let folder = root().join(Path::new(&page.path).parent().expect("a folder"));
        let mut fenced = false;
        for (number, line) in page.text.lines().enumerate() {
            fenced ^= line.trim_start().starts_with("```");
            for (at, _) in line.match_indices("](").filter(|_| !fenced) {
                let target: String = line[at + 2..].chars().take_while(|c| *c != ')').collect();
                let target = target.split('#').next().unwrap_or_default();
                if target.is_empty() || target.contains("://") {
                    continue;
                }
                seen += 1;
                if !folder.join(target).exists() {
                    broken.push(page.at(number + 1, target));
                }
            }
        }
    }
    assert!(seen > 5, "only {seen} links seen");
    assert_none("a link leads somewhere", broken);
}

#[test]
fn every_page_and_script_is_named_somewhere() {
    let endings = [".md", ".sh", ".rs", ".toml"];
    let all: Vec<Source> = endings.iter().flat_map(|ending| files_below("", ending)).collect();
    let mut broken = Vec::new();
    let folders = ["docs/", "ci/", "tests/", "loom-tests/", "examples/"];
    for source in all.iter().filter(|s| folders.iter().any(|f| s.path.starts_with(f))) {
        if source.path.ends_with(".rs") || source.path.ends_with(".toml") {
            continue;
        }
        let name = Path::new(&source.path).file_name().expect("a name").to_string_lossy();
        let others = all.iter().filter(|other| other.path != source.path);
        let named_by_ci = fs::read_to_string(root().join(".ci/run")).expect(".ci/run is there");
        if !others.map(|o| &o.text).chain([&named_by_ci]).any(|text| text.contains(name.as_ref())) {
            broken.push(format!("{}: named nowhere", source.path));
        }
    }
    assert_none("no dead page, no dead script", broken);
}
