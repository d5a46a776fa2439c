//! The fork-join workloads, once for each way to join: same traversal, same memory, same cutoffs.
//!
//! The source of a workload is the same for all contenders; a macro compiles it for each, so that
//! every `join` is called directly. What is passed along is what the contender has to pass: a
//! [`Worker`], a pool, a scope, nothing.

use laneway::Pool;
use laneway::pool::Worker;

/// A tree of boxes.
pub struct Node {
    value: u64,
    children: Option<(Box<Node>, Box<Node>)>,
}

impl Node {
    /// A full tree of that many levels.
    pub fn tree(depth: u32) -> Self {
        let children =
            (depth > 1).then(|| (Box::new(Self::tree(depth - 1)), Box::new(Self::tree(depth - 1))));
        Self { value: u64::from(depth), children }
    }
}

/// The next state of a generator of pseudo-random numbers (`SplitMix64`): what an unbalanced tree
/// grows from.
fn mixed(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Slices up to this length are sorted in sequence.
const CUTOFF: usize = 2048;

fn merge_in_sequence<'s>(mut left: &'s [u64], mut right: &'s [u64], into: &mut [u64]) {
    for place in into {
        let from = match (left.first(), right.first()) {
            (Some(a), Some(b)) if b < a => &mut right,
            (Some(_), _) => &mut left,
            (None, _) => &mut right,
        };
        *place = from[0];
        *from = &from[1..];
    }
}

macro_rules! workloads {
    ($name:ident, $place:ty, $what:literal) => {
        #[doc = concat!("The workloads with ", $what, ".")]
        pub mod $name {
            use super::*;

            /// Fibonacci's numbers, without cutoff.
            pub fn fib(place: $place, n: u32) -> u64 {
                if n < 2 {
                    return n.into();
                }
                let (a, b) = place.join(move |p| fib(p, n - 1), move |p| fib(p, n - 2));
                a + b
            }

            /// The sum over a tree.
            pub fn sum(place: $place, node: &Node) -> u64 {
                let Some((left, right)) = &node.children else { return node.value };
                let (left, right) = place.join(move |p| sum(p, left), move |p| sum(p, right));
                node.value + left + right
            }

            /// Solutions of the problem of the queens: `all` has a bit for each column, the others
            /// say which columns and diagonals are taken.
            pub fn queens(place: $place, all: u32, columns: u32, left: u32, right: u32) -> u64 {
                if columns == all {
                    return 1;
                }
                each(place, all, [columns, left, right], all & !(columns | left | right))
            }

            fn each(place: $place, all: u32, taken: [u32; 3], free: u32) -> u64 {
                let bit = free & free.wrapping_neg();
                let [columns, left, right] = taken;
                let put = [columns | bit, (left | bit) << 1, (right | bit) >> 1];
                let rest = free & !bit;
                if bit == 0 {
                    return 0;
                }
                if rest == 0 {
                    return queens(place, all, put[0], put[1], put[2]);
                }
                let (one, others) = place.join(
                    move |p| queens(p, all, put[0], put[1], put[2]),
                    move |p| each(p, all, taken, rest),
                );
                one + others
            }

            /// Nodes of a tree whose every node has none or two children, by chance.
            pub fn search(place: $place, seed: u64, depth: u32) -> u64 {
                let chance = mixed(seed);
                if depth == 0 || (depth < 64 && chance % 1000 >= 502) {
                    return 1;
                }
                let (a, b) = place.join(
                    move |p| search(p, chance ^ 1, depth - 1),
                    move |p| search(p, chance ^ 2, depth - 1),
                );
                1 + a + b
            }

            /// Sorts `values` by merging; `spare` is as long.
            pub fn sort(place: $place, values: &mut [u64], spare: &mut [u64]) {
                if values.len() <= CUTOFF {
                    return values.sort_unstable();
                }
                let middle = values.len() / 2;
                let (a, b) = values.split_at_mut(middle);
                let (c, d) = spare.split_at_mut(middle);
                place.join(
                    move |p| {
                        sort(p, a, c);
                        c.copy_from_slice(a);
                    },
                    move |p| {
                        sort(p, b, d);
                        d.copy_from_slice(b);
                    },
                );
                let (c, d) = spare.split_at(middle);
                merge_in_sequence(c, d, values);
            }

            /// Leaves that spin for a while: a long region.
            pub fn leaves(place: $place, depth: u32, leaf: &(impl Fn() + Sync)) {
                if depth == 0 {
                    return leaf();
                }
                place
                    .join(move |p| leaves(p, depth - 1, leaf), move |p| leaves(p, depth - 1, leaf));
            }
        }
    };
}

/// Joins that look the thread up each time.
#[derive(Clone, Copy)]
pub struct Plain<'p>(pub &'p Pool);

impl Plain<'_> {
    fn join<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(Self) -> RA + Send,
        B: FnOnce(Self) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        self.0.join(move || a(self), move || b(self))
    }
}

/// Chili's, which runs the second closure first: it gets them the other way round, so that all
/// contenders walk in the same order.
pub struct Chili<'c, 's>(pub &'c mut chili::Scope<'s>);

impl Chili<'_, '_> {
    fn join<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(Chili<'_, '_>) -> RA + Send,
        B: FnOnce(Chili<'_, '_>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        let (b, a) = self.0.join(move |scope| b(Chili(scope)), move |scope| a(Chili(scope)));
        (a, b)
    }
}

/// Rayon's, inside one of its pools.
#[derive(Clone, Copy)]
pub struct Rayon;

impl Rayon {
    fn join<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(Self) -> RA + Send,
        B: FnOnce(Self) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        rayon::join(move || a(self), move || b(self))
    }
}

/// No parallelism: the floor.
#[derive(Clone, Copy)]
pub struct Sequence;

impl Sequence {
    fn join<RA, RB>(self, a: impl FnOnce(Self) -> RA, b: impl FnOnce(Self) -> RB) -> (RA, RB) {
        (a(self), b(self))
    }
}

workloads!(with_worker, Worker<'_>, "laneway's workers");
workloads!(with_pool, Plain<'_>, "laneway's pool");
workloads!(with_chili, Chili<'_, '_>, "chili's scopes");
workloads!(with_rayon, Rayon, "rayon");
workloads!(in_sequence, Sequence, "no pool");
