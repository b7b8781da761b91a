//! A damaged plan is opened, and all in it asked for.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ham_tests::decoders::plan(bytes));
