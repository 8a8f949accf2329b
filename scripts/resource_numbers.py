"""The table of the benchmark of memory, second ingests and many queries."""

from __future__ import annotations

from typing import Any

from scripts.numbers_of import lines, origin, read

RUNS = {
    "first": "first ingest",
    "unchanged": "again, nothing changed",
    "top folder renamed": "top folder renamed",
    "every file renamed": "every file renamed",
}
LIBRARIES = {"fake": "fake encoder", "starter": "starter"}
HEADS = (
    "files",
    "seconds",
    "of it at the folder",
    "in `stat`",
    "in the store's lists",
    "encoder calls",
    "pictures decoded",
    "most memory",
)
POINTS = 6


def resources_table() -> str:
    """Return what each ingest took, how memory grew, and what many queries left behind."""
    results = read("resources")
    found = results["results"]
    rows = [
        f"| | {' | '.join(HEADS)} |",
        "|---|" + "--:|" * len(HEADS),
    ]
    for library, name in LIBRARIES.items():
        for run, label in RUNS.items():
            rows.append(run_row(f"{name}, {label}", found[library]["files"], found[library][run]))
    curves = [
        curve_line("fake encoder, first ingest", found["fake"]["first"], "files"),
        curve_line("Chroma alone with as many records", found["store alone"], "files"),
        curve_line("starter, first ingest", found["starter"]["first"], "files"),
        curve_line("starter, queries", found["queries"], "queries"),
    ]
    return lines(origin(results), "", *rows, "", *curves, "", query_line(found["queries"]))


def run_row(label: str, files: int, one: dict[str, Any]) -> str:
    images, texts = one["calls of encode_images"], one["calls of encode_texts"]
    cells = (
        f"{files}",
        f"{one['seconds']:g}",
        f"{one['seconds of looking at the folder']:.2f}",
        f"{one['seconds of stat calls']:.2f} ({one['stat calls']} calls)",
        f"{one['seconds of the store listing its records']:.2f}",
        f"{images} of pictures, {texts} of texts" if images + texts else "0",
        f"{one['pictures decoded']}",
        f"{one['memory MB, most seen']:.0f} MB",
    )
    return f"| {label} | {' | '.join(cells)} |"


def curve_line(label: str, one: dict[str, Any], unit: str) -> str:
    curve = one[f"memory MB by {unit}"]
    last = len(curve) - 1
    points = [curve[round(last * place / (POINTS - 1))] for place in range(POINTS)]
    said = ", ".join(f"{megabytes:.0f} after {count}" for count, megabytes in points)
    return f"- {label}: MB {said}; {one[f'MB per 1,000 {unit}']:.2f} MB per 1,000 {unit}."


def query_line(one: dict[str, Any]) -> str:
    states = {"before": "before", "after": "after", "after close": "after `close`"}
    said = "; ".join(
        f"{label} {one[state]['memory MB']:.0f} MB, {one[state]['open files']} open files and "
        f"{one[state]['threads']} threads"
        for state, label in states.items()
    )
    return f"{one['queries']} queries in {one['seconds']:g} s: {said}."


TABLES = {"resources": resources_table}
