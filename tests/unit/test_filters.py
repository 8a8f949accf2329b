"""What users write becomes a filter, or an error that says what was expected."""

from __future__ import annotations

from datetime import date

import pytest

from florilegium.errors import InvalidQueryError
from florilegium.filters import Filter, by_name, is_within, parse_filter, place, suffix_key


def test_a_filter_without_values_is_empty() -> None:
    assert Filter().is_empty
    assert not Filter(labels=("rose",)).is_empty
    assert parse_filter().is_empty


def test_strings_become_a_filter() -> None:
    parsed = parse_filter(
        folders=["roses/2024"],
        suffixes=["JPG"],
        labels=["Dog rose"],
        since="2024-06-01",
        until="2024-06-30",
        fields=["creator = Ana", "url=a=b"],
    )

    assert parsed == Filter(
        folders=("roses/2024",),
        suffixes=("JPG",),
        labels=("Dog rose",),
        since=date(2024, 6, 1),
        until=date(2024, 6, 30),
        fields=(("creator", "Ana"), ("url", "a=b")),
    )


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"folders": ["../other"]}, "../other"),
        ({"folders": ["/srv/pictures"]}, "/srv/pictures"),
        ({"folders": ["C:\\pictures"]}, "pictures"),
        ({"folders": [" "]}, "' '"),
        ({"suffixes": ["."]}, "'.'"),
        ({"suffixes": ["a/b"]}, "a/b"),
        ({"labels": [""]}, "label"),
        ({"since": "June"}, "June"),
        ({"until": "2024-02-30"}, "2024-02-30"),
        ({"since": "2024-06-02", "until": "2024-06-01"}, "2024-06-02"),
        ({"fields": ["creator"]}, "creator"),
        ({"fields": ["=Ana"]}, "=Ana"),
        ({"fields": ["creator= "]}, "creator"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(wrong: dict[str, list[str]], named: str) -> None:
    with pytest.raises(InvalidQueryError) as refused:
        parse_filter(**wrong)  # type: ignore[arg-type]  # the values differ in kind

    assert named in refused.value.message.replace("\\\\", "\\")
    assert refused.value.hint


def test_an_empty_pair_is_refused() -> None:
    with pytest.raises(InvalidQueryError, match="''"):
        Filter(fields=(("", "x"),))


@pytest.mark.parametrize(
    ("folder", "wanted", "within"),
    [
        ("roses", "roses", True),
        ("roses/2024", "roses/", True),
        ("roses2", "roses", False),
        ("a/roses", "roses", False),
        ("roses/2024", "roses\\2024", True),
        ("roses", ".", True),
        ("caf\u00e9", "cafe\u0301", True),
    ],
)
def test_a_folder_includes_its_subfolders(folder: str, wanted: str, within: bool) -> None:
    assert is_within(folder, wanted) is within


def test_a_file_lies_in_a_folder_and_has_a_suffix() -> None:
    assert place("a/b/c.JPG") == ("a/b", ".jpg")
    assert place("c") == ("", "")
    assert suffix_key("JPG") == suffix_key(".jpg") == ".jpg"


def test_values_of_one_field_are_alternatives_under_its_standard_name() -> None:
    found = by_name([("Tags", "Red"), ("keyword", "dark  RED"), ("Place", "Lyon")])

    assert found == {"keywords": {"red", "dark red"}, "place": {"lyon"}}


def test_a_day_may_be_written_in_chinese() -> None:
    wanted = parse_filter(since="2024年6月1日", until=" 2024年6月30日 ")

    assert (wanted.since, wanted.until) == (date(2024, 6, 1), date(2024, 6, 30))


@pytest.mark.parametrize("day", ["2024年6月", "2024年2月30日", "2024-06-01T12:00:00", "六月一日"])
def test_what_is_no_single_day_is_refused(day: str) -> None:
    with pytest.raises(InvalidQueryError, match="is no day"):
        parse_filter(since=day)
