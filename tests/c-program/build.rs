//! Compiles the program's C code.

fn main() {
    println!("cargo::rerun-if-changed=src/code.c");
    // A compiler that knows what malloc means removes pairs of it.
    cc::Build::new()
        .file("src/code.c")
        .flag("-fno-builtin")
        .compile("code");
}
