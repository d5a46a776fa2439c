//! Fork detection (P13): after `fork()` the child has the memory of a pool, but not its threads.
//!
//! Every pool has a word in a page of its own that the kernel wipes in the child of a fork
//! (`MADV_WIPEONFORK`, Linux 4.14). Where that is not to be had, a handler that the C library calls
//! in the child (`pthread_atfork`) changes a word of the process; a child that is made without the C
//! library's `fork` is not noticed then. Asking costs one relaxed load.
//!
//! In the child: calls that can fail say [`PoolError::Forked`]; what is spawned, submitted or timed
//! is dropped without being run; `join`, `scope` and loops run on the calling thread alone. Nothing
//! waits, and no lock is taken that a thread of the parent may have held. A join that was under way
//! at the fork and whose other half a worker had taken cannot be finished: it panics. A new pool in
//! the child works.

use super::registry::Registry;
use super::{Pool, PoolError};
use crate::sync::{AtomicU32, Ordering};

/// See the page.
pub(super) struct ForkWord(system::Word);

impl ForkWord {
    pub(super) fn new() -> Self {
        Self(system::Word::new())
    }

    /// True in a process that was forked since.
    #[inline]
    pub(super) fn is_forked(&self) -> bool {
        self.0.has_changed()
    }
}

impl Registry {
    /// True in a process that was forked from the one that built the pool.
    #[inline]
    pub(super) fn is_forked(&self) -> bool {
        self.fork.is_forked()
    }

    pub(super) fn check_fork(&self) -> Result<(), PoolError> {
        if self.is_forked() { Err(PoolError::Forked) } else { Ok(()) }
    }
}

impl Pool {
    /// True in a process that was forked from the one that built the pool: its threads are not here,
    /// and whatever is asked of it fails with [`PoolError::Forked`] or is dropped. Costs one relaxed
    /// load.
    pub fn is_forked(&self) -> bool {
        self.registry.is_forked()
    }
}

#[cfg(all(unix, not(miri)))]
mod system {
    use std::ptr::{self, NonNull};
    use std::sync::OnceLock;

    use super::{AtomicU32, Ordering};

    /// What the word in a page holds until the page is wiped.
    const HERE: u32 = 1;

    /// Grows in every child, where a page cannot be had.
    static FORKS: AtomicU32 = AtomicU32::new(0);

    pub(in super::super) struct Word {
        word: NonNull<AtomicU32>,
        expected: u32,
        is_page: bool,
    }

    // SAFETY: the word is atomic, and lives as long as this.
    unsafe impl Send for Word {}
    // SAFETY: as above.
    unsafe impl Sync for Word {}

    impl Word {
        pub(in super::super) fn new() -> Self {
            Self::page().unwrap_or_else(Self::of_the_process)
        }

        #[inline]
        pub(in super::super) fn has_changed(&self) -> bool {
            // SAFETY: a page that is unmapped in `drop`, or a static.
            let word = unsafe { self.word.as_ref() };
            // Relaxed: the kernel wiped it before this process began; nothing is read because of it.
            word.load(Ordering::Relaxed) != self.expected
        }

        #[cfg(target_os = "linux")]
        fn page() -> Option<Self> {
            let (protection, kind) =
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            // SAFETY: a new mapping of one page, at an address of the kernel's choice.
            let page = unsafe { libc::mmap(ptr::null_mut(), size(), protection, kind, -1, 0) };
            if page == libc::MAP_FAILED {
                return None;
            }
            // SAFETY: the page of above, whole.
            if unsafe { libc::madvise(page, size(), libc::MADV_WIPEONFORK) } != 0 {
                // SAFETY: mapped above, used by nobody.
                unsafe { libc::munmap(page, size()) };
                return None;
            }
            let word = NonNull::new(page.cast::<AtomicU32>())?;
            // SAFETY: aligned, zeroed, and this thread's alone: a valid word.
            // Relaxed: shared with others later, by whoever shares the pool.
            unsafe { word.as_ref() }.store(HERE, Ordering::Relaxed);
            Some(Self { word, expected: HERE, is_page: true })
        }

        #[cfg(not(target_os = "linux"))]
        fn page() -> Option<Self> {
            None
        }

        fn of_the_process() -> Self {
            static REGISTERED: OnceLock<()> = OnceLock::new();
            extern "C" fn count() {
                // Relaxed: one thread, in the child.
                FORKS.fetch_add(1, Ordering::Relaxed);
            }
            // If there is no memory for the handler, forks go unnoticed, as documented for those
            // that are made around the C library.
            // SAFETY: the handler touches a static word only.
            REGISTERED.get_or_init(|| unsafe {
                libc::pthread_atfork(None, None, Some(count));
            });
            // Relaxed: this process's own count.
            let expected = FORKS.load(Ordering::Relaxed);
            Self { word: NonNull::from(&FORKS), expected, is_page: false }
        }
    }

    impl Drop for Word {
        fn drop(&mut self) {
            if self.is_page {
                // SAFETY: mapped in `page`, and nobody has the word any more.
                unsafe { libc::munmap(self.word.as_ptr().cast(), size()) };
            }
        }
    }

    /// The kernel rounds it up to a page.
    fn size() -> usize {
        size_of::<AtomicU32>()
    }
}

/// Where nobody forks.
#[cfg(not(all(unix, not(miri))))]
mod system {
    pub(in super::super) struct Word;

    impl Word {
        pub(in super::super) fn new() -> Self {
            Self
        }

        pub(in super::super) fn has_changed(&self) -> bool {
            false
        }
    }
}
