"""The steps of benchmarks/resources.py, each run in a process of its own; prints one JSON object.

Usage: python -m benchmarks.resources_steps ingest|queries|store FOLDER JSON
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from florilegium import Library
from florilegium import ingest as flow
from florilegium.config import INDEX_FOLDER
from florilegium.intake import Reader
from florilegium.registry import open_store
from florilegium.report import Progress
from florilegium.stores.chroma import ChromaStore
from florilegium.types import Collection, Manifest, Record, Space

MILLION = 1_000_000
POINTS = 40
WARM = 5  # the first fifth of a curve is left out of its slope: allocators and threads warm up
QUERIES = 100  # distinct ones
BATCH = 64


class Timed:
    """Count calls and add up the seconds in them, from any thread."""

    def __init__(self) -> None:
        self.calls = 0
        self.seconds = 0.0
        self._lock = threading.Lock()

    def watch(self, owner: Any, name: str) -> None:
        """Measure a function or method by putting another in its place."""
        inner = getattr(owner, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return inner(*arguments, **options)
            finally:
                taken = time.perf_counter() - started
                with self._lock:
                    self.calls += 1
                    self.seconds += taken

        setattr(owner, name, timed)


def memory() -> float:
    """Return the resident megabytes of this process and its children."""
    tasks = Path("/proc/self/task")
    children = {
        process
        for task in tasks.iterdir()
        for process in (task / "children").read_text(encoding="ascii").split()
    }
    return round(sum(map(resident, ["self", *children])) / MILLION, 1)


def resident(process: str) -> int:
    try:
        pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    except OSError:  # it has just ended
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def held() -> dict[str, int]:
    """Return how many files are open and how many threads there are."""
    return {
        "open files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": len(list(Path("/proc/self/task").iterdir())),
    }


def slope(curve: Sequence[tuple[float, float]]) -> float:
    """Return by how much a curve rises per thousand, in a line fitted without its beginning."""
    points = np.asarray(curve[len(curve) // WARM :], dtype=np.float64)
    return round(1000 * float(np.polyfit(points[:, 0], points[:, 1], 1)[0]), 3)


def ingest(folder: Path, *, settings: dict[str, object]) -> dict[str, Any]:
    """Ingest a folder, and return memory, seconds, and what was called how often."""
    stats, scans, lists, decoded, texts, images = (Timed() for _ in range(6))
    if (folder / INDEX_FOLDER).exists():
        library = Library.open(folder)
    else:
        library = Library.create(folder, overrides=settings)
    stats.watch(os, "stat")
    stats.watch(os, "lstat")
    lists.watch(ChromaStore, "ids")
    scans.watch(flow, "scan_folder")
    decoded.watch(Reader, "read_picture")
    curve: list[tuple[int, float]] = []

    def note(progress: Progress) -> None:
        if progress.done * POINTS // max(progress.total, 1) >= len(curve):
            curve.append((progress.done, memory()))

    with library:
        texts.watch(type(library._parts.text_encoder()), "encode_texts")
        images.watch(type(library._parts.encoder()), "encode_images")
        started = time.perf_counter()
        report = library.ingest(progress=note)
        seconds = time.perf_counter() - started
        end = memory()
        records = sum(map(len, library.index.catalog.record_ids().values()))
    changed = report.added + report.updated
    return {
        "added": report.added,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "failed": len(report.failed),
        "records": records,
        "inputs encoded": report.encoded,
        "calls of encode_images": images.calls,
        "calls of encode_texts": texts.calls,
        "pictures decoded": decoded.calls,
        "seconds": round(seconds, 2),
        "seconds of looking at the folder": round(scans.seconds, 3),
        "stat calls": stats.calls,
        "seconds of stat calls": round(stats.seconds, 3),
        "seconds of the store listing its records": round(lists.seconds, 3),
        "files/s": round(changed / seconds, 1) if changed else None,
        "memory MB by files": curve,
        "memory MB at the end": end,
        "memory MB, most seen": max([end, *(megabytes for _, megabytes in curve)]),
        "MB per 1,000 files": slope(curve) if len(curve) > WARM else None,
    }


def queries(folder: Path, *, count: int) -> dict[str, Any]:
    """Put queries to a library, half of them texts and half pictures, and return what is left."""
    chance = np.random.default_rng(7)
    pictures = [
        Image.fromarray(chance.integers(0, 256, size=(64, 64, 3), dtype=np.uint8))
        for _ in range(QUERIES)
    ]
    curve: list[tuple[int, float]] = []
    with Library.open(folder) as library:

        def ask(number: int) -> None:
            if number % 2:
                library.search(f"word{number % QUERIES} word{3 * number % QUERIES}")
            else:
                library.search(image=pictures[number // 2 % QUERIES])

        for number in range(2 * QUERIES):
            ask(number)
        before = {**held(), "memory MB": memory()}
        started = time.perf_counter()
        for number in range(count):
            if number % max(count // POINTS, 1) == 0:
                curve.append((number, memory()))
            ask(number)
        seconds = time.perf_counter() - started
        after = {**held(), "memory MB": memory()}
    return {
        "queries": count,
        "items": "half texts, half pictures, after 200 of each kind of warming up",
        "seconds": round(seconds, 1),
        "before": before,
        "after": after,
        "after close": {**held(), "memory MB": memory()},
        "memory MB by queries": curve,
        "MB per 1,000 queries": slope(curve),
    }


def store(folder: Path, *, files: int, records: int, dim: int) -> dict[str, Any]:
    """Write as many records as an ingest does into a store alone, for what it takes by itself."""
    space = Space(name=f"fake:{dim}", fingerprint="of no encoder", dim=dim)
    manifest = Manifest(schema=1, spaces=(space,))
    opened = open_store("chroma", folder=folder / "store alone", manifest=manifest)
    collection = Collection.named(f"fake:{dim}/image/whole")
    chance = np.random.default_rng(11)
    curve: list[tuple[float, float]] = []
    per_file = records / files
    for start in range(0, records, BATCH):
        rows = chance.standard_normal((BATCH, dim)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        batch = [
            Record(id=f"{start + place:032x}", item_id=f"{start + place:032x}", embedding=row)
            for place, row in enumerate(rows)
        ]
        opened.upsert(collection, batch)
        if (start // BATCH) % max(records // BATCH // POINTS, 1) == 0:
            curve.append((round((start + BATCH) / per_file), memory()))
    opened.close()
    return {
        "records": records,
        "numbers in a vector": dim,
        "memory MB by files": curve,
        "MB per 1,000 files": slope(curve),
    }


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    "ingest": ingest,
    "queries": queries,
    "store": store,
}

if __name__ == "__main__":
    name, place, wanted = sys.argv[1:]
    print(json.dumps(STEPS[name](Path(place), **json.loads(wanted))))
