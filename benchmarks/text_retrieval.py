"""Question to paragraph: dense, lexical and fused rankings of the offline profile.

Usage: python -m benchmarks.text_retrieval [--data FOLDER] [--out FOLDER]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import bench
from florilegium import Library, Modality
from florilegium.fusion import Ranking, fuse
from florilegium.retrieve import Search
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
            search = Search(query, index=library.index, candidates=100)
            fused = [items[one.item_id] for one in search.run() if one.item_id in items]
            ranked = {"fused": fused, **_alone(search.rankings, items)}
            lists = [ranking for ranking in search.rankings if ranking.name in LISTS]
            ranked["reciprocal ranks"] = [items[item] for item in reciprocal_ranks(lists)]
            for name, files in ranked.items():
                runs.setdefault(name, {})[str(number)] = bench.ranked(files)
    return {
        "questions": len(questions),
        "paragraphs": report.added,
        "items": len(items),
        **{name: bench.metrics(run, relevant) for name, run in sorted(runs.items())},
    }


def reciprocal_ranks(rankings: list[Ranking]) -> list[str]:
    """Return item ids by reciprocal rank fusion (Cormack et al. 2009), for comparison."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        order = sorted(ranking.scores, key=lambda item: (-ranking.scores[item], item))
        for rank, item in enumerate(order, start=1):
            scores[item] = scores.get(item, 0.0) + 1.0 / (60 + rank)
    return sorted(scores, key=lambda item: (-scores[item], item))


def _alone(rankings: list[Ranking], items: dict[str, str]) -> dict[str, list[str]]:
    alone = {name: [r for r in rankings if r.name == name] for name in LISTS}
    alone["dense (chunks + sentences)"] = [r for r in rankings if r.name in LISTS[:2]]
    return {
        name: [items[one.item_id] for one in fuse(some)] for name, some in alone.items() if some
    }


if __name__ == "__main__":
    main()
