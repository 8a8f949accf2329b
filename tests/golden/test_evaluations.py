"""Golden: evaluations as they are printed. Update with UPDATE_GOLDEN=1, and read the diff."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from florilegium.cli.eval_tables import print_comparison, print_report
from florilegium.comparison import compare
from tests.unit.evaluation_samples import report, result

FOLDER = Path(__file__).parent / "evaluations"
BEFORE = [
    *(result(f"t{n}", (0.0, 0.5, 1.0)[n % 3], direction="text->image") for n in range(12)),
    *(result(f"i{n}", (0.5, 1.0)[n % 2], direction="image->text") for n in range(6)),
    *(result(f"u{n}", None, confidence=n / 10) for n in range(8)),
]
AFTER = [
    *(result(f"t{n}", 1.0, direction="text->image", confidence=0.65) for n in range(12)),
    *(result(f"i{n}", (0.5, 1.0)[n % 2], direction="image->text") for n in range(6)),
    *(result(f"u{n}", None, confidence=n / 10) for n in range(8)),
]


def _check(name: str, shown: str) -> None:
    file = FOLDER / f"{name}.txt"
    text = "\n".join(line.rstrip() for line in shown.splitlines()) + "\n"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.exists(), "no golden file; make it with UPDATE_GOLDEN=1"
    assert text == file.read_text(encoding="utf-8")


def test_a_report_is_the_golden_one(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(report(BEFORE, missing=("gone.jpg",)))

    _check("report", capsys.readouterr().out)


def test_a_comparison_is_the_golden_one(capsys: pytest.CaptureFixture[str]) -> None:
    print_comparison(compare(report(BEFORE), report(AFTER), names=("before.json", "this run")))

    _check("comparison", capsys.readouterr().out)
