//! How `libcairn_record.so` is linked.

fn main() {
    for flag in [
        // Threads hold pointers into it: it never leaves.
        "-Wl,-z,nodelete",
        // What is missing is found when it is built.
        "-Wl,-z,defs",
        // Its own calls are its own, whatever stands in front of them.
        "-Wl,-Bsymbolic-functions",
        "-lc",
        "-Wl,--push-state,--as-needed,-ldl,--pop-state",
        "-Wl,-soname,libcairn_record.so",
    ] {
        println!("cargo::rustc-cdylib-link-arg={flag}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
