.DEFAULT_GOAL := help
.PHONY: help setup build cli dev demo test test-native test-sql test-e2e test-clients test-cli test-delivery check check-config bench clean

# Node 22 of the project comes before the machine's own.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
export WRANGLER_SEND_METRICS := false

# The longest first, so that both cores are busy to the end.
SUITES := test-e2e test-sql test-clients test-cli test-native test-delivery

# Tests have a configuration of their own; a process of theirs that reads yours ends with an error.
test-sql test-e2e test-clients test-cli test-delivery: export NODE_OPTIONS := --import="$(CURDIR)/tests/config/guard.mjs"

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Put every tool into the project (once, about 6 minutes; then a moment)
	@scripts/setup

build: ## Compile the Worker into build/
	@scripts/build

cli: ## Compile the command dryrun into target/debug/dryrun
	@scripts/cli

dev: ## A staging gateway on http://127.0.0.1:8787, as wrangler.toml says (PORT, STATE and CONFIG can be set)
	@scripts/dev

demo: build ## The whole story in the terminal
	@node scripts/demo.mjs

# Two suites at a time, each with its output in one piece.
test: setup ## Everything that is tested, on two cores
	@$(MAKE) --no-print-directory -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) $(SUITES)

test-native: ## Rules and use cases, without a Worker
	cargo test --locked --lib --test tidy --test tidy_imports --test front_fuzz
	cargo test --locked -p dryrun-hook -p dryrun-sql -p dryrun-text

test-sql: build ## Random statements and SQLite's own tests: dry, live and SQLite itself agree
	cargo test --locked --profile native --test native_differential -- --show-output
	cargo test --locked --test differential
	cargo test --locked --test sqllogictest

test-e2e: build cli ## The compiled Worker in real workerd, with stores that fail on purpose
	@scripts/build probe
	node --test --test-reporter=spec --test-timeout=600000 tests/e2e/*.test.mjs

test-clients: build ## Clients that people have, unmodified: wrangler, SDKs, an ORM, MCP, a browser
	@scripts/setup_python
	@scripts/setup_browser
	node --test --test-reporter=spec --test-timeout=600000 tests/clients/*.test.mjs

test-cli: build cli ## The command dryrun with real clients, in front of real gateways
	cargo test --locked -p dryrun
	node --test --test-reporter=spec --test-timeout=600000 tests/cli/*.test.mjs

test-delivery: build cli ## What decides about a deployment, and the workflows
	node --test --test-reporter=spec --test-timeout=600000 tests/delivery/*.test.mjs

check: setup ## Formatting, lints on both targets, documentation
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --target wasm32-unknown-unknown --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

check-config: build ## Is wrangler.toml fit to be deployed? What is wrong, what is to do, and how
	@scripts/check_config

bench: build ## How long things take, next to doing them without the gateway
	@node tests/bench/bench.mjs

clean: ## Remove what was built; tools and local state stay
	cargo clean
	rm -rf build build-probe
