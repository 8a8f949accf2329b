"""Write the numbers of benchmarks/results/ into the pages that quote them.

Usage: python scripts/make_numbers.py [--check]

A page holds them between `<!-- numbers: NAME -->` and `<!-- end of numbers -->`; what is there is
replaced. With --check nothing is written, and pages that are not current end with exit code 1.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGES = ("README.md", "docs/benchmarks.md", "docs/starter.md")
BLOCK = re.compile(r"(<!-- numbers: (\w+) -->\n).*?(<!-- end of numbers -->)", re.DOTALL)

TEXT_ROWS = {
    "words": "BM25 alone",
    "chunks": "paragraphs alone (dense)",
    "sentences": "best sentences alone (dense)",
    "dense (chunks + sentences)": "both dense lists",
    "reciprocal ranks": "all three by reciprocal ranks",
    "fused": "**fused by z-scores, as searched**",
}
RECALLS = ("R@1", "R@5", "R@10", "MRR")


def main() -> None:
    stale = []
    for name in PAGES:
        page = ROOT / name
        old = page.read_text(encoding="utf-8")
        new = fill(old)
        if new != old and "--check" in sys.argv:
            stale.append(name)
        elif new != old:
            page.write_text(new, encoding="utf-8")
            print(f"{name}: renewed")
    if stale:
        sys.exit(f"Not current: {', '.join(stale)}. Run `make docs`.")


def fill(text: str) -> str:
    """Return a page with all its blocks of numbers made anew."""
    return BLOCK.sub(lambda match: f"{match[1]}{TABLES[match[2]]()}{match[3]}", text)


def text_table() -> str:
    results = read("text_retrieval")
    rows = ["| | set | " + " | ".join(RECALLS) + " |", "|---|---|" + "--:|" * len(RECALLS)]
    for name, label in (("qa-en", "English"), ("qa-zh", "Chinese")):
        found = results["results"][name]
        for key, title in TEXT_ROWS.items():
            if key in found:
                rows.append(f"| {title} | {label} | {cells(found[key])} |")
    counts = " and ".join(
        f"{results['results'][name]['questions']} {label} questions over "
        f"{results['results'][name]['paragraphs']} paragraphs"
        for name, label in (("qa-en", "English"), ("qa-zh", "Chinese"))
    )
    return lines(f"{counts}; percent of questions. {origin(results)}", "", *rows)


def image_table() -> str:
    results = read("image_retrieval")
    stamps, flowers = results["results"]["stamps"], results["results"]["flowers5"]
    rows = ["| | queries | R@1 | R@5 | R@10 | MRR |", "|---|--:|--:|--:|--:|--:|"]
    for key, label in (
        ("caption to image, English", "caption → image, English"),
        ("caption to image, Chinese of the data", "caption → image, Chinese of the data"),
        (
            "caption to image, our Chinese",
            "caption → image, Chinese that we wrote for what the starter has names for",
        ),
        ("image to caption, English", "image → caption, English"),
    ):
        found = stamps[key]
        if found["queries"]:
            rows.append(f"| {label} | {found['queries']} | {cells(found.get('fused', found))} |")
            alone = found.get("by the image-text space alone")
            if alone:
                rows.append(f"| the same, image-text space alone | | {cells(alone)} |")
    return lines(
        f"{stamps['pictures']} small pictures of things under names that say nothing; percent. "
        f"{origin(results)}",
        "",
        *rows,
        "",
        f"Image → image, {flowers['pictures']} photos of five kinds of flowers: of the five "
        f"nearest, {flowers['precision@5']} % are of the same kind (leave one out, all photos "
        "as queries).",
    )


def refusal_table() -> str:
    results = read("refusal")
    rows = ["| questions | English library | Chinese library |", "|---|--:|--:|"]
    english, chinese = results["results"]["qa-en"], results["results"]["qa-zh"]
    for kind in english:
        if kind == "threshold":
            continue
        shares = [
            f"{side[kind]['refused %']} % of {side[kind]['questions']}" if kind in side else "–"
            for side in (english, chinese)
        ]
        rows.append(f"| {kind} | {' | '.join(shares)} |")
    return lines(
        f"Refused at the shipped threshold of {english['threshold']}. {origin(results)}",
        "",
        *rows,
    )


def speed_table() -> str:
    results = read("ingest_speed")
    start, found = results["results"]["start-up"], results["results"]
    rows = [
        "| | files | files/s | inputs encoded | peak memory | again, nothing changed |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for key, label in (
        ("pictures", "pictures, 500 × 375 JPEG"),
        ("texts", "texts, a paragraph each"),
    ):
        one = found[key]
        rows.append(
            f"| {label} | {one['files']} | {one['files/s, median']} | {one['inputs encoded']} | "
            f"{one['peak memory MB, median']} MB | "
            f"{one['unchanged files again: seconds in ingest']} s |"
        )
    return lines(
        f"`{start['command']}` takes {start['median ms']} ms. {origin(results)}", "", *rows
    )


def store_table() -> str:
    results = json.loads((RESULTS / "store_recall.json").read_text(encoding="utf-8"))
    rows = [
        "| vectors, 512-d | recall@10 | p50 | p95 | adds/s | exact in numpy, p50 |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    rows += [
        (
            f"| {one['count']:,} {one['vectors']} | {one['recall_at_10']:.3f} | "
            f"{one['p50_ms']:.1f} ms | {one['p95_ms']:.1f} ms | "
            f"{one['adds_per_second']:.0f} | {one['exact_numpy_p50_ms']:.1f} ms |"
        )
        for one in results["results"]
    ]
    return lines(*rows)


def cells(found: dict[str, float]) -> str:
    return " | ".join(f"{found[name]:.1f}" for name in RECALLS)


def origin(results: dict[str, Any]) -> str:
    machine = results["machine"]
    return (
        f"`{results['command'].strip()}`, {results['date']}, {machine['cores']} cores of "
        f"{machine['processor']}."
    )


def lines(*rows: str) -> str:
    return "".join(f"{row}\n" for row in rows)


def read(name: str) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return results


TABLES = {
    "text": text_table,
    "image": image_table,
    "refusal": refusal_table,
    "speed": speed_table,
    "store": store_table,
}


if __name__ == "__main__":
    main()
