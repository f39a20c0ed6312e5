//! The binary as its users call it.

#[test]
fn it_says_its_version() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_glovebox")).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("glovebox {}\n", env!("CARGO_PKG_VERSION")));
}
