//! `docs/forkjoin.md` keeps its promise: a row for each method, with a counterpart that exists or a reason.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

struct Row {
    theirs: String,
    ours: String,
    note: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of the tables, without their heads.
fn rows() -> Vec<Row> {
    let page = fs::read_to_string(root().join("docs/forkjoin.md")).expect("the page is there");
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" |").map(|cell| cell.trim().to_owned()).collect()
    };
    page.lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| match cells(line).as_slice() {
            [theirs, ours, note] => {
                Row { theirs: theirs.clone(), ours: ours.clone(), note: note.clone() }
            }
            other => panic!("{} cells in: {line}", other.len()),
        })
        .collect()
}

/// What stands in backticks and brackets: the links.
fn links(cell: &str) -> Vec<&str> {
    cell.split("[`").skip(1).map(|rest| rest.split("`]").next().unwrap_or_default()).collect()
}

/// The pool's sources as one text.
fn sources() -> String {
    let folder = fs::read_dir(root().join("src/pool")).expect("the folder is there");
    let paths = folder.map(|entry| entry.expect("a readable folder").path());
    let files = paths.filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    files.map(|path| fs::read_to_string(path).expect("UTF-8")).collect()
}

#[test]
fn every_row_has_a_counterpart_or_a_reason() {
    let rows = rows();
    assert!(rows.len() > 170, "only {} rows seen", rows.len());
    for row in &rows {
        let linked = !links(&row.ours).is_empty();
        assert!(linked != (row.ours == "none"), "{}: neither link nor `none`", row.theirs);
        assert!(linked || !row.note.is_empty(), "{}: no reason", row.theirs);
    }
}

#[test]
fn every_counterpart_exists() {
    let sources = sources();
    for row in rows() {
        for link in links(&row.ours).into_iter().chain(links(&row.note)) {
            let (kind, item) = link.split_once("::").unwrap_or((link, ""));
            let has = |forms: &[String]| forms.iter().any(|form| sources.contains(form.as_str()));
            let of_kind = ["pub struct ", "pub enum "].map(|form| format!("{form}{kind}"));
            assert!(has(&of_kind), "{}: no {kind}", row.theirs);
            let as_item = [
                format!("pub fn {item}("),
                format!("pub fn {item}<"),
                format!("    pub {item}: "),
                format!("\n    {item},\n"),
            ];
            assert!(item.is_empty() || has(&as_item), "{}: no {link}", row.theirs);
        }
    }
}

#[test]
fn no_method_has_two_rows() {
    let mut seen = HashSet::new();
    let page = fs::read_to_string(root().join("docs/forkjoin.md")).expect("the page is there");
    for line in page.lines().filter(|line| line.starts_with("## ") || line.starts_with("| `")) {
        if line.starts_with("## ") {
            seen.clear();
            continue;
        }
        let theirs = line.split(" | ").next().unwrap_or_default().to_owned();
        assert!(seen.insert(theirs), "twice: {line}");
    }
}
