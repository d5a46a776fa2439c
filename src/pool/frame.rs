//! The frame of a join: its second closure, where a thief can find it.
//!
//! A frame lives on the stack of the thread that called `join`, the *owner*. While it is private
//! only the owner knows it: through the [`Link`] that every frame keeps to the one below, so that
//! the newest frame leads to all of them. Once shown it is in a deque, and whoever takes it out of
//! there, owner or thief, has the body. A thief runs the body, writes the result and sets the latch,
//! and does not touch the frame after that. The owner does not leave its frame before it has the
//! body back or has seen the latch.
//!
//! `link` belongs to: the owner. `shared` is made when the frame is shown, and not before: most
//! frames never are.
//! `body` belongs to: the owner, until shown; then to whoever popped or stole the pointer.
//! `result` belongs to: the thief, until the latch is set; then to the owner.

use std::cell::Cell;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr;

use super::join::Worker;
use super::latch::Latch;
use super::station::Station;
use super::unwind::{self, Payload};
use crate::sync::{AtomicUsize, Ordering, UnsafeCell};

/// What every frame begins with, whatever it holds. Aligned so that a [`Link`] has room for marks.
#[repr(C, align(16))]
pub(super) struct Frame {
    execute: unsafe fn(*const Frame, &Station),
    link: Cell<Link>,
    shared: Cell<MaybeUninit<Shared>>,
}

/// What a shown frame has more than a private one.
struct Shared {
    latch: Latch,
    /// The row of the thief, plus one; 0 until it is known.
    thief: AtomicUsize,
}

/// The way from a frame to the one below it on the same stack, null below the oldest, and in the
/// low bits, which are free, two marks:
///
/// - `shown`: the frame that holds this link was put into the deque, and so were all below it;
/// - `eager`: joins nested directly inside this many more levels show their frames at once.
#[derive(Clone, Copy)]
pub(super) struct Link(*const Frame);

const SHOWN: usize = 1;
const EAGER_ONE: usize = 2;
const MARKS: usize = align_of::<Frame>() - 1;

/// The most levels a link can count.
pub(super) const EAGER_MAX: usize = MARKS / EAGER_ONE;

impl Link {
    /// Below the oldest frame.
    pub(super) fn bottom(eager: usize) -> Self {
        debug_assert!(eager <= EAGER_MAX, "the count does not fit");
        Self(ptr::without_provenance(eager * EAGER_ONE))
    }

    /// To `frame`, whose joins are to show themselves on `eager` levels.
    #[inline(always)]
    pub(super) fn to(frame: *const Frame, eager: usize) -> Self {
        Self(frame.wrapping_byte_add(eager * EAGER_ONE))
    }

    /// True if a join called with this link has to show its frame at once.
    #[inline(always)]
    pub(super) fn is_eager(self) -> bool {
        self.0.addr() & (MARKS - SHOWN) != 0
    }

    pub(super) fn eager(self) -> usize {
        (self.0.addr() & MARKS) / EAGER_ONE
    }

    /// True if the frame that holds this link was shown.
    #[inline(always)]
    pub(super) fn is_shown(self) -> bool {
        self.0.addr() & SHOWN != 0
    }

    fn shown(self) -> Self {
        Self(self.0.map_addr(|addr| addr | SHOWN))
    }

    /// The same without `shown`: as it was when the frame was made.
    pub(super) fn unshown(self) -> Self {
        Self(self.0.map_addr(|addr| addr & !SHOWN))
    }

    /// The frame below; null if there is none.
    pub(super) fn frame(self) -> *const Frame {
        self.0.map_addr(|addr| addr & !MARKS)
    }

    /// Another frame with the same marks.
    pub(super) fn with_frame(self, frame: *const Frame) -> Self {
        let marks = self.0.addr() & MARKS;
        Self(frame.map_addr(|addr| addr | marks))
    }
}

/// A shown frame, as thieves see it.
#[derive(Clone, Copy)]
pub(super) struct FramePtr(*const Frame);

// SAFETY: what it points to is made for another thread: body and result are Send (`JoinFrame`),
// and the frame outlives every holder of the pointer (the page).
unsafe impl Send for FramePtr {}

impl FramePtr {
    pub(super) fn is(self, frame: *const Frame) -> bool {
        ptr::eq(self.0, frame)
    }

    /// Runs the body at `station`, the calling thread's, and sets the latch. Never unwinds.
    ///
    /// # Safety
    /// The caller took this pointer out of a deque: nobody else has it, and its owner waits.
    pub(super) unsafe fn execute(self, station: &Station) {
        // SAFETY: by the contract the frame is alive; it was shown, so `shared` is there.
        let shared = unsafe { (*(*self.0).shared.as_ptr()).assume_init_ref() };
        // Relaxed: which deque to look into; what lies there has its own ordering.
        shared.thief.store(station.row() + 1, Ordering::Relaxed);
        // SAFETY: the frame is alive and its body is the caller's.
        unsafe { ((*self.0).execute)(self.0, station) }
    }
}

