"""How long a search takes when only the records of some items are wanted, and what it misses.

Usage: python -m benchmarks.filtered_search [--counts 50000 100000] [--out FOLDER]

Each store searches sets of several sizes: chosen at random, and the farthest from the query, which
no list of near neighbours holds. "first" is the first search after opening, "best" what it takes
where nobody else is at work. Chroma's own ways to filter and reading records in bulk are measured
beside it. The vectors are made here.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import bench
from benchmarks.store_recall import IMAGES, make_rows
from florilegium import registry
from florilegium.ids import item_id, record_id
from florilegium.protocols import VectorStore
from florilegium.types import Embeddings, Manifest, Record, Space

DIM = 512
QUERIES = 9
TOP_K = 10
SIZES = (1, 100, 1_000, 5_000, 10_000, 20_000, 50_000)
BULK = (256, 2_000)
MANIFEST = Manifest(schema=1, spaces=(Space(name="measured", fingerprint="none", dim=DIM),))


def main() -> None:
    line = bench.parser(__doc__ or "")
    line.add_argument("--counts", type=int, nargs="+", default=[100_000, 50_000])
    arguments = line.parse_args()
    results: dict[str, Any] = {}
    for count in arguments.counts:
        rows = make_rows("clustered", count + QUERIES, DIM)
        for name in ("chroma", "memory"):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                results[f"{name}, {count}"] = measure(
                    name, Path(folder), rows[:QUERIES], rows[QUERIES:]
                )
                bench.write("filtered_search", results, out=arguments.out)


def measure(name: str, folder: Path, queries: Embeddings, rows: Embeddings) -> dict[str, Any]:
    items = [item_id(f"{number}.jpg", 0) for number in range(len(rows))]
    records = [
        Record(id=record_id(item, "whole", 0), item_id=item, embedding=row)
        for item, row in zip(items, rows, strict=True)
    ]
    store = open_store(name, folder)
    block = 5_000 if name == "chroma" else len(records)
    for start in range(0, len(records), block):
        store.upsert(IMAGES, records[start : start + block])
    # Above the number of cores, others were at work and the times are worse than they need be.
    report: dict[str, Any] = {"load average": round(os.getloadavg()[0], 1)}
    for size in (size for size in SIZES if size < len(rows)):
        for kind in ("random", "farthest"):
            store.close()
            store = open_store(name, folder)
            report[f"{size} items, {kind}"] = measure_sets(
                store, queries, rows, items, size=size, kind=kind
            )
    report["milliseconds of get"] = {
        str(number): milliseconds(
            lambda chosen: store.get(IMAGES, chosen),
            [records_of(items, number, turn) for turn in range(5)],
        )
        for number in BULK
    }
    if name == "chroma":
        report["Chroma's own filters, ms"] = measure_chroma(store, queries, items)
    store.close()
    return report


def open_store(name: str, folder: Path) -> VectorStore:
    store = registry.open_store(name, folder=folder, manifest=MANIFEST)
    store.search(
        IMAGES, np.ones(DIM, dtype=np.float32), top_k=1
    )  # the first search loads the index
    return store


def measure_sets(
    store: VectorStore,
    queries: Embeddings,
    rows: Embeddings,
    items: list[str],
    *,
    size: int,
    kind: str,
) -> dict[str, float]:
    scores = rows @ queries.T  # (n, queries)
    chosen = [
        np.argsort(scores[:, turn])[:size]
        if kind == "farthest"
        else np.random.default_rng(turn).permutation(len(rows))[:size]
        for turn in range(len(queries))
    ]
    found: list[set[str]] = []

    def search(turn: int) -> float:
        within = {items[row] for row in chosen[turn]}
        started = time.perf_counter()
        matches = store.search(IMAGES, queries[turn], top_k=TOP_K, within=within)
        seconds = time.perf_counter() - started
        found.append({match.item_id for match in matches})
        return seconds

    seconds = [search(turn) for turn in range(len(queries))]
    again = [search(turn) for turn in range(len(queries))]
    hits = wanted = 0
    for turn, rows_of in enumerate(chosen):
        best = np.sort(scores[rows_of, turn])[-TOP_K:]
        # Scores are rounded to six decimals, and ids decide among equal ones.
        enough = {items[row] for row in rows_of[scores[rows_of, turn] >= best[0] - 2e-6]}
        hits += len(found[turn] & enough)
        wanted += len(best)
    return {
        "first ms": round(1000 * seconds[0], 1),
        "p50 ms": round(1000 * float(np.median(seconds[1:])), 1),
        "best ms": round(1000 * min(seconds[1:]), 1),
        "same sets again, p50 ms": round(1000 * float(np.median(again)), 1),
        "recall": round(hits / wanted, 4),
    }


def measure_chroma(store: Any, queries: Embeddings, items: list[str]) -> dict[str, float]:
    """Return the times of the ways that Chroma offers itself, for sets chosen at random."""
    found = store._find(IMAGES)
    times: dict[str, float] = {}
    query = partial(
        found.query, query_embeddings=queries[:1], n_results=TOP_K, include=["distances"]
    )
    for size in (100, 1_000, 5_000, 20_000):
        sets = [np.random.default_rng(turn).permutation(len(items))[:size] for turn in range(3)]
        named = [[items[row] for row in rows] for rows in sets]
        ids = [[record_id(item, "whole", 0) for item in some] for some in named]
        times[f"query, where: {size}"] = milliseconds(
            lambda some: query(where={"item_id": {"$in": some}}), named
        )
        times[f"query, ids: {size}"] = milliseconds(lambda some: query(ids=some), ids)
        if size <= 5_000:  # more are too many for one statement of Chroma's
            times[f"get, ids: {size}"] = milliseconds(
                lambda some: found.get(ids=some, include=["embeddings"]), ids
            )
    return times


def records_of(items: list[str], number: int, turn: int) -> list[str]:
    chosen = np.random.default_rng(turn).permutation(len(items))[:number]
    return [record_id(items[row], "whole", 0) for row in chosen]


def milliseconds(call: Callable[[list[str]], object], inputs: list[list[str]]) -> float:
    """Return the median time of a call."""
    seconds = []
    for some in inputs:
        started = time.perf_counter()
        call(some)
        seconds.append(time.perf_counter() - started)
    return round(1000 * float(np.median(seconds)), 1)


if __name__ == "__main__":
    main()
