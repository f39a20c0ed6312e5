//! Lists the files of `guests/` for the test module of that name: a guest without a test fails to compile.

use std::{env, fs, io, path::Path};

// Cargo reads what a build script prints.
#[allow(clippy::print_stdout)]
fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=guests");
    let mut names = Vec::new();
    for entry in fs::read_dir("guests")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // Anything that is no guest stands out as a name that nobody defines.
        names.push(name.strip_suffix(".wat").unwrap_or(&name).to_owned());
    }
    names.sort();
    let list = format!("const GUESTS: [fn(); {}] = [{}];\n", names.len(), names.join(", "));
    let folder = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&folder).join("guests.rs"), list)
}
