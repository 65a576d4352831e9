# What a person does with Visavis. Every target installs what it lacks on Debian and Ubuntu, asks nothing, and
# uses one release profile and the whole workspace's features, so that dependencies compile once for the application,
# its tests and its benchmarks.

CARGO ?= cargo
PACKAGES := packaging/linux/system-packages.sh

.DEFAULT_GOAL := help
.PHONY: help run build test check fmt clippy doc bench packages-run packages-test rust

help: ## This list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1	\2/' | expand -t 16

run: packages-run rust ## Build Visavis and open its window
	$(CARGO) build --release --locked --workspace --bin visavis
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then \
	    exec "$$($(CARGO) metadata --format-version 1 --no-deps | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')/release/visavis"; \
	else \
	    echo "Visavis is built, but there is no display to open its window on."; \
	    echo "In a desktop session, run 'make run' again. Without one, take part in a call headless:"; \
	    echo "    target/release/visavis headless --host"; \
	    echo "    target/release/visavis headless --join LINK"; \
	fi

build: packages-run rust ## Build everything
	$(CARGO) build --release --locked --workspace

test: packages-test rust ## Run all tests, unattended
	$(CARGO) test --release --locked --workspace --no-fail-fast

check: test fmt clippy doc ## All that has to be right before a commit: tests, format, lints, documentation

fmt: rust
	$(CARGO) fmt --all --check

clippy: packages-run rust
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings

doc: packages-run rust
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --release --locked --workspace --no-deps --document-private-items

bench: packages-test rust ## Measure a call on this machine (minutes; leave the machine alone meanwhile)
	$(CARGO) xtask bench call
	$(CARGO) xtask bench call --window

packages-run:
	@$(PACKAGES) run

packages-test:
	@$(PACKAGES) test

rust:
	@command -v $(CARGO) >/dev/null || { \
	    echo "Rust is missing. Install it from https://rustup.rs:" >&2; \
	    echo "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2; \
	    echo "then open a new terminal and run 'make' again." >&2; \
	    exit 1; \
	}
