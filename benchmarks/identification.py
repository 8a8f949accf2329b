"""What a picture shows: the neighbours' vote against a library's own adapter, by names in folders.

Usage: python -m benchmarks.identification [--data FOLDER] [--out FOLDER] [--seeds N]

Of each kind of flower a few photos are in the library under their kind, all others are queries.
Nothing is chosen by the queries: the adapter sees the labelled photos only.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import bench
from florilegium import Library, Modality
from florilegium.adapter import Adapter, blend
from florilegium.adapter_training import fit_adapter
from florilegium.calibration import Scale, fit_scale
from florilegium.config import RetrievalConfig
from florilegium.folder_names import names_of
from florilegium.fusion import Ranking
from florilegium.votes import count_votes

COUNTS = (5, 20, 100)
PRECISION_AT = 5
SURE = 0.5
BINS = 10
TOO_FEW = 1

Rows = npt.NDArray[np.float32]
Shares = dict[str, float]
Found = dict[str, list[tuple[Shares, str | None]]]


def main() -> None:
    line = bench.parser(__doc__ or "")
    line.add_argument("--seeds", type=int, default=20)
    arguments = line.parse_args()
    seeds = range(arguments.seeds)
    flowers = bench.need(arguments.data / "flowers5")
    stamps = bench.need(arguments.data / "stamps")
    photos = {file: file.parent.name for file in sorted(flowers.glob("*/*.jpg"))}
    rows = bench.read_lines(stamps / "captions.jsonl")
    drawings = {stamps / row["file"]: " ".join(row["category"].split("/")[:2]) for row in rows}
    vectors, foreign = embed(list(photos)), embed(list(drawings))
    kinds = list(photos.values())
    results = {
        "seeds": len(seeds),
        "flowers5": {count: known(vectors, kinds, foreign, count, seeds) for count in COUNTS},
        "flowers5, by the library itself": {count: whole(photos, count) for count in COUNTS},
        "unseen": {count: unseen(vectors, kinds, count) for count in COUNTS},
        "too few": too_few(vectors, kinds, 20),
        "stamps": categories(foreign, list(drawings.values()), seeds),
        "training": training(),
    }
    bench.write("identification", results, out=arguments.out)


def embed(files: Sequence[Path]) -> Rows:
    """Return the vectors that an ingest stores, in the order of the files."""
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as name:
        for number, file in enumerate(files):
            shutil.copyfile(file, Path(name) / f"{number:06d}{file.suffix}")
        with Library.create(name) as library:
            library.ingest()
            index = library.index
            paths = {i.id: i.source.path for i, _ in index.catalog.all_items(Modality.IMAGE)}
            ids = sorted(index.store.ids(index.pictures))
            records = index.store.get(index.pictures, ids)
    order = {paths[record.item_id]: record.embedding for record in records}
    return np.stack([order[path] for path in sorted(order)])


def known(
    vectors: Rows, kinds: Sequence[str], foreign: Rows, count: int, seeds: range
) -> dict[str, Any]:
    """Return accuracy and calibration of all ways, and what a stranger's drawing is called."""
    accuracy: dict[str, list[float]] = defaultdict(list)
    errors: dict[str, list[float]] = defaultdict(list)
    precision: dict[str, list[float]] = defaultdict(list)
    strangers: dict[str, list[float]] = defaultdict(list)
    used = 0
    for seed in seeds:
        chosen, queries = split(kinds, count, seed)
        names = [kinds[i] for i in chosen]
        ways, adapter = make_ways(vectors[chosen], names)
        used += adapter.helps
        for way, identify in ways.items():
            said = [(identify(vectors[i]), kinds[i]) for i in queries]
            accuracy[way].append(right(said))
            errors[way].append(calibration_error(said))
            sure = [max(identify(row).values()) > SURE for row in foreign]
            strangers[way].append(float(np.mean(sure)))
        for way, found in precisions(vectors, kinds, chosen, queries, names, adapter).items():
            precision[way].append(float(np.mean(found)))
    return {
        "ways": {
            way: {
                **spread("accuracy %", accuracy[way]),
                **spread("calibration error %", errors[way]),
                **spread("drawings with a sure name %", strangers[way]),
            }
            for way in accuracy
        },
        f"precision@{PRECISION_AT}": {way: spread("%", precision[way]) for way in precision},
        "adapter helps, by its own test, %": percent(used / len(seeds)),
    }


def whole(photos: Mapping[Path, str], count: int) -> dict[str, Any]:
    """Return how often the first candidate of the library itself is right, for one seed."""
    files = list(photos)
    kinds = list(photos.values())
    chosen, queries = split(kinds, count, 0)
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as name:
        for number in chosen:
            place = Path(name) / kinds[number] / f"{number:06d}.jpg"
            place.parent.mkdir(exist_ok=True)
            shutil.copyfile(files[number], place)
        with Library.create(name) as library:
            library.ingest()
            said = [
                (
                    {c.name: c.share for c in library.explain(image=files[i], top_k=1).candidates},
                    kinds[i],
                )
                for i in queries
            ]
    return {"accuracy %": percent(right(said)), "calibration error %": percent(
        calibration_error(said)
    )}  # fmt: skip


