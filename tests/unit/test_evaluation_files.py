"""Evaluations are stored under their time, and found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.errors import ConfigError, StoreError
from florilegium.evaluation_files import find_report, read_report, store_report, stored_reports
from tests.unit.evaluation_samples import report, result

RESULTS = [result("a", 1.0)]


def test_a_stored_report_is_read_again(tmp_path: Path) -> None:
    made = report(RESULTS, name="my queries")

    file = store_report(made, tmp_path)

    assert file == tmp_path / "evaluations" / "20261126T080000-my-queries.json"
    assert read_report(file) == made


def test_reports_of_one_second_do_not_overwrite_each_other(tmp_path: Path) -> None:
    names = [store_report(report(RESULTS), tmp_path).name for _ in range(3)]

    assert names == [
        "20261126T080000-queries.json",
        "20261126T080000-queries-02.json",
        "20261126T080000-queries-03.json",
    ]
    assert [file.name for file in stored_reports(tmp_path)] == names


def test_last_is_the_newest_that_was_not_made_to_be_compared(tmp_path: Path) -> None:
    store_report(report(RESULTS, date="2026-11-25T08:00:00+00:00", name="z"), tmp_path)
    newest = store_report(report(RESULTS), tmp_path)
    store_report(report(RESULTS, name="queries-k=v"), tmp_path, compared=True)

    assert find_report("last", tmp_path) == newest


def test_a_report_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    file = store_report(report(RESULTS), tmp_path)
    compared = store_report(report(RESULTS, name="k=v"), tmp_path, compared=True)

    assert find_report(file.name, tmp_path) == file
    assert find_report(file.stem, tmp_path) == file
    assert find_report(str(file), tmp_path) == file
    assert find_report(compared.stem, tmp_path) == compared


def test_a_name_without_letters_gets_one(tmp_path: Path) -> None:
    assert store_report(report(RESULTS, name="../.."), tmp_path).name.endswith("-queries.json")


@pytest.mark.parametrize(
    ("which", "message"), [("last", "no stored evaluation"), ("gone", "no evaluation 'gone'")]
)
def test_what_is_not_stored_is_an_error(tmp_path: Path, which: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_report(which, tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "evaluations").write_text("a file", encoding="utf-8")

    with pytest.raises(StoreError, match="cannot be written"):
        store_report(report(RESULTS), tmp_path)


def test_a_report_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.json.* cannot be read"):
        read_report(tmp_path / "gone.json")
