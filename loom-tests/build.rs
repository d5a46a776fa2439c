//! Compiles the included sources for the model checker: a cfg of this package alone.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(laneway_loom)");
    println!("cargo::rustc-cfg=laneway_loom");
    println!("cargo::rerun-if-changed=build.rs");
}
