//! A damaged state is taken over.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ham_tests::decoders::snapshot(bytes));
