//! How `libcairn.so` is linked.

fn main() {
    for flag in [
        // Threads hold destructors and the process holds fork handlers that
        // point into the library: it can be loaded late, but never leave.
        "-Wl,-z,nodelete",
        // Nor does it have to ask the loader to keep it (`src/os/stay.rs`): one
        // symbol less to look for. (The other that it would ask by is in use.)
        "-Wl,--defsym=dladdr=0",
        // What is missing is found when the library is built, not when a
        // program starts on it.
        "-Wl,-z,defs",
        // The compiler's start files bring constructors of their own, tables for
        // transactional memory and profiling, and five symbols that the loader
        // looks for in every library: all for nothing here.
        "-nostartfiles",
        // What the loader writes once and then closes fills one page, not the
        // end of one and the beginning of the next. (GNU ld always does so,
        // and says that it does not know the flag.)
        "-Wl,-z,separate-loadable-segments",
        // A program linked with -lcairn asks for the name, not for a path.
        "-Wl,-soname,libcairn.so",
    ] {
        println!("cargo::rustc-cdylib-link-arg={flag}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
