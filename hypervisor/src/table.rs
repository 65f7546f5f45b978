//! The table that this image was built for, as `configs` emitted it.
#![allow(missing_docs)]

include!(env!("BULKHEAD_TABLE"));
