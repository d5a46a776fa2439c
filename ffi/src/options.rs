//! Structs that cross by pointer and grow at their end.
//!
//! Each begins with `size_t struct_size`. Reading takes what both sides know: a missing tail is
//! the default, a longer tail must be zero, or a new program asks an old library for something
//! that it cannot do. Zero and NULL mean the default in every field. Writing never goes past the
//! size that the caller names.

use std::mem;

use crate::error::Failure;

/// Larger than any struct of the header will be: more is a size that was never set.
const SIZE_MAX: usize = 4096;

/// A struct of the header that begins with its size.
///
/// # Safety
/// The type is `repr(C)` without implicit padding; its first field is `struct_size: usize`; every
/// field is valid when all its bytes are zero, and for any bytes that C may put there.
pub(crate) unsafe trait Versioned: Copy {
    /// The size of the first released form.
    const SIZE_FIRST: usize;
}

/// Fills `into` with defaults.
///
/// # Safety
/// `into` is NULL or valid for writes of `struct_size` bytes.
pub(crate) unsafe fn init<T: Versioned>(into: *mut T, struct_size: usize) {
    if into.is_null() || !(size_of::<usize>()..=SIZE_MAX).contains(&struct_size) {
        return;
    }
    // SAFETY: writable for `struct_size` bytes by the caller's contract, and the size fits.
    unsafe {
        into.cast::<u8>().write_bytes(0, struct_size);
        into.cast::<usize>().write(struct_size);
    }
}

/// Reads what the caller filled in; NULL means all defaults.
///
/// # Safety
/// `from` is NULL or points at a `struct_size` and is readable for that many bytes.
pub(crate) unsafe fn read<T: Versioned>(from: *const T) -> Result<T, Failure> {
    // SAFETY: all bytes zero is a valid value, by the contract of `Versioned`.
    let mut value: T = unsafe { mem::zeroed() };
    if from.is_null() {
        return Ok(value);
    }
    // SAFETY: begins with its size, by the caller's contract.
    let theirs = unsafe { from.cast::<usize>().read() };
    check_size::<T>(theirs)?;
    let known = theirs.min(size_of::<T>());
    // SAFETY: `known` bytes are readable by the caller's contract and fit into `value`; any bytes
    // are valid by the contract of `Versioned`.
    unsafe { (&raw mut value).cast::<u8>().copy_from_nonoverlapping(from.cast(), known) };
    // SAFETY: `theirs` bytes are readable by the caller's contract.
    let tail = unsafe { std::slice::from_raw_parts(from.cast::<u8>().add(known), theirs - known) };
    if tail.iter().any(|&byte| byte != 0) {
        return Err(Failure::invalid("struct has fields that this library does not know"));
    }
    Ok(value)
}

/// Writes as much of `value` as the caller's struct holds, and keeps the caller's size.
///
/// # Safety
/// `into` is NULL or points at a `struct_size` and is writable for that many bytes.
pub(crate) unsafe fn write<T: Versioned>(into: *mut T, value: &T) -> Result<(), Failure> {
    if into.is_null() {
        return Err(Failure::invalid("out parameter is NULL"));
    }
    // SAFETY: begins with its size, by the caller's contract.
    let theirs = unsafe { into.cast::<usize>().read() };
    check_size::<T>(theirs)?;
    let known = theirs.min(size_of::<T>());
    // SAFETY: `theirs` bytes are writable by the caller's contract, and `known` is not more.
    unsafe {
        into.cast::<u8>().copy_from_nonoverlapping(std::ptr::from_ref(value).cast(), known);
        into.cast::<u8>().add(known).write_bytes(0, theirs - known);
        into.cast::<usize>().write(theirs);
    }
    Ok(())
}

fn check_size<T: Versioned>(theirs: usize) -> Result<(), Failure> {
    if !(T::SIZE_FIRST..=SIZE_MAX).contains(&theirs) {
        return Err(Failure::invalid("struct_size is not set; use the struct's init function"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    /// Two fields, of which the second came later.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    struct Grown {
        struct_size: usize,
        first: u64,
        second: u64,
    }

    // SAFETY: three words, all of them integers.
    unsafe impl Versioned for Grown {
        const SIZE_FIRST: usize = offset_of!(Grown, second);
    }

    /// What a newer program would pass.
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Newer {
        known: Grown,
        third: u64,
    }

    fn newer(third: u64) -> Newer {
        let known = Grown { struct_size: size_of::<Newer>(), first: 1, second: 2 };
        Newer { known, third }
    }

    #[test]
    fn a_missing_tail_is_the_default() {
        let old = Grown { struct_size: Grown::SIZE_FIRST, first: 1, second: 99 };
        // SAFETY: a live local, longer than its size says.
        let seen = unsafe { read(&raw const old) }.expect("the old size is enough");
        assert_eq!((seen.first, seen.second), (1, 0));
    }

    #[test]
    fn a_longer_struct_is_read_if_its_tail_is_zero() {
        let (zero, filled) = (newer(0), newer(3));
        // SAFETY: a live local of the size it names.
        let seen = unsafe { read((&raw const zero).cast::<Grown>()) }.expect("zero tail");
        assert_eq!((seen.first, seen.second), (1, 2));
        // SAFETY: as above.
        assert!(unsafe { read((&raw const filled).cast::<Grown>()) }.is_err());
    }

    #[test]
    fn null_means_defaults_and_a_wild_size_is_refused() {
        // SAFETY: null is allowed.
        let defaults = unsafe { read(std::ptr::null::<Grown>()) }.expect("null is allowed");
        assert_eq!(defaults, Grown::default());
        for struct_size in [0, Grown::SIZE_FIRST - 1, SIZE_MAX + 1] {
            let wild = Grown { struct_size, ..Grown::default() };
            // SAFETY: only the size is read before it is refused.
            assert!(unsafe { read(&raw const wild) }.is_err());
        }
    }

    #[test]
    fn init_and_write_stay_within_the_size_of_the_caller() {
        let mut old = Grown { struct_size: 0, first: 7, second: 7 };
        // SAFETY: a live local, longer than the size given.
        unsafe { init(&raw mut old, Grown::SIZE_FIRST) };
        assert_eq!(old, Grown { struct_size: Grown::SIZE_FIRST, first: 0, second: 7 });
        let value = Grown { struct_size: 0, first: 5, second: 6 };
        // SAFETY: as above.
        unsafe { write(&raw mut old, &value) }.expect("the old size is enough");
        assert_eq!(old, Grown { struct_size: Grown::SIZE_FIRST, first: 5, second: 7 });
    }
}
