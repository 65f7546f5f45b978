//! The table that this image was built for, as `configs` emitted it.
#![allow(missing_docs)]

use bulkhead_core::table::{Source, Table};

include!(env!("BULKHEAD_TABLE"));

/// Stands for [`TABLE`].
#[derive(Clone, Copy)]
pub struct Compiled;

impl core::ops::Deref for Compiled {
    type Target = Table;
    #[inline(always)]
    fn deref(&self) -> &Table {
        &TABLE
    }
}

impl Source for Compiled {
    #[inline(always)]
    fn table(self) -> &'static Table {
        &TABLE
    }
}
