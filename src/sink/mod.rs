//! Places where unmodified software looks for credentials.
