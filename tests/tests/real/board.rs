//! Ham as the init of a machine, on its way up, in namespaces that stand for one
//! (`--board`): what it mounts and what it leaves, the console, a shell when
//! there is nothing else, terminals of entities, and that it never ends by
//! itself.

mod examples;
mod machine;
mod shells;
mod up;
