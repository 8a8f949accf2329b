"""The file of the embedding cache: room and time of a row, beside the file of before.

Usage: python -m benchmarks.embedding_cache [--count 6400] [--out FOLDER]

Vectors of the shapes that encoders here have are put in batches of 32 and read in lots of 100. The
file of before, schema 0, is written with its own tables and settings. Then it is migrated, and
half of a cache is pruned. Last, the cache of the demo library, which needs the extra `demo`, is
written in both ways. The vectors are made here.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import bench
from florilegium import Library
from florilegium.cache import EmbeddingCache
from florilegium.demo.pictures import fill_folder
from florilegium.types import Embeddings

SHAPES = {  # dimensions, and how many of them are not zero
    "starter, pictures": (1664, 1664),
    "starter, texts": (1664, 384),
    "MiniLM, texts": (384, 384),
    "CLIP ViT-B/32": (512, 512),
}
BATCH, LOT = 32, 100
BEFORE = (
    "CREATE TABLE embeddings (fingerprint TEXT NOT NULL, key TEXT NOT NULL, vector BLOB NOT NULL,"
    " PRIMARY KEY (fingerprint, key)) WITHOUT ROWID"
)


class Before:
    """The cache as it was with schema 0."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(BEFORE)

    def put(self, fingerprint: str, vectors: dict[str, Embeddings]) -> None:
        with self._connection:
            self._connection.executemany(
                "REPLACE INTO embeddings VALUES (?, ?, ?)",
                [(fingerprint, key, row.astype("<f4").tobytes()) for key, row in vectors.items()],
            )

    def get(self, fingerprint: str, keys: list[str], *, dim: int) -> dict[str, Embeddings]:
        marks = ",".join("?" * len(keys))
        sql = f"SELECT key, vector FROM embeddings WHERE fingerprint=? AND key IN ({marks})"  # noqa: S608 - only question marks are put in
        rows = self._connection.execute(sql, (fingerprint, *keys))
        found = {key: np.frombuffer(blob, dtype="<f4") for key, blob in rows}
        return {key: row for key, row in found.items() if row.shape == (dim,)}

    def close(self) -> None:
        self._connection.close()


def main() -> None:
    line = bench.parser(__doc__ or "")
    line.add_argument("--count", type=int, default=6_400)
    count = line.parse_args().count
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as name:
        folder = Path(name)
        results: dict[str, Any] = {"rows of each shape": count, "shapes": {}}
        for number, shape in enumerate(SHAPES):
            results["shapes"][shape] = measure_shape(folder / str(number), shape, count=count)
        results["migration of a file of schema 0"] = measure_migration(folder / "0", count=count)
        results["pruning half"] = measure_pruning(folder / "1", count=count)
        results["demo library, bytes"] = measure_demo(folder / "demo")
    bench.write("embedding_cache", results, out=line.parse_args().out)


def measure_shape(folder: Path, shape: str, *, count: int) -> dict[str, Any]:
    folder.mkdir()
    rows = dict(make_rows(shape, count))
    before = measure(Before(folder / "before.db"), folder / "before.db", rows)
    now = measure(EmbeddingCache(folder / "now.db"), folder / "now.db", rows)
    loose = EmbeddingCache(folder / "loose.db")
    loose._connection.execute("PRAGMA synchronous=NORMAL")
    unsynced = measure(loose, folder / "loose.db", rows)
    now["of it waiting for the disk, ms"] = round(
        now["putting 32 rows, ms"] - unsynced["putting 32 rows, ms"], 2
    )
    return {"before": before, "now": now}


def measure(cache: Before | EmbeddingCache, file: Path, rows: dict[str, Embeddings]) -> Any:
    keys, dim = list(rows), len(next(iter(rows.values())))
    puts = []
    for start in range(0, len(keys), BATCH):
        batch = {key: rows[key] for key in keys[start : start + BATCH]}
        started = time.perf_counter()
        cache.put("a-fingerprint-of-forty-characters-0123456", batch)
        puts.append(time.perf_counter() - started)
    started = time.perf_counter()
    for start in range(0, len(keys), LOT):
        some = keys[start : start + LOT]
        found = cache.get("a-fingerprint-of-forty-characters-0123456", some, dim=dim)
        assert all(found[key].tobytes() == rows[key].tobytes() for key in some)
    read = time.perf_counter() - started
    cache.close()
    return {
        "bytes a row": round(file.stat().st_size / len(keys)),
        "putting 32 rows, ms": round(1000 * float(np.median(puts)), 2),
        "getting a row, µs": round(1e6 * read / len(keys), 1),
    }


def measure_migration(folder: Path, *, count: int) -> dict[str, float]:
    size = (folder / "before.db").stat().st_size
    started = time.perf_counter()
    cache = EmbeddingCache(folder / "before.db")
    seconds = time.perf_counter() - started
    assert cache.stats().encoders[0].count == count
    cache.close()
    after = (folder / "before.db").stat().st_size
    return {"seconds": round(seconds, 2), "bytes before": size, "bytes after": after}


def measure_pruning(folder: Path, *, count: int) -> dict[str, float]:
    cache = EmbeddingCache(folder / "now.db")
    (encoder,) = cache.stats().encoders
    used = [(encoder.fingerprint, key) for key in make_keys(count)[::2]]
    started = time.perf_counter()
    pruned = cache.prune(used, fingerprints=[encoder.fingerprint])
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    assert not list(cache.verify())
    verified = time.perf_counter() - started
    cache.close()
    return {
        "seconds": round(seconds, 2),
        "bytes freed": pruned.freed_bytes,
        "verifying the rest, s": round(verified, 2),
    }


def measure_demo(folder: Path) -> dict[str, int]:
    with Library.create(folder) as library:
        fill_folder(folder)
        library.ingest()
        library.prune_cache()
        stats, index = library.cache_stats(), library.index
        before = Before(folder / "before.db")
        dims = {one.info.fingerprint: one.info.dim for one in (index.encoder, index.text_encoder)}
        for encoder in stats.encoders:
            keys = index.cache._connection.execute(
                "SELECT lower(hex(e.key)) FROM embeddings e JOIN names n ON n.number = e.encoder"
                " WHERE n.name=?",
                (encoder.fingerprint,),
            )
            dim = dims[encoder.fingerprint]
            rows = index.cache.get(encoder.fingerprint, [key for (key,) in keys], dim=dim)
            assert len(rows) == encoder.count
            before.put(encoder.fingerprint, rows)
        before.close()
    return {
        "rows": sum(one.count for one in stats.encoders),
        "before": (folder / "before.db").stat().st_size,
        "now": stats.file_bytes,
    }


def make_rows(shape: str, count: int) -> Iterator[tuple[str, Embeddings]]:
    dim, filled = SHAPES[shape]
    made = np.random.default_rng(0)
    for key in make_keys(count):
        row = np.zeros(dim, dtype=np.float32)
        row[:filled] = made.normal(size=filled)
        yield key, row / np.linalg.norm(row)


def make_keys(count: int) -> list[str]:
    return [
        hashlib.blake2b(bytes(str(n), "ascii"), digest_size=16).hexdigest() for n in range(count)
    ]


if __name__ == "__main__":
    main()
