//! Bytes to values and back. No I/O, no clock, no threads, no policy; one fuzz target a file.

pub mod aws_profiles;
pub mod base64url;
pub mod form;
pub mod frame;
pub mod hash;
pub mod http1;
pub mod http_date;
pub mod json;
pub mod jwks;
pub mod jwt;
pub mod pem;
pub mod properties;
pub mod sigv4;
pub mod sts_xml;
pub mod url;
