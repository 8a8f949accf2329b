"""What `retrieval.adapter` changes end to end: names, neighbours, and kinds that have no name.

Usage: python -m benchmarks.learnt_names [--data FOLDER] [--out FOLDER]

Photos of five kinds of flowers lie in folders of their names, some of each; others of the same
photos are the queries. Then three kinds lie in folders and two, nameless, beside them.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import bench
from florilegium import Library

COUNTS = (5, 20, 100)
SEEDS = (0, 1, 2)
QUERIES = 100
AT = 5
NAMELESS = 2  # kinds without a folder in the second part


def main() -> None:
    arguments = bench.parser(__doc__ or "").parse_args()
    folder = bench.need(arguments.data / "flowers5")
    kinds = {one.name: sorted(one.glob("*.jpg")) for one in sorted(folder.iterdir())}
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as name:
        cache = encode_all(Path(name) / "all", kinds)
        results = {
            str(count): {
                "all named": mean([measure(kinds, count, seed, cache, 0) for seed in SEEDS]),
                f"{NAMELESS} kinds nameless": mean(
                    [measure(kinds, count, seed, cache, NAMELESS) for seed in SEEDS]
                ),
            }
            for count in COUNTS
        }
    bench.write("learnt_names", results, out=arguments.out)


def encode_all(root: Path, kinds: Mapping[str, Sequence[Path]]) -> Path:
    """Return the file of embeddings of all photos, so that no library encodes them again."""
    root.mkdir()
    for kind, files in kinds.items():
        for file in files:
            shutil.copyfile(file, root / f"{kind}-{file.name}")
    with Library.create(root) as library:
        library.ingest()
    return root / ".florilegium" / "embeddings.db"


def measure(
    kinds: Mapping[str, Sequence[Path]], count: int, seed: int, cache: Path, nameless: int
) -> dict[str, float]:
    random = np.random.default_rng(seed)
    hidden = set(random.choice(sorted(kinds), nameless, replace=False)) if nameless else set()
    queries: list[tuple[str, Path]] = []
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as name:
        root = Path(name)
        kind_of: dict[str, str] = {}
        for kind, files in kinds.items():
            order = random.permutation(len(files))
            for number in order[:count]:
                place = f"IMG_{len(kind_of):05}.jpg" if kind in hidden else f"{kind}/{number}.jpg"
                (root / place).parent.mkdir(exist_ok=True)
                shutil.copyfile(files[number], root / place)
                kind_of[place] = kind
            queries += [(kind, files[number]) for number in order[count:]]
        chosen = [queries[i] for i in random.permutation(len(queries))[:QUERIES]]
        with Library.create(root, overrides={"retrieval.adapter": True}) as library:
            shutil.copyfile(cache, root / ".florilegium" / "embeddings.db")
            library.ingest()
            on = judge(library, chosen, kind_of, hidden)
            helped = library.explain(image=chosen[0][1], top_k=1).learnt
        with Library.open(root, overrides={"retrieval.adapter": False}) as library:
            off = judge(library, chosen, kind_of, hidden)
    return {
        **{f"off, {what}": value for what, value in off.items()},
        **{f"on, {what}": value for what, value in on.items()},
        "used %": 100.0 * bool(helped and helped.used),
    }


def judge(
    library: Library,
    queries: Sequence[tuple[str, Path]],
    kind_of: Mapping[str, str],
    hidden: set[str],
) -> dict[str, float]:
    right: dict[str, list[float]] = {}
    for kind, file in queries:
        found = library.explain(image=file, modality="image", top_k=AT)
        alike = float(np.mean([kind_of[hit.item.source.path] == kind for hit in found.hits]))
        group = "nameless" if kind in hidden else "named"
        right.setdefault(f"precision@{AT} of {group} %", []).append(alike)
        best = found.candidates[0] if found.candidates else None
        if kind in hidden:
            sure = best is not None and best.share > 0.5 and best.name in kind_of.values()
            right.setdefault("nameless surely named %", []).append(float(sure))
        else:
            named = best is not None and best.name == kind
            right.setdefault("named rightly %", []).append(float(named))
    return {what: 100.0 * float(np.mean(some)) for what, some in right.items()}


def mean(found: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    keys = list(dict.fromkeys(key for one in found for key in one))
    return {
        key: round(float(np.mean([one[key] for one in found if key in one])), 1) for key in keys
    }


if __name__ == "__main__":
    main()
