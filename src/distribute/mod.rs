//! Driver and executors: one ask, one answer.
