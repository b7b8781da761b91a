//! Real servers from Debian, supervised as an administrator would: by the units
//! of units/examples as they stand there, each on a machine of its own as far as
//! it can see. They start, are ready, reload, are killed, come back, and a stop
//! leaves nothing of them. docs/daemons.md has what is seen here as a table.

mod anywhere;
mod chrony;
mod clients;
mod edits;
mod haproxy;
mod host;
mod imported;
mod mosquitto;
mod nginx;
mod postgresql;
mod redis;
mod ssh;
mod web;
