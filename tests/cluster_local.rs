//! The in-process cluster: leases, mastership, cuts, and one store seen from several nodes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use laneway::cluster::{Cluster, LocalCluster, LocalNode};
use laneway::store::{Attempt, Batch, MemoryStore, Store, StoreError};
use laneway::task::{NodeId, Revision, Sequence};

const TTL: Duration = Duration::from_secs(8);

fn cluster() -> LocalCluster {
    LocalCluster::new(MemoryStore::new(), TTL)
}

fn joined(cluster: &LocalCluster, name: &str, now: Instant) -> LocalNode {
    let (_, mut node) = cluster.attach();
    node.join(&NodeId::from(name), now).expect("reachable");
    node
}

fn batch(number: u64) -> Batch {
    let attempt = Attempt { writer: 1, number };
    Batch { attempt, last_sequence: Sequence(number), ..Batch::default() }
}

#[test]
fn the_oldest_living_node_leads() {
    let (cluster, now) = (cluster(), Instant::now());
    let mut a = joined(&cluster, "a", now);
    let mut b = joined(&cluster, "b", now);
    assert!(a.view(now).is_master);
    assert!(!b.view(now).is_master);
    a.leave();
    assert!(b.view(now).is_master);
    assert_eq!(a.view(now).lease, None);
    a.join(&NodeId::from("a"), now).expect("reachable");
    assert!(b.view(now).is_master, "who comes back is the youngest");
}

#[test]
fn a_node_that_is_cut_off_knows_of_its_end_before_the_others_do() {
    let (cluster, start) = (cluster(), Instant::now());
    let (mut a, mut b) = (joined(&cluster, "a", start), joined(&cluster, "b", start));
    let lease = a.view(start).lease.expect("it has joined");
    cluster.cut(&NodeId::from("a"), true);
    let one_before = lease - Duration::from_millis(1);
    assert_eq!(a.view(one_before).lease, Some(lease), "nothing renews it");
    assert_eq!(a.view(lease).lease, None);
    let a_was = *a.view(lease).alive.get(&NodeId::from("a")).expect("as it last heard");
    b.view(start + TTL / 2);
    assert!(!b.view(lease).is_gone(&NodeId::from("a"), a_was));
    assert!(b.view(start + TTL).is_gone(&NodeId::from("a"), a_was));
    assert!(b.view(start + TTL).is_master);
    cluster.cut(&NodeId::from("a"), false);
    assert_eq!(a.view(start + TTL).lease, None, "a lost lease does not come back");
    let again = a.join(&NodeId::from("a"), start + TTL).expect("reachable");
    assert!(again > a_was);
    assert!(b.view(start + TTL).is_gone(&NodeId::from("a"), a_was));
    assert!(!b.view(start + TTL).is_gone(&NodeId::from("a"), again));
}

#[test]
fn a_later_incarnation_is_not_gone_for_who_has_not_heard_of_it() {
    let (cluster, now) = (cluster(), Instant::now());
    let mut a = joined(&cluster, "a", now);
    let view = a.view(now);
    let (_, mut b) = cluster.attach();
    let incarnation = b.join(&NodeId::from("b"), now).expect("reachable");
    assert!(!view.is_gone(&NodeId::from("b"), incarnation));
}

#[test]
fn each_node_reads_what_the_others_committed_and_is_woken() {
    let cluster = cluster();
    let ((mut a, _), (mut b, _)) = (cluster.attach(), cluster.attach());
    let woken = Arc::new(AtomicUsize::new(0));
    let count = woken.clone();
    b.on_change(Arc::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    }));
    let zero = a.load().expect("reachable").revision;
    assert_eq!(b.load().expect("reachable").revision, zero);
    for number in 1..=3 {
        assert_eq!(a.commit(&batch(number), Revision(number - 1)).ok(), Some(Revision(number)));
    }
    assert_eq!(woken.load(Ordering::SeqCst), 3);
    let seen: Vec<u64> =
        b.changes(Revision(1)).expect("kept").iter().map(|it| it.batch.attempt.number).collect();
    assert_eq!(seen, [2, 3]);
    let conflict = b.commit(&batch(9), Revision(2));
    assert!(matches!(conflict, Err(StoreError::Conflict { found: Revision(3), .. })));
    cluster.compact(1);
    assert!(matches!(b.changes(Revision(1)), Err(StoreError::Compacted { .. })));
    assert_eq!(b.changes(Revision(2)).expect("kept").len(), 1);
    assert_eq!(b.changes(Revision(3)).expect("nothing new").len(), 0);
}

#[test]
fn a_lost_answer_is_found_again_by_its_attempt() {
    let cluster = cluster();
    let (mut store, mut node) = cluster.attach();
    let name = NodeId::from("a");
    node.join(&name, Instant::now()).expect("reachable");
    cluster.lose_answers(&name, 1);
    let lost = store.commit(&batch(7), Revision(0));
    let Err(StoreError::Unknown { attempt }) = lost else { panic!("{lost:?}") };
    let found = store.changes(Revision(0)).expect("kept");
    assert_eq!(found[0].batch.attempt, attempt);
    cluster.cut(&name, true);
    assert!(matches!(store.commit(&batch(8), Revision(1)), Err(StoreError::Unavailable { .. })));
    assert!(matches!(store.changes(Revision(1)), Err(StoreError::Unavailable { .. })));
    cluster.cut(&name, false);
    assert_eq!(store.changes(Revision(1)).expect("nothing new").len(), 0);
}
