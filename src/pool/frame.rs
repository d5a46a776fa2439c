//! The frame of a join: its second closure, where a thief can find it.
//!
//! A frame lives on the stack of the thread that called `join`, the *owner*. While it is private
//! only the owner knows it. Once shown it is in a deque, and whoever takes it out of there, owner
//! or thief, has the body. A thief runs the body, writes the result and sets the latch, and does
//! not touch the frame after that. The owner does not leave its frame before it has the body back
//! or has seen the latch.
//!
//! `body` belongs to: the owner, until shown; then to whoever popped or stole the pointer.
//! `result` belongs to: the thief, until the latch is set; then to the owner.

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr;

use super::latch::Latch;
use super::unwind::{self, Payload};
use crate::sync::UnsafeCell;

/// What every frame begins with, whatever it holds.
pub(super) struct Frame {
    execute: unsafe fn(*const Frame),
    pub(super) latch: Latch,
}

/// A shown frame, as thieves see it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct FramePtr(pub(super) *const Frame);

// SAFETY: what it points to is made for another thread: body and result are Send (`JoinFrame`),
// and the frame outlives every holder of the pointer (the page).
unsafe impl Send for FramePtr {}

impl FramePtr {
    /// Runs the body on this thread and sets the latch. Never unwinds.
    ///
    /// # Safety
    /// The caller took this pointer out of a deque: nobody else has it, and its owner waits.
    pub(super) unsafe fn execute(self) {
        // SAFETY: by the contract the frame is alive and its body is the caller's.
        unsafe { ((*self.0).execute)(self.0) }
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
    B: FnOnce() -> R + Send,
    R: Send,
{
    #[inline(always)]
    pub(super) fn new(body: B) -> Self {
        Self {
            header: Frame { execute: Self::execute, latch: Latch::new() },
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

    pub(super) fn latch(&self) -> &Latch {
        &self.header.latch
    }

    /// The thief's part.
    ///
    /// # Safety
    /// `frame` is the `as_ptr` of a frame of this type, its body is the caller's, and the owner
    /// waits for the latch.
    unsafe fn execute(frame: *const Frame) {
        let this = frame.cast::<Self>();
        // SAFETY: alive until the latch is set; the reference ends before that.
        let frame = unsafe { &*this };
        // SAFETY: the body is ours by the contract.
        let body = unsafe { frame.take_body() };
        let result = unwind::halt(body); // a panic becomes a value: the latch is always set
        frame.result.with_mut(|cell| {
            // SAFETY: ours until the latch is set.
            unsafe { (*cell).write(result) };
        });
        // SAFETY: alive until this transition, and nothing touches the frame after it.
        unsafe { Latch::set(&raw const (*this).header.latch) };
    }
}