def unseen(vectors: Rows, kinds: Sequence[str], count: int) -> dict[str, Any]:
    """Name three kinds and leave the others of the library nameless, each three in turn."""
    found: Found = defaultdict(list)
    precision: dict[str, list[float]] = defaultdict(list)
    for seed, named in enumerate(combinations(sorted(set(kinds)), 3)):
        chosen, queries = split(kinds, count, seed)
        names = [kinds[i] if kinds[i] in named else None for i in chosen]
        ways, adapter = make_ways(vectors[chosen], names)
        for way in ("vote", "blend"):
            for i in queries:
                own = kinds[i] if kinds[i] in named else None
                found[way].append((ways[way](vectors[i]), own))
        for part in ("seen", "unseen"):
            some = [i for i in queries if (kinds[i] in named) == (part == "seen")]
            for way, values in precisions(vectors, kinds, chosen, some, names, adapter).items():
                precision[f"{way}, {part}"].append(float(np.mean(values)))
    return {
        "ways": {
            way: {
                "seen: accuracy %": percent(right([one for one in said if one[1]])),
                "unseen: sure of a name %": percent(
                    float(np.mean([best(s)[1] > SURE for s, own in said if own is None]))
                ),
                "unseen: mean confidence %": percent(
                    float(np.mean([best(s)[1] for s, own in said if own is None]))
                ),
                "calibration error %": percent(calibration_error(said)),
            }
            for way, said in found.items()
        },
        f"precision@{PRECISION_AT}": {way: spread("%", v) for way, v in precision.items()},
    }


def too_few(vectors: Rows, kinds: Sequence[str], count: int) -> dict[str, Any]:
    """Name all five kinds, two of them by fewer photos than the adapter learns from."""
    found: Found = defaultdict(list)
    for seed, many in enumerate(combinations(sorted(set(kinds)), 3)):
        chosen, queries = split(kinds, count, seed)
        seen: Counter[str] = Counter()
        kept = []
        for i in chosen:
            seen[kinds[i]] += 1
            if kinds[i] in many or seen[kinds[i]] <= TOO_FEW:
                kept.append(i)
        ways, _ = make_ways(vectors[kept], [kinds[i] for i in kept])
        for way in ("vote", "blend"):
            for i in queries:
                part = "learnt" if kinds[i] in many else "not learnt"
                found[f"{way}, {part}"].append((ways[way](vectors[i]), kinds[i]))
    return {"photos": count, "photos of the others": TOO_FEW} | {
        way: percent(right(said)) for way, said in found.items()
    }


def categories(vectors: Rows, names: Sequence[str], seeds: range) -> dict[str, Any]:
    """Name four fifths of the drawings by their categories, and ask for the rest."""
    folders = names_of([f"{name}/{number}.png" for number, name in enumerate(names)])
    accuracy: dict[str, list[float]] = defaultdict(list)
    errors: dict[str, list[float]] = defaultdict(list)
    used = 0
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(names))
        queries, chosen = order[::5], np.concatenate([order[k::5] for k in range(1, 5)])
        counts = Counter(folders[i] for i in chosen)
        ways, adapter = make_ways(vectors[chosen], [folders[i] for i in chosen])
        used += adapter.helps
        asked = [i for i in queries if folders[i] is not None and counts[folders[i]]]
        for way, identify in ways.items():
            said = [(identify(vectors[i]), folders[i]) for i in asked]
            accuracy[way].append(right(said))
            errors[way].append(calibration_error(said))
    return {
        "pictures": len(names),
        "names": len({name for name in folders if name}),
        "ways": {
            way: {
                **spread("accuracy %", accuracy[way]),
                **spread("calibration error %", errors[way]),
            }
            for way in accuracy
        },
        "adapter helps, by its own test, %": percent(used / len(seeds)),
    }


