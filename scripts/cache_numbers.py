"""The table of the benchmark of the embedding cache."""

from __future__ import annotations

from scripts.numbers_of import lines, origin, read


def cache_table() -> str:
    results = read("embedding_cache")
    found = results["results"]
    rows = [
        "| vectors | bytes a row | before | 32 rows put | before | a row read | before |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    waits = []
    for shape, ways in found["shapes"].items():
        now, before = ways["now"], ways["before"]
        waits.append(now["of it waiting for the disk, ms"])
        cells = [f"{one['bytes a row']:,}" for one in (now, before)] + [
            f"{one[key]} {unit}"
            for key, unit in (("putting 32 rows, ms", "ms"), ("getting a row, µs", "µs"))
            for one in (now, before)
        ]
        rows.append(f"| {shape} | {' | '.join(cells)} |")
    migration, pruning = found["migration of a file of schema 0"], found["pruning half"]
    demo = found["demo library, bytes"]
    count = found["rows of each shape"]
    return lines(
        f"{count:,} rows of each shape. {origin(results)}",
        "",
        *rows,
        "",
        f"Of putting 32 rows, {min(waits)} to {max(waits)} ms is waiting for the disk. The cache "
        f"of the demo library, {demo['rows']} rows, takes {demo['now'] / 1e6:.1f} MB; it took "
        f"{demo['before'] / 1e6:.1f} MB. Bringing a file of {count:,} pictures from schema 0, "
        f"{migration['bytes before'] / 1e6:.0f} MB, took {migration['seconds']} s, and pruning "
        f"half of a file of {count:,} texts {pruning['seconds']} s.",
    )


TABLES = {"cache": cache_table}
