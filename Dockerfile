# The image of the agent: one static binary and nothing else.
#
#   docker build -t IMAGE .
#
# `make image` makes the same without a container engine. It follows the last stage below, so keep that to what it knows:
# LABEL, one COPY, USER, ENTRYPOINT.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The toolchain of the base image, rather than the one that rust-toolchain.toml would fetch.
RUN RUSTUP_TOOLCHAIN="$RUST_VERSION" make static && cp "$(make --silent static-path)" /muster-agent

FROM scratch
LABEL org.opencontainers.image.title="muster-agent"
LABEL org.opencontainers.image.description="Keeps one Kubernetes cluster in step with a directory, by pull"
LABEL org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /muster-agent /muster-agent
USER 65532:65532
ENTRYPOINT ["/muster-agent"]
