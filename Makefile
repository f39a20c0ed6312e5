# `make help` lists the targets. All of them work in a fresh clone with a Rust tool chain, a C compiler and Python 3.

BIN = $(or $(CARGO_TARGET_DIR),target)/debug/glovebox

.PHONY: help demo test test-rust test-guests test-python attack lint lint-rust lint-deps lint-python guests bench data clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

demo: ## Build, then see the whole idea work on real data
	cargo build --locked
	$(BIN) demo

test: ## Everything: Rust, doc tests, rebuilt guests, Python package, notebooks
	scripts/test.sh rust guests python

test-rust: ## Rust tests and doc tests only
	scripts/test.sh rust

test-guests: ## Rebuild the example jobs and run the tests against them
	scripts/test.sh guests

test-python: ## Python package and notebooks, against a real server
	scripts/test.sh python

attack: ## Fuzz kernels and parsers for ten seconds each; try SM3 and SM4 on emulated old CPUs
	scripts/fuzz.sh 10
	scripts/old-cpus.sh $(if $(CI),--workspace --lib --tests)

lint: lint-rust lint-deps lint-python ## Formatting, clippy, licences and advisories, ruff, mypy

lint-rust:
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path sdk/guest/Cargo.toml
	cargo fmt --all --check --manifest-path examples/jobs/Cargo.toml
	rustfmt --edition 2024 --check runtime/*/fuzz/fuzz_targets/*.rs runtime/gate/fuzz/src/lib.rs runtime/sandbox/fuzz/src/lib.rs runtime/sandbox/fuzz/examples/*.rs
	cargo clippy --locked --workspace --all-targets -- -D warnings

lint-deps:
	scripts/deny.sh

lint-python:
	scripts/lint-python.sh

guests: ## Rebuild the WebAssembly modules of examples/jobs, to be committed
	sdk/guest/build.sh

bench: ## Criterion benches, then Glovebox and its peers in one run, in optimised code
	cargo bench --locked -p glovebox-benches
	cargo run --locked --profile bench -p glovebox-benches --bin compare

data: ## Make the example tables anew from their sources, and compare
	scripts/data.sh

clean: ## Remove what builds leave behind
	cargo clean
