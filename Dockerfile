# One file for all six images. SERVICE is user, wallet, transaction, payment or gateway:
#
#   docker build --build-arg SERVICE=wallet --tag dompet-wallet .
#
# The sixth is the local mode, everything in one process, and the audit of a cluster (`dompet verify`):
#
#   docker build --build-arg SERVICE=local --target local --tag dompet-local .
#   docker run --rm --publish 127.0.0.1:5000:5000 dompet-local        # its money ends with it; a volume at /data keeps it
#
# The list of crates that are in its binary (CycloneDX), from the same build, as target/sbom/wallet.cdx.json:
#
#   docker build --build-arg SERVICE=wallet --target sbom --output target/sbom .
#
# Without the internet, from a binary that is already on this machine, with `cargo install cargo-auditable`:
#
#   RUSTFLAGS="-C target-feature=+crt-static" \
#       cargo auditable build --profile image --locked --package wallet --target x86_64-unknown-linux-gnu
#   install -D target/x86_64-unknown-linux-gnu/image/wallet-service target/image/amd64/wallet
#   docker build --build-arg SERVICE=wallet --build-arg BUILD=prebuilt --tag dompet-wallet .
#
# (The local mode's binary is target/x86_64-unknown-linux-gnu/image/dompet, and goes to target/image/amd64/local.)
#
# It needs BuildKit, which leaves out the stage that is not asked for, and with it that stage's base image. There is no
# `# syntax=` line, because that would be an image to pull too.

# build or prebuilt: the stage that the binary comes from.
ARG BUILD=build

# --- Compiled here ---
FROM rust:1.95.0-slim-bookworm AS build
# The first puts the list of crates into the binary, the second reads it back. Before the code, so that they are built once
# for all five images; without optimization, because they run for a second.
ARG CARGO_AUDITABLE_VERSION=0.7.7
ARG AUDITABLE2CDX_VERSION=0.1.0
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    cargo install --quiet --locked --debug \
        "cargo-auditable@$CARGO_AUDITABLE_VERSION" "auditable2cdx@$AUDITABLE2CDX_VERSION"
ARG SERVICE
# For `--version`; without it only the release's number is shown.
ARG VERSION=0.1.0
ARG REVISION=unknown
WORKDIR /src
COPY . .
# The target is named, although it is the machine's own: otherwise the flags would hold for build scripts and procedural
# macros too, and those cannot be static.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    set -eu; \
    case "$SERVICE" in \
        gateway) binary=gateway ;; \
        user | wallet | transaction | payment) binary="$SERVICE-service" ;; \
        local) binary=dompet ;; \
        *) echo "SERVICE is user, wallet, transaction, payment, gateway or local" >&2; exit 1 ;; \
    esac; \
    target="$(rustc -vV | sed -n 's/host: //p')"; \
    if [ "$REVISION" != unknown ]; then export DOMPET_VERSION="$VERSION ($REVISION)"; fi; \
    RUSTFLAGS="-C target-feature=+crt-static" \
        cargo auditable build --profile image --locked --package "$SERVICE" --bin "$binary" --target "$target"; \
    size="$(stat --format %s "target/$target/image/$binary")"; \
    limit=15000000; \
    if [ "$SERVICE" = local ]; then limit=30000000; fi; \
    test "$size" -lt "$limit" || { echo "$binary has $size bytes; it must stay below $limit" >&2; exit 1; }; \
    install -D "target/$target/image/$binary" /service; \
    mkdir /data; \
    auditable2cdx /service >/sbom.cdx.json

# --- What is in it, for `--target sbom --output`. From the binary itself, and no image without it: the tool fails where
# --- there is no list ---
FROM scratch AS sbom
ARG SERVICE
COPY --from=build /sbom.cdx.json /${SERVICE}.cdx.json

# --- Or brought along ---
FROM scratch AS prebuilt
ARG SERVICE
# Set by BuildKit: amd64, arm64.
ARG TARGETARCH
COPY target/image/${TARGETARCH}/${SERVICE} /service
# Makes the folder.
WORKDIR /data

FROM ${BUILD} AS binary

# --- The image of the local mode, for `--target local`: one file, and a folder that is its user's ---
FROM scratch AS local
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dompet-local" \
      org.opencontainers.image.description="Dompet, a digital wallet, in one process, and its audit" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.vendor="The Dompet authors"
COPY --from=binary --chmod=0555 /service /dompet
COPY --from=binary --chown=65532:65532 --chmod=0700 /data /data
# A published port leads to the container's own address, not to its loopback.
ENV BIND=0.0.0.0 DATA_DIR=/data
USER 65532:65532
EXPOSE 5000 5001 5002 5003 5004
STOPSIGNAL SIGTERM
ENTRYPOINT ["/dompet"]

# --- The image of a service: one file, no shell, no package ---
FROM scratch
ARG SERVICE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dompet-${SERVICE}" \
      org.opencontainers.image.description="The ${SERVICE} of Dompet, a digital wallet" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.vendor="The Dompet authors"
COPY --from=binary --chmod=0555 /service /service
# As a number, so that Kubernetes can see that it is not root.
USER 65532:65532
# The gateway's and the services' own; a service listens on one of them, or on PORT.
EXPOSE 5000 5001 5002 5003 5004
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/service", "healthcheck"]
ENTRYPOINT ["/service"]
CMD ["serve"]
