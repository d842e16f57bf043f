# The whole check; CI runs the same.
check:
    .ci/run

# The program on a simulated household.
demo:
    cargo run --release -- --demo

# Speed, as ratios and counts; `just bench decode` runs one.
bench *name:
    cargo bench --workspace {{name}}

# The package on a whole machine (qemu, root): an hour where it is emulated. `just machine --only upgrade`
machine *options:
    packaging/build.sh amd64
    sudo tests/machine/run {{options}}