impl Frame {
    /// Writes what a thief needs, marks the frame as shown, and gives it in the form for the deque.
    ///
    /// # Safety
    /// `this` is the `as_ptr` of a frame that is alive, private, and on this thread.
    pub(super) unsafe fn show(this: *const Self) -> FramePtr {
        // SAFETY: alive by the contract, and nobody else knows it.
        let frame = unsafe { &*this };
        let shared = Shared { latch: Latch::new(), thief: AtomicUsize::new(0) };
        frame.shared.set(MaybeUninit::new(shared));
        frame.link.set(frame.link.get().shown());
        FramePtr(this)
    }

    #[inline(always)]
    pub(super) fn link(&self) -> Link {
        self.link.get()
    }

    pub(super) fn set_link(&self, link: Link) {
        self.link.set(link);
    }
}

/// See the page. `repr(C)`: a pointer to it is a pointer to its header.
#[repr(C)]
pub(super) struct JoinFrame<B, R> {
    header: Frame,
    body: UnsafeCell<ManuallyDrop<B>>,
    result: UnsafeCell<MaybeUninit<Result<R, Payload>>>,
}

impl<B, R> JoinFrame<B, R>
where
    B: FnOnce(Worker<'_>) -> R + Send,
    R: Send,
{
    #[inline(always)]
    pub(super) fn new(body: B, link: Link) -> Self {
        let shared = Cell::new(MaybeUninit::uninit());
        Self {
            header: Frame { execute: Self::execute, link: Cell::new(link), shared },
            body: UnsafeCell::new(ManuallyDrop::new(body)),
            result: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// The frame as it goes on a station's stack.
    #[inline(always)]
    pub(super) fn as_ptr(&self) -> *const Frame {
        // From the whole frame, not its header: the thief reaches the body through it.
        ptr::from_ref(self).cast()
    }

    #[inline(always)]
    pub(super) fn link(&self) -> Link {
        self.header.link()
    }

    /// Moves the body out.
    ///
    /// # Safety
    /// It is the caller's (the page), who calls this once.
    #[inline(always)]
    pub(super) unsafe fn take_body(&self) -> B {
        // SAFETY: the contract.
        self.body.with_mut(|cell| unsafe { ManuallyDrop::take(&mut *cell) })
    }

    /// Moves the result out.
    ///
    /// # Safety
    /// The latch was seen set, and this is called once.
    pub(super) unsafe fn take_result(&self) -> Result<R, Payload> {
        // SAFETY: the thief wrote it before it set the latch, which the caller saw.
        self.result.with(|cell| unsafe { (*cell).assume_init_read() })
    }

    /// The row of the thief, once it is known.
    ///
    /// # Safety
    /// The frame was shown.
    pub(super) unsafe fn thief(&self) -> Option<usize> {
        // SAFETY: the contract.
        let shared = unsafe { self.shared() };
        // Relaxed: as in `FramePtr::execute`.
        shared.thief.load(Ordering::Relaxed).checked_sub(1)
    }

    /// # Safety
    /// The frame was shown.
    unsafe fn shared(&self) -> &Shared {
        // SAFETY: `show` made it; nobody writes the cell as a whole after that.
        unsafe { (*self.header.shared.as_ptr()).assume_init_ref() }
    }

    /// # Safety
    /// The frame was shown.
    pub(super) unsafe fn latch(&self) -> &Latch {
        // SAFETY: the contract.
        &unsafe { self.shared() }.latch
    }

    /// Ends what `show` began, for the owner: nobody else knows the frame any more.
    ///
    /// # Safety
    /// The frame was shown, and was taken back or its latch seen set; called once.
    pub(super) unsafe fn end_shown(&self) {
        // SAFETY: the contract.
        unsafe { (*self.header.shared.as_ptr()).assume_init_drop() }
    }

    /// The thief's part.
    ///
    /// # Safety
    /// `frame` is the `as_ptr` of a frame of this type that was shown, its body is the caller's, and
    /// the owner waits for the latch.
    unsafe fn execute(frame: *const Frame, station: &Station) {
        let this = frame.cast::<Self>();
        // SAFETY: alive until the latch is set; the reference ends before that.
        let frame = unsafe { &*this };
        // SAFETY: the body is ours by the contract.
        let body = unsafe { frame.take_body() };
        // A panic becomes a value: the latch is always set.
        let result = unwind::halt(|| body(Worker::at(station)));
        frame.result.with_mut(|cell| {
            // SAFETY: ours until the latch is set.
            unsafe { (*cell).write(result) };
        });
        // SAFETY: alive until the transition inside `set`; shown, so `shared` is there.
        let latch = unsafe {
            let shared = (*this).header.shared.as_ptr().cast::<Shared>();
            &raw const (*shared).latch
        };
        // SAFETY: nothing touches the frame after it.
        unsafe { Latch::set(latch) };
    }
}
