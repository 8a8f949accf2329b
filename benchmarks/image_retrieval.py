"""Pictures by captions, captions by pictures, and pictures by pictures, in the offline profile.

Usage: python -m benchmarks.image_retrieval [--data FOLDER] [--out FOLDER]

The library holds pictures under names that say nothing, so that only what is seen counts.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import bench
from florilegium import Hit, Library, Modality

PRECISION_AT = 5
TOP_K = 100
CHINESE = Path(__file__).parent / "stamps_zh.tsv"


def main() -> None:
    arguments = bench.parser(__doc__ or "").parse_args()
    stamps = measure_stamps(bench.need(arguments.data / "stamps"))
    flowers = measure_flowers(bench.need(arguments.data / "flowers5"))
    bench.write("image_retrieval", {"stamps": stamps, "flowers5": flowers}, out=arguments.out)


def measure_stamps(folder: Path) -> dict[str, Any]:
    rows = bench.read_lines(folder / "captions.jsonl")
    pictures = [folder / row["file"] for row in rows]
    with nameless(pictures) as (root, names), Library.create(root) as library:
        library.ingest()
        english = {folder / row["file"]: row["en"] for row in rows}
        chinese = {folder / row["file"]: row["zh"] for row in rows if row["zh"]}
        ours = {file: text for file, text in own_chinese(folder).items() if file in names}
        return {
            "pictures": len(rows),
            "caption to image, English": find_pictures(library, english, names),
            "caption to image, Chinese of the data": find_pictures(library, chinese, names),
            "caption to image, our Chinese": find_pictures(library, ours, names),
            "image to caption, English": find_captions(english),
        }


def own_chinese(folder: Path) -> dict[Path, str]:
    lines = CHINESE.read_text(encoding="utf-8").splitlines()
    return {folder / file: text for file, _, text in (line.partition("\t") for line in lines)}


def find_pictures(
    library: Library, captions: dict[Path, str], names: dict[Path, str]
) -> dict[str, Any]:
    run: dict[str, dict[str, float]] = {}
    alone: dict[str, dict[str, float]] = {}
    for file, text in captions.items():
        hits = library.search(text, modality=Modality.IMAGE, top_k=TOP_K)
        run[names[file]] = bench.ranked(hit.item.source.path for hit in hits)
        by_space = sorted(hits, key=lambda hit: -rank_score(hit, "text to image"))
        if hits and rank_score(hits[0], "text to image") > -1:
            alone[names[file]] = bench.ranked(hit.item.source.path for hit in by_space)
    relevant = {names[file]: names[file] for file in captions}
    if not run:
        return {"queries": 0}
    result: dict[str, Any] = {"queries": len(run), "fused": bench.metrics(run, relevant)}
    if alone:
        result["by the image-text space alone"] = bench.metrics(alone, relevant)
    return result


def rank_score(hit: Hit, ranking: str) -> float:
    return next((c.score for c in hit.contributions if c.ranking == ranking), -1.0)


def find_captions(captions: dict[Path, str]) -> dict[str, Any]:
    """Search with each picture among the captions, each different one a file of its own."""
    files = {text: f"{i:04d}.txt" for i, text in enumerate(dict.fromkeys(captions.values()))}
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as name:
        for text, file in files.items():
            (Path(name) / file).write_text(text, encoding="utf-8")
        with Library.create(name) as library:
            library.ingest()
            run = {
                str(picture): bench.ranked(
                    hit.item.source.path
                    for hit in library.search(image=picture, modality="text", top_k=TOP_K)
                )
                for picture in captions
            }
    relevant = {str(picture): files[text] for picture, text in captions.items()}
    return {"queries": len(run), "captions": len(files), **bench.metrics(run, relevant)}


def measure_flowers(folder: Path) -> dict[str, Any]:
    files = sorted(folder.glob("*/*.jpg"))
    with nameless(files) as (root, names), Library.create(root) as library:
        library.ingest()
        kinds = {name: file.parent.name for file, name in names.items()}
        right: list[float] = []
        for file, name in names.items():
            # The very same picture is never a hit, so this leaves one out.
            hits = library.search(image=file, modality="image", top_k=PRECISION_AT)
            right.append(sum(kinds[h.item.source.path] == kinds[name] for h in hits) / len(hits))
    precision = round(100 * sum(right) / len(right), 1)
    return {"pictures": len(files), "queries": len(right), f"precision@{PRECISION_AT}": precision}


@contextmanager
def nameless(files: list[Path]) -> Iterator[tuple[Path, dict[Path, str]]]:
    """Yield a folder with copies of `files` under numbers, and the number of each."""
    with tempfile.TemporaryDirectory(prefix="florilegium-bench-") as folder:
        root = Path(folder)
        names = {file: f"{i:06d}{file.suffix}" for i, file in enumerate(files)}
        for file, name in names.items():
            shutil.copyfile(file, root / name)
        yield root, names


if __name__ == "__main__":
    main()
