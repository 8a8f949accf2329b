"""Sends spans to a collector of OpenTelemetry. Knows no step that makes one.

The packages of the extra `traces` are imported when there is an address to send to.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from urllib.parse import urlsplit

from florilegium import tracing
from florilegium.errors import ConfigError, MissingExtraError
from florilegium.redaction import hide_in_record, show_address

SERVICE_NAME = "florilegium"

_PATH = "/v1/traces"  # where collectors take spans, by the OTLP specification
_PATIENCE = 5.0  # seconds for one sending; a collector that is down must not hold up the end


@contextmanager
def sending_traces(address: str) -> Iterator[None]:
    """Switch tracing on while the block runs, and send what is left at its end.

    A collector that cannot be reached costs the spans, and is warned of in the log.

    Args:
        address: Where to send, `http://host:4318` or with a path of its own; empty for nowhere.

    Raises:
        MissingExtraError: The packages that send are not installed.
        ConfigError: It is no http address.
    """
    if not address:
        yield
        return
    endpoint = _endpoint(address)
    sdk, export = _need("opentelemetry.sdk.trace"), _need("opentelemetry.sdk.trace.export")
    resources = _need("opentelemetry.sdk.resources")
    otlp = _need("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    resource = resources.Resource.create(
        {"service.name": SERVICE_NAME, "service.version": version("florilegium")}
    )
    provider = sdk.TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = otlp.OTLPSpanExporter(endpoint=endpoint, timeout=_PATIENCE)
    for name in (otlp.__name__, "urllib3.connectionpool"):  # which tell of what cannot be reached
        logging.getLogger(name).addFilter(hide_in_record)
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    # Not set as the provider of the whole process: that is for the program to do that uses this
    # library, and other libraries would send their spans along.
    tracing.switch_on(provider)
    try:
        yield
    finally:
        tracing.switch_off()
        provider.shutdown()


def _endpoint(address: str) -> str:
    try:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
            raise ValueError  # as for a port that is no number
    except ValueError:
        raise ConfigError(
            f"The setting 'server.traces' is {show_address(address)!r}, which is no http address.",
            hint="Set it to the address of a collector, such as http://localhost:4318.",
        ) from None
    return address if parts.path.strip("/") else parts._replace(path=_PATH).geturl()


def _need(module: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"Traces need a package that is not installed: {error}.",
            hint="Run `pip install 'florilegium[traces]'`.",
        ) from error
