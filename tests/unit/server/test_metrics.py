"""What is counted, by which labels, and how it is written."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from florilegium.batching import BatchCount
from florilegium.server.metrics import Line, Metrics, Shelf, State
from florilegium.server.request_log import FinishedRequest
from florilegium.types import Modality

EMPTY = State(lines={}, shelves={}, batches={})
REQUEST = FinishedRequest(
    method="GET",
    route="/items/{id}",
    status=200,
    seconds=0.2,
    size=10,
    whole=True,
    user="anna",
    library="flowers",
)


def read(written: bytes) -> dict[str, float]:
    """Return the values by name and labels, as they are written."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(written.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_requests_are_counted_by_method_route_and_status() -> None:
    metrics = Metrics()

    metrics.requested(REQUEST)
    metrics.requested(REQUEST)
    metrics.requested(replace(REQUEST, status=404))

    found = read(metrics.render(EMPTY))
    labels = "method=GET,route=/items/{id},status"
    assert found[f"florilegium_requests_total{{{labels}=200}}"] == 2
    assert found[f"florilegium_requests_total{{{labels}=404}}"] == 1
    seconds = "florilegium_request_seconds"
    assert found[f"{seconds}_count{{method=GET,route=/items/{{id}}}}"] == 3
    assert found[f"{seconds}_bucket{{le=0.1,method=GET,route=/items/{{id}}}}"] == 0
    assert found[f"{seconds}_bucket{{le=0.25,method=GET,route=/items/{{id}}}}"] == 3
    assert not [name for name in found if "anna" in name or "flowers" in name]


def test_a_socket_has_no_time_since_it_lasts_as_long_as_its_page() -> None:
    metrics = Metrics()

    metrics.requested(replace(REQUEST, method="WEBSOCKET", status=101))

    found = read(metrics.render(EMPTY))
    assert not [name for name in found if name.startswith("florilegium_request_seconds_count")]


def test_searches_answers_and_ingests_are_counted() -> None:
    metrics = Metrics()

    metrics.searched(seconds=0.2, code=None)
    metrics.searched(seconds=0.2, code="query_invalid")
    metrics.answered(outcome="answered", seconds=3.0, first_token=0.4, code="chat_unavailable")
    metrics.answered(outcome="refused", seconds=0.5, first_token=0.4, code=None)
    metrics.answered(outcome="stopped", seconds=0.5, first_token=None, code=None)
    metrics.ingested(state="done")

    found = read(metrics.render(EMPTY))
    assert found["florilegium_searches_total{code=ok}"] == 1
    assert found["florilegium_searches_total{code=query_invalid}"] == 1
    assert found["florilegium_search_seconds_count"] == 2
    assert found["florilegium_answers_total{outcome=answered}"] == 1
    assert found["florilegium_answers_total{outcome=refused}"] == 1
    assert found["florilegium_answer_seconds_sum"] == 4.0
    assert found["florilegium_first_token_seconds_count"] == 2
    assert found["florilegium_chat_failures_total{code=chat_unavailable}"] == 1
    assert found["florilegium_ingests_total{state=done}"] == 1


def test_the_state_of_the_moment_is_written_and_leaves_nothing_behind() -> None:
    metrics = Metrics()
    state = State(
        lines={"search": Line(running=2, places=4, waiting=1)},
        shelves={
            "flowers": Shelf(items={"image": 3, "text": 9}, files=7, failed=1, ingesting=True)
        },
        batches={
            "flowers": [BatchCount(encoder="starter", modality=Modality.IMAGE, batches=2, inputs=5)]
        },
    )

    found = read(metrics.render(state))
    assert found["florilegium_work_running{work=search}"] == 2
    assert found["florilegium_work_places{work=search}"] == 4
    assert found["florilegium_work_waiting{work=search}"] == 1
    assert found["florilegium_items{library=flowers,modality=text}"] == 9
    assert found["florilegium_files{library=flowers}"] == 7
    assert found["florilegium_files_failed{library=flowers}"] == 1
    assert found["florilegium_ingests_running{library=flowers}"] == 1
    labels = "encoder=starter,library=flowers,modality=image"
    assert found[f"florilegium_encoder_batches_total{{{labels}}}"] == 2
    assert found[f"florilegium_encoder_inputs_total{{{labels}}}"] == 5
    assert not [name for name in read(metrics.render(EMPTY)) if "flowers" in name]


def test_counts_of_libraries_say_nothing_new_at_each_scrape() -> None:
    metrics = Metrics()
    count = BatchCount(encoder="starter", modality=Modality.IMAGE, batches=2, inputs=5)
    state = State(lines={}, shelves={}, batches={"flowers": [count]})

    first, second = (
        {name: value for name, value in read(metrics.render(state)).items() if "encoder" in name}
        for _ in range(2)
    )

    assert first == second
    assert not [name for name in first if "created" in name]


def test_two_applications_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()

    one.requested(REQUEST)

    assert any("items" in name for name in read(one.render(EMPTY)))
    assert not any("items" in name for name in read(other.render(EMPTY)))


def test_the_process_is_measured() -> None:
    found = read(Metrics().render(EMPTY))

    assert found["process_resident_memory_bytes"] > 1e6
    assert any(name.startswith("florilegium_info{version=") for name in found)
