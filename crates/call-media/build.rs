//! Stops a build that would quietly be slow.
//!
//! Without `nasm`, openh264 compiles its portable C++ instead of its SIMD code, says nothing, and
//! encodes 2.5 times slower. On the processors for which it has such code that is an error here.

use std::process::{Command, Stdio};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=OPENH264_NO_ASM");
    let arch = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    if !matches!(arch.as_str(), "x86" | "x86_64") {
        return;
    }
    if std::env::var_os("OPENH264_NO_ASM").is_some() {
        refuse("OPENH264_NO_ASM is set");
    }
    let nasm = Command::new("nasm")
        .arg("-v")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !nasm.is_ok_and(|status| status.success()) {
        refuse("the assembler `nasm` was not found");
    }
}

fn refuse(reason: &str) {
    println!(
        "cargo:warning={reason}: video would be encoded 2.5 times slower. Install nasm (apt-get install nasm, brew \
         install nasm, winget install nasm), run `cargo clean -p openh264-sys2`, and build again."
    );
    std::process::exit(1);
}
