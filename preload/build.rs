//! How `libcairn.so` is linked.

fn main() {
    for flag in [
        // Threads hold destructors and the process holds fork handlers that
        // point into the library: it can be loaded late, but never leave.
        "-Wl,-z,nodelete",
        // What is missing is found when the library is built, not when a
        // program starts on it.
        "-Wl,-z,defs",
        // A program linked with -lcairn asks for the name, not for a path.
        "-Wl,-soname,libcairn.so",
    ] {
        println!("cargo::rustc-cdylib-link-arg={flag}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
