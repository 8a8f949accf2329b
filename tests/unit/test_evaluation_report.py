"""Reports come back from JSON as they went in."""

from __future__ import annotations

import json

import pytest

from florilegium.errors import ConfigError
from florilegium.evaluation_report import report_from_json, report_to_json
from tests.unit.evaluation_samples import report, result

REPORT = report([result("a", 1.0), result("b", 0.5), result("c", None, confidence=0.1)])


def test_a_report_comes_back_as_it_was() -> None:
    data = json.dumps(report_to_json(REPORT)).encode()

    assert report_from_json(data, name="x.json") == REPORT


def test_the_json_is_plain() -> None:
    plain = report_to_json(REPORT)

    assert plain["format"] == 1
    assert plain["total"]["metrics"]["MRR"] == 0.75
    assert [one["id"] for one in plain["results"]] == ["a", "b", "c"]
    assert plain["results"][2]["rank"] is None


def test_a_report_of_a_later_format_is_refused() -> None:
    data = json.dumps(report_to_json(REPORT) | {"format": 2}).encode()

    with pytest.raises(ConfigError, match="format is 2, not 1"):
        report_from_json(data, name="x.json")


@pytest.mark.parametrize(
    ("data", "named"), [(b"{}", "name"), (b"nonsense", "the file"), (b"[1]", "the file")]
)
def test_what_is_no_report_is_named(data: bytes, named: str) -> None:
    with pytest.raises(ConfigError, match=rf"'x\.json' cannot be used: {named}: "):
        report_from_json(data, name="x.json")
