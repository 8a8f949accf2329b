"""One library of pictures and texts, searched in all the ways that others rank such a library.

Usage: python -m benchmarks.mixed_library [--data FOLDER] [--out FOLDER] [--keep] [--llama PYTHON]

All ways rank the same vectors and words, over both modalities. Chroma is run as its package. With
--llama, the Python of an environment with llama-index-core, LlamaIndex is run as its package too;
without it its rule is ours to apply. The second part is a simulation: the same queries in a space
with the modality gap of CLIP (see `simulated_clip`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
from chromadb.config import Settings
from PIL import Image

from benchmarks import bench, mixed_data, simulated_clip
from benchmarks.mixed_data import KINDS, Labelled
from florilegium.calibration import fit_scale
from florilegium.encode import encode_query_image, encode_query_text
from florilegium.fusion import Ranking, fuse
from florilegium.ids import item_of
from florilegium.index import Index
from florilegium.lists import Lists, with_coverage
from florilegium.metrics import measure
from florilegium.retrieve import SearchOptions, retrieve
from florilegium.significance import compare_pairs, correct
from florilegium.types import Embeddings, Modality, Picture, Query

CANDIDATES = 100
TOP_K = 30
SHOWN = ("nDCG@10", "R@1", "R@5")
OURS = "ours, as searched"
RANK_OFFSET = 60
FLOORS = {True: 0.02, False: 1.0}  # of decision 0001: for cosines, and for BM25
CHROMA = "Chroma's way: one space, raw scores"
LLAMA = "LlamaIndex's way: texts, then pictures"

Way = Callable[[list[Ranking]], list[str]]


def main() -> None:
    line = bench.parser(__doc__ or "")
    line.add_argument("--keep", action="store_true", help="leave the library for the next run")
    line.add_argument("--llama", type=Path, help="Python of an environment with llama-index-core")
    arguments = line.parse_args()
    with (
        mixed_data.opened(arguments.data, keep=arguments.keep) as (library, labelled),
        bench.place("simulated", keep=False) as folder,
    ):
        opened = [(one, to_query(one)) for one in labelled]
        results = {
            "items": {m: library.index.catalog.count(m) for m in Modality},
            "starter encoder": run(opened, library.index, arguments),
        }
        index, pictures = simulated_clip.simulate(library.index, labelled, folder=folder)
        simulated = [
            (one, replace(query, pictures=(pictures[number],) if one.image else ()))
            for number, (one, query) in enumerate(opened)
        ]
        results["simulated CLIP"] = {
            "statistics": simulated_clip.statistics(index, simulated),
            **run(simulated, index, arguments),
        }
    bench.write("mixed_library", results, out=arguments.out)


def to_query(one: Labelled) -> Query:
    pictures = (Picture(image=Image.open(one.image).convert("RGB")),) if one.image else ()
    return Query(text=one.text, pictures=pictures, top_k=TOP_K)


def run(
    queries: Sequence[tuple[Labelled, Query]], index: Index, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Return how well each way finds what is relevant, and whether ours differs from it."""
    paths = {item.id: item.source.path for m in Modality for item, _ in index.catalog.all_items(m)}
    found: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for number, (_, query) in enumerate(queries):
        made = with_coverage(Lists(query, index=index, candidates=CANDIDATES).rankings, index=index)
        for name, way in WAYS.items():
            found[name][str(number)] = files(way(made), paths)
        hits = retrieve(query, index=index, options=SearchOptions(candidates=CANDIDATES)).hits
        ids = [item.id for hit in hits for item in (hit.item, *hit.duplicates)]
        found[OURS][str(number)] = files(ids, paths)
    rows = [embed(query, index) for _, query in queries]
    rivals = {CHROMA: run_chroma(rows, index), **run_llama(queries, index, arguments)}
    for name, answers in rivals.items():
        found[name] = {str(n): files(some, paths) for n, some in enumerate(answers)}
    return summarise([one for one, _ in queries], found)


def files(ids: Sequence[str], paths: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(paths[id_] for id_ in ids if id_ in paths))[:TOP_K]


