"""Measure how often a vector store finds the true nearest records, and how fast.

Compares a store with exact search in numpy, on vectors made here: clustered ones, like those of
encoders, and structureless random ones, on which every approximate index does badly.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from florilegium import registry
from florilegium.protocols import VectorStore
from florilegium.types import Collection, Embeddings, Manifest, Modality, Record, Space

RESULTS = Path(__file__).parent / "results" / "store_recall.json"
IMAGES = Collection(space="measured", modality=Modality.IMAGE)
TOP_K = 10
SEED = 20260101
CLUSTER_SIZE = 100
# Length of the noise next to a unit-length centre: two of a cluster then have a cosine near 0.55.
NOISE = 0.9


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    results = []
    for kind, count in (("clustered", options.clustered), ("random", options.random)):
        if not count:
            continue
        rows = make_rows(kind, count + options.queries, options.dim)
        for store_name in options.stores:
            result = measure(store_name, rows[: options.queries], rows[options.queries :], options)
            results.append({"store": store_name, "vectors": kind, **result})
            print(json.dumps(results[-1]), flush=True)
            # After each, so that an interrupted run leaves what it measured.
            report = {**describe_run(arguments), "results": results}
            options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clustered", type=int, default=50_000, help="clustered vectors; 0: none")
    parser.add_argument("--random", type=int, default=30_000, help="random vectors; 0: none")
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--batch", type=int, default=5_000, help="records written at a time")
    parser.add_argument("--stores", nargs="+", default=["chroma"], help="names of backends")
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


def make_rows(kind: str, count: int, dim: int) -> Embeddings:
    """Return `count` unit vectors, shape (count, dim)."""
    rng = np.random.default_rng(SEED)
    rows = rng.normal(size=(count, dim)).astype(np.float32)
    if kind == "clustered":
        centres = rng.normal(size=(max(1, count // CLUSTER_SIZE), dim)).astype(np.float32)
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        rows = centres[rng.integers(len(centres), size=count)] + rows * (NOISE / np.sqrt(dim))
    unit: Embeddings = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def measure(
    store_name: str, queries: Embeddings, rows: Embeddings, options: argparse.Namespace
) -> dict[str, float | int]:
    """Return recall, speeds and latencies of one store on `rows`."""
    manifest = Manifest(
        schema=1, spaces=(Space(name="measured", fingerprint="none", dim=rows.shape[1]),)
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        store = registry.open_store(store_name, folder=Path(folder), manifest=manifest)
        try:
            adding = write(store, rows, options.batch)
            found, latencies = search(store, queries)
        finally:
            store.close()
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    truth, exact_latencies = search_exactly(queries, rows)
    hits = sum(len(a & b) for a, b in zip(found, truth, strict=True))
    return {
        "count": len(rows),
        "dim": rows.shape[1],
        "queries": len(queries),
        f"recall_at_{TOP_K}": round(hits / (TOP_K * len(queries)), 4),
        "adds_per_second": round(len(rows) / adding),
        "p50_ms": milliseconds(latencies, 50),
        "p95_ms": milliseconds(latencies, 95),
        "exact_numpy_p50_ms": milliseconds(exact_latencies, 50),
        "megabytes_on_disk": round(size / 1e6),
    }


def write(store: VectorStore, rows: Embeddings, batch: int) -> float:
    """Write all rows and return the seconds that it took."""
    records = [Record(id=str(i), item_id=str(i), embedding=row) for i, row in enumerate(rows)]
    start = time.perf_counter()
    for first in range(0, len(records), batch):
        store.upsert(IMAGES, records[first : first + batch])
    return time.perf_counter() - start


def search(store: VectorStore, queries: Embeddings) -> tuple[list[set[int]], list[float]]:
    """Return what is found for each query, and the seconds that each took."""
    store.search(IMAGES, queries[0], top_k=TOP_K)  # the first search loads the index
    found, latencies = [], []
    for query in queries:
        start = time.perf_counter()
        matches = store.search(IMAGES, query, top_k=TOP_K)
        latencies.append(time.perf_counter() - start)
        found.append({int(match.id) for match in matches})
    return found, latencies


def search_exactly(queries: Embeddings, rows: Embeddings) -> tuple[list[set[int]], list[float]]:
    """Return the true nearest rows of each query, and the seconds that each took."""
    found, latencies = [], []
    for query in queries:
        start = time.perf_counter()
        scores: npt.NDArray[np.float32] = rows @ query
        nearest = np.argpartition(-scores, TOP_K)[:TOP_K]
        latencies.append(time.perf_counter() - start)
        found.append(set(nearest.tolist()))
    return found, latencies


def milliseconds(seconds: list[float], percentile: int) -> float:
    return round(float(np.percentile(seconds, percentile)) * 1000, 2)


def describe_run(arguments: list[str] | None) -> dict[str, object]:
    """Return what a reader needs to run this again."""
    flags = sys.argv[1:] if arguments is None else arguments
    return {
        "command": " ".join(["python", "benchmarks/store_recall.py", *flags]),
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        # Above the number of cores, others were at work and the times are worse than they need be.
        "load_average": round(os.getloadavg()[0], 1),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("chromadb", "numpy")},
        },
    }


if __name__ == "__main__":
    sys.exit(main())
