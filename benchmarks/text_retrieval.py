"""Question to paragraph: dense, lexical and fused rankings of the offline profile.

Usage: python -m benchmarks.text_retrieval [--data FOLDER] [--out FOLDER]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import bench
from florilegium import Library, Modality
from florilegium.fusion import Method, Ranking, fuse
from florilegium.lists import Lists
from florilegium.types import Query

LISTS = ("chunks", "sentences", "words")


def main() -> None:
    arguments = bench.parser(__doc__ or "").parse_args()
    results: dict[str, Any] = {}
    for name in ("qa-en", "qa-zh"):
        folder = bench.need(arguments.data / name)
        results[name] = measure(folder)
    bench.write("text_retrieval", results, out=arguments.out)


def measure(folder: Path) -> dict[str, Any]:
    questions = [q for q in bench.read_lines(folder / "questions.jsonl") if not q["impossible"]]
    relevant = {str(i): q["file"] for i, q in enumerate(questions)}
    runs: dict[str, dict[str, dict[str, float]]] = {}
    with bench.copied(folder, "texts/**/*.txt") as root, Library.create(root) as library:
        report = library.ingest()
        items = {
            item.id: item.source.path for item, _ in library.index.catalog.all_items(Modality.TEXT)
        }
        for number, question in enumerate(questions):
            query = Query(text=question["question"], modality=Modality.TEXT)
            lists = [
                one
                for one in Lists(query, index=library.index, candidates=100).rankings
                if one.name in LISTS
            ]
            ranked = {"fused": _files(lists, items), **_alone(lists, items)}
            ranked["reciprocal ranks"] = _files(lists, items, method="reciprocal-rank")
            for name, files in ranked.items():
                runs.setdefault(name, {})[str(number)] = bench.ranked(files)
    return {
        "questions": len(questions),
        "paragraphs": report.added,
        "items": len(items),
        **{name: bench.metrics(run, relevant) for name, run in sorted(runs.items())},
    }


def _files(
    rankings: list[Ranking], items: dict[str, str], *, method: Method = "calibrated"
) -> list[str]:
    return [items[one.item_id] for one in fuse(rankings, method=method) if one.item_id in items]


def _alone(rankings: list[Ranking], items: dict[str, str]) -> dict[str, list[str]]:
    alone = {name: [r for r in rankings if r.name == name] for name in LISTS}
    alone["dense (chunks + sentences)"] = [r for r in rankings if r.name in LISTS[:2]]
    return {name: _files(some, items) for name, some in alone.items() if some}


if __name__ == "__main__":
    main()
