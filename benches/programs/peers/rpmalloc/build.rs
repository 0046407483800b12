//! rpmalloc's own `pthread_create`, which a Rust library cannot export, gives way to ours.

fn main() {
    println!("cargo::rustc-cdylib-link-arg=-Wl,--allow-multiple-definition");
    println!("cargo::rerun-if-changed=build.rs");
}
