"""How well small libraries are searched, where a background says little and priors must help.

Usage: python -m benchmarks.small_libraries [--data FOLDER] [--out FOLDER] [--keep]

Libraries of a few pictures and texts are drawn from those of `mixed_data`, each text with one of
its questions, each picture with its caption. Both modalities are searched. The embeddings come from
the cache of the large library, so that nothing is encoded twice.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import ir_measures
import numpy as np

from benchmarks import bench, mixed_data
from benchmarks.mixed_data import KINDS, Labelled
from florilegium import Library, calibration
from florilegium.config import INDEX_FOLDER
from florilegium.retrieve import SearchOptions, retrieve
from florilegium.significance import compare_pairs
from florilegium.types import Query

SIZES = ((3, 3), (10, 10), (3, 40), (40, 3), (40, 40))
DRAWS = 8
TOP_K = 30
PRIORS = (8, 0)
SEED = 20260101
NDCG = ir_measures.parse_measure("nDCG@5")


def main() -> None:
    line = bench.parser(__doc__ or "")
    line.add_argument("--keep", action="store_true", help="leave the library for the next run")
    arguments = line.parse_args()
    results: dict[str, Any] = {}
    with mixed_data.opened(arguments.data, keep=arguments.keep) as (library, queries):
        chance = np.random.default_rng(SEED)
        for pictures, texts in SIZES:
            values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
            for _ in range(DRAWS):
                drawn = draw(queries, pictures=pictures, texts=texts, chance=chance)
                for way, found in measure(library, drawn).items():
                    for one, value in zip(drawn, found, strict=True):
                        side = "texts" if one.kind == KINDS[2] else "pictures"
                        values[way][side].append(value)
            results[f"{pictures} pictures, {texts} texts"] = summarise(values)
            bench.write("small_libraries", results, out=arguments.out)


def draw(
    queries: Sequence[Labelled], *, pictures: int, texts: int, chance: np.random.Generator
) -> list[Labelled]:
    """Return queries to different files, which are the library."""
    captions = [one for one in queries if one.kind in KINDS[:2]]
    questions = [one for one in queries if one.kind == KINDS[2]]
    drawn = [captions[at] for at in chance.permutation(len(captions))[:pictures]]
    of_file = {
        one.relevant: one for one in (questions[a] for a in chance.permutation(len(questions)))
    }
    return drawn + list(of_file.values())[:texts]


def measure(large: Library, drawn: Sequence[Labelled]) -> dict[str, list[float]]:
    """Return nDCG@5 of each query, by the way that lists are fused."""
    with tempfile.TemporaryDirectory(
        prefix="florilegium-bench-", ignore_cleanup_errors=True
    ) as name:
        root = Path(name)
        copy(large.root, root, drawn)
        with Library.create(root, overrides={"store.name": "memory"}) as library:
            cache = Path(INDEX_FOLDER) / "embeddings.db"
            shutil.copyfile(large.root / cache, root / cache)
            report = library.ingest()
            assert not report.encoded, "the cache of the large library lacks something"
            found = {
                f"calibrated, prior of {prior} items": search(library, drawn, prior=prior)
                for prior in PRIORS
            }
            found["reciprocal ranks"] = search(library, drawn, method="reciprocal-rank")
            return found


def copy(large: Path, root: Path, drawn: Sequence[Labelled]) -> None:
    written = []
    for one in drawn:
        (path,) = one.relevant
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(large / path, root / path)
        if one.kind == KINDS[0]:
            written.append({"file": path, "caption": one.text})
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in written)
    (root / "captions.jsonl").write_text(lines, encoding="utf-8")


def search(
    library: Library,
    drawn: Sequence[Labelled],
    *,
    prior: int = PRIORS[0],
    method: Any = "calibrated",
) -> list[float]:
    options = SearchOptions(candidates=100, method=method)
    values = []
    # A prior of no items at all would divide by zero where there is no background either.
    with mock.patch.object(calibration, "_PRIOR_ITEMS", max(prior, 1e-9)):
        for one in drawn:
            query = Query(text=one.text, top_k=TOP_K)
            hits = retrieve(query, index=library.index, options=options).hits
            run = {"q": bench.ranked(hit.item.source.path for hit in hits)}
            qrels = {"q": dict.fromkeys(one.relevant, 1)}
            values.append(float(ir_measures.calc_aggregate([NDCG], qrels, run)[NDCG]))
    return values


def summarise(values: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    ways = {
        way: {
            **{f"nDCG@5, {side}": percent(some) for side, some in sides.items()},
            "nDCG@5, mean": round(sum(percent(some) for some in sides.values()) / len(sides), 1),
        }
        for way, sides in values.items()
    }
    ours, ranks = (
        [value for some in values[way].values() for value in some]
        for way in (f"calibrated, prior of {PRIORS[0]} items", "reciprocal ranks")
    )
    return {
        "queries": {side: len(some) for side, some in values["reciprocal ranks"].items()},
        "ways": ways,
        "p of calibrated against ranks": round(compare_pairs(ranks, ours).p, 4),
    }


def percent(values: Sequence[float]) -> float:
    return round(100 * float(np.mean(values)), 1)


if __name__ == "__main__":
    main()
