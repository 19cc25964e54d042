//! Has the linker lay out the functions of `parallax` in the order that a file has their names in. `deploy/release.sh` makes it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PARALLAX_SYMBOL_ORDER");
    if let Ok(order) = std::env::var("PARALLAX_SYMBOL_ORDER") {
        println!("cargo::rustc-link-arg-bins=-Wl,--symbol-ordering-file={order}");
        // Names of other versions, and of what the optimiser left out.
        println!("cargo::rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
    }
}
