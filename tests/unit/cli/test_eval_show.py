"""`florilegium eval show` prints what was stored."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from florilegium.cli.app import app
from florilegium.evaluation_files import store_report
from tests.unit.cli.conftest import Run
from tests.unit.evaluation_samples import report, result


def _show(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["eval", "show", "--library", str(folder), *arguments])


def _store(folder: Path, *values: float, date: str) -> str:
    results = [result(str(n), value) for n, value in enumerate(values)]
    return store_report(report(results, date=date), folder / ".florilegium").name


def test_the_last_evaluation_is_shown(ingested: Run, folder: Path) -> None:
    _store(folder, 0.0, date="2026-11-25T08:00:00+00:00")
    name = _store(folder, 1.0, date="2026-11-26T08:00:00+00:00")

    shown = _show(folder)

    assert shown.exit_code == 0, shown.output
    assert "1.000" in shown.stdout
    assert name in shown.stderr


def test_two_stored_evaluations_are_compared(ingested: Run, folder: Path) -> None:
    before = _store(folder, 0.0, 0.0, date="2026-11-25T08:00:00+00:00")
    _store(folder, 1.0, 0.0, date="2026-11-26T08:00:00+00:00")

    data = json.loads(_show(folder, "last", "--against", before, "--json").stdout)

    (comparison,) = data["comparisons"]
    assert comparison["a"] == before
    assert {row["difference"] for row in comparison["rows"]} == {0.5}


def test_an_evaluation_that_is_not_there_is_exit_code_2(ingested: Run, folder: Path) -> None:
    shown = _show(folder, "gone")

    assert shown.exit_code == 2
    assert "There is no evaluation 'gone'." in shown.stderr
