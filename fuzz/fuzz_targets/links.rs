//! A plan whose links make no sense is worked with.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ham_tests::decoders::links(bytes));