def summarise(
    queries: Sequence[Labelled], found: Mapping[str, Mapping[str, list[str]]]
) -> dict[str, Any]:
    relevant = {str(n): dict.fromkeys(one.relevant, 1) for n, one in enumerate(queries)}
    of_kind = {
        kind: [str(n) for n, one in enumerate(queries) if one.kind == kind] for kind in KINDS
    }
    measured = {name: judge(relevant, runs) for name, runs in found.items()}
    ways: dict[str, Any] = {}
    for name, values in measured.items():
        kinds = {
            kind: {m: percent([values[n][m] for n in numbers]) for m in SHOWN}
            for kind, numbers in of_kind.items()
        }
        mean = {m: round(sum(one[m] for one in kinds.values()) / len(kinds), 1) for m in SHOWN}
        ways[name] = {"mean of kinds": mean, **kinds}
    # Each kind weighs alike in the mean, so each query weighs by how few of its kind there are.
    share = {n: len(queries) / (len(KINDS) * len(some)) for some in of_kind.values() for n in some}
    others = [name for name in measured if name != OURS]
    differences = [
        compare_pairs(
            [share[n] * measured[name][n]["nDCG@10"] for n in relevant],
            [share[n] * measured[OURS][n]["nDCG@10"] for n in relevant],
        )
        for name in others
    ]
    corrected = correct([one.p for one in differences])
    return {
        "queries": {kind: len(numbers) for kind, numbers in of_kind.items()},
        "ways": dict(sorted(ways.items(), key=lambda pair: pair[1]["mean of kinds"]["nDCG@10"])),
        "ours minus the others, nDCG@10": {
            name: {
                "difference": round(100 * one.mean, 1),
                "95 % interval": [round(100 * one.low, 1), round(100 * one.high, 1)],
                "p, corrected": round(p, 4),
            }
            for name, one, p in zip(others, differences, corrected, strict=True)
        },
    }


def judge(
    relevant: Mapping[str, Mapping[str, int]], found: Mapping[str, list[str]]
) -> dict[str, dict[str, float]]:
    """Return nDCG@10, and R@k as the share that can be reached: of a hundred photos k of k."""
    values = measure(relevant, found)
    for number, wanted in relevant.items():
        for k in (1, 5):
            right = len(set(found[number][:k]) & set(wanted))
            values[number][f"R@{k}"] = right / min(k, len(wanted))
    return values


def percent(values: Sequence[float]) -> float:
    return round(100 * float(np.mean(values)), 1)


# -- ways to rank the same lists --


def by_raw_cosine(rankings: list[Ranking]) -> list[str]:
    best: dict[str, float] = {}
    for ranking in rankings:
        for id_, score in ranking.scores.items() if ranking.cosine else ():
            best[id_] = max(score, best.get(id_, -1.0))
    return order(best)


def by_rank_sums(rankings: list[Ranking]) -> list[str]:
    sums: dict[str, float] = defaultdict(float)
    for ranking in rankings:
        for id_, rank in ranking.ranks().items():
            sums[id_] += 1.0 / (RANK_OFFSET + rank)
    return order(sums)


def by_own_scale(rankings: list[Ranking]) -> list[str]:
    """Rank as decision 0001 had it: each list by its own scores, absent items as its worst."""
    fused: dict[str, float] = defaultdict(float)
    for modality in Modality:
        lists = [one for one in rankings if one.modality is modality and one.scores]
        total = sum(one.weight for one in lists)
        for one in lists:
            scale = fit_scale(one.scores.values(), floor=FLOORS[one.cosine])
            absent = min(one.scores.values()) if one.cosine else 0.0
            for id_ in {id_ for each in lists for id_ in each.scores}:
                z = scale.standardise(one.scores.get(id_, absent))
                fused[id_] += one.weight * z / total
    return order(fused)


def by_bm25(rankings: list[Ranking]) -> list[str]:
    return order(
        {
            id_: score
            for one in rankings
            if one.name in ("words", "card words")
            for id_, score in one.scores.items()
        }
    )


def by_dense(rankings: list[Ranking]) -> list[str]:
    return [one.item_id for one in fuse([r for r in rankings if r.cosine])]


def order(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda id_: (-scores[id_], id_))


