"""Spans of steps: their names, nesting and attributes, and that they say nothing of texts."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import timeit
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from PIL import Image

from florilegium import Library, tracing
from florilegium.answers import Retrieved
from florilegium.errors import InvalidQueryError
from tests.conftest import FAKES


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.switch_on(provider)
    yield exporter
    tracing.switch_off()
    provider.shutdown()


def _only(exporter: InMemorySpanExporter, name: str) -> ReadableSpan:
    [found] = [one for one in exporter.get_finished_spans() if one.name == name]
    return found


def _paths(exporter: InMemorySpanExporter) -> list[str]:
    """Return each span with what encloses it, `outer/inner`, in the order in which they began."""
    made = sorted(exporter.get_finished_spans(), key=lambda one: one.start_time or 0)
    by_id = {one.context.span_id: one for one in made if one.context}

    def path(one: ReadableSpan) -> str:
        return f"{path(by_id[one.parent.span_id])}/{one.name}" if one.parent else one.name

    return [path(one) for one in made]


def test_a_step_goes_on_in_another_process(spans: InMemorySpanExporter) -> None:
    assert tracing.trace_headers() == {}
    with tracing.span("request"):
        told = tracing.trace_headers()

    with tracing.going_on(told), tracing.span("ingest"):
        pass
    with tracing.going_on({}), tracing.span("of its own"):
        pass

    assert _paths(spans) == ["request", "request/ingest", "of its own"]


def test_while_it_is_off_there_is_nothing_to_go_on_in() -> None:
    with tracing.span("request"), tracing.going_on({"traceparent": "00-1-2-01"}):
        assert tracing.trace_headers() == {}


def test_nothing_happens_until_it_is_switched_on() -> None:
    @tracing.traced_stream("stream")
    def stream() -> Iterator[int]:
        yield 1

    with tracing.span("step", files=3):
        tracing.note(more=1)
        tracing.past("before", 1.0)

    assert tracing.tracer() is None
    assert list(stream()) == [1]


def test_a_step_that_is_not_measured_costs_less_than_two_microseconds() -> None:
    def step() -> None:
        with tracing.span("step", files=3):
            pass

    # About 0.2 µs on the machine that this was written on; the best of many, as others compute too.
    assert min(timeit.repeat(step, number=1000, repeat=50)) / 1000 < 2e-6


def test_the_library_imports_no_opentelemetry() -> None:
    code = (
        "import sys; import florilegium.tracing, florilegium.trace_export, florilegium.chat;"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_step_has_its_attributes_and_stands_in_what_encloses_it(
    spans: InMemorySpanExporter,
) -> None:
    with tracing.span("outer", files=3, nothing=None):
        with tracing.span("inner"):
            tracing.note(done=True)
        tracing.past("before", 2.0)

    assert _paths(spans)[-2:] == ["outer", "outer/inner"]
    assert _only(spans, "outer").attributes == {"florilegium.files": 3}
    assert _only(spans, "inner").attributes == {"florilegium.done": True}
    before = _only(spans, "before")
    assert before.start_time is not None
    assert before.end_time is not None
    assert before.end_time - before.start_time == 2_000_000_000


def test_an_error_leaves_its_code_and_not_its_message(spans: InMemorySpanExporter) -> None:
    with pytest.raises(InvalidQueryError), tracing.span("step"):
        raise InvalidQueryError("the secret question")

    step = _only(spans, "step")
    assert not step.status.is_ok
    assert step.attributes == {"error.type": "query_invalid"}
    assert "secret" not in step.to_json()


def test_a_stream_is_the_current_step_only_while_it_runs(spans: InMemorySpanExporter) -> None:
    @tracing.traced_stream("stream")
    def stream() -> Iterator[int]:
        with tracing.span("first"):
            pass
        yield 1
        with tracing.span("second"):
            pass
        yield 2

    for _ in stream():
        with tracing.span("reader"):
            pass

    assert sorted(_paths(spans)) == [
        "reader", "reader", "stream", "stream/first", "stream/second",
    ]  # fmt: skip
    assert (_only(spans, "stream").attributes or {}).keys() == {"florilegium.first_seconds"}


def test_the_pieces_of_a_stream_may_be_taken_by_many_threads(
    spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    @tracing.traced_stream("stream")
    def stream() -> Iterator[int]:
        for number in range(3):
            with tracing.span("piece"):
                pass
            yield number

    pieces, got = stream(), list[int]()
    for _ in range(3):
        thread = threading.Thread(target=lambda: got.append(next(pieces)))
        thread.start()
        thread.join()
    assert next(pieces, None) is None

    assert got == [0, 1, 2]
    assert sorted(_paths(spans)) == ["stream", *["stream/piece"] * 3]
    assert caplog.records == []  # OpenTelemetry logs a context that is left by another thread


def test_a_stream_that_is_closed_early_closes_what_it_streams_from(
    spans: InMemorySpanExporter,
) -> None:
    closed = []

    @tracing.traced_stream("stream")
    def stream() -> Iterator[int]:
        try:
            yield 1
        finally:
            closed.append(True)

    pieces = stream()
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]  # what is decorated is a generator

    assert closed == [True]
    assert (_only(spans, "stream").attributes or {})["florilegium.stopped"] is True


def test_a_stream_that_fails_has_failed(spans: InMemorySpanExporter) -> None:
    @tracing.traced_stream("stream")
    def stream() -> Iterator[int]:
        yield 1
        raise InvalidQueryError("no")

    with pytest.raises(InvalidQueryError):
        list(stream())

    assert (_only(spans, "stream").attributes or {})["error.type"] == "query_invalid"


def test_an_ingest_has_its_steps(tiny_library: Library, spans: InMemorySpanExporter) -> None:
    (tiny_library.root / "notes" / "new.txt").write_text("A new note.", encoding="utf-8")
    Image.new("RGB", (20, 20), "blue").save(tiny_library.root / "new.png")

    tiny_library.ingest()

    paths = _paths(spans)
    assert paths == [
        "ingest", "ingest/scan", "ingest/plan", "ingest/load", "ingest/load/encode",
        "ingest/encode", "ingest/write", "ingest/link", "ingest/caption", "ingest/learn",
    ]  # fmt: skip
    attributes = _only(spans, "ingest").attributes or {}
    assert attributes["florilegium.to_do"] == 2


def test_a_search_has_its_steps(tiny_library: Library, spans: InMemorySpanExporter) -> None:
    tiny_library.search("red square", image=Image.new("RGB", (9, 9), "red"))

    paths = _paths(spans)
    assert paths[0] == "search"
    assert {path.removeprefix("search/") for path in paths[1:]} == {
        "encoding", "vectors", "calibration", "words", "votes", "fusion", "links", "hits",
        "evidence", "names",
    }  # fmt: skip
    lists = [
        (one.attributes or {})["florilegium.list"]
        for one in spans.get_finished_spans()
        if one.name == "vectors"
    ]
    assert {"chunks", "sentences", "text to image", "image to image", "image to text"} <= set(lists)
    attributes = _only(spans, "search").attributes or {}
    assert attributes["florilegium.pictures"] == 1
    assert attributes["florilegium.encoder"] == "fake:32"


def test_a_search_that_is_reranked_says_by_what(
    tiny_library: Library, spans: InMemorySpanExporter
) -> None:
    with Library.open(tiny_library.root, overrides={**FAKES, "rerank.name": "fake"}) as library:
        library.search("red square")

    attributes = _only(spans, "rerank").attributes or {}
    assert "fake" in str(attributes["florilegium.reranker"])


def test_an_answer_has_its_steps(tiny_library: Library, spans: InMemorySpanExporter) -> None:
    overrides = {**FAKES, "chat.name": "fake", "chat.min_confidence": 0.0}
    with Library.open(tiny_library.root, overrides=overrides) as library:
        answer = library.ask("red square tomato", image=Image.new("RGB", (9, 9), "red"))

    paths = [path for path in _paths(spans) if not path.startswith("ask/search/")]
    assert paths[:3] == ["ask", "ask/understand", "ask/search"]
    assert [path for path in paths[3:] if path not in {"ask/search", "ask/identify"}] == [
        "ask/speak", "ask/speak/prompt", "ask/citations",
    ]  # fmt: skip
    speak = _only(spans, "speak").attributes or {}
    assert speak["florilegium.model"] == answer.model
    assert "florilegium.first_seconds" in speak
    assert (_only(spans, "ask").attributes or {})["florilegium.refused"] is False


def test_an_answer_whose_reader_leaves_was_stopped(
    tiny_library: Library, spans: InMemorySpanExporter
) -> None:
    for event in tiny_library.stream("red square"):
        assert isinstance(event, Retrieved)
        break

    assert (_only(spans, "ask").attributes or {})["florilegium.stopped"] is True


def test_no_span_holds_a_word_of_a_question_a_file_or_an_answer(
    tiny_library: Library, spans: InMemorySpanExporter
) -> None:
    overrides = {**FAKES, "chat.name": "fake", "chat.min_confidence": 0.0}
    (tiny_library.root / "quincunx.txt").write_text("Quincunx is a word.", encoding="utf-8")
    with Library.open(tiny_library.root, overrides=overrides) as library:
        library.ingest()
        answer = library.ask("What is zeugma?")
        library.ask("And quincunx?", history=answer.history)
        library.search('zeugma +"snow" -car')
        with pytest.raises(InvalidQueryError):
            library.search("zeugma", top_k=0)

    told = "".join(one.to_json() for one in spans.get_finished_spans()).casefold()
    for word in ("zeugma", "quincunx", "snow", "tomato", ".txt", str(tiny_library.root)):
        assert word not in told


def test_spans_have_no_key_of_an_address(
    tiny_library: Library, tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    del tiny_library
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1?api-key=s3cr3t-key"
        chat = {"chat.name": "openai:rose", "chat.base_url": address, "chat.retries": 0}
        settings = {**FAKES, **chat, "chat.min_confidence": 0.0}
        with Library.create(tmp_path / "one", overrides=settings) as library:
            (tmp_path / "one" / "rose.txt").write_text("A rose is red.", encoding="utf-8")
            library.ingest()
            answer = library.ask("What is a rose?")

    assert answer.failure is not None
    assert answer.failure.code == "chat_unavailable"
    told = " ".join(one.to_json() for one in spans.get_finished_spans())
    assert "chat_unavailable" in told
    assert "s3cr3t-key" not in f"{told} {answer.failure}"


def test_embedding_is_a_step(tiny_library: Library, spans: InMemorySpanExporter) -> None:
    tiny_library.embed(texts=["red"])

    assert _paths(spans) == ["embed"]
