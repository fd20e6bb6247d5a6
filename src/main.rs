//! To be written.
#[expect(dead_code, reason = "main does not call the roles yet")]
mod role;

fn main() {}
