//! Completion trees: an action that runs when all parts have ended, without anybody waiting.
//!
//! ```text
//!             root: action, 2 parts open
//!            ▲                         ▲
//!     child: action, 1 part     a closure that runs
//!            ▲
//!     a closure in the queue
//! ```
//!
//! A [`Part`] is one open part of its node. Cloning it opens another part; dropping it ends
//! one; who drops the last runs the node's action, and then ends the part that the node itself was
//! of its parent, and so on up, in a loop: trees of any depth end on a bounded stack. So there is
//! no count to be kept in step by hand, and no thread is held while a tree waits.
//!
//! Counting is the reference count of the node, and its ordering is that of `Arc`: what the parts
//! did is visible to the action.
//!
//! Not here: values. Closures share what they build, as the example does, and the root's action
//! hands it on.

use parking_lot::Mutex;

use super::Pool;
use super::registry::Registry;
use super::unwind;
use super::work::Work;
use crate::sync::{Arc, AtomicBool, AtomicU32, Ordering};

/// How the parts of a node have ended, the worst of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Ended {
    /// All of them, those of nodes below included, as they should.
    Completed,
    /// Some never ran: the tree was cancelled, or the pool ended.
    Cancelled,
    /// A closure or an action panicked. The pool's panic handler has the panic.
    Panicked,
}

type Action = Box<dyn FnOnce(Ended) + Send>;

struct Node {
    /// Never locked: whoever ends the node owns it. The lock makes it shareable.
    action: Mutex<Action>,
    /// The worst end so far, as [`Ended`].
    worst: AtomicU32,
    /// Its open part there. In `Node` and [`Part`] only, and taken apart by `end` only.
    parent: Option<Arc<Node>>,
    tree: Arc<Tree>,
}

struct Tree {
    registry: Arc<Registry>,
    cancelled: AtomicBool,
}

/// One open part of a tree of work; see [`Pool::completion`].
///
/// Dropping it ends the part. It may be kept anywhere and dropped on any thread: in a closure that
/// runs, in a callback of something outside the pool.
#[must_use = "dropping it ends the part that it stands for"]
pub struct Part(Option<Arc<Node>>);

impl Pool {
    /// The root of a tree of work: `action` runs once all parts have ended, on the thread that ends
    /// the last one. The answer is its first part.
    ///
    /// # Examples
    /// ```
    /// use std::ops::Range;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use std::sync::{Arc, mpsc};
    /// use laneway::pool::{Ended, Part, Pool};
    ///
    /// fn add_up(part: &Part, mut range: Range<u64>, sum: &Arc<AtomicU64>) {
    ///     while range.end - range.start > 1000 {
    ///         let middle = range.start + (range.end - range.start) / 2;
    ///         let (upper, shared) = (middle..range.end, Arc::clone(sum));
    ///         part.spawn(move |part| add_up(part, upper, &shared));
    ///         range.end = middle;
    ///     }
    ///     sum.fetch_add(range.sum(), Ordering::Relaxed);
    /// }
    ///
    /// let pool = Pool::new()?;
    /// let (tell, told) = mpsc::channel();
    /// let sum = Arc::new(AtomicU64::new(0));
    /// let total = Arc::clone(&sum);
    /// let root = pool.completion(move |ended| {
    ///     tell.send((ended, total.load(Ordering::Relaxed))).expect("the test waits");
    /// });
    /// root.spawn(move |part| add_up(part, 0..100_000, &sum));
    /// drop(root);
    /// assert_eq!(told.recv(), Ok((Ended::Completed, 4_999_950_000)));
    /// # Ok::<(), laneway::pool::PoolError>(())
    /// ```
    pub fn completion(&self, action: impl FnOnce(Ended) + Send + 'static) -> Part {
        let tree = Tree { registry: Arc::clone(&self.registry), cancelled: AtomicBool::new(false) };
        Part::new(action, None, Arc::new(tree))
    }
}

