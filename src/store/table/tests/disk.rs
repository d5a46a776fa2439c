//! A disk in memory that remembers what was synced, and fails where it is told to.
//!
//! Two contents: what a process sees (`image`, the page cache) and what a power cut leaves for sure
//! (`platter`, as of the last sync that succeeded). In between are the operations since that sync,
//! of which a power cut keeps any subset. A sync that fails forgets them, as a kernel does that marks
//! pages clean after an error: a later sync succeeds and does not write them.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use redb::StorageBackend;

/// One change of the disk.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Write { at: usize, bytes: Vec<u8> },
    Resize { to: usize },
    Sync,
}

impl Op {
    pub(super) fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => image[*at..at + bytes.len()].copy_from_slice(bytes),
            Self::Resize { to } => image.resize(*to, 0),
            Self::Sync => {}
        }
    }
}

/// How one operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No room: nothing is written, and every later operation fails too.
    Full,
    /// No room for all of it: half is written, and every later write fails.
    Short,
    /// One error, and the disk works again. A sync that fails so loses what it should have written.
    Once,
}

#[derive(Debug, Default)]
struct Content {
    image: Vec<u8>,
    platter: Vec<u8>,
    /// Since the last sync, in order.
    unsynced: Vec<Op>,
    /// Everything since the last [`Disk::take_ops`].
    ops: Vec<Op>,
    /// Operations that still succeed, and what happens to the one after them.
    fault: Option<(usize, Fault)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<Content>>);

impl Disk {
    pub(super) fn of(image: Vec<u8>) -> Self {
        let platter = image.clone();
        Self(Arc::new(Mutex::new(Content { image, platter, ..Content::default() })))
    }

    /// What a process sees.
    pub(super) fn image(&self) -> Vec<u8> {
        self.0.lock().image.clone()
    }

    /// What was synced.
    pub(super) fn platter(&self) -> Vec<u8> {
        self.0.lock().platter.clone()
    }

    /// What happened since the last call.
    pub(super) fn take_ops(&self) -> Vec<Op> {
        std::mem::take(&mut self.0.lock().ops)
    }

    /// Lets `after` more operations succeed; the next one fails.
    pub(super) fn fail_after(&self, after: usize, fault: Fault) {
        self.0.lock().fault = Some((after, fault));
    }

    fn act(&self, op: Op) -> io::Result<()> {
        let mut content = self.0.lock();
        let failing = match &mut content.fault {
            Some((0, fault)) => Some(*fault),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        };
        match failing {
            None => content.take(op),
            Some(fault) => return Err(content.fail(op, fault)),
        }
        Ok(())
    }
}

impl Content {
    fn take(&mut self, op: Op) {
        op.apply(&mut self.image);
        self.ops.push(op.clone());
        match op {
            Op::Sync => {
                for op in std::mem::take(&mut self.unsynced) {
                    op.apply(&mut self.platter);
                }
            }
            op => self.unsynced.push(op),
        }
    }

    /// The kernel gives up what was not synced: sizes are known, content is not written.
    fn forget(&mut self) {
        for op in std::mem::take(&mut self.unsynced) {
            if matches!(op, Op::Resize { .. }) {
                op.apply(&mut self.platter);
            }
        }
    }

    fn fail(&mut self, op: Op, fault: Fault) -> io::Error {
        const EIO: i32 = 5;
        const ENOSPC: i32 = 28;
        match fault {
            Fault::Full => io::Error::from_raw_os_error(ENOSPC),
            Fault::Short => {
                if let Op::Write { at, bytes } = op {
                    let half = bytes[..bytes.len() / 2].to_vec();
                    self.take(Op::Write { at, bytes: half });
                }
                self.fault = Some((0, Fault::Full));
                io::Error::from_raw_os_error(ENOSPC)
            }
            Fault::Once => {
                self.fault = None;
                if matches!(op, Op::Sync) {
                    self.forget(); // the process goes on to see what it wrote
                }
                io::Error::from_raw_os_error(EIO)
            }
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().image.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (content, at) = (self.0.lock(), offset as usize);
        let end = at.checked_add(out.len()).ok_or(io::ErrorKind::InvalidInput)?;
        let bytes = content.image.get(at..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.act(Op::Resize { to: len as usize })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.act(Op::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.act(Op::Write { at: offset as usize, bytes: data.to_vec() })
    }
}
