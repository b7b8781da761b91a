//! What programs say by sd_notify(3) and on a descriptor of their own, what they
//! hand over, and who is heard: real senders, real managers.

mod bed;
mod descriptor;
mod last_words;
mod senders;
mod stored;
mod words;
