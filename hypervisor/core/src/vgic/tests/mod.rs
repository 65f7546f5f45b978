//! Tests of the virtual GIC.

mod access;
mod model;
mod random;
mod rewrite;
