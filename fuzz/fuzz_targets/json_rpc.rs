//! Feeds `json_rpc` with whatever reaches new code.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::json_rpc(data));
