"""Tables of how well and how fast libraries are searched, for `make_numbers`."""

from __future__ import annotations

from typing import Any

from scripts.numbers_of import lines, origin, read

KINDS = {
    "mean of kinds": "mean",
    "caption, written": "captions, written beside",
    "caption, not written": "captions, not written",
    "question": "questions",
    "question, Chinese": "Chinese questions",
    "photo": "photos",
}
# What the encoders read, so that vectors alone can find it.
READ_BY_ALL = ("caption, written", "caption, not written", "question", "photo")
STEPS = ("vectors", "words", "fusion", "links", "filter")


def store_table() -> str:
    return lines(*store_rows(read("store_recall")["results"]))


def mixed_table() -> str:
    results = read("mixed_library")
    return lines(origin(results), "", *mixed_rows(results["results"]))


def small_table() -> str:
    results = read("small_libraries")
    said = f"nDCG@5 of pictures / of texts, percent. {origin(results)}"
    return lines(said, "", *small_rows(results["results"]))


def latency_table() -> str:
    results = read("search_latency")
    return lines(origin(results), "", *latency_rows(results["results"]))


def store_rows(results: list[dict[str, Any]]) -> list[str]:
    """Return what a vector store finds, and how fast."""
    return [
        "| vectors, 512-d | recall@10 | p50 | p95 | adds/s | exact in numpy, p50 |",
        "|---|--:|--:|--:|--:|--:|",
        *(
            f"| {one['count']:,} {one['vectors']} | {one['recall_at_10']:.3f} | "
            f"{one['p50_ms']:.1f} ms | {one['p95_ms']:.1f} ms | "
            f"{one['adds_per_second']:.0f} | {one['exact_numpy_p50_ms']:.1f} ms |"
            for one in results
        ),
    ]


def mixed_rows(results: dict[str, Any]) -> list[str]:
    """Return nDCG@10 of each way to rank a mixed library, in the real space and a simulated one."""
    rows: list[str] = []
    means = ("mean without Chinese", "R@1", "R@5")
    for part, title in (
        ("starter encoder", "With the starter encoder"),
        ("simulated CLIP", "**Simulated**: drawn vectors with the modality gap of CLIP"),
    ):
        found = results[part]
        against = found["ours minus the others, nDCG@10"]
        rows += [
            f"{title}; nDCG@10 in percent, and R@1 and R@5 as means of kinds:",
            "",
            f"| | {' | '.join([*KINDS.values(), *means])} | ours minus it |",
            "|---|" + "--:|" * (len(KINDS) + len(means) + 1),
        ]
        for way, values in found["ways"].items():
            cells = [f"{values[kind]['nDCG@10']:.1f}" for kind in KINDS]
            read_by_all = [values[kind]["nDCG@10"] for kind in READ_BY_ALL]
            cells.append(f"{sum(read_by_all) / len(read_by_all):.1f}")
            cells += [f"{values['mean of kinds'][metric]:.1f}" for metric in ("R@1", "R@5")]
            difference = against.get(way)
            name = way if difference else f"**{way}**"
            rows.append(f"| {name} | {' | '.join(cells)} | {_difference(difference)} |")
        rows.append("")
    return rows[:-1]


def small_rows(results: dict[str, Any]) -> list[str]:
    """Return how small libraries are searched, calibrated and by ranks."""
    ways = list(next(iter(results.values()))["ways"])
    rows = [
        f"| library | {' | '.join(ways)} | p of ours against ranks |",
        "|---|" + "--:|" * (len(ways) + 1),
    ]
    for size, found in results.items():
        cells = [
            f"{one['nDCG@5, pictures']:.1f} / {one['nDCG@5, texts']:.1f}"
            for one in found["ways"].values()
        ]
        p = found["p of calibrated against ranks"]
        rows.append(f"| {size} | {' | '.join(cells)} | {p} |")
    return rows


def latency_rows(results: dict[str, Any]) -> list[str]:
    """Return how long whole searches take, and the share of the steps that take longest."""
    title = f"{results['pictures']:,} pictures, {results['texts']:,} texts"
    measured = "p50 | p95 | encoding, p50 | calibration, a list"
    rows = [
        f"| {title} | {measured} | {' | '.join(STEPS)} |",
        "|---|--:|--:|--:|--:|" + "--:|" * len(STEPS),
    ]
    for kind, one in results["searches"].items():
        shares = one["share of each step, %"]
        cells = [f"{shares[step]:.0f} %" if step in shares else "" for step in STEPS]
        rows.append(
            f"| {kind} | {one['p50 ms']:.0f} ms | {one['p95 ms']:.0f} ms | "
            f"{one['encoding, p50 ms']:.1f} ms | {one['calibration, ms a list']:.2f} ms | "
            f"{' | '.join(cells)} |"
        )
    first = results["first search after opening, ms"]
    before, after = results["load average before"], results["load average after"]
    load = f"Load average {before} before and {after} after, on two cores."
    return [
        *rows,
        "",
        f"The first search after opening takes {first / 1000:.1f} s. {load}",
    ]


def _difference(found: dict[str, Any] | None) -> str:
    if found is None:
        return "–"
    low, high = found["95 % interval"]
    return f"{found['difference']:+.1f} ({low:+.1f} to {high:+.1f}, p = {found['p, corrected']:g})"


TABLES = {
    "store": store_table,
    "mixed": mixed_table,
    "small": small_table,
    "latency": latency_table,
}
