//! Every cell of the table: each state x each event, with and without an undo.

use super::*;

const EVENTS: [Event; 8] = [
    Event::Turn,
    Event::Pending,
    Event::Succeeded,
    Event::FailedOpen,
    Event::Failed { again: true },
    Event::Failed { again: false },
    Event::Stop,
    Event::Lost,
];

/// One letter per cell, in the order of `EVENTS`.
///
/// `.` ignore, `R` run the body, `U` run the undo, `w` wait, `f` await the other tokens,
/// `b` back off, and the endings `c`ompleted, `r`olled back, `u`nsuccessful, `d`ouble fault,
/// `n`ot started, `l`ost.
fn letter(from: State, (to, action): (State, Action)) -> char {
    use Stage::{BackingOff, Failing, Running, Waiting};
    match (to, action) {
        (to, Action::Ignore) if to == from => '.',
        (State::Active(Part::Body, Running), Action::Run(Part::Body)) => 'R',
        (State::Active(Part::Undo, Running), Action::Run(Part::Undo)) => 'U',
        (State::Active(_, Waiting), Action::Wait) => 'w',
        (State::Active(_, Failing), Action::Wait) => 'f',
        (State::Active(part, BackingOff), Action::BackOff(again)) if part == again => 'b',
        (State::Ended, Action::End(ending)) => match ending {
            Ending::Completed => 'c',
            Ending::RolledBack => 'r',
            Ending::Unsuccessful => 'u',
            Ending::DoubleFault => 'd',
            Ending::NotStarted => 'n',
            Ending::Lost => 'l',
        },
        other => panic!("{from:?} went to {other:?}"),
    }
}

fn row(from: State, has_undo: bool) -> String {
    EVENTS.iter().map(|&event| letter(from, from.on(event, has_undo))).collect()
}

#[test]
fn every_cell_of_the_table() {
    use State::{Active, Ended, Queued};
    let table = [
        // state                                    no undo     with undo
        (Queued, /*                              */ "R.....nl", "R.....nl"),
        (Active(Part::Body, Stage::Running), /*  */ ".wcfbu..", ".wcfbU.."),
        (Active(Part::Body, Stage::Waiting), /*  */ "..cfbuul", "..cfbUUl"),
        (Active(Part::Body, Stage::Failing), /*  */ "....buul", "....bUUl"),
        (Active(Part::Body, Stage::BackingOff), /**/ "R.....ul", "R.....Ul"),
        (Active(Part::Undo, Stage::Running), /*  */ ".wrfbd..", ".wrfbd.."),
        (Active(Part::Undo, Stage::Waiting), /*  */ "..rfbd.l", "..rfbd.l"),
        (Active(Part::Undo, Stage::Failing), /*  */ "....bd.l", "....bd.l"),
        (Active(Part::Undo, Stage::BackingOff), /**/ "U......l", "U......l"),
        (Ended, /*                               */ "........", "........"),
    ];
    for (state, without, with) in table {
        assert_eq!(row(state, false), without, "{state:?} without an undo");
        assert_eq!(row(state, true), with, "{state:?} with an undo");
    }
}

#[test]
fn an_undo_starts_only_after_an_attempt_and_runs_its_course_once() {
    // Breadth first over everything reachable: whatever the events, `Run(Undo)` is entered from a
    // body stage or from the undo's own backoff, and no state after it runs the body again.
    let mut seen = vec![State::Queued];
    let mut next = 0;
    while next < seen.len() {
        let from = seen[next];
        next += 1;
        for event in EVENTS {
            let (to, action) = from.on(event, true);
            if action == Action::Run(Part::Undo) {
                assert!(matches!(from, State::Active(..)), "undo out of {from:?}");
            }
            if action == Action::Run(Part::Body) {
                assert!(!matches!(from, State::Active(Part::Undo, _)), "body after undo");
            }
            if !seen.contains(&to) {
                seen.push(to);
            }
        }
    }
    assert_eq!(seen.len(), 10, "every state is reachable");
}
