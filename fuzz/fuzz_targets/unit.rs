//! A unit file is checked.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ham_tests::decoders::unit(bytes));
