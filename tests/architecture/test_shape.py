"""The shape limits hold for this project, and each of them fires on code that breaks it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.check_shape import (
    Row,
    format_table,
    judge,
    main,
    measure_file,
    measure_tree,
    percentile,
)
from tests.conftest import ROOT

TYPED = "def f(a: int) -> int:\n    return a\n"


def _project(root: Path, source: str, tests: str = "") -> Path:
    for folder, text in (("src/pkg", source), ("tests", tests or source)):
        (root / folder).mkdir(parents=True)
        (root / folder / "module.py").write_text(text, encoding="utf-8")
    return root


def _failures(root: Path) -> dict[str, Row]:
    return {row.name: row for row in judge(measure_tree(root)) if not row.holds}


def test_the_project_keeps_its_limits() -> None:
    rows = judge(measure_tree(ROOT))

    assert all(row.holds for row in rows), format_table(rows)


def test_good_code_passes(tmp_path: Path) -> None:
    assert _failures(_project(tmp_path, TYPED)) == {}


@pytest.mark.parametrize(
    ("source", "name", "value"),
    [
        ("x = 1\n" * 401, "largest file, lines", "401"),
        ("def f() -> None:\n" + "    f()\n" * 60, "longest function, lines", "61"),
        ("def f() -> None:\n" + "    f()\n" * 40, "p95 function, lines", "41"),
        ("def f(a) -> None: ...\n", "functions not fully typed", "1"),
        ("def f(a: int): ...\n", "functions not fully typed", "1"),
        ("def f(*a, b: int) -> None: ...\n", "functions not fully typed", "1"),
        ("class A:\n    def f(self, a) -> None: ...\n", "functions not fully typed", "1"),
        ("try:\n    x = 1\nexcept Exception:\n    x = 2\n", "broad excepts per 1000 lines",
         "250.00"),
        ("try:\n    x = 1\nexcept:\n    x = 2\n", "broad excepts per 1000 lines", "250.00"),
        ("try:\n    x = 1\nexcept (OSError, BaseException):\n    x = 2\n",
         "broad excepts per 1000 lines", "250.00"),
        ("x = 1  # type: ignore[misc]  # a reason\n", "type-ignores per 1000 lines", "1000.00"),
        ("x = 1  # type: ignore[misc]\n", "type-ignores without code or reason", "2"),
        ("x = 1  # type: ignore  # a reason\n", "type-ignores without code or reason", "2"),
    ],
)  # fmt: skip
def test_code_that_breaks_a_limit_fails(tmp_path: Path, source: str, name: str, value: str) -> None:
    failures = _failures(_project(tmp_path, source))

    assert name in failures
    assert failures[name].value == value


def test_fewer_lines_of_tests_than_of_source_fail(tmp_path: Path) -> None:
    failures = _failures(_project(tmp_path, "x = 1\n" * 10, "x = 1\n" * 9))

    assert list(failures) == ["tests / source"]
    assert failures["tests / source"].value == "0.90"


def test_shipped_contract_suites_count_neither_as_source_nor_as_tests(tmp_path: Path) -> None:
    root = _project(tmp_path, "x = 1\n" * 10)
    (root / "src/pkg/testing").mkdir()
    (root / "src/pkg/testing/stores.py").write_text("x = 1\n" * 300, encoding="utf-8")

    assert _failures(root) == {}


def test_an_ignore_in_a_string_is_not_counted(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text('x = "# type: ignore"\n', encoding="utf-8")

    assert measure_file(file, tmp_path).type_ignores == ()


def test_a_failing_row_names_its_places(tmp_path: Path) -> None:
    table = format_table(judge(measure_tree(_project(tmp_path, "def f(a) -> None: ...\n"))))

    assert "FAIL  functions not fully typed" in table
    assert "src/pkg/module.py:1 f" in table


@pytest.mark.parametrize(
    ("values", "fraction", "expected"),
    [([], 0.95, 0), ([7], 0.95, 7), (list(range(1, 21)), 0.95, 19), ([1, 2, 3, 4], 0.5, 2)],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[int], fraction: float, expected: int
) -> None:
    assert percentile(values, fraction) == expected


def test_the_exit_status_says_whether_all_limits_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = _project(tmp_path / "good", TYPED)
    bad = _project(tmp_path / "bad", "def f(a): ...\n")

    assert main([str(good)]) == 0
    assert main([str(bad)]) == 1
    assert "FAIL" in capsys.readouterr().out


def test_the_script_runs_without_anything_installed(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-I", "-S", ROOT / "scripts/check_shape.py", _project(tmp_path, TYPED)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("ok    largest file, lines")
