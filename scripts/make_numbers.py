"""Write the numbers of benchmarks/results/ into the pages that quote them.

Usage: python -m scripts.make_numbers [--check]

A page holds them between `<!-- numbers: NAME -->` and `<!-- end of numbers -->`; what is there is
replaced. With --check nothing is written, and pages that are not current end with exit code 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from scripts import (
    cache_numbers,
    concurrency_numbers,
    gpu_numbers,
    kill_numbers,
    readme_numbers,
    resource_numbers,
    retrieval_numbers,
    search_numbers,
)
from scripts.numbers_of import ROOT, lines, origin, read

PAGES = ("README.md", "README.zh-CN.md", "docs/benchmarks.md", "docs/starter.md")
WAYS = {
    "xllamacpp": "llama.cpp in process, called directly",
    "llama_cpp": "**`llama_cpp`**",
    "httpx": "llama.cpp's server, called directly",
    "openai": "**`openai`**",
}
BLOCK = re.compile(r"(<!-- numbers: (\w+) -->\n).*?(<!-- end of numbers -->)", re.DOTALL)


def main() -> None:
    stale = []
    for name in PAGES:
        page = ROOT / name
        old = page.read_text(encoding="utf-8")
        new = fill(old, name)
        if new != old and "--check" in sys.argv:
            stale.append(name)
        elif new != old:
            page.write_text(new, encoding="utf-8")
            print(f"{name}: renewed")
    if stale:
        sys.exit(f"Not current: {', '.join(stale)}. Run `make docs`.")


def fill(text: str, page: str) -> str:
    """Return a page with all its blocks of numbers made anew, in the language of its name."""
    tables = readme_numbers.CHINESE if page.endswith(".zh-CN.md") else TABLES
    return BLOCK.sub(lambda match: f"{match[1]}{tables[match[2]]()}{match[3]}", text)


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


CLIP_KINDS = {
    "small": "500 × 375, pictures/s",
    "large": "4000 × 3000, pictures/s",
    "queries": "short texts/s",
    "documents": "documents/s",
}


def clip_table() -> str:
    """Return who encodes how much in a second, and what its vectors are worth."""
    results = read("clip_speed")
    found = results["results"]
    rows = [
        "| | " + " | ".join(CLIP_KINDS.values()) + " | least cosine to fp32, small and large |",
        "|---|" + "--:|" * (len(CLIP_KINDS) + 1),
    ]
    for name, one in found["contestants"].items():
        rates = [rate_cell(one[kind]) for kind in CLIP_KINDS]
        against = one.get("vectors against our fp32") or one.get(
            "vectors against the article's way"
        )
        cosines = (
            " and ".join(f"{against[kind]['cosine, least']:.4f}" for kind in ("small", "large"))
            if against
            else "–"
        )
        rows.append(f"| {name} | {' | '.join(rates)} | {cosines} |")
    inputs = found["inputs"]
    return lines(
        f"{inputs['small']['count']} pictures of each size; medians of {found['rounds']} rounds in "
        f"turns; in brackets, times the article's way. Random weights. {origin(results)}",
        "",
        *rows,
        "",
        *ingest_lines(found["contestants"]),
        *(f"- Left out: {name}. {reason}" for name, reason in found["left out"].items()),
    )


def ingest_lines(contestants: dict[str, Any]) -> list[str]:
    return [
        f"- {name}, a whole ingest with its store, in brackets against the article's way without "
        f"one: {rate_cell(one['ingest small'])} small and {rate_cell(one['ingest large'])} large "
        "pictures/s."
        for name, one in contestants.items()
        if "ingest small" in one
    ]


def rate_cell(found: dict[str, Any]) -> str:
    rate = found["per second, median"]
    times = found.get("times the article's way")
    return f"{rate:g} ({times:g})" if times else f"{rate:g}"


def clip_stages_table() -> str:
    """Return where the time goes, and how far the forward pass is from what can be done."""
    found = read("clip_speed")["results"]
    stages = ("decode", "prepare", "decode and prepare", "forward", "store", "catalog")
    rows = [
        "| | size | " + " | ".join(stages) + " | forward alone, pictures/s | of the ceiling |",
        "|---|---|" + "--:|" * (len(stages) + 2),
    ]
    for name, one in found["contestants"].items():
        for size in ("small", "large"):
            spent = {**one[size]["ms of work per input"]}
            spent |= one.get(f"ingest {size}", {}).get("ms of work per input", {})
            cells_of_stages = [f"{spent[stage]:g}" if stage in spent else "" for stage in stages]
            alone = ["", ""]
            if size == "small":
                forward = one["forward"]
                alone = [f"{forward['per second, median']:g}", f"{forward['% of the ceiling']:g} %"]
            rows.append(f"| {name} | {size} | {' | '.join([*cells_of_stages, *alone])} |")
    ceiling = found["ceiling"]
    most = ", ".join(f"{rate} in {name}" for name, rate in ceiling["GFLOP/s"].items())
    return lines(
        "Milliseconds of work per picture, added up over all threads; rclip's and ours do their "
        f"stages at the same time. A picture needs {ceiling['GFLOP per picture']} GFLOP, and the "
        f"fastest matrix products of any engine in the same run reached {most} GFLOP/s.",
        "",
        *rows,
    )


def memory_table() -> str:
    results = read("ingest_memory")
    rows = ["| encoder | pictures | peak memory | seconds |", "|---|---|--:|--:|"]
    said = []
    for name, one in results["results"].items():
        for size in ("12 megapixels", "500 × 375"):
            for count, found in one[size].items():
                rows.append(
                    f"| {name} | {count} of {size} | {found['peak memory MB']} MB | "
                    f"{found['seconds']} |"
                )
        key = next(key for key in one if key.startswith("peak memory MB expected"))
        each = one["kB per picture in the index"]
        said.append(f"{name}: {each} kB per picture in the index; {key}: {one[key]}.")
    return lines(origin(results), "", *rows, "", *said)


def isolation_table() -> str:
    results = read("isolation")
    rows = [
        "| | files | with workers | without | ratio | processor time, ratio |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for label, found in results["results"].items():
        workers, direct = found["seconds"]["median"].values()
        rows.append(
            f"| {label} | {found['files']} | {workers:.2f} s | {direct:.2f} s | "
            f"{found['seconds']['ratio']:.2f} | {found['processor seconds']['ratio']:.2f} |"
        )
    return lines(origin(results), "", *rows)


def chat_table() -> str:
    speed, memory = read("chat_speed"), read("chat_memory")
    results = speed["results"]
    few, many = memory["results"]["requests"]
    rows = [
        f"| way to the reply | first token | tokens/s | memory after {few} | after {many} asked |",
        "|---|--:|--:|--:|--:|",
    ]
    for way, found in results["ways"].items():
        held = memory["results"]["ways"][way]
        rows.append(
            f"| {WAYS[way]} | {found['first token, median ms']:.0f} ms | "
            f"{found['tokens/s, median']:.1f} | {held[f'RSS MB after {few}']} MB | "
            f"{held[f'RSS MB after {many}']} MB |"
        )
    said = [
        f"{pair}: time to first token × {ratio['first token, ms']}, tokens/s × {ratio['tokens/s']}."
        for pair, ratio in results["ours over what it stands on"].items()
    ]
    model, rounds = results["model"], results["rounds"]
    return lines(
        origin(speed),
        origin(memory),
        f"{model}, {results['threads']} thread, {rounds} rounds; medians, and medians of the "
        "ratios within a round.",
        "",
        *rows,
        "",
        *said,
    )


NAMING = {
    "1 nearest": "the nearest photo",
    "5 nearest": "vote of the 5 nearest",
    "10 nearest": "vote of the 10 nearest",
    "vote": "the library's vote (standardised, 10 nearest)",
    "ridge probe": "ridge probe, penalty 1",
    "adapter": "adapter alone",
    "blend": "**vote and adapter, where its own test says that it helps**",
}


def identification_table() -> str:
    results = read("identification")
    found = results["results"]
    counts = list(found["flowers5"])
    heads = [f"{count} a kind" for count in counts]
    rows = [
        f"| | {' | '.join(heads)} | drawings by category |",
        "|---|" + "--:|" * (len(heads) + 1),
    ]
    for way, label in NAMING.items():
        sides = [*(found["flowers5"][count]["ways"][way] for count in counts)]
        said = [naming_cell(one) for one in [*sides, found["stamps"]["ways"][way]]]
        rows.append(f"| {label} | {' | '.join(said)} |")
    whole = [found["flowers5, by the library itself"][count]["accuracy %"] for count in counts]
    rows.append(f"| the library's vote, end to end, one seed | {' | '.join(map(str, whole))} | |")
    return lines(
        f"Right first names in percent ± deviation over {found['seeds']} random choices of the "
        f"photos with a name; in brackets the expected calibration error. {origin(results)}",
        "",
        *rows,
    )


def naming_cell(one: dict[str, float]) -> str:
    accuracy, deviation = one["accuracy %"], one["accuracy %, deviation"]
    return f"{accuracy} ± {deviation} ({one['calibration error %']})"


def adapted_table() -> str:
    found = read("identification")["results"]
    rows = ["| of the five first, of the same kind, % | cosine | adapted list | both, fused |"]
    rows.append("|---|--:|--:|--:|")
    ways = ("cosine", "adapted", "both lists, fused")
    for count in found["flowers5"]:
        first = found["flowers5"][count]["precision@5"]
        other = found["unseen"][count]["precision@5"]
        sides = {"all five named": [first[way] for way in ways]}
        for part, label in (("seen", "a named kind"), ("unseen", "a nameless kind")):
            sides[f"three of five named: {label}"] = [other[f"{way}, {part}"] for way in ways]
        for label, side in sides.items():
            rows.append(f"| {count} a kind, {label} | {' | '.join(str(v['%']) for v in side)} |")
    sure = [
        f"{count}: {found['unseen'][count]['ways']['vote']['unseen: sure of a name %']} % by the "
        f"vote, {found['unseen'][count]['ways']['blend']['unseen: sure of a name %']} % blended"
        for count in found["unseen"]
    ]
    seconds = ", ".join(f"{size}: {spent} s" for size, spent in found["training"].items())
    return lines(
        *rows,
        "",
        f"Photos of nameless kinds that are given a name with more than half of the confidence, by "
        f"photos a kind: {'; '.join(sure)}. Training takes {seconds}.",
    )


TABLES: dict[str, Callable[[], str]] = {
    **cache_numbers.TABLES,
    **gpu_numbers.TABLES,
    **kill_numbers.TABLES,
    **resource_numbers.TABLES,
    **concurrency_numbers.TABLES,
    **readme_numbers.TABLES,
    **retrieval_numbers.TABLES,
    **search_numbers.TABLES,
    "refusal": refusal_table,
    "speed": speed_table,
    "clip": clip_table,
    "clip_stages": clip_stages_table,
    "memory": memory_table,
    "isolation": isolation_table,
    "chat": chat_table,
    "identification": identification_table,
    "adapted": adapted_table,
}


if __name__ == "__main__":
    main()
