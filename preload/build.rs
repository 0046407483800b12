//! How `libcairn.so` is linked.

use std::env;

fn main() {
    // The same source is libcairn.a (`static`).
    println!("cargo::rustc-check-cfg=cfg(static_library)");
    for flag in [
        // Threads hold destructors and the process holds fork handlers that
        // point into the library: it can be loaded late, but never leave.
        "-Wl,-z,nodelete",
        // Nor does it have to ask the loader to keep it (`src/os/stay.rs`): one
        // symbol less to look for. (The other that it would ask by is in use.)
        "-Wl,--defsym=dladdr=0",
        // The functions that valgrind replaces, by names that nobody else can have
        // put anything in front of (`src/valgrind.rs`).
        "-Wl,--defsym=cairn_own_malloc=malloc",
        "-Wl,--defsym=cairn_own_free=free",
        "-Wl,--defsym=cairn_own_realloc=realloc",
        "-Wl,--defsym=cairn_own_memalign=memalign",
        // What is missing is found when the library is built, not when a
        // program starts on it.
        "-Wl,-z,defs",
        // The compiler's start files bring constructors of their own, tables for
        // transactional memory and profiling, and five symbols that the loader
        // looks for in every library: all for nothing here.
        "-nostartfiles",
        // The crate `libc` asks for the C library only where no crate of the build, not even one
        // beside this, has turned its feature `std` on.
        "-lc",
        // Before glibc 2.34 the loader's functions are in a library beside libc; since then that
        // one is empty, and nothing asks for it when a program starts.
        "-Wl,--push-state,--as-needed,-ldl,--pop-state",
    ] {
        println!("cargo::rustc-cdylib-link-arg={flag}");
    }
    // A program linked with -lcairn asks for the name, not for a path. What is built in the checkout
    // is called libcairn.so, and a program linked with it finds it beside itself under that name
    // only; a package has the file libcairn.so.1, and `dist/build` says so.
    let name = env::var("CAIRN_SONAME").unwrap_or_else(|_| "libcairn.so".to_owned());
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,{name}");
    println!("cargo::rerun-if-env-changed=CAIRN_SONAME");
    // What the loader closes once it has relocated fills whole pages, of the largest size that
    // the kernels of the architecture have.
    let page = match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("x86_64") => 4096,
        _ => 65536,
    };
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,max-page-size={page},-z,common-page-size={page}");
    // Two arguments: a path may have commas, which divide what stands behind `-Wl`.
    let here = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rustc-cdylib-link-arg=-T");
    println!("cargo::rustc-cdylib-link-arg={here}/library.ld");
    // Where the linker is GNU's, which the compiler's driver looks for here first.
    println!("cargo::rustc-cdylib-link-arg=-B{here}/gnu");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=gnu/ld");
    println!("cargo::rerun-if-changed=library.ld");
}
