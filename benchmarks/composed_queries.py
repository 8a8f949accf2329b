"""Several pictures in one query, and unwanted terms: by lists, by ranks, and by sums of vectors.

Usage: python -m benchmarks.composed_queries [--data FOLDER] [--out FOLDER]

Pictures: some photos of one kind of flower are the query, the rest of all photos is ranked.
Unwanted terms: captions that hold one word and not another are wanted, of those that hold the
first; queries are the two words. Both by the starter encoder, and captions by the text encoder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import bench
from florilegium.config import EncoderConfig, TextEncoderConfig, user_cache_folder
from florilegium.images import image_from
from florilegium.lexical import content_tokens
from florilegium.protocols import Encoder
from florilegium.registry import open_encoder

DRAWS = 600
AT = 5
WEIGHTS = (0.25, 0.5, 1.0)

Rows = npt.NDArray[np.floating[Any]]


def main() -> None:
    arguments = bench.parser(__doc__ or "").parse_args()
    texts = open_encoder("minilm", config=TextEncoderConfig(), cache_folder=user_cache_folder())
    encoder = open_encoder(
        "starter", config=EncoderConfig(), texts=texts, cache_folder=user_cache_folder()
    )
    results = {
        "several pictures, precision@5 %": several(
            bench.need(arguments.data / "flowers5"), encoder
        ),
        "unwanted terms, mean average precision %": unwanted(
            bench.need(arguments.data / "stamps"), encoder, texts
        ),
    }
    bench.write("composed_queries", results, out=arguments.out)


def encode(files: Sequence[Path], encoder: Encoder) -> Rows:
    rows = []
    for start in range(0, len(files), 16):
        images = [image_from(file, max_pixels=10**8)[0] for file in files[start : start + 16]]
        rows.append(encoder.encode_images(images))
    return np.concatenate(rows)


def several(folder: Path, encoder: Encoder) -> dict[str, Any]:
    files = sorted(folder.glob("*/*.jpg"))
    vectors, kinds = encode(files, encoder), np.array([file.parent.name for file in files])
    random = np.random.default_rng(0)
    ways: dict[str, Callable[[Rows], Rows]] = {
        "at the mean of the vectors": lambda cosines: cosines.mean(axis=1),
        "a list for each, calibrated": lambda cosines: standardised(cosines).mean(axis=1),
        "a list for each, best": lambda cosines: cosines.max(axis=1),
        "a list for each, reciprocal ranks": lambda cosines: (
            1 / (61 + np.argsort(np.argsort(-cosines, axis=0), axis=0))
        ).sum(axis=1),
    }
    results: dict[str, Any] = {"photos": len(files), "draws": DRAWS}
    for count in (1, 2, 3, 5):
        found: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(DRAWS):
            kind = random.choice(np.unique(kinds))
            query = random.choice(np.flatnonzero(kinds == kind), count, replace=False)
            cosines = vectors @ vectors[query].T
            for name, way in ways.items():
                scores = way(cosines).astype(np.float64)
                scores[query] = -np.inf
                best = np.argsort(-scores)[:AT]
                found[name].append(float((kinds[best] == kind).mean()))
        results[f"{count} pictures"] = {
            name: round(100 * float(np.mean(some)), 1) for name, some in found.items()
        }
    return results


def unwanted(folder: Path, encoder: Encoder, texts: Encoder) -> dict[str, Any]:
    rows = bench.read_lines(folder / "captions.jsonl")
    held = [set(content_tokens(row["en"])) for row in rows]
    tasks = [
        (first, second)
        for first in sorted(set().union(*held))
        for second in sorted(set().union(*held))
        if first != second and is_task(first, second, held)
    ]
    spelled = spellings(row["en"] for row in rows)
    pictures = encode([folder / row["file"] for row in rows], encoder)
    captions = texts.encode_texts([row["en"] for row in rows], purpose="document")
    results: dict[str, Any] = {"tasks": len(tasks)}
    for name, vectors, by in (("pictures", pictures, encoder), ("captions", captions, texts)):
        found: dict[str, list[float]] = {}
        for first, second in tasks:
            wanted = np.array([first in words and second not in words for words in held])
            one, two = by.encode_texts([spelled[first], spelled[second]], purpose="query")
            for way, scores in ways_to_leave_out(vectors, one, two).items():
                found.setdefault(way, []).append(average_precision(scores, wanted))
        results[name] = {way: round(100 * float(np.mean(s)), 1) for way, s in found.items()}
    return results


def is_task(first: str, second: str, held: Sequence[set[str]]) -> bool:
    both = sum(first in words and second in words for words in held)
    return 2 <= both <= sum(first in words for words in held) - 2


def spellings(captions: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for caption in captions:
        for word in re.findall(r"\w+", caption.lower()):
            for stem in content_tokens(word):
                found.setdefault(stem, word)
    return found


def ways_to_leave_out(vectors: Rows, wanted: Rows, other: Rows) -> dict[str, Rows]:
    one, two = standardised(vectors @ wanted), standardised(vectors @ other)
    ways = {"without the term": one}
    for weight in WEIGHTS:
        ways[f"vectors subtracted, {weight}"] = vectors @ (wanted - weight * other)
        ways[f"lists subtracted, {weight}"] = one - weight * two
        ways[f"lists subtracted above the average, {weight}"] = one - weight * np.maximum(two, 0)
    return ways


def standardised(scores: Rows) -> Rows:
    result: Rows = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    return result


def average_precision(scores: Rows, wanted: npt.NDArray[np.bool_]) -> float:
    ranked = wanted[np.argsort(-scores, kind="stable")]
    places = np.flatnonzero(ranked) + 1
    return float((np.arange(1, len(places) + 1) / places).mean())


if __name__ == "__main__":
    main()
