//! A second reader of JSON, serde_json's own: what the strict reader and the rules on top of it are held against.
#![allow(dead_code, reason = "each property uses a part of it")]

use serde_json::Value;

/// What a document may hold, as the limits of the reader under test say it.
pub struct Limits {
    pub bytes: usize,
    pub depth: usize,
    pub values: usize,
}

/// The value that serde_json reads, in which the last of several members of one name counts.
pub fn read(document: &[u8]) -> Option<Value> {
    serde_json::from_slice(document).ok()
}

/// The same value written anew: no name occurs twice in it.
pub fn written(value: &Value) -> String {
    value.to_string()
}

/// Whether a document is one object within the limits, so that nothing but the rules under test can refuse it.
pub fn is_readable(value: &Value, limits: &Limits) -> bool {
    value.is_object()
        && written(value).len() <= limits.bytes
        && depth(value) <= limits.depth
        && values(value) <= limits.values
}

/// Objects and lists inside each other.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(entries) => 1 + entries.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Members and list entries at every depth.
fn values(value: &Value) -> usize {
    match value {
        Value::Array(entries) => entries.len() + entries.iter().map(values).sum::<usize>(),
        Value::Object(members) => members.len() + members.values().map(values).sum::<usize>(),
        _ => 0,
    }
}
