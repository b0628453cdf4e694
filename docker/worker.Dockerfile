# halving-worker and its LibTorch trainer, for CPUs. A trainer of your own: docs/containers.md.
#
#   docker build -f docker/worker.Dockerfile -t halving-worker .
#
# scripts/test-images runs these steps as they stand where no container engine is at hand.

# A dated tag stays what it is; the final stage takes Debian's security updates since then.
ARG DEBIAN=debian:bookworm-20250520-slim

FROM ${DEBIAN} AS build
WORKDIR /src
COPY scripts/install-deps scripts/
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean && scripts/install-deps
COPY CMakeLists.txt ./
COPY cmake cmake
COPY common common
COPY proto proto
COPY server server
COPY worker worker
COPY cli cli
COPY web web
RUN --mount=type=cache,target=/root/.cache/ccache \
    CCACHE_DIR=/root/.cache/ccache cmake -S . -B /build -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DHALVING_TESTS=OFF \
    && CCACHE_DIR=/root/.cache/ccache cmake --build /build --target halving-worker halving-trainer \
    && install -D --strip --target-directory=/out /build/bin/halving-worker /build/bin/halving-trainer

FROM ${DEBIAN}
# What the two programs are linked with, and the images that the examples train on.
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    export DEBIAN_FRONTEND=noninteractive \
    && apt-get update -q && apt-get upgrade -q -y \
    && apt-get install -q -y --no-install-recommends \
        dataset-fashion-mnist libgrpc++1.51 libopenblas0-pthread libprotobuf32 libspdlog1.10 \
        libssl3 libtorch1.13 \
    && groupadd --system --gid 970 halving \
    && useradd --system --uid 970 --gid 970 --no-create-home --home-dir /var/lib/halving \
        --shell /usr/sbin/nologin halving \
    && install -d -o halving -g halving -m 0750 /var/lib/halving /etc/halving
COPY --from=build /out/ /usr/bin/
COPY --chmod=0755 docker/worker-health /usr/bin/halving-health

ENV HALVING_CHECKPOINT_DIR=/var/lib/halving/checkpoints
VOLUME /var/lib/halving
USER 970:970
WORKDIR /var/lib/halving
# The worker gives its trial back and leaves within --grace (25 s): let the engine wait for that.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["halving-health"]
ENTRYPOINT ["halving-worker"]

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="halving-worker" \
      org.opencontainers.image.description="Trains what a halving-server hands out, on CPUs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-20250520-slim"
