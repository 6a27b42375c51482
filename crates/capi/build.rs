//! Compiles the shims: one in C that formats what libraries log, one in C++ that catches what they throw. Without such a
//! compiler the crate is built without that one, and says so.

use std::path::Path;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(prewire_shim_c, prewire_shim_cpp)");
    let shims = [
        ("shim/log.c", "prewire_shim_log", false, "prewire_shim_c", "messages of libraries stay formats"),
        (
            "shim/guard.cpp",
            "prewire_shim_guard",
            true,
            "prewire_shim_cpp",
            "what libraries throw ends the process",
        ),
    ];
    for (source, name, cpp, cfg, without) in shims {
        println!("cargo::rerun-if-changed={source}");
        let mut build = cc::Build::new();
        build.file(Path::new(source)).cpp(cpp).warnings(true).opt_level(2);
        build.std(if cpp { "c++17" } else { "c11" });
        match build.try_compile(name) {
            Ok(()) => println!("cargo::rustc-cfg={cfg}"),
            Err(error) => println!("cargo::warning={source} was not compiled, so {without}: {error}"),
        }
    }
}
