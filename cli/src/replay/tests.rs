//! The whole replay on small repositories made for it, judged by what libgit2 checks out.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use clap::Parser;

use super::report::Report;
use super::testing::{Leaf, Story};
use super::{Args, ReplayError, Verdict, replay};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn replay_of(story: &Story, options: &[&str]) -> Result<Verdict, ReplayError> {
    let into = story.home.path().join("into");
    let mut words = vec![OsString::from("replay"), story.path().into(), "--into".into()];
    words.push(into.into());
    words.extend(options.iter().map(OsString::from));
    replay(&Line::parse_from(words).args, &Report::silent())
}

/// Replays, and compares what is there with what a checkout of `HEAD` leaves.
fn assert_replays(story: &Story, options: &[&str]) {
    let verdict = replay_of(story, options).expect("it replays");
    assert!(verdict.is_good());
    let checkout = story.home.path().join("checkout");
    let mut builder = git2::build::CheckoutBuilder::new();
    builder.force().target_dir(&checkout).recreate_missing(true).disable_filters(true);
    let head = story.repo.head().unwrap().peel(git2::ObjectType::Tree).unwrap();
    story.repo.checkout_tree(&head, Some(&mut builder)).unwrap();
    assert_eq!(contents(&story.home.path().join("into")), contents(&checkout));
    let _ = fs::remove_dir_all(checkout);
}

/// Every path below `root`, with what it is.
fn contents(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(root.join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let path = directory.join(entry.file_name());
            let meta = entry.metadata().unwrap();
            if path == Path::new(super::place::MARK) {
                continue;
            }
            let what = if meta.is_symlink() {
                format!("link to {:?}", fs::read_link(entry.path()).unwrap())
            } else if meta.is_dir() {
                // A checkout leaves an empty directory for a submodule; a replay leaves none.
                open.push(path.clone());
                continue;
            } else {
                let mode = meta.permissions().mode() & 0o111;
                format!("{mode:o} {:?}", fs::read(entry.path()).unwrap())
            };
            found.insert(path, what);
        }
    }
    found
}

#[test]
fn files_come_change_and_go() {
    let mut story = Story::new();
    story.commit(&[(b"a", Leaf::File(b"one")), (b"b/c", Leaf::File(b"two"))]);
    story.commit(&[(b"a", Leaf::File(b"three")), (b"b/c", Leaf::Nothing)]);
    story.commit(&[(b"d", Leaf::File(b""))]);
    assert_replays(&story, &[]);
    assert!(!story.home.path().join("into/b").exists(), "an emptied directory goes");
}

#[test]
fn a_root_commit_is_enough_and_none_is_too() {
    let mut story = Story::new();
    let verdict = replay_of(&story, &[]).expect("an empty repository has an empty tree");
    assert!(verdict.is_good());
    story.commit(&[(b"a", Leaf::File(b"one"))]);
    assert_replays(&story, &[]);
}

#[test]
fn files_and_directories_take_each_others_names() {
    let mut story = Story::new();
    story.commit(&[(b"a", Leaf::File(b"file")), (b"b/c/d", Leaf::File(b"deep"))]);
    story.commit(&[
        (b"a", Leaf::Nothing),
        (b"a/b/c", Leaf::File(b"now below")),
        (b"b/c/d", Leaf::Nothing),
        (b"b", Leaf::File(b"now a file")),
    ]);
    assert_replays(&story, &[]);
    story.commit(&[
        (b"a/b/c", Leaf::Nothing),
        (b"a", Leaf::File(b"file again")),
        (b"b", Leaf::Nothing),
        (b"b/c/d", Leaf::File(b"deep again")),
    ]);
    assert_replays(&story, &["--fail-percent", "40"]);
}

