"""How many searches a second several threads get through one library object, and how each waits.

Usage: python -m benchmarks.concurrent_search [--data FOLDER] [--out FOLDER] [--rounds N]

About a thousand photos and paragraphs of the evaluation data, with the encoders of the profile
`offline`. Dynamic batching is on and off in turns, in several rounds; no text comes twice, since
the text encoder remembers. Throughput is the median of the rounds, waits are those of all.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final
from unittest import mock

import numpy as np

from benchmarks import bench
from florilegium import Library
from florilegium.batching import BatchingEncoder
from florilegium.types import Purpose

PHOTOS: Final = 600
THREADS: Final = (1, 2, 8, 50)
MODES: Final = ("on", "off")
SEARCHES: Final = {"texts": 48, "pictures": 32}  # of one measurement; at least two of each thread
ROUNDS: Final = 3
WARM: Final = 4


def main() -> None:
    line = bench.parser(__doc__ or "")
    line.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = line.parse_args()
    photos = sorted(bench.need(arguments.data / "flowers5").glob("*/*.jpg"))
    texts = bench.need(arguments.data / "qa-en")
    chosen = np.random.default_rng(0).permutation(len(photos))
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as name:
        root = Path(name)
        for number in chosen[:PHOTOS]:
            shutil.copyfile(photos[number], root / f"{number:04d}.jpg")
        shutil.copytree(texts / "texts", root / "texts")
        rows = bench.read_lines(texts / "questions.jsonl")
        queries: dict[str, Iterator[dict[str, Any]]] = {
            "texts": ({"text": row["question"]} for row in rows),
            "pictures": cycle({"image": photos[number]} for number in chosen[PHOTOS:]),
        }
        with Library.create(root) as library:
            library.ingest()
            found = library.statistics()
            results = {
                "pictures": found.images,
                "texts": found.texts,
                "rounds": arguments.rounds,
                # Above the number of cores, others were at work.
                "load average before": round(os.getloadavg()[0], 1),
                "searches": measure(library, queries, rounds=arguments.rounds),
                "load average after": round(os.getloadavg()[0], 1),
            }
    bench.write("concurrent_search", results, out=arguments.out)


def measure(
    library: Library, queries: dict[str, Iterator[dict[str, Any]]], *, rounds: int
) -> dict[str, Any]:
    """Return for each kind of query, number of threads and mode what was measured."""
    waits: dict[tuple[str, int, str], list[float]] = defaultdict(list)
    rates: dict[tuple[str, int, str], list[float]] = defaultdict(list)
    work: dict[tuple[str, int, str], list[float]] = defaultdict(list)
    shared: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
    for kind, some in queries.items():
        for query in islice(some, WARM):
            library.search(**query)
        for number in range(rounds):
            for threads in THREADS:
                # Who begins is another one each time.
                for mode in MODES if number % 2 == 0 else MODES[::-1]:
                    count = max(SEARCHES[kind], 2 * threads)
                    before = counts(library, kind)
                    spent = time.process_time()
                    with batching(mode):
                        seconds, each = search(library, list(islice(some, count)), threads=threads)
                    work[kind, threads, mode].append((time.process_time() - spent) / count)
                    waits[kind, threads, mode] += each
                    rates[kind, threads, mode].append(count / seconds)
                    for place, (new, old) in enumerate(
                        zip(counts(library, kind), before, strict=True)
                    ):
                        shared[kind, threads][place] += (new - old) * (mode == "on")
    return {
        kind: {
            f"{threads}": {
                **{
                    f"batching {mode}": told(
                        *(each[kind, threads, mode] for each in (waits, rates, work))
                    )
                    for mode in MODES
                },
                "inputs of a batch, mean": round(
                    shared[kind, threads][1] / shared[kind, threads][0], 1
                ),
            }
            for threads in THREADS
        }
        for kind in queries
    }


def search(
    library: Library, queries: Sequence[dict[str, Any]], *, threads: int
) -> tuple[float, list[float]]:
    """Return the seconds of all these searches in so many threads, and of each of them."""
    start = threading.Barrier(threads + 1)
    seconds: list[float] = []

    def work(mine: Sequence[dict[str, Any]]) -> None:
        start.wait()
        for query in mine:
            began = time.perf_counter()
            assert library.search(**query)
            seconds.append(time.perf_counter() - began)

    with ThreadPoolExecutor(threads) as pool:
        done = [pool.submit(work, queries[place::threads]) for place in range(threads)]
        start.wait()
        began = time.perf_counter()
        for each in done:
            each.result()
        return time.perf_counter() - began, seconds


@contextmanager
def batching(mode: str) -> Iterator[None]:
    """Let every caller run the encoder by itself, where batching is off."""

    def encode_texts(self: BatchingEncoder, texts: Sequence[str], *, purpose: Purpose) -> Any:
        return self._encoder.encode_texts(texts, purpose=purpose)

    def encode_images(self: BatchingEncoder, images: Sequence[Any]) -> Any:
        return self._encoder.encode_images(images)

    with ExitStack() as stack:
        if mode == "off":
            for alone in (encode_texts, encode_images):
                stack.enter_context(mock.patch.object(BatchingEncoder, alone.__name__, alone))
        yield


def counts(library: Library, kind: str) -> tuple[int, int]:
    """Return how many batches of how many inputs such searches have had encoded."""
    encoder, modality = ("minilm", "text") if kind == "texts" else ("starter", "image")
    for one in library.batch_counts():
        if (one.encoder, one.modality) == (encoder, modality):
            return one.batches, one.inputs
    return 0, 0


def told(waits: Sequence[float], rates: Sequence[float], work: Sequence[float]) -> dict[str, float]:
    milliseconds = 1000 * np.asarray(waits)
    return {
        "searches a second, median": round(statistics.median(rates), 1),
        "searches a second, least": round(min(rates), 1),
        "searches a second, most": round(max(rates), 1),
        "p50, ms": round(float(np.percentile(milliseconds, 50)), 1),
        "p95, ms": round(float(np.percentile(milliseconds, 95)), 1),
        # Of all cores together; it does not depend on what else runs here.
        "processor ms a search, median": round(1000 * statistics.median(work), 1),
    }


if __name__ == "__main__":
    main()
