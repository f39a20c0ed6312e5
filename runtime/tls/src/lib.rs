//! TLS 1.3 with the suites of RFC 8998 for rustls.