impl Part {
    fn new(
        action: impl FnOnce(Ended) + Send + 'static,
        parent: Option<Arc<Node>>,
        tree: Arc<Tree>,
    ) -> Self {
        let worst = AtomicU32::new(Ended::Completed as u32);
        Self(Some(Arc::new(Node { action: Mutex::new(Box::new(action)), worst, parent, tree })))
    }

    fn node(&self) -> &Arc<Node> {
        self.0.as_ref().expect("it is taken by the drop only")
    }

    /// A node below this one, with an action of its own. This one's action waits for that.
    pub fn child(&self, action: impl FnOnce(Ended) + Send + 'static) -> Self {
        let node = self.node();
        Self::new(action, Some(Arc::clone(node)), Arc::clone(&node.tree))
    }

    /// Runs `f` on a worker as one more part. Returns at once; never blocks.
    ///
    /// `f` may spawn further parts, make nodes below, or keep a clone of what it is given for
    /// something that ends later. If the tree is cancelled or the pool ends before `f` has started,
    /// it is dropped. A panic of `f` goes to the pool's panic handler, and the tree goes on.
    pub fn spawn(&self, f: impl FnOnce(&Self) + Send + 'static) {
        let part = Closure { f: Some(f), part: self.clone() };
        self.node().tree.registry.post(Work::once(move || part.run()));
    }

    /// Cancels the tree that this is a part of: closures that have not started never will. Actions
    /// still run when what had started has ended.
    pub fn cancel(&self) {
        // Relaxed: a hint; whoever misses it runs one more closure.
        self.node().tree.cancelled.store(true, Ordering::Relaxed);
    }

    /// True once the tree was cancelled; a closure that runs long may look and return.
    pub fn is_cancelled(&self) -> bool {
        // Relaxed: a hint, as above.
        self.node().tree.cancelled.load(Ordering::Relaxed)
    }

    /// How many parts of this node are open, this one included. A figure of the moment.
    pub fn pending(&self) -> usize {
        Arc::strong_count(self.node())
    }
}

/// Opens another part of the same node.
impl Clone for Part {
    fn clone(&self) -> Self {
        Self(Some(Arc::clone(self.node())))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut part = self.0.take();
        while let Some(node) = part.and_then(Arc::into_inner) {
            part = node.end();
        }
    }
}

impl Node {
    fn note(&self, ended: Ended) {
        // Relaxed: the reference count orders it for the action.
        self.worst.fetch_max(ended as u32, Ordering::Relaxed);
    }

    /// The last part has ended: acts, and hands the parent's part over to be ended.
    fn end(self) -> Option<Arc<Self>> {
        let Self { action, worst, parent, tree } = self;
        // Relaxed: the last owner.
        let mut ended = match worst.load(Ordering::Relaxed) {
            0 => Ended::Completed,
            1 => Ended::Cancelled,
            _ => Ended::Panicked,
        };
        if let Err(panic) = unwind::halt(|| action.into_inner()(ended)) {
            tree.registry.report_panic(panic);
            ended = Ended::Panicked;
        }
        if let Some(parent) = &parent {
            parent.note(ended);
        }
        parent
    }
}

/// A closure in the pool's queue.
struct Closure<F: FnOnce(&Part)> {
    /// None once it has started. Dropped before the part ends.
    f: Option<F>,
    part: Part,
}

impl<F: FnOnce(&Part)> Closure<F> {
    fn run(mut self) {
        if self.part.is_cancelled() {
            return;
        }
        let Some(f) = self.f.take() else { return };
        if let Err(panic) = unwind::halt(|| f(&self.part)) {
            let node = self.part.node();
            node.note(Ended::Panicked);
            node.tree.registry.report_panic(panic);
        }
    }
}

impl<F: FnOnce(&Part)> Drop for Closure<F> {
    fn drop(&mut self) {
        if self.f.is_some() {
            self.part.node().note(Ended::Cancelled);
        }
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part")
            .field("pending", &self.pending())
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
