"""How long a whole search takes in a library of a hundred thousand items, and where the time goes.

Usage: python -m benchmarks.search_latency [--data FOLDER] [--out FOLDER] [--keep]

Half of the items are pictures and half are texts, made around those of the evaluation data. The
queries are its captions, questions and photos. What an encoder takes is told apart and left out.
"""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import bench, made_library, mixed_data
from benchmarks.mixed_data import Labelled
from florilegium import Filter, Library

SEED = 20260101
WARM = 5
FILTERS = {
    "a folder of 700 pictures": Filter(folders=("photos/007",)),
    "a field that 500 pictures have": Filter(fields=(("creator", "creator 7"),)),
    "the half that are texts": Filter(suffixes=(".txt",)),
}


def main() -> None:
    line = bench.parser(__doc__ or "")
    line.add_argument("--items", type=int, default=100_000, help="half pictures, half texts")
    line.add_argument("--queries", type=int, default=100, help="of each kind")
    line.add_argument("--keep", action="store_true", help="leave the libraries for the next run")
    arguments = line.parse_args()
    with (
        mixed_data.opened(arguments.data, keep=arguments.keep) as (mixed, queries),
        bench.place(f"made-{arguments.items}", keep=arguments.keep) as folder,
    ):
        seconds = build(folder / "library", mixed, items=arguments.items)
        with Library.open(folder / "library") as library:
            results = measure(library, queries, count=arguments.queries)
    built = {} if seconds is None else {"seconds to build it": round(seconds)}
    bench.write("search_latency", {**built, **results}, out=arguments.out)


def build(root: Path, mixed: Library, *, items: int) -> float | None:
    """Make the library unless it is there; return the seconds that it took."""
    done = root / "done"
    if done.exists():
        return None
    root.mkdir(parents=True)
    real = made_library.learn(mixed)
    with Library.create(root) as library:
        seconds = made_library.build(library, real, pictures=items // 2, texts=items // 2)
    done.write_text(f"{seconds}\n", encoding="utf-8")
    return seconds


def measure(library: Library, queries: list[Labelled], *, count: int) -> dict[str, Any]:
    found = library.statistics()
    results: dict[str, Any] = {
        "pictures": found.images,
        "texts": found.texts,
        # Above the number of cores, others were at work and the times are worse than they need be.
        "load average before": round(os.getloadavg()[0], 1),
    }
    opened = time.perf_counter()
    library.explain("first search")
    results["first search after opening, ms"] = milliseconds(time.perf_counter() - opened)
    results["searches"] = {
        name: measure_kind(library, some) for name, some in kinds(queries, count=count).items()
    }
    results["load average after"] = round(os.getloadavg()[0], 1)
    return results


def kinds(queries: list[Labelled], *, count: int) -> dict[str, list[dict[str, Any]]]:
    """Return the arguments of searches by what kind of search they are."""
    chance = random.Random(SEED)
    captions = [q.text for q in queries if q.kind.startswith("caption")]
    questions = [q.text for q in queries if q.kind == "question"]
    photos = [q.image for q in queries if q.image]

    def draw(some: list[Any]) -> list[Any]:
        return chance.sample(some, min(count, len(some)))

    composed = zip(draw(photos), draw(captions), strict=False)
    return {
        "caption": [{"text": text} for text in draw(captions)],
        "question": [{"text": text} for text in draw(questions)],
        "picture": [{"image": image} for image in draw(photos)],
        "picture and text": [{"image": image, "text": text} for image, text in composed],
        "pictures only": [{"text": text, "modality": "image"} for text in draw(captions)],
        **{
            f"question within: {name}": [{"text": text, "where": where} for text in draw(questions)]
            for name, where in FILTERS.items()
        },
    }


def measure_kind(library: Library, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Return percentiles of searches without encoding, and the mean share of each step."""
    for call in calls[:WARM]:
        library.explain(**call)
    totals: list[float] = []
    encoding: list[float] = []
    steps: dict[str, list[float]] = defaultdict(list)
    lists: list[int] = []
    admitted: int | None = None
    for call in calls:
        started = time.perf_counter()
        explanation = library.explain(**call)
        seconds = time.perf_counter() - started
        encoding.append(explanation.seconds.get("encoding", 0.0))
        totals.append(seconds - encoding[-1])
        admitted = explanation.admitted
        lists.append(sum(one.left_out is None for one in explanation.rankings))
        for step, spent in explanation.seconds.items():
            if step != "encoding":
                steps[step].append(spent)
    whole = sum(totals)
    calibration = sum(steps.get("calibration", [0.0])) / max(1, sum(lists))
    return {
        "searches": len(calls),
        **({} if admitted is None else {"items admitted": admitted}),
        "p50 ms": milliseconds(float(np.percentile(totals, 50))),
        "p95 ms": milliseconds(float(np.percentile(totals, 95))),
        "encoding, p50 ms": milliseconds(float(np.percentile(encoding, 50))),
        "calibration, ms a list": round(1000 * calibration, 3),
        "share of each step, %": {
            step: round(100 * sum(some) / whole, 1) for step, some in sorted(steps.items())
        },
        "p95 of each step, ms": {
            step: milliseconds(float(np.percentile(some, 95)))
            for step, some in sorted(steps.items())
        },
    }


def milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 2)


if __name__ == "__main__":
    main()
