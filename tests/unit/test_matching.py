"""The statement that a filter becomes. That it finds the right items is in tests/property."""

from __future__ import annotations

from datetime import date

from florilegium.filters import Filter
from florilegium.matching import matching_statement
from florilegium.types import Modality


def test_an_empty_filter_has_no_condition() -> None:
    sql, values = matching_statement(Filter(), None, folders=[])

    assert sql.endswith("WHERE 1")
    assert values == ()


def test_values_never_stand_in_the_statement() -> None:
    wanted = Filter(
        folders=("roses",), suffixes=("jpg'",), labels=("it's",), since=date(2024, 6, 1),
        fields=(("x'y", "z'"),),
    )  # fmt: skip

    sql, values = matching_statement(wanted, Modality.IMAGE, folders=["roses", "it's"])

    assert sql.count("?") == len(values)
    assert not any(part in sql for part in ("jpg", "it's", "x'y", "z'"))


def test_any_day_fits_into_sqlites_numbers() -> None:
    _, values = matching_statement(Filter(until=date.max), None, folders=[])

    assert all(abs(value) < 2**63 for value in values if isinstance(value, int))
