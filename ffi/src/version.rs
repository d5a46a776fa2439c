//! Versions: the crate's, and the one number that says whether a program and a library fit.

use std::ffi::c_char;

use crate::boundary::boundary_or;

/// Goes up by one whenever the soname changes; compare it with `laneway_abi_version()`.
pub const LANEWAY_ABI_VERSION: u32 = 1;

/// `major * 1000000 + minor * 1000 + patch`, from the one place that states them.
const NUMBER: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
    + number(env!("CARGO_PKG_VERSION_MINOR")) * 1_000
    + number(env!("CARGO_PKG_VERSION_PATCH"));

const TEXT: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

const fn number(digits: &str) -> u32 {
    match u32::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => panic!("a version part is a number"),
    }
}

/// The ABI of the library that was loaded; bindings refuse one that is not theirs.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed; also in a signal handler.
/// Ownership: none.
#[unsafe(no_mangle)]
pub extern "C" fn laneway_abi_version() -> u32 {
    boundary_or(0, || LANEWAY_ABI_VERSION)
}

/// The version of the library as `major * 1000000 + minor * 1000 + patch`.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed; also in a signal handler.
/// Ownership: none.
#[unsafe(no_mangle)]
pub extern "C" fn laneway_version_number() -> u32 {
    boundary_or(0, || NUMBER)
}

/// The version of the library as text: `"0.1.0"`; never NULL.
///
/// Threads: any.
/// Blocks: no.
/// In callbacks: allowed; also in a signal handler.
/// Ownership: the text is static.
#[unsafe(no_mangle)]
pub extern "C" fn laneway_version_string() -> *const c_char {
    boundary_or(c"".as_ptr(), || TEXT.as_ptr().cast())
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn the_number_and_the_text_say_the_same() {
        // SAFETY: static and ended by NUL.
        let text = unsafe { CStr::from_ptr(laneway_version_string()) }.to_str().expect("ASCII");
        let number = laneway_version_number();
        let parts = (number / 1_000_000, number / 1_000 % 1_000, number % 1_000);
        assert_eq!(text, format!("{}.{}.{}", parts.0, parts.1, parts.2));
    }
}
