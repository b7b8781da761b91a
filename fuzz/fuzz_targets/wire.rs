//! A stream of bytes is read as messages.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ham_tests::decoders::wire(bytes));
