# Muster's commands. They need Rust, Go, a C compiler and make.

.DEFAULT_GOAL := help
.PHONY: help planes

help:
	@echo 'Targets:'
	@sed -n 's/^## /  make /p' $(MAKEFILE_LIST)

## planes: find or build the programs of the control planes, and print their folder
planes:
	@cargo run --quiet --locked --package muster-tests --bin planes

.PHONY: crds

## crds: write the definitions, the list of conditions, and multicluster.yaml, which holds the definitions too
crds:
	cargo run --quiet --locked --package muster-api --features schema --example generate
	cargo run --quiet --locked --package muster-tests --bin bundle

# The image has no C library: the binary brings its own. With a target named, RUSTFLAGS leave build scripts and macros alone.
STATIC_TARGET := $(shell uname -m)-unknown-linux-gnu
STATIC := target/$(STATIC_TARGET)/release/muster-agent
IMAGE := target/muster-agent.tar

.PHONY: static static-path image

## static: build the static agent
static:
	RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked --package muster-agent --bin muster-agent --target $(STATIC_TARGET)

static-path:
	@echo $(STATIC)

## image: pack the static agent as an image, without a container engine
image: static
	cargo run --quiet --locked --package muster-tests --bin image -- $(STATIC) $(IMAGE)