#[test]
fn a_symlink_gives_way_to_the_directory_that_it_pointed_to() {
    let mut story = Story::new();
    story.commit(&[(b"real/x", Leaf::File(b"x")), (b"link", Leaf::Link(b"real"))]);
    assert_replays(&story, &[]);
    story.commit(&[(b"link", Leaf::Nothing), (b"link/x", Leaf::File(b"not real/x"))]);
    story.commit(&[(b"link/x", Leaf::Nothing), (b"link", Leaf::Link(b"../outside"))]);
    assert_replays(&story, &[]);
    assert!(!story.home.path().join("outside").exists());
}

#[test]
fn the_executable_bit_comes_and_goes() {
    let mut story = Story::new();
    story.commit(&[(b"up", Leaf::File(b"#!")), (b"down", Leaf::Executable(b"#!"))]);
    story.commit(&[(b"up", Leaf::Executable(b"#!")), (b"down", Leaf::File(b"#!"))]);
    assert_replays(&story, &[]);
}

#[test]
fn names_need_not_be_utf_8_and_case_matters() {
    let mut story = Story::new();
    story.commit(&[(b"gr\xfc\xdfe/\xff", Leaf::File(b"latin")), (b"A", Leaf::File(b"big"))]);
    story.commit(&[(b"a", Leaf::File(b"small")), (b"new\nline", Leaf::Link(b"\xfe"))]);
    assert_replays(&story, &[]);
    let odd = OsString::from_vec(b"gr\xfc\xdfe/\xff".to_vec());
    assert!(story.home.path().join("into").join(odd).exists());
}

#[test]
fn a_merge_counts_as_what_it_brought_to_its_first_parent() {
    let mut story = Story::new();
    let first = story.commit(&[(b"a", Leaf::File(b"base"))]);
    story.commit(&[(b"b", Leaf::File(b"side"))]);
    story.merge(first);
    assert_replays(&story, &[]);
}

#[test]
fn submodules_are_left_out_also_where_a_file_was() {
    let mut story = Story::new();
    let commit = story.commit(&[(b"a", Leaf::File(b"file")), (b"deep/b", Leaf::File(b"file"))]);
    story.commit(&[(b"a", Leaf::Gitlink(commit)), (b"deep/b", Leaf::Gitlink(commit))]);
    let verdict = replay_of(&story, &[]).expect("it replays");
    assert!(verdict.is_good());
    assert!(contents(&story.home.path().join("into")).is_empty());
    story.commit(&[(b"a", Leaf::File(b"back"))]);
    assert!(replay_of(&story, &[]).expect("it replays").is_good());
    assert_eq!(fs::read(story.home.path().join("into/a")).unwrap(), b"back");
    assert!(!story.home.path().join("into/deep").exists());
}

#[test]
fn every_attempt_may_fail_and_be_late() {
    let mut story = Story::new();
    for round in 0..30_u8 {
        let contents = [round];
        let leaf = if round % 3 == 2 { Leaf::Nothing } else { Leaf::File(&contents) };
        story.commit(&[(b"a/b", leaf), (b"a/c", Leaf::File(&contents)), (b"d", leaf)]);
    }
    assert_replays(&story, &["--fail-percent", "60", "--jitter-ms", "1", "--jobs", "3"]);
}

#[test]
fn names_that_lead_elsewhere_are_refused_and_nothing_is_written() {
    for name in [&b".."[..], b".", b".git", b".GIT", b"a/b"] {
        let mut story = Story::new();
        story.commit_named(name);
        let refused = replay_of(&story, &[]);
        assert!(matches!(refused, Err(ReplayError::UnsafeName(_))), "{name:?}");
        assert!(!story.home.path().join("into").exists(), "{name:?}");
    }
}

#[test]
fn history_must_not_contain_the_mark() {
    let mut story = Story::new();
    story.commit(&[(b".laneway-replay/lock", Leaf::File(b""))]);
    assert!(matches!(replay_of(&story, &[]), Err(ReplayError::MarkTaken)));
}

