//! safe-conduct: an identity token stays on the driver; short-lived credentials travel.

#![forbid(unsafe_code)]
#![deny(missing_docs, unreachable_pub, unused_must_use, rustdoc::broken_intra_doc_links)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::allow_attributes,
        clippy::print_stdout,
        clippy::print_stderr,
        clippy::dbg_macro,
        clippy::exit,
        clippy::mem_forget
    )
)]

pub mod audit;
#[doc(hidden)]
pub mod codec;
pub mod config;
pub mod counter;
pub mod credential;
pub mod distribute;
pub mod error;
pub mod identity;
pub mod ingest;
pub mod manager;
pub mod name;
pub mod provider;
pub mod secret;
#[cfg(test)]
mod simulation;
pub mod sink;
pub mod status;
pub mod store;
pub mod sys;
pub mod time;

pub use secret::Secret;
