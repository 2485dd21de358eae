# One image for every role; the command says which: `darkroom ingest`, `darkroom worker images`, ...
# Debian trixie: its Python (3.13) and its ffmpeg (7.1) get Debian's security updates.
FROM debian:trixie-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-setuptools python3-venv \
 && rm -rf /var/lib/apt/lists/*
# pip lives in a venv of its own and stays behind in this stage.
RUN python3 -m venv --system-site-packages /opt/pip && python3 -m venv --without-pip /opt/darkroom
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements-runtime.lock .
# Wheels only: nothing is compiled and no package's build code runs. But for pyvips: it is published as source alone, and
# pure Python where there is no compiler; the library itself comes as the wheel pyvips-binary.
RUN /opt/pip/bin/pip --python /opt/darkroom install --require-hashes --only-binary=:all: --no-binary=pyvips \
    -r requirements-runtime.lock
COPY . .
RUN /opt/pip/bin/pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /wheel . \
 && /opt/pip/bin/pip --python /opt/darkroom install --no-deps --no-index /wheel/*.whl

FROM debian:trixie-slim
# ffmpeg depends on OpenGL for its window output; without a display its 200 MB of drivers are dead weight.
RUN printf 'path-exclude=/usr/lib/*/%s\n' 'libLLVM*' 'libz3*' 'libgallium*' 'dri/*' \
      > /etc/dpkg/dpkg.cfg.d/no-graphics \
 && apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates ffmpeg python3 tini \
 && apt-get clean && rm -rf /var/lib/apt/lists/* \
 && install -d -o 10001 -g 10001 -m 0700 /scratch
COPY --from=build /opt/darkroom /opt/darkroom
COPY pipeline.toml /app/
WORKDIR /app
ENV PATH=/opt/darkroom/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FFMPEG=/usr/bin/ffmpeg \
    HOST=0.0.0.0 \
    LOG_FORMAT=json \
    SCRATCH_DIR=/scratch
USER 10001:10001
EXPOSE 8000
# tini reaps orphans and hands SIGTERM on, whatever starts the container.
ENTRYPOINT ["tini", "--"]
CMD ["darkroom", "ingest"]
