//! What signing a request leaves in memory: nothing but what it returns, so no copy of a key.

use safe_conduct::Secret;
use safe_conduct::codec::hash::Sha256;
use safe_conduct::codec::sigv4::{Credentials, PathRule, Request, Scope, SigningKey, sign_headers};
use safe_conduct::time::Timestamp;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

/// Every allocation of this program is counted. (A program of its own: counting would show in what is timed.)
#[global_allocator]
static COUNTED: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let (secret, token) = (Secret::from_text(&"k".repeat(40)), Secret::from_text(&"t".repeat(1000)));
    let credentials =
        Credentials { access_key_id: "ASIAEXAMPLE", secret_access_key: &secret, session_token: Some(&token) };
    let at = Timestamp::from_unix_seconds(1_788_093_360).unwrap();
    let scope = Scope { at, region: "eu-central-1", service: "sts" };
    let headers = [("host", "sts.eu-central-1.amazonaws.com")];
    let (path_rule, body) = (PathRule::Normalized, Sha256::of(b"Action=GetCallerIdentity"));
    let request = Request { method: "POST", path: "/", path_rule, query: &[], headers: &headers, body };

    let counted = Region::new(COUNTED);
    let key = SigningKey::derive(&secret, &scope).unwrap();
    let signed = sign_headers(&request, &credentials, &scope, &key).unwrap();
    drop(key);
    let stats = counted.change();

    // What was grown is counted among what was allocated.
    let left = stats.bytes_allocated - stats.bytes_deallocated;
    let returned = signed.date_time.capacity() + signed.authorization.capacity();
    let blocks = stats.allocations - stats.deallocations;
    println!("{} allocations of {} bytes in all to derive and sign", stats.allocations, stats.bytes_allocated);
    let met = (left, blocks) == (returned, 2);
    println!(
        "left when the key is dropped: {left} bytes in {blocks} blocks, returned {returned} in 2 (aim: the same): {}",
        if met { "met" } else { "MISSED" }
    );
    std::process::exit(i32::from(!met));
}
