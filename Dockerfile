# The exporter as an image for linux/amd64 and linux/arm64. docs/install/docker.md tells how to build and run it.
#
# The state file is in the volume. Everything else may be read-only, except that the demo, and gRPC through a proxy, need a
# writable /tmp (--tmpfs /tmp).

ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
WORKDIR /src
COPY requirements/runtime.txt requirements/build.txt requirements/
RUN python3 -m venv /build && /build/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements/build.txt \
 && python3 -m venv --without-pip /opt/exporter \
 && /build/bin/pip --python /opt/exporter/bin/python install --no-cache-dir --no-compile --no-deps --require-hashes --only-binary :all: \
      -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
COPY dashboards dashboards
COPY deploy deploy
# Compiled files that don't depend on the times of their sources, which a build may set. Not of pygments, which nothing imports here.
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /build/bin/pip --python /opt/exporter/bin/python install --no-cache-dir --no-compile --no-deps --no-index /wheels/*.whl \
 && /opt/exporter/bin/python -m compileall -q --invalidation-mode unchecked-hash -x /pygments/ /opt/exporter/lib

FROM ${BASE}
# A release adds the labels `version` and `revision`.
LABEL org.opencontainers.image.title="lnd-payments-exporter" \
      org.opencontainers.image.description="A Prometheus exporter for the outgoing payments of lnd nodes" \
      org.opencontainers.image.source="https://github.com/lnd-payments-exporter/lnd-payments-exporter" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/exporter /opt/exporter
ENV PATH=/opt/exporter/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# The official image has no compiled standard library, and the exporter's user can't write one. Compiling it at every start
# would take 1.2 s of CPU, and 0.4 s at every health check.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash -x '/(site-packages|test|tests|idlelib|lib2to3|tkinter|turtledemo)/' \
      "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
# The directory of the state file; a new volume inherits its owner and mode.
RUN install -d -o 10019 -g 10019 -m 700 /var/lib/lnd-payments-exporter
ENV STATE_DIRECTORY=/var/lib/lnd-payments-exporter
VOLUME /var/lib/lnd-payments-exporter
# A number, so that Kubernetes can verify that it isn't root. This user must be able to read the macaroon.
USER 10019:10019
EXPOSE 10019
# It reads the address from LND_PAYMENTS_EXPORTER_WEB_LISTEN_ADDRESS: set the address there, not by a flag.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["lnd-payments-exporter", "healthcheck"]
ENTRYPOINT ["lnd-payments-exporter"]
