"""Tables of what is survived: kills, power cuts, hostile input. For `make_numbers`."""

from __future__ import annotations

from typing import Any

from scripts.numbers_of import lines, origin, read


def kills_table() -> str:
    results = read("kills")
    found = results["results"]
    kinds = ", ".join(f"{count} {name}" for name, count in found["kills by kind"].items())
    return lines(
        f"{found['kills']} kills in {found['trials']} runs ({kinds}); {found['recovered']} of "
        f"{found['trials']} ended as a run without a kill; "
        f"{found['embeddings made again']} embeddings were made again. {origin(results)}",
        "",
        *rows(found["scenarios"], of="kills"),
    )


def power_table() -> str:
    results = read("power_loss")
    found = results["results"]
    return lines(
        f"{found['cuts']} cuts; {found['recovered']} ended as a run without a cut; "
        f"{found['embeddings made again']} embeddings were made again. {origin(results)}",
        "",
        *rows(found["scenarios"], of="cuts"),
    )


def fuzz_table() -> str:
    results = read("fuzz")
    found = results["results"]
    total = sum(one["executions"] for one in found)
    crashes = sum(one["crashes"] for one in found)
    return lines(
        f"{total:,} executions, {crashes} crashes. {origin(results)}",
        "",
        "| what is fed | seconds | executions | covered edges | inputs kept | crashes |",
        "|---|--:|--:|--:|--:|--:|",
        *(
            f"| {one['target']} | {one['seconds']} | {one['executions']:,} | {one['covered']} | "
            f"{one['corpus']} | {one['crashes']} |"
            for one in found
        ),
    )


def rows(scenarios: dict[str, Any], *, of: str) -> list[str]:
    return [
        f"| | {of} | recovered | seconds to recover, median | most | without |",
        "|---|--:|--:|--:|--:|--:|",
        *(
            f"| {name} | {one[of]} | {one['recovered']} of {one.get('trials', one[of])} | "
            f"{one['seconds to recover, median']} | {one['seconds to recover, most']} | "
            f"{one['seconds of an uninterrupted run']} |"
            for name, one in scenarios.items()
        ),
    ]


TABLES = {"fuzz": fuzz_table, "kills": kills_table, "power_loss": power_table}
