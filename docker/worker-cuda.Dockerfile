# halving-worker and its LibTorch trainer, for NVIDIA GPUs: CUDA 12.8, driver 525 or later.
#
#   docker build -f docker/worker-cuda.Dockerfile -t halving-worker-cuda .
#
# LibTorch comes out of PyTorch's wheel on PyPI: its lib/, include/ and share/cmake are a LibTorch, in
# the C++11 ABI, which Debian's libraries have too; there each file has a hash that pip checks. The
# wheel finds CUDA's libraries beside itself, in wheels of NVIDIA's. So no CUDA base image is needed,
# which would hold them a second time; the driver comes from the host, as in every container.

# A dated tag stays what it is; the final stage takes Debian's security updates since then.
ARG DEBIAN=debian:bookworm-20250520-slim

FROM ${DEBIAN} AS libtorch
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean && export DEBIAN_FRONTEND=noninteractive \
    && apt-get update -q && apt-get install -q -y --no-install-recommends python3-pip
COPY docker/libtorch-cuda.txt /
# What only Python needs is left out; what stands in include/ is needed to build.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-deps --require-hashes --only-binary :all: --no-compile \
        --target /opt/libtorch --requirement /libtorch-cuda.txt \
    && mkdir -p /opt/include && mv /opt/libtorch/torch/include /opt/include/torch \
    && rm /opt/libtorch/torch/lib/libtorch_python.so \
    && find /opt/libtorch -type f ! -name 'lib*.so*' ! -path '*/share/cmake/*' \
        ! -path '*.dist-info/*' -delete \
    && find /opt/libtorch -type d -empty -delete

FROM ${DEBIAN} AS build
WORKDIR /src
COPY scripts/install-deps scripts/
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean && scripts/install-deps no-torch
COPY --from=libtorch /opt/ /opt/
COPY CMakeLists.txt ./
COPY cmake cmake
COPY common common
COPY proto proto
COPY server server
COPY worker worker
COPY cli cli
COPY web web
RUN --mount=type=cache,target=/root/.cache/ccache \
    ln -s /opt/include/torch /opt/libtorch/torch/include \
    && CCACHE_DIR=/root/.cache/ccache cmake -S . -B /build -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DHALVING_TESTS=OFF -DCMAKE_PREFIX_PATH=/opt/libtorch/torch \
    && CCACHE_DIR=/root/.cache/ccache cmake --build /build --target halving-worker halving-trainer \
    && install -D --strip --target-directory=/out /build/bin/halving-worker /build/bin/halving-trainer

FROM ${DEBIAN}
# What the two programs are linked with, and the images that the examples train on.
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    export DEBIAN_FRONTEND=noninteractive \
    && apt-get update -q && apt-get upgrade -q -y \
    && apt-get install -q -y --no-install-recommends \
        dataset-fashion-mnist libgrpc++1.51 libprotobuf32 libspdlog1.10 libssl3 \
    && groupadd --system --gid 970 halving \
    && useradd --system --uid 970 --gid 970 --no-create-home --home-dir /var/lib/halving \
        --shell /usr/sbin/nologin halving \
    && install -d -o halving -g halving -m 0750 /var/lib/halving /etc/halving
# Its own layer: 6 GB that stay the same from version to version.
COPY --from=libtorch /opt/libtorch /opt/libtorch
COPY --from=build /out/ /usr/bin/
COPY --chmod=0755 docker/worker-health /usr/bin/halving-health

# The driver's libraries and nvidia-smi are put in by the NVIDIA Container Toolkit.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
ENV HALVING_DEVICE=auto HALVING_CHECKPOINT_DIR=/var/lib/halving/checkpoints
VOLUME /var/lib/halving
USER 970:970
WORKDIR /var/lib/halving
# The worker gives its trial back and leaves within --grace (25 s): let the engine wait for that.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["halving-health"]
ENTRYPOINT ["halving-worker"]

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="halving-worker-cuda" \
      org.opencontainers.image.description="Trains what a halving-server hands out, on NVIDIA GPUs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-20250520-slim"
