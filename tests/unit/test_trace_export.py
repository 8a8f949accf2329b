"""Spans on their way to a collector."""

from __future__ import annotations

import logging
import socket
import sys
import time

import pytest

from florilegium import Library, tracing
from florilegium.errors import ConfigError, MissingExtraError
from florilegium.trace_export import sending_traces
from tests.otlp_receiver import receiving


def test_without_an_address_nothing_is_switched_on() -> None:
    with sending_traces(""):
        assert tracing.tracer() is None


def test_the_spans_of_a_search_arrive_at_a_collector(tiny_library: Library) -> None:
    with receiving() as receiver:
        with sending_traces(receiver.address):
            tiny_library.search("red square")

        assert set(receiver.paths) == {"/v1/traces"}
        assert receiver.services == {"florilegium"}
        assert {"search", "vectors", "fusion"} <= receiver.names()
        assert len({one.trace_id for one in receiver.spans}) == 1
    assert tracing.tracer() is None


def test_an_address_with_a_path_is_taken_as_it_is() -> None:
    with receiving() as receiver:
        with sending_traces(f"{receiver.address}/other/place"), tracing.span("step"):
            pass

        assert receiver.paths == ["/other/place"]


def test_tracing_is_off_again_after_an_error() -> None:
    def fail(address: str) -> None:
        with sending_traces(address), tracing.span("step"):
            raise ZeroDivisionError

    with receiving() as receiver:
        with pytest.raises(ZeroDivisionError):
            fail(receiver.address)
        assert receiver.names() == {"step"}
    assert tracing.tracer() is None


def test_a_collector_that_is_down_costs_nothing_but_the_spans(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        started = time.monotonic()
        with sending_traces(f"http://127.0.0.1:{taken.getsockname()[1]}"), tracing.span("step"):
            pass

    assert time.monotonic() - started < 20
    assert any(one.name.startswith("opentelemetry") for one in caplog.records)


@pytest.mark.parametrize("address", ["localhost:4318", "ftp://a", "http://", "http://a:b"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"server\.traces"), sending_traces(address):
        pass


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    with pytest.raises(MissingExtraError) as raised, sending_traces("http://localhost:4318"):
        pass
    assert raised.value.hint == "Run `pip install 'florilegium[traces]'`."


def test_a_key_in_the_address_is_sent_and_never_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with receiving() as receiver:
        with sending_traces(f"{receiver.address}/v1/traces?key=s3cr3t"), tracing.span("step"):
            pass
        assert receiver.paths == ["/v1/traces?key=s3cr3t"]
    with sending_traces(f"{receiver.address}/v1/traces?key=s3cr3t"), tracing.span("step"):
        pass  # where nobody listens any more
    with pytest.raises(ConfigError) as raised, sending_traces("ftp://h?key=s3cr3t"):
        pass

    assert "/v1/traces?key=***" in caplog.text
    assert "s3cr3t" not in f"{caplog.text} {raised.value}"
