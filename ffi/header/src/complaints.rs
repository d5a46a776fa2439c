//! Keeps what cbindgen logs at level warning or error; it reports lost items no other way.
//!
//! Private items are skipped on purpose and not complained about. An exported function that is
//! private by mistake is found by comparing the header with the symbols of the library.

use std::sync::Mutex;

use log::{LevelFilter, Log, Metadata, Record};

static COMPLAINTS: Complaints = Complaints(Mutex::new(Vec::new()));

struct Complaints(Mutex<Vec<String>>);

impl Log for Complaints {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LevelFilter::Warn
    }

    fn log(&self, record: &Record<'_>) {
        let said = format!("{}: {}", record.level(), record.args());
        if self.enabled(record.metadata()) && !said.ends_with("(not `pub`).") {
            self.0.lock().expect("no holder panics").push(said);
        }
    }

    fn flush(&self) {}
}

/// Starts to listen; a second call changes nothing.
pub(crate) fn listen() {
    if log::set_logger(&COMPLAINTS).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

/// Everything complained about since the last call.
pub(crate) fn taken() -> Vec<String> {
    std::mem::take(&mut *COMPLAINTS.0.lock().expect("no holder panics"))
}
