# Muster's commands. They need Rust, Go, a C compiler and make; `fuzz` a C++ compiler, too.

.DEFAULT_GOAL := help
STATIC_TARGET := $(shell uname -m)-unknown-linux-gnu

# Which Kubernetes the servers are, one of those in tests/controlplane; empty: the newest.
KUBERNETES ?=
export KUBERNETES

.PHONY: help demo planes previous

help:
	@echo 'Targets:'
	@sed -n 's/^## /  make /p' $(MAKEFILE_LIST)
	@echo 'What runs control planes takes KUBERNETES=VERSION, one of: $(notdir $(wildcard tests/controlplane/*)).'

## demo: play the walk-through of README.md on two control planes; with KEEP=1 they stay
demo: planes static
	@cargo build --quiet --locked --package muster-directory --package kubectl-muster
	@KEEP=$(KEEP) cargo run --quiet --locked --package muster-tests --bin demo

## planes: find or build the programs of the control planes, and print their folder
planes:
	@cargo run --locked --package muster-tests --bin planes

## previous: find or build the programs of the previous state of this repository, and print their folder
previous:
	@cargo run --quiet --locked --package muster-tests --bin previous

# What the tests run.
PROGRAMS := --package muster-agent --package muster-directory --package kubectl-muster
# How many tests run at once: most of a test's time is spent waiting, so more than there are cores.
TEST_THREADS := 4
# Also the tests of what only `make crds` needs.
FEATURES := --features muster-api/schema

.PHONY: test

## test: run all tests; a test's name as T=NAME runs those alone
test: planes previous static
	cargo build --locked $(PROGRAMS)
	cargo test --locked --workspace $(FEATURES) --doc
	cargo test --locked --workspace $(FEATURES) --tests -- --test-threads=$(TEST_THREADS) $(T)

.PHONY: e2e

## e2e: run the images as pods on real nodes; as root, and installs containerd; with E2E=skip it is left out
ifeq ($(E2E),skip)
e2e:
	@echo 'e2e: SKIPPED, since E2E=skip'
else
e2e: planes image
	cargo test --quiet --locked --package muster-tests --test e2e
endif

# What is fuzzed: each has a file in fuzz/src, what is to hold in fuzz/properties, and a folder in fuzz/seeds.
FUZZED := admin kubeconfig manifests options watch
.PHONY: fuzz $(FUZZED:%=fuzz-%)

# What is fuzzed is instrumented by the stable compiler itself. With a target named, build scripts and macros are not.
COVERAGE := -Cpasses=sancov-module $(addprefix -Cllvm-args=-sanitizer-coverage-,level=4 inline-8bit-counters pc-table trace-compares)
FUZZ := target/fuzz
SECONDS := 60

## fuzz: feed what the agent reads and whom it answers what nobody would write, for SECONDS (60) each, two at a time
fuzz:
	cd fuzz && RUSTFLAGS='$(COVERAGE)' CARGO_TARGET_DIR=../$(FUZZ) cargo build --release --locked --target $(STATIC_TARGET)
	$(MAKE) --jobs=2 --output-sync $(FUZZED:%=fuzz-%)

$(FUZZED:%=fuzz-%): fuzz-%:
	@mkdir -p $(FUZZ)/corpus/$*
	$(FUZZ)/$(STATIC_TARGET)/release/$* -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
		-verbosity=0 -print_final_stats=1 -artifact_prefix=$(FUZZ)/ $(FUZZ)/corpus/$* fuzz/seeds/$*

.PHONY: bench

## bench: measure the figures that the documents quote, and run what takes long; takes twenty minutes
bench: planes static
	MUSTER_AGENT_BIN=$(CURDIR)/$(STATIC) cargo test --locked --package muster-tests --test suite -- \
		--ignored --nocapture --test-threads=1 figures:: footprint:: leader::pauses

.PHONY: faults guards soak

