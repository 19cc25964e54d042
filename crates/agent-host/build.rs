//! Links the host as a program that lies at a fixed address.
//!
//! There is one host beside every agent. As a program that may lie anywhere, each of them has 20,000 addresses written into its tables by
//! the loader when it starts: 0.4 MB of memory that no other host shares, and time. `SECURITY.md` says what that gives up.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |key: &str| env::var(format!("CARGO_CFG_TARGET_{key}")).unwrap_or_default();
    // Other C libraries have their own start files, which the compiler chooses without asking the linker.
    if target("OS") != "linux" || target("ENV") != "gnu" {
        return;
    }
    let is_static = target("FEATURE").split(',').any(|feature| feature == "crt-static");
    // The last of these decides: a static program is else asked for as one that may lie anywhere.
    for argument in is_static.then_some("-static").into_iter().chain(["-no-pie"]) {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
