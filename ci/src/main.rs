//! The host tool behind `cargo xtask`.
fn main() {}