def training() -> dict[str, float]:
    """Return the seconds that training takes, on random vectors around 100 means."""
    seconds = {}
    for count, dim in ((10_000, 896), (100_000, 896), (10_000, 1664)):
        random = np.random.default_rng(0)
        names = random.integers(0, 100, count)
        rows = 0.3 * random.standard_normal((100, dim), dtype=np.float32)[names]
        rows += random.standard_normal((count, dim), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        start = time.perf_counter()
        fit_adapter(rows, [str(name) for name in names])
        seconds[f"{count} × {dim}, 100 names"] = round(time.perf_counter() - start, 2)
    return seconds


def make_ways(
    vectors: Rows, names: Sequence[str | None]
) -> tuple[dict[str, Callable[[Rows], Shares]], Adapter]:
    adapter = fit_adapter(vectors, names)
    assert isinstance(adapter, Adapter)
    ridge = probe(vectors, names)

    def neighbours(row: Rows, k: int) -> Shares:
        nearest = np.argsort(-(vectors @ row), kind="stable")[:k]
        counts = Counter(names[i] for i in nearest)
        # Of names with as many votes the nearest comes first, as in the order of insertion.
        return {name: count / k for name, count in counts.items() if name} or {"": 0.0}

    def voted(row: Rows) -> Shares:
        return vote(vectors @ row, names)

    ways: dict[str, Callable[[Rows], Shares]] = {
        f"{k} nearest": partial(neighbours, k=k) for k in (1, 5, 10)
    }
    ways["ridge probe"] = ridge
    ways["vote"] = voted
    ways["adapter"] = adapter.probabilities
    ways["blend"] = lambda row: blend(voted(row), adapter.probabilities(row), adapter)
    return ways, adapter


def probe(vectors: Rows, names: Sequence[str | None]) -> Callable[[Rows], Shares]:
    """Return ridge regression on the names with the penalty 1, the usual linear probe."""
    named = [i for i, name in enumerate(names) if name is not None]
    labels = sorted({names[i] or "" for i in named})
    wanted = np.array([[float(names[i] == label) for label in labels] for i in named])
    rows = vectors[named].astype(np.float64)
    mean, mean_wanted = rows.mean(axis=0), wanted.mean(axis=0)
    centred = rows - mean
    inner = centred @ centred.T + np.eye(len(named))
    weights = centred.T @ np.linalg.solve(inner, wanted - mean_wanted)

    def identify(row: Rows) -> Shares:
        scores = np.clip((row - mean) @ weights + mean_wanted, 0, 1)
        return {label: float(score) for label, score in zip(labels, scores, strict=True)}

    return identify


def vote(scores: Rows, names: Sequence[str | None]) -> Shares:
    """Return the shares of votes as a search counts them, over as many pictures as it lists."""
    order = np.argsort(-scores, kind="stable")[: RetrievalConfig().candidates]
    ranking = Ranking(
        name="image to image",
        modality=Modality.IMAGE,
        scores={str(i): float(scores[i]) for i in order},
        weight=1.0,
        scale=Scale(mean=0.0, deviation=1.0),
    )
    votes = count_votes(ranking, ())
    total = sum(votes.values())
    shares: dict[str, float] = defaultdict(float)
    for id_, count in votes.items():
        if name := names[int(id_)]:
            shares[name] += count / total
    return dict(shares) or {"": 0.0}


def precisions(
    vectors: Rows, kinds: Sequence[str], chosen: Sequence[int], queries: Sequence[int],
    names: Sequence[str | None], adapter: Adapter,
) -> dict[str, list[float]]:  # fmt: skip
    """Return for each query the share of its kind in the first five, before and after."""
    found: dict[str, list[float]] = defaultdict(list)
    by_id = {str(n): name for n, name in enumerate(names)}
    for i in queries:
        scores = {str(n): float(s) for n, s in enumerate(vectors[chosen] @ vectors[i])}
        adapted = adapter.reorder(vectors[i], scores, by_id)
        before, after = (fit_scale(one.values(), floor=0.02) for one in (scores, adapted))
        both = {
            id_: before.standardise(scores[id_]) + after.standardise(adapted[id_]) for id_ in scores
        }
        lists = {"cosine": scores, "adapted": adapted, "both lists, fused": both}
        for way, one in lists.items():
            first = sorted(one, key=lambda id_: -one[id_])[:PRECISION_AT]
            hits = [kinds[chosen[int(id_)]] == kinds[i] for id_ in first]
            found[way].append(sum(hits) / len(hits))
    return found


def split(kinds: Sequence[str], count: int, seed: int) -> tuple[list[int], list[int]]:
    """Return photos with a name, `count` of each kind, and those that are asked for."""
    random = np.random.default_rng(seed)
    chosen = [
        int(i)
        for kind in sorted(set(kinds))
        for i in random.permutation([i for i, one in enumerate(kinds) if one == kind])[:count]
    ]
    return chosen, sorted(set(range(len(kinds))) - set(chosen))


def best(shares: Shares) -> tuple[str, float]:
    return max(shares.items(), key=lambda one: one[1])


def right(said: Sequence[tuple[Shares, str | None]]) -> float:
    return float(np.mean([best(shares)[0] == own for shares, own in said]))


def calibration_error(said: Sequence[tuple[Shares, str | None]]) -> float:
    """Return the expected calibration error of the first names (Guo et al. 2017), ten bins."""
    firsts = [best(shares) for shares, _ in said]
    sure = np.array([share for _, share in firsts])
    correct = np.array([name == own for (name, _), (_, own) in zip(firsts, said, strict=True)])
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    return sum(
        float((bins == b).mean() * abs(sure[bins == b].mean() - correct[bins == b].mean()))
        for b in np.unique(bins)
    )


def spread(name: str, values: Sequence[float]) -> dict[str, float]:
    return {name: percent(float(np.mean(values))), f"{name}, deviation": percent(
        float(np.std(values))
    )}  # fmt: skip


def percent(value: float) -> float:
    return round(100 * value, 1)


if __name__ == "__main__":
    main()
