# halving-server, with the halving command to operate it.
#
#   docker build -f docker/server.Dockerfile -t halving-server .
#
# scripts/test-images runs these steps as they stand where no container engine is at hand.

# A dated tag stays what it is; the final stage takes Debian's security updates since then.
ARG DEBIAN=debian:bookworm-20250520-slim

FROM ${DEBIAN} AS build
WORKDIR /src
COPY scripts/install-deps scripts/
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean && scripts/install-deps no-torch
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
        -DHALVING_TESTS=OFF -DHALVING_TORCH=OFF \
    && CCACHE_DIR=/root/.cache/ccache cmake --build /build --target halving-server halving \
    && install -D --strip --target-directory=/out /build/bin/halving-server /build/bin/halving

FROM ${DEBIAN}
# curl asks /healthz; everything else is what the two programs are linked with.
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    export DEBIAN_FRONTEND=noninteractive \
    && apt-get update -q && apt-get upgrade -q -y \
    && apt-get install -q -y --no-install-recommends \
        curl libcpp-httplib0.11 libgrpc++1.51 libprometheus-cpp-core1.0 libprotobuf32 \
        libspdlog1.10 libsqlite3-0 libssl3 \
    && groupadd --system --gid 970 halving \
    && useradd --system --uid 970 --gid 970 --no-create-home --home-dir /var/lib/halving \
        --shell /usr/sbin/nologin halving \
    && install -d -o halving -g halving -m 0750 /var/lib/halving /etc/halving
COPY --from=build /out/ /usr/bin/
COPY --chmod=0755 docker/server-health /usr/bin/halving-health

# The server refuses these addresses until it is told how: --tls-cert and --tls-key, or --insecure.
ENV HALVING_LISTEN=0.0.0.0:7070 HALVING_HTTP=0.0.0.0:7080 HALVING_DATA_DIR=/var/lib/halving
EXPOSE 7070 7080
VOLUME /var/lib/halving
USER 970:970
WORKDIR /var/lib/halving
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["halving-health"]
ENTRYPOINT ["halving-server"]

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="halving-server" \
      org.opencontainers.image.description="Queue of successive-halving studies for GPU workers" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-20250520-slim"
