//! Places that later jobs may take over: one waiting job per key and tag.
//!
//! ```text
//!   first submit ──► cell in the table, cell in the lane     later submits replace what is in the cell
//!   first turn   ──► cell leaves the table, and with it the job: from now on a submit makes a new one
//! ```
//!
//! Both happen under the lock of the key's group, so a submit either replaces a job that has not
//! begun its first turn, or finds no cell and appends. Hence the last job submitted always gets a run
//! that sees it. The lock is never held over user code: what was replaced ends after it is given back.
//!
//! A cell that a mark keeps at the head of its lane stays in the table, and its job replaceable.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::entry::{Entry, Steps};
use super::inner::Inner;
use crate::lane::{Abandon, Address, Key};
use crate::sync::Arc;

/// Locks; a key belongs to one of them by its group.
const STRIPES: usize = 16;

type Cells = HashMap<(Key, Key), Slot>;

/// See the page.
pub(crate) struct Latest {
    stripes: [Mutex<Cells>; STRIPES],
}

/// A cell of the table, and the job that waits in it.
struct Slot {
    cell: Arc<Cell>,
    run: Box<dyn Steps>,
}

/// The place of a job in a lane.
pub(crate) struct Cell {
    stripe: usize,
    name: (Key, Key),
}

impl Latest {
    pub(crate) fn new() -> Self {
        Self { stripes: std::array::from_fn(|_| Mutex::new(HashMap::new())) }
    }

    /// Puts the job where one with its key and tag waits, which ends as superseded; else answers
    /// the cell that is to be sent into the lane.
    pub(crate) fn put(
        &self,
        address: &Address<Entry>,
        tag: Key,
        run: Box<dyn Steps>,
    ) -> Option<Arc<Cell>> {
        let stripe = address.group() as usize % STRIPES;
        let name = (address.key().clone(), tag);
        let mut cells = self.stripes[stripe].lock();
        // A job that was cancelled or has expired does not wait, and its place is not inherited.
        if let Some(slot) = cells.get_mut(&name).filter(|slot| !slot.run.is_over()) {
            let replaced = std::mem::replace(&mut slot.run, run);
            drop(cells);
            replaced.supersede();
            return None;
        }
        let cell = Arc::new(Cell { stripe, name: name.clone() });
        let over = cells.insert(name, Slot { cell: cell.clone(), run });
        drop(cells);
        drop(over); // it has its outcome
        Some(cell)
    }

    fn take(&self, cell: &Arc<Cell>) -> Option<Box<dyn Steps>> {
        let mut cells = self.stripes[cell.stripe].lock();
        // The place of a job that was over when a later one came is empty.
        let is_there = cells.get(&cell.name).is_some_and(|slot| Arc::ptr_eq(&slot.cell, cell));
        let slot = if is_there { cells.remove(&cell.name) } else { None };
        if cells.capacity() / 4 > cells.len() {
            let needed = 2 * cells.len();
            cells.shrink_to(needed);
        }
        slot.map(|slot| slot.run)
    }
}

impl Cell {
    /// The job begins, or ends: nobody replaces it any more. `None` if its place is empty.
    pub(crate) fn take(self: &Arc<Self>, inner: &Inner) -> Option<Box<dyn Steps>> {
        inner.latest().take(self)
    }

    /// The lane gives the place up.
    pub(crate) fn abandon(self: &Arc<Self>, inner: &Inner, why: Abandon) {
        if let Some(run) = self.take(inner) {
            run.abandon(why);
        }
    }
}
