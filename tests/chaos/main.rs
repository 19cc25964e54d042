//! Disks that are full, files that are damaged, hosts and servers that are killed: `make test-chaos`. What is random is made from a
//! seed, which is printed; `PARALLAX_CHAOS_SEED` repeats it, `PARALLAX_CHAOS_ROUNDS` is how often each kind is tried.

mod damaged_files;
mod full_disk;
mod killed;
mod seed;
