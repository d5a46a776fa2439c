//! Gives the shared library its name and keeps it mapped.
//!
//! Before 1.0 the soname carries the minor version: `liblaneway.so.0.1`. The library is never
//! unmapped (`nodelete`), because the thread-local destructors of its code would dangle. A
//! packager that builds with the `capi` feature of cargo-c gets the soname from there instead.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    if env::var_os("CARGO_FEATURE_CAPI").is_none() {
        let part = |name: &str| env::var(name).expect("cargo sets the version for build scripts");
        let soname = match part("CARGO_PKG_VERSION_MAJOR").as_str() {
            "0" => format!("liblaneway.so.0.{}", part("CARGO_PKG_VERSION_MINOR")),
            major => format!("liblaneway.so.{major}"),
        };
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{soname}");
    }
}
