"""What the server counts, for Prometheus. Each application has counters of its own.

Names and codes that become labels are ours, so that no client can make new ones.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Final, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from florilegium.batching import BatchCount
from florilegium.server.observing import Observer, Outcome
from florilegium.server.request_log import FinishedRequest

_QUICK: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SLOW: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Work of a kind: how much runs, how much may run, and how much waits."""

    running: int
    places: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A library: its items by modality, files, failed files, and whether it is being ingested."""

    items: Mapping[str, int]
    files: int
    failed: int
    ingesting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How the server is at one moment: its lines, its libraries, and their batches of queries."""

    lines: Mapping[str, Line]
    shelves: Mapping[str, Shelf]
    batches: Mapping[str, Sequence[BatchCount]]


class Metrics:
    """Counts requests, and as an observer of the service searches, answers and ingests."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        counter = partial(Counter, registry=registry)
        seconds = partial(Histogram, registry=registry)
        self._requests = counter("florilegium_requests", "Requests.", ["method", "route", "status"])
        self._request_seconds = seconds(
            "florilegium_request_seconds",
            "Time of requests until their last byte.",
            ["method", "route"],
            buckets=_QUICK,
        )
        self._searches = counter(
            "florilegium_searches", "Searches, by ok or the code of their error.", ["code"]
        )
        self._search_seconds = seconds(
            "florilegium_search_seconds", "Time of searches, waiting included.", buckets=_QUICK
        )
        self._embeddings = counter(
            "florilegium_embeddings",
            "Requests for embeddings, by ok or the code of their error.",
            ["code"],
        )
        self._embedding_seconds = seconds(
            "florilegium_embedding_seconds", "Time of embeddings, waiting included.", buckets=_QUICK
        )
        self._answers = counter("florilegium_answers", "Answers.", ["outcome"])
        self._answer_seconds = seconds(
            "florilegium_answer_seconds", "Time of answers, waiting included.", buckets=_SLOW
        )
        self._first_token = seconds(
            "florilegium_first_token_seconds",
            "Time until the first words of answers.",
            buckets=_SLOW,
        )
        self._failures = counter(
            "florilegium_chat_failures", "Answers in which something failed, by code.", ["code"]
        )
        self._ingests = counter("florilegium_ingests", "Runs of ingest that ended.", ["state"])
        Info("florilegium", "Which version serves.", registry=registry).info(
            {"version": version("florilegium")}
        )
        Gauge(
            "florilegium_start_seconds", "When it began, in seconds since 1970.", registry=registry
        ).set(time.time())

    def requested(self, finished: FinishedRequest) -> None:
        """Count a request that is over."""
        method, route = finished.method, finished.route
        self._requests.labels(method, route, str(finished.status)).inc()
        if method != "WEBSOCKET":  # which lasts as long as a page is open
            self._request_seconds.labels(method, route).observe(finished.seconds)

    def searched(self, *, seconds: float, code: str | None) -> None:
        self._searches.labels(code or "ok").inc()
        self._search_seconds.observe(seconds)

    def embedded(self, *, seconds: float, code: str | None) -> None:
        self._embeddings.labels(code or "ok").inc()
        self._embedding_seconds.observe(seconds)

    def answered(
        self, *, outcome: Outcome, seconds: float, first_token: float | None, code: str | None
    ) -> None:
        self._answers.labels(outcome).inc()
        self._answer_seconds.observe(seconds)
        if first_token is not None:
            self._first_token.observe(first_token)
        if code is not None:
            self._failures.labels(code).inc()

    def ingested(self, *, state: Literal["done", "failed", "cancelled"]) -> None:
        self._ingests.labels(state).inc()

    def render(self, state: State) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry) + generate_latest(_gauges(state))


def _gauges(state: State) -> CollectorRegistry:
    # Made anew each time, so that a library that is gone leaves nothing behind.
    registry = CollectorRegistry()
    running = Gauge("florilegium_work_running", "Work that runs now.", ["work"], registry=registry)
    places = Gauge(
        "florilegium_work_places", "Work that may run at a time.", ["work"], registry=registry
    )
    waiting = Gauge(
        "florilegium_work_waiting", "Work that waits in line now.", ["work"], registry=registry
    )
    for work, line in state.lines.items():
        running.labels(work).set(line.running)
        places.labels(work).set(line.places)
        waiting.labels(work).set(line.waiting)
    items = Gauge(
        "florilegium_items", "Items in the index.", ["library", "modality"], registry=registry
    )
    files = Gauge("florilegium_files", "Files in the index.", ["library"], registry=registry)
    failed = Gauge(
        "florilegium_files_failed",
        "Files that the last ingest could not read.",
        ["library"],
        registry=registry,
    )
    ingesting = Gauge(
        "florilegium_ingests_running", "Ingests that run.", ["library"], registry=registry
    )
    for name, shelf in state.shelves.items():
        for modality, count in shelf.items.items():
            items.labels(name, modality).set(count)
        files.labels(name).set(shelf.files)
        failed.labels(name).set(shelf.failed)
        ingesting.labels(name).set(shelf.ingesting)
    registry.register(_Batches(state.batches))
    return registry


class _Batches(Collector):
    """Gives counts that libraries keep; it does not know since when, so it does not say."""

    def __init__(self, counts: Mapping[str, Sequence[BatchCount]]) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        labels = ["library", "encoder", "modality"]
        batches = CounterMetricFamily(
            "florilegium_encoder_batches", "Forward passes for queries.", labels=labels
        )
        inputs = CounterMetricFamily(
            "florilegium_encoder_inputs", "Queries encoded in them.", labels=labels
        )
        for name, counts in self._counts.items():
            for one in counts:
                batches.add_metric([name, one.encoder, one.modality], one.batches)
                inputs.add_metric([name, one.encoder, one.modality], one.inputs)
        return [batches, inputs]


_: type[Observer] = Metrics