#[test]
fn a_directory_with_other_things_is_refused() {
    let mut story = Story::new();
    story.commit(&[(b"a", Leaf::File(b"one"))]);
    let into = story.home.path().join("into");
    fs::create_dir(&into).unwrap();
    fs::write(into.join("mine"), "precious").unwrap();
    assert!(matches!(replay_of(&story, &[]), Err(ReplayError::NotOurs(_))));
    assert_eq!(fs::read_to_string(into.join("mine")).unwrap(), "precious");
}

#[test]
fn a_second_replay_starts_from_nothing() {
    let mut story = Story::new();
    story.commit(&[(b"a/b", Leaf::File(b"one"))]);
    assert_replays(&story, &[]);
    let into = story.home.path().join("into");
    fs::write(into.join("stale"), "left over").unwrap();
    fs::remove_file(into.join("a/b")).unwrap();
    symlink("/", into.join("a/b")).unwrap();
    assert_replays(&story, &[]);
}

#[test]
fn two_replays_into_one_directory_do_not_meet() {
    let mut story = Story::new();
    story.commit(&[(b"a", Leaf::File(b"one"))]);
    let into = story.home.path().join("into");
    let first = super::Place::take(&into, super::Durability::Process).expect("it is free");
    assert!(matches!(replay_of(&story, &[]), Err(ReplayError::Busy(_))));
    drop(first);
    assert_replays(&story, &[]);
}

fn state_option(story: &Story) -> String {
    story.home.path().join("state").to_str().unwrap().to_owned()
}

#[test]
fn a_replay_with_a_state_is_resumed_and_runs_nothing_twice() {
    let mut story = Story::new();
    story.commit(&[(b"a", Leaf::File(b"one")), (b"b/c", Leaf::Executable(b"two"))]);
    story.commit(&[(b"a", Leaf::Link(b"b")), (b"b/c", Leaf::Nothing), (b"b", Leaf::File(b"b"))]);
    let state = state_option(&story);
    for runs in 1..=2 {
        let options = ["--state", &state, "--fail-percent", "30"];
        let verdict = replay_of(&story, &options).expect("it replays");
        assert!(verdict.is_good());
        let audit = verdict.audit.expect("there is a journal");
        assert_eq!((audit.runs, audit.unreadable), (runs, 0));
        assert!(audit.attempts >= 5);
    }
    assert_replays(&story, &["--state", &state]);
}

#[test]
fn a_state_replays_the_history_that_it_began_with() {
    let mut story = Story::new();
    story.commit(&[(b"a", Leaf::File(b"one"))]);
    let state = state_option(&story);
    assert!(replay_of(&story, &["--state", &state]).expect("it replays").is_good());
    story.commit(&[(b"a", Leaf::File(b"later"))]);
    assert!(replay_of(&story, &["--state", &state]).expect("it replays").is_good());
    assert_eq!(fs::read(story.home.path().join("into/a")).unwrap(), b"one");
}

#[test]
fn a_state_without_its_directory_is_refused() {
    let mut story = Story::new();
    story.commit(&[(b"a", Leaf::File(b"one"))]);
    let state = state_option(&story);
    assert!(replay_of(&story, &["--state", &state]).expect("it replays").is_good());
    fs::remove_dir_all(story.home.path().join("into")).unwrap();
    let refused = replay_of(&story, &["--state", &state]);
    assert!(matches!(refused, Err(ReplayError::OtherDirectory(_))));
}

#[test]
fn the_state_of_another_repository_is_refused() {
    let mut story = Story::new();
    story.commit(&[(b"a", Leaf::File(b"one"))]);
    let mut other = Story::new();
    other.commit(&[(b"b", Leaf::File(b"two"))]);
    let state = state_option(&story);
    assert!(replay_of(&story, &["--state", &state]).expect("it replays").is_good());
    assert!(matches!(replay_of(&other, &["--state", &state]), Err(ReplayError::Git(_))));
}
