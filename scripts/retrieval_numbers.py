"""The tables of benchmarks on fusion, the gate, composed queries and large libraries."""

from __future__ import annotations

from typing import Any

from scripts.numbers_of import lines, origin, read

GATE_SETS = {"English": "English", "Chinese": "Chinese", "all": "both"}
GATE_SHOWN = ("0.3", "0.5", "0.6", "0.7", "0.8")


def gate_table() -> str:
    results = read("fit_gate")
    found = results["results"]
    rows = [
        "| threshold | set | precision | recall | wrongly refused |",
        "|--:|---|--:|--:|--:|",
    ]
    for at in GATE_SHOWN:
        for key, label in GATE_SETS.items():
            one = found[key]["curve"][at]
            shown = f"**{at}**" if float(at) == found["threshold"] else at
            rows.append(
                f"| {shown} | {label} | {100 * one['precision']:.1f} | "
                f"{100 * one['recall']:.1f} | {one['wrongly refused %']:.1f} |"
            )
    both = found["all"]
    head = (
        f"{both['answered']} questions that the indexed half of the subjects answers, "
        f"{both['foreign']} on the other half or on neither; the constants were fitted on the "
        "other half each time; percent. Precision is that of refusing if one question in ten is "
        f"foreign. {origin(results)}"
    )
    tail = (
        f"Of {both['on topic, unanswered']} questions on the subjects that no text answers, the "
        f"shipped threshold refuses {both['of these refused %']:.1f} %."
    )
    return lines(head, "", *rows, "", tail)


def composed_table() -> str:
    results = read("composed_queries")
    several = results["results"]["several pictures, precision@5 %"]
    rows = ["| pictures in one query | 1 | 2 | 3 | 5 |", "|---|--:|--:|--:|--:|"]
    counts = [f"{count} pictures" for count in (1, 2, 3, 5)]
    for way in several[counts[0]]:
        cells = " | ".join(f"{several[count][way]:.1f}" for count in counts)
        rows.append(f"| {way} | {cells} |")
    return lines(
        f"Photos of the same flower among the five best, percent; {several['draws']} draws from "
        f"{several['photos']} photos. {origin(results)}",
        "",
        *rows,
        "",
        *_unwanted(results["results"]["unwanted terms, mean average precision %"]),
    )


def _unwanted(found: dict[str, Any]) -> list[str]:
    rows = [
        f"An unwanted word; mean average precision, percent, over {found['tasks']} pairs:",
        "",
        "| | over pictures | over captions |",
        "|---|--:|--:|",
    ]
    for way, value in found["pictures"].items():
        rows.append(f"| {way} | {value:.1f} | {found['captions'][way]:.1f} |")
    return rows


def learnt_table() -> str:
    results = read("learnt_names")
    rows = [
        (
            "| photos a kind | | named rightly | precision@5 | nameless: precision@5 | "
            "nameless: surely named | used |"
        ),
        "|--:|---|--:|--:|--:|--:|--:|",
    ]
    for count, parts in results["results"].items():
        for part, found in parts.items():
            for state in ("off", "on"):
                cells = [
                    found.get(f"{state}, {what}")
                    for what in (
                        "named rightly %",
                        "precision@5 of named %",
                        "precision@5 of nameless %",
                        "nameless surely named %",
                    )
                ]
                shown = " | ".join("" if one is None else f"{one:.1f}" for one in cells)
                used = f"{found['used %']:.0f}" if state == "on" else ""
                rows.append(f"| {count} | {part}, {state} | {shown} | {used} |")
    return lines(f"Percent, means of three draws. {origin(results)}", "", *rows)


TABLES = {"gate": gate_table, "composed": composed_table, "learnt": learnt_table}
