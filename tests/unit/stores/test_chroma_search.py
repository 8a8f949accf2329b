"""When a graph is believed, and when all records are compared instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from florilegium.stores.chroma_search import Graph
from florilegium.stores.exact import ExactRecords
from florilegium.types import Embeddings, Match, Record

COUNT = 60


def _rows() -> Embeddings:
    angles = np.linspace(0.0, 1.5, COUNT)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


QUERY = np.array([1.0, 0.0], dtype=np.float32)
IDS = [f"{number:02}" for number in range(COUNT)]  # nearest first


@pytest.fixture
def exact(tmp_path: Path) -> Iterator[ExactRecords]:
    records = ExactRecords(tmp_path / "records.sqlite3")
    rows = zip(IDS, _rows(), strict=True)
    records.upsert("c", [Record(id=id_, item_id=id_, embedding=row) for id_, row in rows])
    yield records
    records.close()


def _ids(matches: list[Match]) -> list[str]:
    return [match.id for match in matches]


def _graph(exact: ExactRecords, nearest: Callable[[int], list[Match] | None]) -> Graph:
    return Graph(nearest=nearest, count=lambda: COUNT, exact=exact, name="c")


def _backwards(scores: Callable[[int], float]) -> Callable[[int], list[Match]]:
    """Return a graph that finds the farthest, to tell it from a comparison of all."""

    def nearest(count: int) -> list[Match]:
        found = list(reversed(IDS))[:count]
        return [Match(id=one, item_id=one, score=scores(at)) for at, one in enumerate(found)]

    return nearest


def test_a_graph_that_gives_what_was_asked_for_is_believed(exact: ExactRecords) -> None:
    graph = _graph(exact, _backwards(lambda at: 1 - at / 100))

    assert _ids(graph.search(QUERY, top_k=3)) == ["59", "58", "57"]


def test_without_a_graph_all_are_compared(exact: ExactRecords) -> None:
    assert _ids(_graph(exact, lambda _: None).search(QUERY, top_k=3)) == IDS[:3]


def test_a_graph_that_finds_fewer_than_there_are_is_not_believed(exact: ExactRecords) -> None:
    nearest = _backwards(lambda at: 1 - at / 100)
    graph = _graph(exact, lambda count: nearest(min(count, 5)))

    assert _ids(graph.search(QUERY, top_k=3)) == IDS[:3]


def test_a_graph_whose_tie_goes_on_is_not_believed(exact: ExactRecords) -> None:
    graph = _graph(exact, _backwards(lambda _: 0.5))

    assert _ids(graph.search(QUERY, top_k=3)) == IDS[:3]


def test_a_few_wanted_items_are_compared(exact: ExactRecords) -> None:
    graph = _graph(exact, _backwards(lambda at: 1 - at / 100))

    found = graph.search(QUERY, top_k=2, within=frozenset({"07", "30", "50"}))

    assert _ids(found) == ["07", "30"]


def test_many_wanted_items_are_looked_for_in_the_graph(
    exact: ExactRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("florilegium.stores.chroma_search._FEW_RECORDS", 10)
    within = frozenset(IDS[:58])
    graph = _graph(exact, _backwards(lambda at: 1 - at / 100))
    without = _graph(exact, lambda _: None)

    assert _ids(graph.search(QUERY, top_k=2, within=within)) == ["57", "56"]
    assert _ids(without.search(QUERY, top_k=2, within=within)) == IDS[:2]