## faults: kill the agent, and the controller, at each write, have it asleep, alone, refused and swamped for long, and switch each guard off; takes two hours, and ten gigabytes of memory
faults: planes static
	cargo build --locked $(PROGRAMS)
	cargo test --locked --package muster-tests --test suite -- \
		--ignored --nocapture --test-threads=1 plans:: directory::crashes:: leader::works:: works::hours:: \
		works::troubles:: works::refused::
	MUSTER_AGENT_BIN=$(CURDIR)/$(STATIC) cargo test --locked --package muster-tests --test suite -- \
		--ignored --nocapture --test-threads=1 works::masses:: herd::
	$(MAKE) guards

## guards: switch each guard against loss off, in a copy, and see that the test named for it misses it; GUARD=PART for some
guards:
	cargo run --quiet --locked --package muster-tests --bin guards -- $(GUARD)

MINUTES := 30

## soak: random edits and faults for MINUTES (30), drawn by SEED
soak: planes
	cargo build --locked $(PROGRAMS)
	MUSTER_MINUTES=$(MINUTES) $(if $(SEED),MUSTER_SEED=$(SEED)) cargo test --locked --package muster-tests --test suite -- \
		--ignored --nocapture works::soak::

# The same folder as for the programs of the control planes.
CACHE := $(or $(MUSTER_CACHE),$(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME)/muster),$(HOME)/.cache/muster)
CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := $(CACHE)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny

.PHONY: lint format clippy doc deny

## lint: check format, lints, docs and dependencies
lint: format clippy doc deny

format:
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check

clippy:
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	cargo clippy --locked --package muster-api --features schema --all-targets -- --deny warnings

doc:
	RUSTDOCFLAGS='--deny warnings' cargo doc --locked --workspace $(FEATURES) --no-deps

# The database of advisories is fetched anew each time. Where it cannot be had, the rest counts, and a file says so to .ci/run.
deny: $(CARGO_DENY)
	$(CARGO_DENY) --locked check --hide-inclusion-graph bans licenses sources
	@mkdir -p target
	@rm -f target/advisories-not-checked
	@if timeout 60 $(CARGO_DENY) fetch db >target/advisories.log 2>&1; then \
		$(CARGO_DENY) --locked check --disable-fetch advisories; \
	else \
		echo 'ADVISORIES NOT CHECKED: the database could not be fetched; see target/advisories.log' >&2; \
		touch target/advisories-not-checked; \
	fi

# Built with less optimization than its authors ask for, which takes a third of the time.
$(CARGO_DENY):
	@echo 'Building cargo-deny $(CARGO_DENY_VERSION) into $(CACHE). This is done once, and takes a few minutes.'
	CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
		cargo install cargo-deny --locked --version $(CARGO_DENY_VERSION) --root $(CACHE)/cargo-deny-$(CARGO_DENY_VERSION)

.PHONY: crds

## crds: write the definitions, the list of conditions, multicluster.yaml, which holds the definitions too, and the overlay
crds:
	cargo run --quiet --locked --package muster-api --features schema --example generate
	cargo run --quiet --locked --package muster-tests --bin bundle

# The images have no C library: the binaries bring their own. With a target named, RUSTFLAGS leave build scripts and macros alone.
STATIC := target/$(STATIC_TARGET)/release/muster-agent
CONTROLLER := target/$(STATIC_TARGET)/release/muster-directory

.PHONY: static static-path controller-path image

## static: build the static programs
static:
	RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked --package muster-agent --package muster-directory --bins --target $(STATIC_TARGET)

static-path:
	@echo $(STATIC)

controller-path:
	@echo $(CONTROLLER)

## image: pack the static programs as images, without a container engine
image: static
	cargo run --quiet --locked --package muster-tests --bin image -- $(STATIC) target/muster-agent.tar
	cargo run --quiet --locked --package muster-tests --bin image -- $(CONTROLLER) target/muster-directory.tar
