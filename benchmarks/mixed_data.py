"""A library of everything in the evaluation data, and queries to it. Measures nothing.

Pictures lie under numbers, so that their names say nothing; every second drawing has its English
caption in a `captions.jsonl` beside it; two thirds of the photos of flowers are in the library and
the others are searched with; the texts are English and Chinese paragraphs.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import bench
from florilegium import Library

QUESTIONS = 250
SEED = 20260101
KINDS = ("caption, written", "caption, not written", "question", "question, Chinese", "photo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A query with the files that it should find; one by picture has no text."""

    kind: str
    relevant: frozenset[str]
    text: str = ""
    image: Path | None = None


def fill(root: Path, data: Path, *, questions: int = QUESTIONS) -> list[Labelled]:
    """Copy the data into the folder of a library and return the queries."""
    return [
        *_fill_drawings(root / "pictures", bench.need(data / "stamps")),
        *_fill_photos(root / "photos", bench.need(data / "flowers5")),
        *_fill_texts(root / "qa-en", bench.need(data / "qa-en"), "question", questions),
        *_fill_texts(root / "qa-zh", bench.need(data / "qa-zh"), "question, Chinese", questions),
    ]


def _fill_drawings(folder: Path, data: Path) -> list[Labelled]:
    folder.mkdir(parents=True)
    queries: list[Labelled] = []
    written: list[dict[str, Any]] = []
    for number, row in enumerate(bench.read_lines(data / "captions.jsonl")):
        name = f"{number:06d}.png"
        shutil.copyfile(data / row["file"], folder / name)
        kind = KINDS[0] if number % 2 == 0 else KINDS[1]
        if number % 2 == 0:
            written.append({"file": name, "caption": row["en"]})
        relevant = frozenset({f"{folder.name}/{name}"})
        queries.append(Labelled(kind=kind, relevant=relevant, text=row["en"]))
    lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in written)
    (folder / "captions.jsonl").write_text(lines, encoding="utf-8")
    return queries


def _fill_photos(folder: Path, data: Path) -> list[Labelled]:
    folder.mkdir(parents=True)
    of_class: dict[str, set[str]] = {}
    searched: list[Path] = []
    for number, file in enumerate(sorted(data.glob("*/*.jpg"))):
        if number % 3 == 0:
            searched.append(file)
            continue
        name = f"{number:06d}.jpg"
        shutil.copyfile(file, folder / name)
        of_class.setdefault(file.parent.name, set()).add(f"{folder.name}/{name}")
    return [
        Labelled(kind=KINDS[4], relevant=frozenset(of_class[file.parent.name]), image=file)
        for file in searched
    ]


def _fill_texts(folder: Path, data: Path, kind: str, count: int) -> list[Labelled]:
    for file in sorted((data / "texts").glob("**/*.txt")):
        place = folder / file.relative_to(data / "texts")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    rows = [row for row in bench.read_lines(data / "questions.jsonl") if not row["impossible"]]
    chosen = random.Random(SEED).sample(rows, min(count, len(rows)))
    return [
        Labelled(
            kind=kind,
            relevant=frozenset({f"{folder.name}/{Path(row['file']).relative_to('texts')}"}),
            text=row["question"],
        )
        for row in chosen
    ]


@contextmanager
def opened(data: Path, *, keep: bool) -> Iterator[tuple[Library, list[Labelled]]]:
    """Yield the library, ingested, and its queries; `keep` leaves it for the next run."""
    with bench.place("mixed", keep=keep) as folder:
        root = folder / "library"
        fresh = not root.exists()
        if fresh:
            root.mkdir(parents=True)
        # Copying anew gives the queries, and changes nothing in a library that was kept.
        shutil.rmtree(root / "pictures", ignore_errors=True)
        shutil.rmtree(root / "photos", ignore_errors=True)
        queries = fill(root, data)
        with Library.create(root) if fresh else Library.open(root) as library:
            library.ingest()
            yield library, queries
