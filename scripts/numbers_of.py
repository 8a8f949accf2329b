"""Read result files of benchmarks and write them as rows, for the tables of the documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
RECALLS = ("R@1", "R@5", "R@10", "MRR")


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
