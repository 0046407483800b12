//! Tells the source that it becomes an archive, which no linker's flags of ours come with.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(static_library)");
    println!("cargo::rustc-cfg=static_library");
    println!("cargo::rerun-if-changed=build.rs");
}