WAYS: dict[str, Way] = {
    "raw cosines of all lists": by_raw_cosine,
    "BM25 alone": by_bm25,
    "dense alone, calibrated": by_dense,
    "reciprocal ranks, summed over all lists": by_rank_sums,
    "reciprocal ranks, weighted mean of a modality": lambda lists: [
        one.item_id for one in fuse(lists, method="reciprocal-rank")
    ],
    "standardised by the list itself (0001)": by_own_scale,
    "ours, lists without links": lambda lists: [one.item_id for one in fuse(lists)],
}


# -- rivals, by their packages --


def embed(query: Query, index: Index) -> Embeddings:
    """Return the one vector of a query in the space of pictures."""
    if query.pictures:
        return encode_query_image(index.encoder, query.pictures[0].image)
    return encode_query_text(index.encoder, query.text)


def run_chroma(rows: Sequence[Embeddings], index: Index) -> list[list[str]]:
    """Return item ids by one Chroma collection of pictures and windows of texts."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        client = chromadb.PersistentClient(
            path=folder, settings=Settings(anonymized_telemetry=False)
        )
        mixed = client.create_collection("mixed", metadata={"hnsw:space": "cosine"})
        for ids, vectors in (vectors_of(index, "pictures"), vectors_of(index, "windows")):
            mixed.add(ids=ids, embeddings=vectors)
        answer = mixed.query(query_embeddings=np.stack(rows), n_results=CANDIDATES, include=[])
        return [[item_of(id_) for id_ in ids] for ids in answer["ids"]]


def run_llama(
    queries: Sequence[tuple[Labelled, Query]], index: Index, arguments: argparse.Namespace
) -> dict[str, list[list[str]]]:
    """Return item ids by LlamaIndex, or by its rule where its package is not given.

    Five texts and then five pictures make the ten that are judged; two and two are its default.
    """
    texts, pictures = vectors_of(index, "chunks"), vectors_of(index, "pictures")
    crossing = np.stack([embed(query, index) for _, query in queries])
    asked = np.zeros((len(queries), texts[1].shape[1]), dtype=np.float32)
    for number, (_, query) in enumerate(queries):
        if query.text:
            asked[number] = encode_query_text(index.text_encoder, query.text)
    if arguments.llama is None:
        sys.stderr.write(
            "LlamaIndex was NOT run: its rule was applied by our own code. Name the Python of an "
            "environment with llama-index-core by --llama.\n"
        )
        near_texts, near_pictures = nearest(*texts, asked), nearest(*pictures, crossing)
        found = {
            f"{LLAMA}, {count} each, by our own code": [
                [*(t[:count] if query.text else ()), *p[: count if query.text else 2 * count]]
                for t, p, (_, query) in zip(near_texts, near_pictures, queries, strict=True)
            ]
            for count in (2, 5)
        }
    else:
        found = {
            f"{LLAMA}, {count} each": ask_llama(
                arguments.llama, texts, pictures, asked, crossing, count=count
            )
            for count in (2, 5)
        }
    return {name: [[item_of(i) for i in ids] for ids in some] for name, some in found.items()}


def nearest(ids: list[str], vectors: Embeddings, asked: Embeddings) -> list[list[str]]:
    best = np.argsort(-(asked @ vectors.T), axis=1, kind="stable")[:, :CANDIDATES]
    return [[ids[row] for row in rows] for rows in best]


def ask_llama(
    python: Path,
    texts: tuple[list[str], Embeddings],
    pictures: tuple[list[str], Embeddings],
    asked: Embeddings,
    crossing: Embeddings,
    *,
    count: int,
) -> list[list[str]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(
            folder / "vectors.npz",
            texts=texts[1],
            pictures=pictures[1],
            asked=asked,
            crossing=crossing,
        )
        ids = {"texts": texts[0], "pictures": pictures[0], "count": count}
        (folder / "ids.json").write_text(json.dumps(ids), encoding="utf-8")
        script = Path(__file__).with_name("llama_way.py")
        subprocess.run([python, script, folder], check=True, stdout=sys.stderr)
        found: list[list[str]] = json.loads((folder / "found.json").read_text(encoding="utf-8"))
        return found


def vectors_of(index: Index, name: str) -> tuple[list[str], Embeddings]:
    collection = getattr(index, name)
    ids = sorted(index.store.ids(collection))
    return ids, np.stack([record.embedding for record in index.store.get(collection, ids)])


if __name__ == "__main__":
    main()
