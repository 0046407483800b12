//! How `libcairn.so` is linked.

fn main() {
    for flag in [
        // Threads hold destructors and the process holds fork handlers that
        // point into the library: it can be loaded late, but never leave.
        "-Wl,-z,nodelete",
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
        // Before glibc 2.34 the loader's functions are in a library beside libc; since then that
        // one is empty, and nothing asks for it when a program starts.
        "-Wl,--push-state,--as-needed,-ldl,--pop-state",
        // A program linked with -lcairn asks for the name, not for a path.
        "-Wl,-soname,libcairn.so",
    ] {
        println!("cargo::rustc-cdylib-link-arg={flag}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
