//! What is written is read back, in this version and in the next; nothing else is.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::task::{Backoff, Limits, OnFailure, diff};

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn policies() -> impl Strategy<Value = Policies> {
    let on_failure = prop_oneof![
        (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(attempts, base, max)| {
            let millis = |n: u32| Duration::from_millis(u64::from(n));
            let backoff = Backoff { base: millis(base), max: millis(max) };
            OnFailure::Reassign { attempts, backoff }
        }),
        Just(OnFailure::Park),
        Just(OnFailure::Remove),
    ];
    let ttl = prop::option::of(any::<u32>().prop_map(|n| Duration::from_nanos(u64::from(n))));
    (on_failure, any::<bool>(), ttl).prop_map(|(on_failure, remove_on_completion, ended_ttl)| {
        Policies {
            on_failure,
            remove_on_completion,
            ended_ttl,
            no_overlap: !remove_on_completion,
            placement: Placement::default(),
        }
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Completed),
        Just(Outcome::Failed),
        Just(Outcome::Cancelled),
        Just(Outcome::Removed),
    ]
}

fn phase() -> impl Strategy<Value = Phase> {
    let time = || any::<u64>().prop_map(Timestamp);
    prop_oneof![
        prop::option::of(time()).prop_map(|not_before| Phase::Unassigned { not_before }),
        (".{0,8}", prop::option::of(time())).prop_map(|(node, cancel_by)| Phase::Assigned {
            node: NodeId::from(node.as_str()),
            cancel_by
        }),
        Just(Phase::Parked),
        (outcome(), bytes(), time()).prop_map(|(outcome, result, at)| Phase::Ended(Ending {
            outcome,
            result,
            at
        })),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let failure = (any::<bool>(), ".{0,20}").prop_map(|(start, message)| {
        if start { Failure::start(message) } else { Failure::run(message) }
    });
    let state = (bytes(), any::<u64>())
        .prop_map(|(value, by)| Checkpoint { value, written_by: AllocationId(by) });
    let identity = (".{1,12}", ".{1,12}", bytes(), prop::option::of(bytes()), policies());
    let progress = (
        any::<u64>(),
        phase(),
        prop::option::of(state),
        any::<[u32; 2]>(),
        prop::option::of(failure),
        any::<[u64; 3]>(),
    );
    (identity, progress).prop_map(|(identity, progress)| {
        let (id, name, params, lane, policies) = identity;
        let (sequence, phase, state, attempts, last_error, numbers) = progress;
        Record {
            id: TaskId::from(id),
            name: name.into(),
            params,
            lane,
            policies: Arc::new(policies),
            sequence: Sequence(sequence),
            phase,
            allocation: AllocationId(numbers[0]),
            state,
            attempts: Attempts { start_failures: attempts[0], run_failures: attempts[1] },
            last_error,
            history: runs(numbers).into(),
            created: Revision(numbers[1]),
            updated: Revision(numbers[2]),
        }
    })
}

/// Some runs, drawn from numbers.
fn runs(numbers: [u64; 3]) -> Vec<Run> {
    let all = [
        RunOutcome::Completed,
        RunOutcome::Failed(FailureKind::Start),
        RunOutcome::Failed(FailureKind::Run),
        RunOutcome::HandedBack,
        RunOutcome::NodeLost,
        RunOutcome::Cancelled,
    ];
    let run = |n: u64| Run {
        allocation: AllocationId(n),
        node: NodeId::from(format!("n{n}").as_str()),
        since: Timestamp(numbers[1]),
        end: (!n.is_multiple_of(3)).then(|| RunEnd {
            at: Timestamp(numbers[2]),
            how: all[(n % 6) as usize],
            error: (!n.is_multiple_of(2)).then(|| "e".into()),
        }),
    };
    (numbers[0]..numbers[0].saturating_add(numbers[1] % 5)).map(run).collect()
}

fn stored(kind: Kind, sequence: Sequence, value: Vec<u8>) -> Stored {
    Stored { entries: vec![Entry { kind, sequence, value }], ..Stored::default() }
}

proptest! {
    #[test]
    fn a_record_is_read_back(record in record()) {
        let saved = decode(stored(Kind::Record, record.sequence, encode_record(&record)));
        prop_assert_eq!(&*saved.expect("it decodes").records[0], &record);
    }

    #[test]
    fn a_tombstone_is_read_back(
        id in ".{1,12}", numbers in any::<[u64; 3]>(), digest: u128, outcome in outcome()
    ) {
        let tombstone = Tombstone {
            id: TaskId::from(id),
            sequence: Sequence(numbers[0]),
            allocation: AllocationId(numbers[1]),
            digest,
            outcome,
            at: Timestamp(numbers[2]),
        };
        let value = encode_tombstone(&tombstone);
        let saved = decode(stored(Kind::Tombstone, tombstone.sequence, value));
        prop_assert_eq!(&*saved.expect("it decodes").tombstones[0], &tombstone);
    }

    #[test]
    fn a_node_is_read_back(
        id in ".{1,12}", numbers in any::<[u64; 3]>(), names in prop::collection::vec(".{0,9}", 0..4)
    ) {
        let mut member = Member::new(id.as_str(), Incarnation(numbers[0]));
        member.sequence = Sequence(numbers[1]);
        member.draining = (numbers[2] % 2 > 0).then_some(Timestamp(numbers[2]));
        for name in &names {
            let capacity = Capacity { room: numbers[0] as u32, weight: numbers[1] as u32 };
            member = member.offer(name, capacity).label(name, &id);
        }
        let saved = decode(stored(Kind::Node, member.sequence, encode_member(&member)));
        prop_assert_eq!(&*saved.expect("it decodes").members[0], &member);
    }

    #[test]
    fn other_bytes_are_refused_and_never_panic(
        record in record(), cut in any::<prop::sample::Index>(), noise in bytes()
    ) {
        let whole = encode_record(&record);
        let cut = whole[..cut.index(whole.len())].to_vec();
        prop_assert!(decode(stored(Kind::Record, Sequence(1), cut)).is_err(), "cut");
        let longer = [&whole[..], &[0]].concat();
        prop_assert!(decode(stored(Kind::Record, Sequence(1), longer)).is_err(), "longer");
        // Whatever noise decodes to, it does not panic.
        let _ = decode(stored(Kind::Record, Sequence(1), noise.to_vec()));
        let _ = decode(stored(Kind::Tombstone, Sequence(1), noise.to_vec()));
        let _ = decode(stored(Kind::Node, Sequence(1), noise.to_vec()));
        let _ = decode(stored(Kind::Settings, Sequence(0), noise.to_vec()));
    }
}

/// The bytes of version 2. If this test fails, the version has to change, and the old one stays
/// readable.
#[test]
fn the_bytes_of_version_1_stay_what_they_are() {
    let record = Record {
        id: TaskId::from("id"),
        name: "n".into(),
        params: [0xaa].into(),
        lane: Some([0xbb].into()),
        policies: Arc::new(Policies {
            on_failure: OnFailure::Park,
            remove_on_completion: true,
            ended_ttl: None,
            no_overlap: true,
            placement: Placement { requires: vec![("l".into(), "v".into())], prefers: Vec::new() },
        }),
        sequence: Sequence(9),
        phase: Phase::Assigned { node: NodeId::from("x"), cancel_by: Some(Timestamp(5)) },
        allocation: AllocationId(4),
        state: Some(Checkpoint { value: [0xcc].into(), written_by: AllocationId(3) }),
        attempts: Attempts { start_failures: 1, run_failures: 2 },
        last_error: Some(Failure::run("e")),
        history: vec![Run {
            allocation: AllocationId(4),
            node: NodeId::from("x"),
            since: Timestamp(8),
            end: Some(RunEnd {
                at: Timestamp(9),
                how: RunOutcome::NodeLost,
                error: Some("e".into()),
            }),
        }]
        .into(),
        created: Revision(6),
        updated: Revision(7),
    };
    let mut expected = vec![2, 2, 0, 0, 0, b'i', b'd']; // version, id
    expected.extend([1, 0, 0, 0, b'n', 1, 0, 0, 0, 0xaa]); // name, params
    expected.extend([1, 1, 0, 0, 0, 0xbb]); // lane
    for word in [1, 0, 0, 0, 3, u64::MAX] {
        expected.extend(word.to_le_bytes()); // policies
    }
    expected.extend([1, 1, 0, 0, 0, b'x', 1, 5, 0, 0, 0, 0, 0, 0, 0]); // phase
    expected.extend(4_u64.to_le_bytes()); // allocation
    expected.extend([1, 1, 0, 0, 0, 0xcc, 3, 0, 0, 0, 0, 0, 0, 0]); // state
    expected.extend([1, 0, 0, 0, 2, 0, 0, 0]); // attempts
    expected.extend([1, 1, 1, 0, 0, 0, b'e']); // last error
    expected.extend([6, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]); // revisions
    expected.extend([1, 0, 0, 0, 1, 0, 0, 0, b'l', 1, 0, 0, 0, b'v', 0, 0, 0, 0]); // placement
    expected.extend([1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, b'x']); // runs: one, where
    expected.extend([8, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0]); // since, until
    expected.extend([4, 1, 1, 0, 0, 0, b'e']); // how, error
    assert_eq!(encode_record(&record), expected);
}

#[test]
fn a_newer_record_is_kept_as_it_is_and_its_id_stays_taken() {
    let mut value = vec![VERSION + 1, 1, 0, 0, 0, b'a'];
    value.extend(*b"fields of the future");
    let saved = decode(stored(Kind::Record, Sequence(7), value.clone())).expect("not an error");
    assert_eq!(*saved.opaque[0].bytes, *value);
    let state = State::restore(saved, Limits::default());
    let command = |command| crate::task::apply(&state, command, Timestamp(0));
    let start = command(crate::task::Command::Start(crate::task::NewTask::new("a", "n")));
    assert!(matches!(start, Err(crate::task::Rejection::AlreadyExists { .. })));
    let remove = command(crate::task::Command::Remove { id: TaskId::from("a") });
    assert!(matches!(remove, Err(crate::task::Rejection::Opaque { .. })));
    let other = command(crate::task::Command::Start(crate::task::NewTask::new("b", "n")));
    let (next, _) = other.expect("another id");
    let batch = encode(&diff(&state, &next), &next);
    assert!(batch.writes.iter().all(|write| write.sequence != Sequence(7)), "it is not touched");
}

/// A store as a map: what every store does with a batch.
#[derive(Default)]
struct Shelf(std::collections::BTreeMap<(Kind, Sequence), Vec<u8>>);

impl Shelf {
    fn take(&mut self, batch: &Batch) {
        let mut places = std::collections::BTreeSet::new();
        for write in &batch.writes {
            assert!(places.insert((write.kind, write.sequence)), "one write for each place");
            match &write.value {
                Some(value) => self.0.insert((write.kind, write.sequence), value.clone()),
                None => self.0.remove(&(write.kind, write.sequence)),
            };
        }
    }

    fn restored(&self, state: &State) -> State {
        let entry = |(&(kind, sequence), value): (&(Kind, Sequence), &Vec<u8>)| Entry {
            kind,
            sequence,
            value: value.clone(),
        };
        let stored = Stored {
            revision: state.revision(),
            last_allocation: state.last_allocation(),
            last_sequence: state.last_sequence(),
            entries: self.0.iter().map(entry).collect(),
        };
        State::restore(decode(stored).expect("it decodes"), Limits::default())
    }
}

fn command() -> impl Strategy<Value = crate::task::Command> {
    use crate::task::{Command, NewTask};
    let task = |id: u8| TaskId::from(format!("t{id}"));
    (0..4u8, 0..12u8, 1..40u64, 0..3u8).prop_map(move |(id, what, allocation, byte)| {
        let (id, allocation) = (task(id), AllocationId(allocation));
        match what {
            0 | 1 => {
                let policies = Policies { remove_on_completion: byte == 0, ..Policies::default() };
                Command::Start(NewTask::new(id, "n").params([byte]).lane([1]).policies(policies))
            }
            2 | 3 => Command::Assign { id, node: NodeId::from("x") },
            4 => Command::UpdateState { id, allocation, value: [byte].into() },
            5 => Command::Complete { id, allocation, result: [byte].into() },
            6 => Command::Fail { id, allocation, failure: Failure::run("f") },
            7 | 8 => {
                let member = Member::new("x", Incarnation(u64::from(byte)));
                let member = Arc::new(member.offer("n", Capacity { room: 2, weight: 1 }));
                Command::NodeJoined { member }
            }
            9 => Command::NodeLeft { node: "x".into(), incarnation: Incarnation(u64::from(byte)) },
            10 => {
                let assignment = if byte == 0 { Enable::None } else { Enable::All };
                Command::Configure { settings: Settings { assignment } }
            }
            _ => Command::Remove { id },
        }
    })
}

proptest! {
    #[test]
    fn what_is_stored_is_the_state(batches in prop::collection::vec(
        prop::collection::vec(command(), 1..8), 1..20
    )) {
        let mut state = State::default();
        let mut shelf = Shelf::default();
        let mut follower = State::default();
        for (index, commands) in batches.into_iter().enumerate() {
            let mut next = state.clone();
            for command in commands {
                // Refused or not: what counts is that the store follows.
                let _ = crate::task::apply_to(&mut next, command, Timestamp(index as u64));
            }
            let batch = encode(&diff(&state, &next), &next);
            shelf.take(&batch);
            let revision = state.revision().next();
            state = next.committed(revision);
            prop_assert!(shelf.restored(&state) == state);
            let commit = Commit { revision, batch: Arc::new(batch) };
            follower = patched(follower, &commit).expect("it decodes");
            prop_assert!(follower == state, "who follows the commits sees the same");
        }
    }
}

#[test]
fn a_record_of_the_first_version_is_read() {
    let mut value = vec![FIRST, 1, 0, 0, 0, b'a']; // version, id
    value.extend([1, 0, 0, 0, b'n', 0, 0, 0, 0, 0]); // name, params, no lane
    for word in [1, 0, 0, 0, 1, u64::MAX] {
        value.extend(word.to_le_bytes()); // policies
    }
    value.extend([0, 0]); // unassigned, no pause
    value.extend([0; 8]); // no allocation
    value.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // no state, no attempts, no error
    value.extend([0; 16]); // revisions
    let saved = decode(stored(Kind::Record, Sequence(3), value)).expect("it decodes");
    assert_eq!(saved.records[0].history, History::default());
    assert!(saved.records[0].policies.placement.is_empty());
    assert!(!saved.records[0].policies.no_overlap);
}
