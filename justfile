# What people run by hand. `just` lists it; each recipe is the command itself, so none needs just.

_default:
    @just --list

# The binary, optimised.
build:
    cargo build --release --locked

# Everything that must be true.
test *ARGS:
    cargo test --workspace --locked {{ARGS}}

# Every warning is an error.
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Rewrites the sources.
fmt:
    cargo fmt --all

# Switch, bank and terminals on this machine.
demo *ARGS:
    cargo run --release --locked -- demo {{ARGS}}

# `just bench codec` for one of them; see benches/README.md.
bench *NAME:
    cargo bench -p benches {{ if NAME == "" { "" } else { "--bench " + NAME } }}

# Other products on the same messages, in nanoseconds; see benches/peers/README.md.
peers *ARGS:
    benches/peers/run {{ARGS}}

# `just interop jpos`: what we write they read and the other way round; see interop/README.md.
interop PEER="all" *ARGS:
    interop/run {{PEER}} {{ARGS}}

# `just fuzz decode 600`; see fuzz/README.md.
fuzz TARGET="decode" SECONDS="60":
    RUSTC_BOOTSTRAP=1 cargo fuzz run {{TARGET}} -- -max_total_time={{SECONDS}}

# `just fuzz-http 300`: everything that the description of the HTTP API allows (needs schemathesis).
fuzz-http SECONDS="60":
    .ci/fuzz-http {{SECONDS}}

# The package for Debian (needs cargo-deb); see docs/deployment.md.
package *ARGS:
    deploy/package {{ARGS}}

# Licences, bans and sources (needs cargo-deny).
deny:
    cargo deny check

# What the gate runs.
ci:
    .ci/run
