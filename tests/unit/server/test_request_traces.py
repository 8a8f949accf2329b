"""Spans of requests, and the traces that clients send along."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import anyio.to_thread
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from starlette.testclient import TestClient

from florilegium import tracing
from florilegium.server.logs import JsonFormatter
from florilegium.server.watching import watch_requests

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.switch_on(provider)
    yield exporter
    tracing.switch_off()
    provider.shutdown()


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()

    @app.get("/libraries/{library}")
    async def search(library: str) -> str:
        def work() -> None:
            with tracing.span("search"):
                pass

        await anyio.to_thread.run_sync(work)
        return library

    @app.get("/fails")
    async def fails() -> None:
        raise ZeroDivisionError("secret")

    watch_requests(app, None)
    return TestClient(app, raise_server_exceptions=False)


def test_a_request_has_a_span_around_what_threads_do_for_it(
    client: TestClient, spans: InMemorySpanExporter
) -> None:
    client.get("/libraries/flowers?q=secret")

    search, request = spans.get_finished_spans()
    assert (search.name, request.name) == ("search", "GET /libraries/{library}")
    assert search.parent is not None
    assert request.context is not None
    assert search.parent.span_id == request.context.span_id
    assert request.kind is SpanKind.SERVER
    assert request.attributes == {
        "http.request.method": "GET",
        "http.route": "/libraries/{library}",
        "http.response.status_code": 200,
    }
    assert "secret" not in request.to_json() + search.to_json()


def test_the_trace_of_the_caller_goes_on(client: TestClient, spans: InMemorySpanExporter) -> None:
    client.get("/libraries/flowers", headers={"traceparent": PARENT})

    for one in spans.get_finished_spans():
        assert one.context is not None
        assert format(one.context.trace_id, "032x") == TRACE


@pytest.mark.parametrize("header", ["", "nonsense", f"00-{'0' * 32}-b7ad6b7169203331-01", "ü"])
def test_a_header_that_is_none_begins_a_trace(
    client: TestClient, spans: InMemorySpanExporter, header: str
) -> None:
    client.get("/libraries/flowers", headers={b"traceparent": header.encode()})

    request = spans.get_finished_spans()[-1]
    assert request.parent is None


def test_a_request_that_fails_has_failed(client: TestClient, spans: InMemorySpanExporter) -> None:
    client.get("/fails")

    [request] = spans.get_finished_spans()
    assert not request.status.is_ok
    assert (request.attributes or {})["error.type"] == "ZeroDivisionError"
    assert "secret" not in request.to_json()


@pytest.mark.usefixtures("spans")
def test_lines_of_the_log_name_the_trace(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(JsonFormatter())
    with caplog.at_level(logging.INFO, logger="florilegium.access"):
        client.get("/libraries/flowers", headers={"traceparent": PARENT})

    assert f'"trace": "{TRACE}"' in caplog.text


def test_without_tracing_a_request_is_answered_as_before(client: TestClient) -> None:
    assert client.get("/libraries/flowers", headers={"traceparent": PARENT}).json() == "flowers"
