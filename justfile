# What one does here. `just` lists it.

_list:
    @just --list --unsorted

# unit and integration tests
test *args:
    cargo test --workspace {{args}}

# everything that has to hold before a change goes in
ci *steps:
    .ci/run {{steps}}

# end-to-end tests with real servers and clients
e2e:
    .ci/run build e2e

# the binary that is given away: static, no library of the system is loaded
dist:
    cargo rustc --locked --release -p larder-cli --bin larder -- -C target-feature=+crt-static -C relocation-model=static

# parsers under fuzzing: one target or `all`, seconds for each (nightly, cargo-fuzz)
fuzz target="all" seconds="600":
    fuzz/run {{target}} {{seconds}}

# larder beside what one would use instead, in one run; bench/README.md shows the last table
bench *args:
    bench/run {{args}}
