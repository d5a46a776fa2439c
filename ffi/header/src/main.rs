//! Writes `include/laneway.h` from the `laneway-ffi` crate; with `--verify`, compares instead.
//!
//! cbindgen is used as a library, so Cargo.lock pins it and nothing has to be installed. On its
//! own it exits well after dropping a function it could not express; here every warning it logs
//! is a failure, and so is a header without functions.
//!
//! What a header must satisfy beyond being current is in `check.rs`. Not here: the comparison
//! with the symbols of the built library, which needs the library (`ci/c.sh`).

mod check;
mod complaints;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

const CONFIG: &str = "ffi/cbindgen.toml";
const CRATE: &str = "ffi";
const HEADER: &str = "include/laneway.h";
const SYMBOLS: &str = "ffi/abi/symbols.txt";

fn main() -> ExitCode {
    let verify = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--verify" => true,
        _ => {
            eprintln!("usage: laneway-header [--verify]");
            return ExitCode::from(64);
        }
    };
    match run(&root(), verify) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(faults) => {
            for fault in faults {
                eprintln!("laneway-header: {fault}");
            }
            ExitCode::FAILURE
        }
    }
}

/// The repository: two folders above this package.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Generates and checks the header, then writes it or compares it with the committed one.
fn run(root: &Path, verify: bool) -> Result<String, Vec<String>> {
    let text = generate(root).map_err(|fault| vec![fault])?;
    let faults = complaints::taken();
    if !faults.is_empty() {
        return Err(faults);
    }
    let functions = check::functions(&text)?;
    let header = root.join(HEADER);
    if verify {
        let symbols = read(&root.join(SYMBOLS))?;
        check::symbols(&functions, &symbols)?;
        check::same(&read(&header)?, &text)?;
    } else {
        fs::write(&header, &text).map_err(|why| vec![format!("{HEADER}: {why}")])?;
    }
    Ok(format!("{HEADER}: {} functions", functions.len()))
}

fn read(path: &Path) -> Result<String, Vec<String>> {
    fs::read_to_string(path).map_err(|why| vec![format!("{}: {why}", path.display())])
}

/// The header as cbindgen prints it, with the version macros of Cargo.toml.
fn generate(root: &Path) -> Result<String, String> {
    complaints::listen();
    let mut config = cbindgen::Config::from_file(root.join(CONFIG))?;
    let macros = config.after_includes.take().unwrap_or_default();
    config.after_includes = Some(format!("{}\n{}", version_macros(), macros.trim_end()));
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_crate(root.join(CRATE))
        .generate()
        .map_err(|why| why.to_string())?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = String::from_utf8(text).map_err(|why| why.to_string())?;
    // rustdoc's heading for an unsafe function's contract is doxygen's precondition.
    Ok(text.replace(" * # Safety\n *\n * ", " * @pre ").replace(" *\n */", " */"))
}

fn version_macros() -> String {
    let (major, minor, patch) = (
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
        env!("CARGO_PKG_VERSION_PATCH"),
    );
    format!(
        "\n#define LANEWAY_VERSION_MAJOR {major}\n\
         #define LANEWAY_VERSION_MINOR {minor}\n\
         #define LANEWAY_VERSION_PATCH {patch}"
    )
}
