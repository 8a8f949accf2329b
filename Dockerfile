# syntax=docker/dockerfile:1
# The server of Florilegium, without PyTorch. docs/how-to/deploy.md tells how to run it.

FROM python:3.12-slim AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY constraints.txt ./
# An older pip knows no constraints for what builds a wheel.
RUN pip install --quiet --upgrade --constraint constraints.txt pip
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src ./src
RUN pip wheel --quiet --no-deps --build-constraint constraints.txt --wheel-dir wheels . \
 && python -m venv /opt/florilegium \
 && /opt/florilegium/bin/pip install --quiet --constraint constraints.txt \
      "$(echo wheels/florilegium-*.whl)[server,traces]"

FROM python:3.12-slim
COPY --from=build /opt/florilegium /opt/florilegium
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /state \
      --shell /usr/sbin/nologin florilegium \
 && install --directory --owner florilegium --group florilegium /libraries /state
# All that the server writes is in the two volumes and in /tmp, so the rest may be read-only.
ENV PATH=/opt/florilegium/bin:$PATH \
    HOME=/state \
    XDG_CACHE_HOME=/state/cache \
    XDG_CONFIG_HOME=/state/config \
    XDG_DATA_HOME=/state/data \
    FLORILEGIUM_SERVER__FOLDER=/state/server \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /state
USER florilegium
VOLUME ["/libraries", "/state"]
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/api/health', timeout=4)"]
ENTRYPOINT ["florilegium"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "--library", "flowers=/libraries/flowers"]
